//! A matrix of features in a safetensors file.

use std::fs::File;
use std::io::{BufReader, Read};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::numpy::{Array, Number};

/// The tensor of a file that is taken if there are several.
const TENSOR: &str = "features";
/// Bytes of a file that say how long its header is.
const LENGTH: u64 = 8;

/// The matrix in `file`, or what is wrong with it.
pub(super) fn matrix(file: File) -> Result<Array, String> {
    let no_header = |error: &dyn std::fmt::Display| format!("it has no header: {error}");
    let length = file.metadata().map_err(|error| no_header(&error))?.len();
    let mut reader = BufReader::new(&file);
    let mut bytes = [0; LENGTH as usize];
    reader
        .read_exact(&mut bytes)
        .map_err(|error| no_header(&error))?;
    let header = u64::from_le_bytes(bytes);
    let start = header.checked_add(LENGTH).filter(|start| *start <= length);
    let start = start.ok_or_else(|| no_header(&"the file is shorter than it says"))?;
    let mut bytes = vec![0; header as usize];
    reader
        .read_exact(&mut bytes)
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
        let (count, shape) = (tensor.shape.len(), &tensor.shape);
        return Err(format!("it has {count} dimensions, {shape:?}, not two"));
    };
    let number = match tensor.dtype {
        Dtype::F16 => Number::F16,
        Dtype::BF16 => Number::BF16,
        Dtype::F32 => Number::F32,
        Dtype::F64 => Number::F64,
        kind => {
            return Err(format!(
                "it holds numbers of type {kind:?}, not floating-point ones"
            ));
        }
    };
    let start = start + tensor.data_offsets.0 as u64;
    drop(reader);
    Ok(Array::matrix(file, start, [rows, columns], number))
}
