//! Where a matrix of features lies in a file: `.npy` as `numpy.save` writes it, or safetensors.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use npyz::{NpyHeader, Order};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

/// The tensor of a safetensors file that is taken if there are several.
const TENSOR: &str = "features";
/// Bytes of a safetensors file that say how long its header is.
const LENGTH: u64 = 8;

/// A matrix of numbers in a file, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The byte of the file that its numbers start at.
    pub(super) start: u64,
    pub(super) number: Number,
}

/// A number in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    /// Its bytes.
    pub(super) size: usize,
    /// What they mean, rounded to f32.
    pub(super) read: fn(&[u8]) -> f32,
}

const F32: Number = Number {
    size: 4,
    read: |bytes| f32::from_le_bytes(four(bytes)),
};
const F64: Number = Number {
    size: 8,
    read: |bytes| f64::from_le_bytes(eight(bytes)) as f32,
};
const F32_BIG_ENDIAN: Number = Number {
    size: 4,
    read: |bytes| f32::from_be_bytes(four(bytes)),
};
const F64_BIG_ENDIAN: Number = Number {
    size: 8,
    read: |bytes| f64::from_be_bytes(eight(bytes)) as f32,
};

/// The matrix of an `.npy` file of `length` bytes, or what is wrong with it.
pub(super) fn numpy(file: &mut BufReader<&File>, length: u64) -> Result<Layout, String> {
    let header =
        NpyHeader::from_reader(&mut *file).map_err(|error| format!("it has no header: {error}"))?;
    let &[rows, columns] = header.shape() else {
        return Err(dimensions(header.shape()));
    };
    if header.order() != Order::C {
        return Err("its columns come first (Fortran order)".into());
    }
    let kind = header.dtype().descr();
    let number = match kind.trim_matches('\'') {
        "<f4" => F32,
        "<f8" => F64,
        ">f4" => F32_BIG_ENDIAN,
        ">f8" => F64_BIG_ENDIAN,
        _ => return Err(format!("it holds numbers of type {kind}, not f32 or f64")),
    };
    let start = file.stream_position().map_err(|error| error.to_string())?;
    let lengths = [columns, number.size as u64];
    let wanted = lengths.into_iter().try_fold(rows, u64::checked_mul);
    let found = length.saturating_sub(start);
    if wanted != Some(found) {
        return Err(format!(
            "it is cut short or too long: {found} bytes of numbers for shape [{rows}, {columns}]"
        ));
    }
    Ok(Layout {
        rows: rows as usize,
        columns: columns as usize,
        start,
        number,
    })
}

/// The matrix of a safetensors file of `length` bytes, or what is wrong with it.
pub(super) fn safetensors(file: &mut BufReader<&File>, length: u64) -> Result<Layout, String> {
    let no_header = |error: &dyn std::fmt::Display| format!("it has no header: {error}");
    let mut bytes = [0; LENGTH as usize];
    file.read_exact(&mut bytes)
        .map_err(|error| no_header(&error))?;
    let header = u64::from_le_bytes(bytes);
    let start = header.checked_add(LENGTH).filter(|start| *start <= length);
    let start = start.ok_or_else(|| no_header(&"the file is shorter than it says"))?;
    let mut bytes = vec![0; header as usize];
    file.read_exact(&mut bytes)
        .map_err(|error| no_header(&error))?;
    let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|error| no_header(&error))?;
    let (wanted, found) = (metadata.data_len() as u64, length - start);
    if wanted != found {
        return Err(format!(
            "it is cut short or too long: {found} bytes of numbers for tensors of {wanted}"
        ));
    }
    let names = metadata.offset_keys();
    let name = match names.as_slice() {
        [only] => only,
        _ => TENSOR,
    };
    let tensor = metadata.info(name).ok_or_else(|| {
        format!(
            "it holds {} tensors, and none is called `{TENSOR}`",
            names.len()
        )
    })?;
    let &[rows, columns] = tensor.shape.as_slice() else {
        return Err(dimensions(&tensor.shape));
    };
    let number = match tensor.dtype {
        Dtype::F32 => F32,
        Dtype::F64 => F64,
        kind => return Err(format!("it holds numbers of type {kind:?}, not F32 or F64")),
    };
    Ok(Layout {
        rows,
        columns,
        start: start + tensor.data_offsets.0 as u64,
        number,
    })
}

fn dimensions(shape: &[impl std::fmt::Debug]) -> String {
    let count = shape.len();
    format!("it has {count} dimensions, {shape:?}, not two")
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.try_into().expect("the size of an f32")
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().expect("the size of an f64")
}
