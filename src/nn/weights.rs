//! Trained weights from a file, read strictly: PyTorch's own (`.pth`, `.pt`) or safetensors.
//!
//! A network asks for each of its tensors by name and says which shape it needs ([`Weights::take`]), and in the end that it
//! needs no more ([`Weights::finish`]). A tensor that is missing, of another shape or type, or left over is an error that
//! names the file and the tensor: no number ever comes from half a network.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use pytorch_reader::{PickleValue, PytorchError, PytorchReader};
use safetensors::SafeTensors;

use crate::digest::{Sha256Writer, sha256};
use crate::error::{Result, refuse};

/// Keys under which checkpoints keep the weights beside other things.
const NESTED: [&str; 3] = ["state_dict", "model_state_dict", "model"];
/// What to do about a file that cannot be read as weights.
const GIVE_WEIGHTS: &str = "give the path of a PyTorch (`.pth`, `.pt`) or safetensors file";
/// What to do about a file whose tensors are not those of the network.
const GIVE_NETWORK: &str =
    "give the weights of this network under their published names, in numbers of type F32";

/// The tensors of one weights file that no network took yet.
#[derive(Debug)]
pub struct Weights {
    /// The path, for messages.
    shown: String,
    hash: String,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Stored>,
    /// The whole file, if it is one of safetensors; a PyTorch file is read tensor by tensor.
    bytes: Vec<u8>,
}

/// A tensor in the file.
#[derive(Debug)]
struct Stored {
    shape: Vec<usize>,
    /// `F32`, `I64` and so on.
    kind: String,
    place: Place,
}

/// Where the numbers of a tensor are.
#[derive(Debug)]
enum Place {
    /// In the bytes of a safetensors file.
    Bytes(Range<usize>),
    /// In a PyTorch file.
    PyTorch(pytorch_reader::Tensor),
}

