//! `patches.npy`: bytes of shape n x size x size x 3, as `numpy.save` writes them; written patch by patch.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use npyz::{DType, NpyHeader, Order, WriteOptions, WriterBuilder};

/// `numpy.uint8`.
fn byte() -> DType {
    DType::Plain("|u1".parse().expect("the name NumPy gives a byte"))
}

/// Count and size of the patches in `file` and where their pixels start, or what is wrong with it.
pub(super) fn shape(mut file: impl Read + Seek) -> Result<(usize, usize, u64), String> {
    let header =
        NpyHeader::from_reader(&mut file).map_err(|error| format!("has no header: {error}"))?;
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let start = file.stream_position().map_err(unreadable)?;
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)? - start;
    let shape = header.shape();
    let &[count, height, width, 3] = shape else {
        return Err(format!("has shape {shape:?}, not n x size x size x 3"));
    };
    if height != width || header.dtype() != byte() || header.order() != Order::C {
        return Err(format!(
            "holds {} of shape {shape:?}, not bytes in C order of shape n x size x size x 3",
            header.dtype().descr()
        ));
    }
    let wanted = [height, width, 3]
        .into_iter()
        .try_fold(count, u64::checked_mul);
    if wanted != Some(length) {
        return Err(format!(
            "is cut short or too long: {length} bytes of pixels for shape {shape:?}"
        ));
    }
    Ok((count as usize, height as usize, start))
}

/// Writes the file patch by patch.
pub(super) struct PatchesWriter(BufWriter<File>);

impl PatchesWriter {
    /// Starts a new file at `path`; exactly `count` patches of `size` x `size` pixels must follow.
    pub(super) fn create(path: &Path, count: usize, size: usize) -> io::Result<Self> {
        let writer = WriteOptions::new_header_only()
            .dtype(byte())
            .shape(&[count, size, size, 3].map(|length| length as u64))
            .writer(BufWriter::new(File::create_new(path)?))
            .write_header_only()?;
        Ok(Self(writer))
    }

    /// Adds a patch: size x size x 3 bytes.
    pub(super) fn push(&mut self, patch: &[u8]) -> io::Result<()> {
        self.0.write_all(patch)
    }

    /// Brings all of it to the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;

    use super::*;

    fn written(count: usize, patches: &[[u8; 12]]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patches.npy");
        let mut writer = PatchesWriter::create(&path, count, 2).unwrap();
        for patch in patches {
            writer.push(patch).unwrap();
        }
        writer.finish().unwrap();
        fs::read(path).unwrap()
    }

    #[test]
    fn numpy_finds_its_header_and_the_patches_in_order() {
        let file = written(2, &[[1; 12], [2; 12]]);
        assert!(file.starts_with(b"\x93NUMPY\x01\x00"));
        let header = String::from_utf8_lossy(&file[10..128]).into_owned();
        assert!(header.contains("'descr': '|u1'"), "{header}");
        assert!(header.contains("'fortran_order': False"), "{header}");
        assert!(header.contains("(2, 2, 2, 3, )"), "{header}");
        let (count, size, start) = shape(Cursor::new(&file)).unwrap();
        assert_eq!((count, size, start % 64), (2, 2, 0));
        assert_eq!(file[start as usize..], [[1; 12], [2; 12]].concat());
    }

    #[test]
    fn what_is_no_array_of_patches_is_refused() {
        let file = written(2, &[[1; 12], [2; 12]]);
        assert_eq!(
            shape(Cursor::new(&file[..file.len() - 5])).unwrap_err(),
            "is cut short or too long: 19 bytes of pixels for shape [2, 2, 2, 3]"
        );
        assert!(
            shape(Cursor::new(b"PNG"))
                .unwrap_err()
                .starts_with("has no header: ")
        );
        let text = |from: &[u8], to: &[u8]| {
            let mut file = file.clone();
            let at = file
                .windows(from.len())
                .position(|bytes| bytes == from)
                .unwrap();
            file[at..at + to.len()].copy_from_slice(to);
            shape(Cursor::new(&file)).unwrap_err()
        };
        assert_eq!(
            text(b"2, 2, 2, 3", b"2, 2, 3, 2"),
            "has shape [2, 2, 3, 2], not n x size x size x 3"
        );
        assert_eq!(
            text(b"|u1", b"|i1"),
            "holds '|i1' of shape [2, 2, 2, 3], not bytes in C order of shape n x size x size x 3"
        );
    }
}
