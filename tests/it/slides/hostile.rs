//! Files that are cut short, have flipped bits, or promise more than there is: an error in words, no panic, no memory.

use std::fs;
use std::io::Write;

use histogen::error::Result;
use histogen::random::Random;
use histogen::slides;

use super::{Tiff, golden};

/// Changed files that are read.
const TRIES: u64 = 10_000;
/// What makes a file a wrong one.
type Change<'a> = &'a dyn Fn(&mut Tiff);

/// Pixels of a level that are read, along a side.
const SIDE: u64 = 128;

/// Reads the upper left of each level of a file of these bytes, if it opens. (A new file each time: to write over one waits for
/// the disk.)
fn read_all(bytes: &[u8]) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(bytes)?;
    let slide = slides::open(file.path())?;
    for (level, of) in slide.levels().iter().enumerate() {
        let (width, height) = (of.width.min(SIDE) as u32, of.height.min(SIDE) as u32);
        slide.region(level, 0, 0, width, height)?;
    }
    Ok(())
}

#[test]
fn changed_files_are_read_or_refused_in_words() {
    let mut files: Vec<Vec<u8>> = fs::read_dir(golden(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|kind| kind == "tif" || kind == "svs")
        })
        .map(|path| fs::read(path).unwrap())
        .collect();
    files.sort();
    assert!(files.len() > 40);
    let mut refused = 0;
    for number in 0..TRIES {
        let mut random = Random::new(0).at(number).stream("changed files");
        let mut bytes = files[number as usize % files.len()].clone();
        // The beginning, where headers are, the end, where directories often are, or anywhere.
        let length = bytes.len();
        for _ in 0..random.below(8) {
            let place = match random.below(3) {
                0 => random.below(length.min(64)),
                1 => length - 1 - random.below(length.min(600)),
                _ => random.below(length),
            };
            match random.below(3) {
                0 => bytes[place] = [0, 1, 127, 128, 255][random.below(5)],
                1 => bytes[place] ^= 1 << random.below(8),
                _ => bytes[place] = random.below(256) as u8,
            }
        }
        if random.below(4) == 0 {
            bytes.truncate(random.below(length));
        }
        if let Err(error) = read_all(&bytes) {
            let said = format!("{error:#}");
            assert!(said.len() > 10, "file {number}: {said}");
            refused += 1;
        }
    }
    // Some changes hurt, some do not.
    assert!((TRIES / 4..TRIES).contains(&refused), "{refused}");
}

#[test]
fn every_length_of_a_file_is_read_or_refused() {
    for name in ["jpeg_tables.tif", "bigtiff.tif", "palette.tif"] {
        let bytes = fs::read(golden(name)).unwrap();
        for length in (0..bytes.len()).rev() {
            let read = read_all(&bytes[..length]);
            assert!(
                read.is_err() || length > bytes.len() / 2,
                "{name}: {length} bytes"
            );
        }
    }
}

#[test]
fn what_a_file_cannot_hold_is_refused_before_it_is_allocated() {
    let said = |change: &dyn Fn(&mut Tiff)| {
        let mut tiff = Tiff::rgb(4, 4, &[9; 48]);
        change(&mut tiff);
        format!("{:#}", read_all(&tiff.bytes()).unwrap_err())
    };
    let most = u32::MAX;
    let tiles = |tiff: &mut Tiff, side: u32, tile: u32| {
        for tag in [273, 278, 279] {
            tiff.remove(tag);
        }
        for (tag, number) in [
            (256, side),
            (257, side),
            (322, tile),
            (323, tile),
            (324, 8),
            (325, 48),
        ] {
            tiff.set(tag, &[number]);
        }
    };
    let cases: [(&str, Change); 11] = [
        ("strip 0 of level 0: it has 47 bytes of 48", &|tiff| {
            tiff.set(279, &[47]);
        }),
        (
            "4294967295 x 4 pixels are packed as one strip, which takes 49151 MiB to decode; at most 1024 are",
            &|tiff| tiff.set(256, &[most]),
        ),
        (
            "1073741824 strips are needed for 4 x 4294967295 pixels, 1 are listed",
            &|tiff| tiff.set(257, &[most]),
        ),
        (
            "4294967296 tiles are needed for 4294967295 x 4294967295 pixels, 1 are listed",
            &|tiff| tiles(tiff, most, 65536),
        ),
        (
            "65536 x 65536 pixels are packed as one tile, which takes 12288 MiB to decode; at most 1024 are",
            &|tiff| tiles(tiff, 65536, 65536),
        ),
        (
            "strip 0 of level 0: 48 bytes at 4294967295 are beyond the end of the file, which has 170",
            &|tiff| tiff.set(273, &[most]),
        ),
        (
            "entry 347: 65536 bytes at 56 are beyond the end of the file, which has 190",
            &|tiff| {
                tiff.set(259, &[7]);
                tiff.set(347, &[1, 2]);
                tiff.claim(347, most);
            },
        ),
        (
            "entry 270: 65536 bytes at 56 are beyond the end of the file, which has 199",
            &|tiff| {
                tiff.set_text(270, "Aperio and so on");
                tiff.claim(270, most);
            },
        ),
        (
            "entry 330: 4000 bytes at 56 are beyond the end of the file, which has 190",
            &|tiff| {
                tiff.set(330, &[8, 8]);
                tiff.claim(330, most);
            },
        ),
        (
            "it is no whole TIFF file: the directory at 56 comes twice: they form a loop",
            &|tiff| tiff.next = 56,
        ),
        ("4294967295 samples a pixel", &|tiff| tiff.set(277, &[most])),
    ];
    for (right, change) in cases {
        assert_eq!(said(change), right);
    }
}
