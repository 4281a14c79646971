//! The numbers of an array of NumPy as the file that `numpy.save` would write, read where they lie.

use std::fmt;
use std::io::{self, ErrorKind};

use histogen::numpy::Source;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;

/// A header and, after it, the bytes of an array. The array is kept, not copied.
pub(crate) struct ArrayBytes {
    header: Vec<u8>,
    numbers: Py<PyArray1<u8>>,
    /// How many bytes the array has.
    length: usize,
}

impl ArrayBytes {
    pub(crate) fn new(header: Vec<u8>, numbers: &Bound<'_, PyArray1<u8>>) -> Self {
        Self {
            header,
            numbers: numbers.clone().unbind(),
            length: numbers.len(),
        }
    }
}

impl fmt::Debug for ArrayBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an array of {} bytes", self.length)
    }
}

impl Source for ArrayBytes {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let before = self.header.get(offset..).unwrap_or_default();
        let (first, rest) = bytes.split_at_mut(before.len().min(bytes.len()));
        first.copy_from_slice(&before[..first.len()]);
        if rest.is_empty() {
            return Ok(());
        }
        let start = (offset + first.len()) - self.header.len();
        Python::attach(|py| {
            let numbers = self.numbers.bind(py).try_readonly().map_err(|_| {
                io::Error::other("the array is written to: wait for one or the other")
            })?;
            let numbers = numbers.as_slice().map_err(io::Error::other)?;
            let numbers = numbers.get(start..start + rest.len());
            rest.copy_from_slice(numbers.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        Ok((self.header.len() + self.length) as u64)
    }
}
