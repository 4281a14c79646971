//! Trained weights from a file, read strictly: PyTorch's own (`.pth`, `.pt`) or safetensors.
//!
//! A network asks for each of its tensors by name and says which shape it needs ([`Weights::take`]), and in the end that it
//! needs no more ([`Weights::finish`]). A tensor that is missing, of another shape or type, or left over is an error that
//! names the file and the tensor: no number ever comes from half a network.
//!
//! What training scripts put around a state dict is taken off, and said in a line ([`take_notes`]): the dictionary it lies in,
//! prefixes of wrappers (`module.` of DataParallel, `_orig_mod.` of `torch.compile`), half precision. `FILE:KEY` names another
//! dictionary of the file, an average of the weights (EMA) for one.

mod notes;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use burn::module::Param;
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use pytorch_reader::{PickleValue, PytorchError, PytorchReader};
use safetensors::SafeTensors;

use crate::digest::{Sha256Writer, sha256};
use crate::error::{Result, refuse};
use crate::files::split_entry;

pub use notes::take_notes;

/// Keys under which checkpoints keep the weights beside other things.
const NESTED: [&str; 4] = ["state_dict", "model_state_dict", "model", "module"];
/// What wrappers put before the name of every tensor, and training scripts where they nest dictionaries.
const PREFIXES: [&str; 5] = [
    "module.",
    "_orig_mod.",
    "model.",
    "state_dict.",
    "model_state_dict.",
];
/// What to do about a file that cannot be read as weights.
const GIVE_WEIGHTS: &str = "give the path of a PyTorch (`.pth`, `.pt`) or safetensors file";
/// What to do about a file whose tensors are not those of the network.
const GIVE_NETWORK: &str = "give the weights of this network under their published names, in numbers of type F32, F16 or BF16";

