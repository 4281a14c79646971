//! TIFF files that are put together entry by entry, right and wrong ones.

use std::collections::BTreeMap;

/// A TIFF file of one directory, least significant byte first.
pub(crate) struct Tiff {
    entries: BTreeMap<u16, Entry>,
    pixels: Vec<u8>,
    /// Where the next directory is said to be.
    pub(crate) next: u32,
}

struct Entry {
    kind: u16,
    count: u32,
    values: Vec<u8>,
}

impl Tiff {
    /// An image of 8-bit RGB in one strip.
    pub(crate) fn rgb(width: u32, height: u32, pixels: &[u8]) -> Self {
        let mut tiff = Self {
            entries: BTreeMap::new(),
            pixels: pixels.to_vec(),
            next: 0,
        };
        let numbers = [
            (256, width),
            (257, height),
            (258, 8),
            (259, 1),
            (262, 2),
            (273, 8),
            (277, 3),
            (278, height),
            (279, pixels.len() as u32),
        ];
        for (tag, number) in numbers {
            tiff.set(tag, &[number]);
        }
        tiff
    }

    /// Sets entry `tag` to numbers of 32 bits.
    pub(crate) fn set(&mut self, tag: u16, numbers: &[u32]) {
        let values = numbers.iter().flat_map(|number| number.to_le_bytes());
        let entry = Entry {
            kind: 4,
            count: numbers.len() as u32,
            values: values.collect(),
        };
        self.entries.insert(tag, entry);
    }

    /// Sets entry `tag` to a text.
    pub(crate) fn set_text(&mut self, tag: u16, text: &str) {
        let values: Vec<u8> = text.bytes().chain([0]).collect();
        let count = values.len() as u32;
        self.entries.insert(
            tag,
            Entry {
                kind: 2,
                count,
                values,
            },
        );
    }

    /// Lets entry `tag` say that it has `count` values.
    pub(crate) fn claim(&mut self, tag: u16, count: u32) {
        self.entries.get_mut(&tag).expect("an entry").count = count;
    }

    /// Leaves entry `tag` out.
    pub(crate) fn remove(&mut self, tag: u16) {
        self.entries.remove(&tag);
    }

    /// The file: header, pixels from byte 8 on, long values, the directory.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut file = b"II\x2A\0\0\0\0\0".to_vec();
        file.extend(&self.pixels);
        let mut directory = (self.entries.len() as u16).to_le_bytes().to_vec();
        for (tag, entry) in &self.entries {
            directory.extend(tag.to_le_bytes());
            directory.extend(entry.kind.to_le_bytes());
            directory.extend(entry.count.to_le_bytes());
            let mut value = entry.values.clone();
            if value.len() > 4 {
                value = (file.len() as u32).to_le_bytes().to_vec();
                file.extend(&entry.values);
            }
            value.resize(4, 0);
            directory.extend(value);
        }
        directory.extend(self.next.to_le_bytes());
        let place = file.len() as u32;
        file[4..8].copy_from_slice(&place.to_le_bytes());
        file.extend(directory);
        file
    }
}
