//! Images in an `.npy` file: bytes of shape n x size x size x channels, as `numpy.save` writes them; written image by image.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use npyz::{DType, NpyHeader, Order, WriteOptions, WriterBuilder};

use crate::error::refuse;
use crate::files::read_exact_at;
use crate::images::{GREY, Pixels, RGB};

/// `numpy.uint8`.
fn byte() -> DType {
    DType::Plain("|u1".parse().expect("the name NumPy gives a byte"))
}

/// Images in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) count: usize,
    pub(super) size: usize,
    /// 3, or 1: also where the file has no dimension for it.
    pub(super) channels: usize,
    /// The byte of the file that the pixels start at.
    pub(super) start: u64,
}

/// What images are in `file`, or what is wrong with it.
pub(super) fn shape(mut file: impl Read + Seek) -> Result<Shape, String> {
    let header =
        NpyHeader::from_reader(&mut file).map_err(|error| format!("has no header: {error}"))?;
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let start = file.stream_position().map_err(unreadable)?;
    let length = file.seek(SeekFrom::End(0)).map_err(unreadable)? - start;
    let shape = header.shape();
    let (count, height, width, channels) = match *shape {
        [count, height, width, channels @ (1 | 3)] => (count, height, width, channels),
        [count, height, width] => (count, height, width, 1),
        _ => {
            return Err(format!(
                "has shape {shape:?}, not n x size x size x {RGB} (or {GREY})"
            ));
        }
    };
    if height != width || header.dtype() != byte() || header.order() != Order::C {
        return Err(format!(
            "holds {} of shape {shape:?}, not bytes in C order of shape n x size x size x {RGB} (or {GREY})",
            header.dtype().descr()
        ));
    }
    let wanted = [height, width, channels]
        .into_iter()
        .try_fold(count, u64::checked_mul);
    if wanted != Some(length) {
        return Err(format!(
            "is cut short or too long: {length} bytes of pixels for shape {shape:?}"
        ));
    }
    Ok(Shape {
        count: count as usize,
        size: height as usize,
        channels: channels as usize,
        start,
    })
}

/// Images in an `.npy` file that stays open: read as they are asked for, by several threads at once.
#[derive(Debug)]
pub(super) struct ImageFile {
    path: PathBuf,
    file: File,
    pub(super) shape: Shape,
}

impl ImageFile {
    /// Opens the file at `path`, or says what is wrong with it.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| format!("cannot be read: {error}"))?;
        Ok(Self {
            shape: shape(BufReader::new(&file))?,
            file,
            path: path.to_owned(),
        })
    }

    /// Writes the whole file, header and all, to `target`.
    pub(super) fn copy_to(&self, target: &mut impl Write) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        io::copy(&mut BufReader::with_capacity(1 << 16, file), target)?;
        Ok(())
    }

    /// The images at `indices`, in that order; each must be below the count.
    ///
    /// # Errors
    /// If the file, which was whole when it was opened, is no longer as long or cannot be read any more.
    pub(super) fn read(&self, indices: &[usize]) -> crate::error::Result<Pixels> {
        let Shape {
            size,
            channels,
            start,
            ..
        } = self.shape;
        let length = size * size * channels;
        let mut bytes = vec![0; indices.len() * length];
        for (&index, image) in indices.iter().zip(bytes.chunks_exact_mut(length.max(1))) {
            let offset = start + (index * length) as u64;
            read_exact_at(&self.file, image, offset).map_err(|error| self.gone(&error))?;
        }
        Ok(Pixels::new(indices.len(), size, channels, bytes))
    }

    fn gone(&self, error: &io::Error) -> anyhow::Error {
        let path = self.path.display();
        let what = match error.kind() {
            ErrorKind::UnexpectedEof => format!("`{path}` was cut short while it was in use"),
            _ => format!("`{path}` cannot be read any more: {error}"),
        };
        refuse(
            what,
            "put the file back, or delete its folder to have the store built again, and repeat the command: runs go on \
             from their last checkpoint",
        )
    }
}

/// Writes images one after the other.
pub(super) struct ImagesWriter<W: Write>(W);

impl<W: Write> ImagesWriter<W> {
    /// Starts a file; exactly `count` images of `size` x `size` x `channels` must follow.
    pub(super) fn new(writer: W, count: usize, size: usize, channels: usize) -> io::Result<Self> {
        let writer = WriteOptions::new_header_only()
            .dtype(byte())
            .shape(&[count, size, size, channels].map(|length| length as u64))
            .writer(writer)
            .write_header_only()?;
        Ok(Self(writer))
    }

    /// Adds one image or several: size x size x channels bytes each.
    pub(super) fn push(&mut self, images: &[u8]) -> io::Result<()> {
        self.0.write_all(images)
    }

    /// Brings all of it to the file.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn written(count: usize, channels: usize, images: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = ImagesWriter::new(&mut file, count, 2, channels).unwrap();
        for image in images {
            writer.push(image).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    #[test]
    fn numpy_finds_its_header_and_the_patches_in_order() {
        let file = written(2, 3, &[&[1; 12], &[2; 12]]);
        assert!(file.starts_with(b"\x93NUMPY\x01\x00"));
        let header = String::from_utf8_lossy(&file[10..128]).into_owned();
        assert!(header.contains("'descr': '|u1'"), "{header}");
        assert!(header.contains("'fortran_order': False"), "{header}");
        assert!(header.contains("(2, 2, 2, 3, )"), "{header}");
        let found = shape(Cursor::new(&file)).unwrap();
        assert_eq!((found.count, found.size, found.channels), (2, 2, 3));
        assert_eq!(found.start % 64, 0);
        assert_eq!(file[found.start as usize..], [[1; 12], [2; 12]].concat());
    }

    #[test]
    fn grey_images_have_one_channel_or_no_dimension_for_it() {
        let file = written(2, 1, &[&[1; 4], &[2; 4]]);
        let found = shape(Cursor::new(&file)).unwrap();
        assert_eq!((found.count, found.size, found.channels), (2, 2, 1));
        let header = String::from_utf8_lossy(&file[10..128]).into_owned();
        assert!(header.contains("(2, 2, 2, 1, )"), "{header}");
        let mut plain = file;
        let place = plain.windows(4).position(|bytes| bytes == b", 1,").unwrap();
        plain[place..place + 4].copy_from_slice(b",   ");
        assert_eq!(shape(Cursor::new(&plain)).unwrap(), found);
    }

    #[test]
    fn what_is_no_array_of_patches_is_refused() {
        let file = written(2, 3, &[&[1; 12], &[2; 12]]);
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
            "has shape [2, 2, 3, 2], not n x size x size x 3 (or 1)"
        );
        assert_eq!(
            text(b"|u1", b"|i1"),
            "holds '|i1' of shape [2, 2, 2, 3], not bytes in C order of shape n x size x size x 3 (or 1)"
        );
    }
}
