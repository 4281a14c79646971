//! Arrays as NumPy writes them: `.npy` files of format 1, 2 or 3 (`numpy.lib.format`), and `.npz` archives of them.
//!
//! Numbers are read a part at a time from wherever they lie, so an array is never in memory as a whole; a deflated member of an
//! archive is first unpacked into a file without a name. Nothing that Python would have to execute is read.

mod archive;
mod content;
mod write;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};

use crate::files::read_exact_at;

pub use archive::{Archive, Member};
pub use content::{Content, Found, STATISTICS, is_array_file, look};
pub use write::ArchiveWriter;

/// Bytes that are converted at a time: a multiple of every number's.
const CHUNK: usize = 1 << 16;

/// What an array is, as its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its lengths, from the outermost on.
    pub shape: Vec<usize>,
    /// Whether the first place moves fastest (Fortran order); the last one does otherwise.
    pub is_fortran: bool,
    /// The type of its entries as NumPy calls it: `<f4`.
    pub kind: String,
}

impl Header {
    /// The header that `reader` begins with, and what is wrong with it otherwise.
    fn read(reader: impl Read) -> Result<(Self, Result<Number, String>), String> {
        let header = NpyHeader::from_reader(reader)
            .map_err(|error| format!("it has no header of an array: {error}"))?;
        let kind = header.dtype().descr();
        let found = Self {
            shape: header
                .shape()
                .iter()
                .map(|&length| length as usize)
                .collect(),
            is_fortran: header.order() == Order::Fortran,
            kind: kind.trim_matches('\'').to_owned(),
        };
        let number = Number::of(&header.dtype()).ok_or_else(|| match &header.dtype() {
            DType::Plain(kind) if kind.uses_pickled_array() => {
                "it holds Python objects (pickled), which are not read".to_owned()
            }
            _ => format!("it holds entries of type {kind}, not numbers"),
        });
        Ok((found, number))
    }

    /// How many entries an array of this shape has; none if that is beyond any file.
    fn entries(&self) -> Option<usize> {
        self.shape.iter().copied().try_fold(1, usize::checked_mul)
    }
}

/// A number in a file.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Its bytes.
    size: usize,
    /// Appends what bytes mean; integers beyond 2^53 are rounded.
    append_f64: fn(&[u8], &mut Vec<f64>),
    /// The same, rounded to f32.
    append_f32: fn(&[u8], &mut Vec<f32>),
}

/// A number that the numbers of a file become.
pub trait Entry: Copy + Default {
    /// Appends what `bytes`, numbers of a file, mean.
    fn append(number: Number, bytes: &[u8], values: &mut Vec<Self>);
}

impl Entry for f64 {
    fn append(number: Number, bytes: &[u8], values: &mut Vec<Self>) {
        (number.append_f64)(bytes, values);
    }
}

impl Entry for f32 {
    fn append(number: Number, bytes: &[u8], values: &mut Vec<Self>) {
        (number.append_f32)(bytes, values);
    }
}

/// A number of the given type, in little or big endian. A loop over numbers is compiled for each.
macro_rules! number {
    ($type:ty, $widen:expr) => {
        number!(@each $type, $widen, from_le_bytes, from_be_bytes)
    };
    (@each $type:ty, $widen:expr, $($read:ident),*) => {
        [$(Number {
            size: size_of::<$type>(),
            append_f64: |bytes, values| {
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                values.extend(numbers.iter().map(|&number| $widen(<$type>::$read(number))));
            },
            append_f32: |bytes, values| {
                let (numbers, _) = bytes.as_chunks::<{ size_of::<$type>() }>();
                let wide = numbers.iter().map(|&number| $widen(<$type>::$read(number)));
                values.extend(wide.map(|number: f64| number as f32));
            },
        }),*]
    };
}

impl Number {
    /// IEEE half precision, little endian.
    pub const F16: Self = number!(f16, f16::to_f64)[0];
    /// The upper half of an f32, little endian.
    pub const BF16: Self = number!(bf16, bf16::to_f64)[0];
    /// Single precision, little endian.
    pub const F32: Self = number!(f32, f64::from)[0];
    /// Double precision, little endian.
    pub const F64: Self = number!(f64, f64::from)[0];
    /// A byte.
    const U8: Self = number!(u8, f64::from)[0];

    /// The number that a type of NumPy is; none for text, dates, objects, records and complex numbers.
    fn of(kind: &DType) -> Option<Self> {
        let DType::Plain(kind) = kind else {
            return None;
        };
        let either = match (kind.type_char(), kind.size_field()) {
            (TypeChar::Float, 2) => number!(f16, f16::to_f64),
            (TypeChar::Float, 4) => number!(f32, f64::from),
            (TypeChar::Float, 8) => number!(f64, f64::from),
            (TypeChar::Int, 1) => number!(i8, f64::from),
            (TypeChar::Int, 2) => number!(i16, f64::from),
            (TypeChar::Int, 4) => number!(i32, f64::from),
            (TypeChar::Int, 8) => number!(i64, |value| value as f64),
            (TypeChar::Uint | TypeChar::Bool, 1) => [Self::U8; 2],
            (TypeChar::Uint, 2) => number!(u16, f64::from),
            (TypeChar::Uint, 4) => number!(u32, f64::from),
            (TypeChar::Uint, 8) => number!(u64, |value| value as f64),
            _ => return None,
        };
        Some(either[usize::from(kind.endianness() == Endianness::Big)])
    }
}

/// The bytes that an array lies in: a file that stays open, or memory of whoever calls.
pub trait Source: Debug + Send + Sync {
    /// Fills `bytes` with those from `offset` on.
    ///
    /// # Errors
    /// They cannot be read, or there are not as many.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// How many there are.
    ///
    /// # Errors
    /// That cannot be read.
    fn length(&self) -> io::Result<u64>;
}