/// The tensors of one weights file that no network took yet.
#[derive(Debug)]
pub struct Weights {
    /// The path, for messages.
    shown: String,
    hash: String,
    metadata: HashMap<String, String>,
    tensors: BTreeMap<String, Stored>,
    /// What was done to the file on the way, in clauses.
    done: Vec<String>,
    /// How many tensors were widened from half precision.
    widened: usize,
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
    /// state dict by itself or under the key `state_dict`, `model_state_dict`, `model` or `module`. `FILE:KEY` takes the one
    /// under that key (`FILE:ema`), or `FILE:KEY.NAME` what is called `NAME` in it. A prefix of a wrapper that all tensors have
    /// is taken off.
    ///
    /// # Errors
    /// Refuses a path that cannot be read, and a file that is neither or is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let (file, entry) = split_entry(path);
        let mut weights = Self::open(&file, entry.as_deref())?;
        if let Some(entry) = entry {
            weights.hash = sha256(format!("{}:{entry}", weights.hash));
        }
        weights.take_off_prefixes();
        Ok(weights)
    }

    fn open(path: &Path, entry: Option<&str>) -> Result<Self> {
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
            let mut weights = Self::safetensors(fs::read(path).map_err(unreadable)?, shown)?;
            if let Some(entry) = entry {
                weights.keep_within(entry)?;
            }
            return Ok(weights);
        }
        let mut digest = Sha256Writer::default();
        std::io::copy(&mut start.as_slice().chain(file), &mut digest).map_err(unreadable)?;
        let neither = |error: PytorchError| {
            refuse(
                format!("`{shown}` is neither a safetensors nor a PyTorch file: {error}"),
                GIVE_WEIGHTS,
            )
        };
        let (outer, inner) = match entry.map(|entry| entry.split_once('.').unwrap_or((entry, ""))) {
            Some((outer, inner)) => (Some(outer), inner),
            None => (None, ""),
        };
        let root = PytorchReader::read_pickle_data(path, None).map_err(neither)?;
        let dictionaries = dictionaries(&root);
        if let Some(outer) = outer
            && !dictionaries.contains(&outer)
        {
            return Err(refuse(
                format!("`{shown}` has no dictionary `{outer}`"),
                match dictionaries.as_slice() {
                    [] => "it holds a state dict by itself: name the file alone".to_owned(),
                    known => format!("it has: {}", known.join(", ")),
                },
            ));
        }
        let usual = || NESTED.into_iter().find(|key| dictionaries.contains(key));
        let key = outer.or_else(usual);
        let reader = match key {
            Some(key) => PytorchReader::with_top_level_key(path, key),
            None => PytorchReader::new(path),
        };
        let tensors = reader.map_err(neither)?.into_tensors();
        if tensors.is_empty() {
            return Err(neither(PytorchError::InvalidFormat(
                "it holds no tensor".into(),
            )));
        }
        let mut done: Vec<String> = key
            .map(|key| format!("taken from `{key}`"))
            .into_iter()
            .collect();
        let average = dictionaries
            .iter()
            .find(|name| name.contains("ema") && Some(**name) != key);
        if let (None, Some(average)) = (outer, average) {
            done.push(format!(
                "not from `{average}`, which `{shown}:{average}` names"
            ));
        }
        let tensors = tensors.into_iter().map(|(name, tensor)| {
            let stored = Stored {
                shape: tensor.shape().to_vec(),
                kind: format!("{:?}", tensor.dtype()),
                place: Place::PyTorch(tensor),
            };
            (name, stored)
        });
        let mut weights = Self {
            hash: digest.finish(),
            metadata: HashMap::new(),
            tensors: tensors.collect(),
            done,
            widened: 0,
            bytes: Vec::new(),
            shown,
        };
        if !inner.is_empty() {
            weights.keep_within(inner)?;
        }
        Ok(weights)
    }

    /// Keeps what is called `part`, a point and more, without that beginning.
    fn keep_within(&mut self, part: &str) -> Result<()> {
        let within = format!("{part}.");
        let all = std::mem::take(&mut self.tensors).into_iter();
        self.tensors = all
            .filter_map(|(name, stored)| Some((name.strip_prefix(&within)?.to_owned(), stored)))
            .collect();
        if self.tensors.is_empty() {
            return Err(refuse(
                format!(
                    "`{}` has no tensors whose names begin with `{within}`",
                    self.shown
                ),
                GIVE_NETWORK,
            ));
        }
        self.done.push(format!("of what is called `{within}`"));
        Ok(())
    }

    /// Takes off what wrappers put before every name.
    fn take_off_prefixes(&mut self) {
        let mut taken = String::new();
        while let Some(prefix) = PREFIXES
            .into_iter()
            .find(|prefix| self.tensors.keys().all(|name| name.starts_with(prefix)))
        {
            let all = std::mem::take(&mut self.tensors).into_iter();
            self.tensors = all
                .map(|(name, stored)| (name[prefix.len()..].to_owned(), stored))
                .collect();
            taken += prefix;
            if self.tensors.is_empty() {
                break;
            }
        }
        if !taken.is_empty() {
            self.done.push(format!("without the prefix `{taken}`"));
        }
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
            done: Vec::new(),
            widened: 0,
            bytes,
            shown,
        })
    }

    /// The SHA-256 of the file, in hexadecimal; where a part of it was named that of the file and the name.
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
    /// Refuses a tensor that is missing or was taken before, has another shape than `shape` or another type than F32, F16 and
    /// BF16 (which are widened), or cannot be read.
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
        // Safetensors are little-endian, the reader of PyTorch files gives the machine's own order.
        let is_little = matches!(stored.place, Place::Bytes(_)) || cfg!(target_endian = "little");
        let numbers = match (stored.kind.as_str(), is_little) {
            ("F32", true) => |bytes: &[u8]| numbers(bytes, f32::from_le_bytes),
            ("F32", false) => |bytes: &[u8]| numbers(bytes, f32::from_be_bytes),
            ("F16", true) => |bytes: &[u8]| numbers(bytes, |b| f16::from_le_bytes(b).to_f32()),
            ("F16", false) => |bytes: &[u8]| numbers(bytes, |b| f16::from_be_bytes(b).to_f32()),
            ("BF16", true) => |bytes: &[u8]| numbers(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            ("BF16", false) => |bytes: &[u8]| numbers(bytes, |b| bf16::from_be_bytes(b).to_f32()),
            _ => {
                let message = format!(
                    "tensor `{name}` of `{shown}` has type {}, expected F32, F16 or BF16",
                    stored.kind
                );
                return Err(refuse(message, GIVE_NETWORK));
            }
        };
        self.widened += usize::from(stored.kind != "F32");
        Ok(match stored.place {
            Place::Bytes(range) => numbers(&self.bytes[range]),
            Place::PyTorch(tensor) => {
                let bytes = tensor.read().map_err(|error| {
                    refuse(
                        format!("cannot read tensor `{name}` of `{shown}`: {error}"),
                        "the file is damaged: get it again",
                    )
                })?;
                numbers(&bytes)
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

    /// Leaves word of what was done to the file.
    fn note(&self) {
        let mut done = self.done.clone();
        if self.widened > 0 {
            done.push(format!(
                "{} tensors of half precision widened",
                self.widened
            ));
        }
        if done.is_empty() {
            return;
        }
        let note = format!("weights of `{}`: {}", self.shown, done.join(", "));
        notes::leave(note);
    }

    /// Says that the network needs no more. A tensor that was not taken and is not `ignored` is refused: the file is of
    /// another network.
    pub fn finish(self, ignored: impl Fn(&str) -> bool) -> Result<()> {
        match self.tensors.keys().find(|name| !ignored(name)) {
            None => {
                self.note();
                Ok(())
            }
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

/// The names of the dictionaries in the dictionary `root`, sorted.
fn dictionaries(root: &PickleValue) -> Vec<&str> {
    let PickleValue::Dict(entries) = root else {
        return Vec::new();
    };
    let entries = entries.iter();
    let nested = entries.filter(|(_, value)| matches!(value, PickleValue::Dict(_)));
    let mut names: Vec<&str> = nested.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

fn numbers<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f32) -> Vec<f32> {
    let (whole, _) = bytes.as_chunks::<N>();
    whole.iter().map(|&bytes| number(bytes)).collect()
}