impl Weights {
    /// Opens the file at `path`: safetensors, or any form that `torch.save` ever wrote (archive or legacy stream), holding a
    /// state dict by itself or under the key `state_dict`, `model_state_dict` or `model`.
    ///
    /// # Errors
    /// Refuses a path that cannot be read, and a file that is neither or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let unreadable = |error: std::io::Error| {
            refuse(
                format!("cannot read the weights file `{shown}`: {error}"),
                GIVE_WEIGHTS,
            )
        };
        let mut start = Vec::new();
        let mut file = File::open(path).map_err(unreadable)?;
        file.by_ref()
            .take(9)
            .read_to_end(&mut start)
            .map_err(unreadable)?;
        // Safetensors begin with the length of their header, eight bytes, and the header with a brace.
        if start.get(8) == Some(&b'{') {
            return Self::safetensors(fs::read(path).map_err(unreadable)?, shown);
        }
        let mut digest = Sha256Writer::default();
        std::io::copy(&mut start.as_slice().chain(file), &mut digest).map_err(unreadable)?;
        let tensors = state_dict(path).map_err(|error| {
            refuse(
                format!("`{shown}` is neither a safetensors nor a PyTorch file: {error}"),
                GIVE_WEIGHTS,
            )
        })?;
        let tensors = tensors.into_iter().map(|(name, tensor)| {
            let stored = Stored {
                shape: tensor.shape().to_vec(),
                kind: format!("{:?}", tensor.dtype()),
                place: Place::PyTorch(tensor),
            };
            (name, stored)
        });
        Ok(Self {
            hash: digest.finish(),
            metadata: HashMap::new(),
            tensors: tensors.collect(),
            bytes: Vec::new(),
            shown,
        })
    }

    fn safetensors(bytes: Vec<u8>, shown: String) -> Result<Self> {
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| {
            refuse(
                format!("`{shown}` is not a whole safetensors file: {error}"),
                GIVE_WEIGHTS,
            )
        })?;
        let start = 8 + header;
        let tensors = metadata.tensors().into_iter().map(|(name, tensor)| {
            let (from, to) = tensor.data_offsets;
            let stored = Stored {
                shape: tensor.shape.clone(),
                kind: format!("{:?}", tensor.dtype),
                place: Place::Bytes(start + from..start + to),
            };
            (name, stored)
        });
        Ok(Self {
            hash: sha256(&bytes),
            tensors: tensors.collect(),
            metadata: metadata.metadata().clone().unwrap_or_default(),
            bytes,
            shown,
        })
    }

    /// The SHA-256 of the file, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// An entry of the metadata of a safetensors file; a PyTorch file has none.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The numbers of the tensor `name`, row by row.
    ///
    /// # Errors
    /// Refuses a tensor that is missing or was taken before, has another shape than `shape` or another type than F32, or
    /// cannot be read.
    pub fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let shown = &self.shown;
        let stored = self
            .tensors
            .remove(name)
            .ok_or_else(|| refuse(format!("`{shown}` lacks the tensor `{name}`"), GIVE_NETWORK))?;
        if stored.shape != shape {
            let message = format!(
                "tensor `{name}` of `{shown}` has shape {:?}, expected {shape:?}",
                stored.shape
            );
            return Err(refuse(message, GIVE_NETWORK));
        }
        if stored.kind != "F32" {
            let message = format!(
                "tensor `{name}` of `{shown}` has type {}, expected F32",
                stored.kind
            );
            return Err(refuse(message, GIVE_NETWORK));
        }
        // Safetensors are little-endian, the reader of PyTorch files gives the machine's own order.
        Ok(match stored.place {
            Place::Bytes(range) => numbers(&self.bytes[range], f32::from_le_bytes),
            Place::PyTorch(tensor) => {
                let bytes = tensor.read().map_err(|error| {
                    refuse(
                        format!("cannot read tensor `{name}` of `{shown}`: {error}"),
                        "the file is damaged: get it again",
                    )
                })?;
                numbers(&bytes, f32::from_ne_bytes)
            }
        })
    }

    /// The tensor `name` in the place of `parameter`, which says the shape and the device.
    ///
    /// # Errors
    /// Fails as [`Self::values`] does.
    pub fn take<const D: usize>(
        &mut self,
        name: &str,
        parameter: &Param<Tensor<D>>,
    ) -> Result<Param<Tensor<D>>> {
        let shape = parameter.dims();
        let values = self.values(name, &shape)?;
        let device = parameter.val().device();
        let tensor = Tensor::from_data(TensorData::new(values, shape), &device);
        Ok(parameter.clone().map(|_| tensor))
    }

    /// Says that the network needs no more. A tensor that was not taken and is not `ignored` is refused: the file is of
    /// another network.
    pub fn finish(self, ignored: impl Fn(&str) -> bool) -> Result<()> {
        match self.tensors.keys().find(|name| !ignored(name)) {
            None => Ok(()),
            Some(name) => Err(refuse(
                format!(
                    "`{}` has a tensor `{name}` that the network does not have",
                    self.shown
                ),
                "these are the weights of another network",
            )),
        }
    }
}

/// The tensors of a PyTorch file by name.
fn state_dict(
    path: &Path,
) -> std::result::Result<HashMap<String, pytorch_reader::Tensor>, PytorchError> {
    let root = PytorchReader::read_pickle_data(path, None)?;
    let is_nested = |key: &&&str| match &root {
        PickleValue::Dict(root) => matches!(root.get(**key), Some(PickleValue::Dict(_))),
        _ => false,
    };
    let reader = match NESTED.iter().find(is_nested) {
        Some(key) => PytorchReader::with_top_level_key(path, key)?,
        None => PytorchReader::new(path)?,
    };
    if reader.is_empty() {
        return Err(PytorchError::InvalidFormat("it holds no tensor".into()));
    }
    Ok(reader.into_tensors())
}

fn numbers(bytes: &[u8], number: fn([u8; 4]) -> f32) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|bytes| number([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect()
}