impl Source for File {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        read_exact_at(self, bytes, offset)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl Source for Vec<u8> {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = self.get(start..).and_then(|rest| rest.get(..bytes.len()));
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// Reads a source from a byte on.
#[derive(Debug)]
pub struct SourceReader<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl<'a> SourceReader<'a> {
    /// From byte `at`.
    pub fn new(source: &'a dyn Source, at: u64) -> Self {
        Self { source, at }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let left = self.source.length()?.saturating_sub(self.at);
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_exact_at(&mut bytes[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// An array of numbers in a source.
#[derive(Clone, Debug)]
pub struct Array {
    /// What its header says.
    pub header: Header,
    number: Number,
    source: Arc<dyn Source>,
    /// The byte of the source that its numbers start at.
    start: u64,
}

impl Array {
    /// Opens the `.npy` file at `path`, or says what is wrong with it.
    ///
    /// # Errors
    /// It cannot be read, is cut short, or holds no numbers.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        Self::of(Arc::new(file))
    }

    /// The array of a source that holds what a `.npy` file does.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(source: Arc<dyn Source>) -> Result<Self, String> {
        let length = source.length().map_err(|error| unreadable(&error))?;
        Self::within(source, 0, length)
    }

    /// The array whose header stands at byte `from` of a source, the last of its `length` bytes being its last number's.
    fn within(source: Arc<dyn Source>, from: u64, length: u64) -> Result<Self, String> {
        let mut reader = SourceReader::new(source.as_ref(), from);
        let (header, number) = Header::read(&mut reader)?;
        let start = reader.at;
        let array = Self {
            header,
            number: number?,
            source,
            start,
        };
        array.check_length((from + length).saturating_sub(start))?;
        Ok(array)
    }

    /// A matrix of `rows` x `columns` numbers, row by row from byte `start` of `file`, in a file of another format.
    pub fn matrix(file: File, start: u64, [rows, columns]: [usize; 2], number: Number) -> Self {
        let header = Header {
            shape: vec![rows, columns],
            is_fortran: false,
            kind: String::new(),
        };
        Self {
            header,
            number,
            source: Arc::new(file),
            start,
        }
    }

    fn check_length(&self, found: u64) -> Result<(), String> {
        let entries = self.header.entries();
        let wanted =
            entries.and_then(|entries| (entries as u64).checked_mul(self.number.size as u64));
        if wanted == Some(found) {
            return Ok(());
        }
        Err(format!(
            "it is cut short or too long: {found} bytes of numbers for shape {:?}",
            self.header.shape
        ))
    }

    /// Whether its numbers are bytes: `numpy.uint8`.
    pub fn is_bytes(&self) -> bool {
        self.header.kind == "|u1"
    }

    /// Fills `bytes` with those of its numbers from byte `offset` on, in the order of the source.
    ///
    /// # Errors
    /// The source, which was whole when it was opened, is no longer as long or cannot be read any more.
    pub fn bytes(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.source.read_exact_at(bytes, self.start + offset)
    }

    /// Appends its numbers at `range`, in the order of the file.
    fn append<T: Entry>(&self, range: Range<usize>, values: &mut Vec<T>) -> io::Result<()> {
        let size = self.number.size;
        let mut offset = (range.start * size) as u64;
        let mut left = range.len() * size;
        let mut chunk = vec![0; CHUNK.min(left)];
        while left > 0 {
            let chunk = &mut chunk[..CHUNK.min(left)];
            self.bytes(chunk, offset)?;
            offset += chunk.len() as u64;
            T::append(self.number, chunk, values);
            left -= chunk.len();
        }
        Ok(())
    }

    /// Appends the rows of a matrix at `range`, row by row whatever the order in the file.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    ///
    /// # Panics
    /// If it is no matrix.
    pub fn rows<T: Entry>(&self, range: Range<usize>, values: &mut Vec<T>) -> io::Result<()> {
        let &[rows, columns] = self.header.shape.as_slice() else {
            panic!("a matrix has two dimensions, not {:?}", self.header.shape);
        };
        if !self.header.is_fortran {
            return self.append(range.start * columns..range.end * columns, values);
        }
        if range.is_empty() {
            return Ok(());
        }
        let first = values.len();
        values.resize(first + range.len() * columns, T::default());
        let mut column = Vec::with_capacity(range.len());
        for place in 0..columns {
            column.clear();
            let from = place * rows;
            self.append(from + range.start..from + range.end, &mut column)?;
            let targets = values[first + place..].iter_mut().step_by(columns);
            targets
                .zip(&column)
                .for_each(|(target, &value)| *target = value);
        }
        Ok(())
    }

    /// All numbers of a vector, or of a matrix row by row.
    ///
    /// # Errors
    /// As [`Self::bytes`].
    pub fn values(&self) -> io::Result<Vec<f64>> {
        let mut values = Vec::new();
        if let [rows, _] = *self.header.shape.as_slice() {
            self.rows(0..rows, &mut values)?;
        } else {
            let count = self.header.entries().unwrap_or(0);
            self.append(0..count, &mut values)?;
        }
        Ok(values)
    }
}

fn unreadable(error: &io::Error) -> String {
    format!("it cannot be read: {error}")
}

/// The bytes of an `.npy` file, for tests: an array of `kind` and `shape` with `data`, its header as NumPy writes it.
#[cfg(test)]
pub(crate) fn npy(kind: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header += &" ".repeat(length - 1 - header.len());
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((length as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

#[cfg(test)]
mod tests;
