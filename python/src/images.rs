//! Images in an array of NumPy, read where they lie.

use std::ops::Range;

use anyhow::{Context, anyhow};
use histogen::images::{ImageSource, Pixels};
use histogen::shutdown;
use numpy::{PyArray4, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// An array of `count` x `size` x `size` x `channels` bytes, contiguous. The array is kept, not copied: a block of it is, while it is
/// worked on.
pub(crate) struct ArrayImages {
    array: Py<PyArray4<u8>>,
    shape: [usize; 4],
}

impl ArrayImages {
    /// The images in `array`, whose shape the caller has checked.
    pub(crate) fn new(array: &Bound<'_, PyArray4<u8>>) -> Self {
        let shape = array.shape();
        Self {
            array: array.clone().unbind(),
            shape: [shape[0], shape[1], shape[2], shape[3]],
        }
    }
}

impl ImageSource for ArrayImages {
    fn count(&self) -> usize {
        self.shape[0]
    }

    fn size(&self) -> usize {
        self.shape[1]
    }

    fn channels(&self) -> usize {
        self.shape[3]
    }

    fn read(&self, range: Range<usize>) -> anyhow::Result<Pixels> {
        shutdown::check()?;
        let length = self.size() * self.size() * self.channels();
        let bytes = Python::attach(|py| {
            let array = self.array.bind(py).try_readonly().map_err(|_| {
                anyhow!(
                    "the array is written to while its images are read: wait for one or the other"
                )
            })?;
            let all = array.as_slice().context("the array is not contiguous")?;
            let bytes = all.get(range.start * length..range.end * length);
            anyhow::Ok(bytes.context("the array has shrunk")?.to_vec())
        })?;
        Ok(Pixels::new(
            range.len(),
            self.size(),
            self.channels(),
            bytes,
        ))
    }
}
