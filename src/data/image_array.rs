//! Images in an array of NumPy, taken as they are, for measuring.

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::{Result, refuse};
use crate::images::{GREY, ImageSource, Pixels, RGB};
use crate::numpy::{self, Array, Content};

/// Images of an `.npy` or `.npz` file, read as they are asked for: bytes, n x size x size x 3, or for grey n x size x size x 1 or
/// n x size x size.
///
/// Anything else is refused: nothing is reordered, rescaled or resized silently.
pub struct ImageArray {
    path: PathBuf,
    array: Array,
    size: usize,
    channels: usize,
    /// Which images of the file.
    indices: Vec<usize>,
}

impl ImageArray {
    /// Opens the images in the file at `path` (`FILE.npz:NAME` names an array).
    ///
    /// # Errors
    /// Refuses what cannot be read, channels that come first, numbers other than bytes, and images that are not square.
    pub fn open(path: &Path) -> Result<Self> {
        let found = numpy::look(path)?;
        let wrong = |what: String, hint: &str| {
            let message = format!(
                "the images of `{}` cannot be taken as they are: {what}",
                path.display()
            );
            Err(refuse(message, hint))
        };
        if found.content != Content::Images {
            return Err(refuse(
                format!(
                    "`{}` holds {}, not images",
                    path.display(),
                    found.content.name()
                ),
                "give bytes of shape n x height x width x 3",
            ));
        }
        let array = found.array()?;
        let shape = &array.header.shape;
        let (count, height, width, channels) = match *shape.as_slice() {
            [count, height, width, channels @ (GREY | RGB)] => (count, height, width, channels),
            [_, GREY | RGB, _, _] => {
                return wrong(
                    format!("their channels come first, shape {shape:?}"),
                    "bring them last: `images.transpose(0, 2, 3, 1)`",
                );
            }
            [count, height, width] => (count, height, width, GREY),
            _ => {
                return wrong(
                    format!("shape {shape:?} is not n x height x width x {RGB} (or {GREY})"),
                    "leave out alpha, and give RGB or grey",
                );
            }
        };
        if !array.is_bytes() {
            return wrong(
                format!(
                    "they are numbers of type {}, of which the file does not say which one is white",
                    array.header.kind
                ),
                "write them as bytes; of values from 0 to 1: `(255 * images).round().astype(numpy.uint8)`",
            );
        }
        if array.header.is_fortran {
            return wrong(
                "their pixels lie in Fortran order".to_owned(),
                "write them in C order: `numpy.ascontiguousarray(images)`",
            );
        }
        if height != width {
            return wrong(
                format!("they are {width} x {height} pixels"),
                "measure square images",
            );
        }
        Ok(Self {
            path: path.to_owned(),
            array,
            size: height,
            channels,
            indices: (0..count).collect(),
        })
    }

    /// The images at `indices` of these, in that order.
    pub fn select(self, indices: &[usize]) -> Self {
        Self {
            indices: indices.iter().map(|&index| self.indices[index]).collect(),
            ..self
        }
    }

    /// Where in the file each image lies, in their order.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl ImageSource for ImageArray {
    fn count(&self) -> usize {
        self.indices.len()
    }

    fn size(&self) -> usize {
        self.size
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn read(&self, range: Range<usize>) -> Result<Pixels> {
        let length = self.size * self.size * self.channels;
        let indices = &self.indices[range];
        let mut bytes = vec![0; indices.len() * length];
        for (&index, image) in indices.iter().zip(bytes.chunks_exact_mut(length.max(1))) {
            self.array
                .bytes(image, (index * length) as u64)
                .map_err(|error| {
                    let message =
                        format!("`{}` cannot be read any more: {error}", self.path.display());
                    refuse(message, "put the file back, and repeat the command")
                })?;
        }
        Ok(Pixels::new(indices.len(), self.size, self.channels, bytes))
    }
}
