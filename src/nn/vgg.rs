//! The convolutions of VGG-16, as a feature extractor.
//!
//! Simonyan and Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015 (arXiv 1409.1556),
//! configuration D. Weights are read strictly: a file that lacks a tensor, or holds one of another shape, is refused.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::activation::Activation;
use super::conv::{Conv2d, WeightInit, Window};
use super::parameters::Parameters;
use super::pool::global_average_pool;
use super::weights::Weights;
use crate::device::values;
use crate::digest::sha256;
use crate::error::Result;
use crate::files::write_whole;
use crate::kernels::max_pool2d;
use crate::random::Random;

/// Convolutions of VGG-16.
pub const LAYERS: usize = 13;
/// Output channels of each convolution.
pub(super) const CHANNELS: [usize; LAYERS] = [
    64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512,
];
/// Place of each convolution in torchvision's `features`, which names the tensors of a file.
const PLACES: [usize; LAYERS] = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28];
/// Convolutions after which the image is halved (the halving after the last one is not used).
pub(super) const POOLED: [usize; 4] = [2, 4, 7, 10];
/// torchvision's normalisation of RGB in [0, 1], for weights whose file names none.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// The seed of the random network. Changing it changes every number that names `vgg16-random`.
const RANDOM_SEED: u64 = 16;

/// How often the first `layers` convolutions halve an image.
pub fn halvings(layers: usize) -> usize {
    POOLED.iter().filter(|&&place| place < layers).count()
}

/// The first convolutions of VGG-16 with ReLU and max-pooling between them.
#[derive(Module, Debug)]
pub struct Vgg16 {
    convolutions: Vec<Conv2d>,
    /// Of RGB in [0, 1], [1, 3, 1, 1].
    mean: Param<Tensor<4>>,
    deviation: Param<Tensor<4>>,
}

impl Vgg16 {
    /// The first `layers` convolutions with He-normal weights of a fixed seed: a random network, the same everywhere.
    pub fn random(layers: usize, device: &Device) -> Self {
        let parameters = Parameters::new("vgg16", Random::new(RANDOM_SEED), device);
        let convolutions = (0..layers)
            .map(|layer| {
                let part = &parameters.within(format!("features.{}", PLACES[layer]));
                let inputs = if layer == 0 { 3 } else { CHANNELS[layer - 1] };
                let init = WeightInit::He;
                Conv2d::new(part, inputs, CHANNELS[layer], Window::SAME, init, true)
            })
            .collect();
        let constant =
            |name: &str, values: [f32; 3]| parameters.given(name, [1, 3, 1, 1], values.to_vec());
        Self {
            convolutions,
            mean: constant("mean", MEAN),
            deviation: constant("deviation", DEVIATION),
        }
        .no_grad()
    }

    /// The first `layers` convolutions with the weights of a PyTorch or safetensors file that uses torchvision's names
    /// (`features.0.weight` and so on), and the SHA-256 of that file.
    ///
    /// A safetensors file's metadata may name its own normalisation as `mean` and `std`; torchvision's is used otherwise.
    ///
    /// # Errors
    /// Fails as [`Weights`] does; the tensors of the classifier and of further convolutions are passed over.
    pub fn from_file(layers: usize, path: &Path, device: &Device) -> Result<(Self, String)> {
        let mut weights = Weights::read(path)?;
        let mut network = Self::random(layers, device);
        for (layer, conv) in network.convolutions.iter_mut().enumerate() {
            let name = format!("features.{}", PLACES[layer]);
            conv.weight = weights.take(&format!("{name}.weight"), &conv.weight)?;
            let bias = conv
                .bias
                .take()
                .expect("every convolution of VGG-16 has a bias");
            conv.bias = Some(weights.take(&format!("{name}.bias"), &bias)?);
        }
        for (key, target) in [("mean", &mut network.mean), ("std", &mut network.deviation)] {
            if let Some(text) = weights.metadata(key) {
                let values = triple(text)
                    .with_context(|| format!("metadata `{key}` of `{}`", path.display()))?;
                let tensor = Tensor::from_data(TensorData::new(values, [1, 3, 1, 1]), device);
                *target = target.clone().map(|_| tensor);
            }
        }
        let hash = weights.hash().to_owned();
        weights.finish(|name| {
            let place = name
                .strip_prefix("features.")
                .and_then(|rest| rest.split('.').next()?.parse().ok());
            name.starts_with("classifier.")
                || place.is_some_and(|place| PLACES[layers..].contains(&place))
        })?;
        Ok((network.no_grad(), hash))
    }

    /// Writes the convolutions under torchvision's names, and their normalisation and `notes` as metadata, where
    /// [`Self::from_file`] reads them back bit for bit.
    pub fn save(&self, path: &Path, notes: &[(&str, &str)]) -> Result<()> {
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        let bytes = |values: Vec<f32>| values.into_iter().flat_map(f32::to_le_bytes).collect();
        for (conv, place) in self.convolutions.iter().zip(PLACES) {
            let weight = values(conv.weight.val())?;
            let shape = conv.weight.dims().to_vec();
            tensors.push((format!("features.{place}.weight"), shape, bytes(weight)));
            if let Some(bias) = &conv.bias {
                let shape = bias.dims().to_vec();
                let bias = values(bias.val())?;
                tensors.push((format!("features.{place}.bias"), shape, bytes(bias)));
            }
        }
        let list = |parameter: &Param<Tensor<4>>| -> Result<String> {
            let numbers = values(parameter.val())?;
            let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            Ok(texts.join(","))
        };
        let mut metadata = HashMap::from([
            ("mean".to_owned(), list(&self.mean)?),
            ("std".to_owned(), list(&self.deviation)?),
        ]);
        let notes = notes
            .iter()
            .map(|(key, text)| (key.to_string(), text.to_string()));
        metadata.extend(notes);
        let views = tensors
            .iter()
            .map(|(name, shape, bytes)| {
                Ok((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?))
            })
            .collect::<Result<Vec<_>>>()?;
        let bytes = safetensors::serialize(views, Some(metadata))?;
        write_whole(path, &with_sorted_header(&bytes)?)
    }

    /// Lets the last `count` convolutions learn and freezes all before them. What is frozen has no gradient: an optimiser
    /// passes it over, and no backward pass goes through it.
    pub fn with_trainable(mut self, count: usize) -> Self {
        let first = self.convolutions.len().saturating_sub(count);
        for (layer, conv) in self.convolutions.iter_mut().enumerate() {
            let learns = layer >= first;
            conv.weight = conv.weight.clone().set_require_grad(learns);
            conv.bias = conv.bias.take().map(|bias| bias.set_require_grad(learns));
        }
        self
    }

    /// How many of the last convolutions learn.
    pub fn trainable(&self) -> usize {
        let learns = |conv: &&Conv2d| conv.weight.val().is_require_grad();
        self.convolutions.iter().rev().take_while(learns).count()
    }

    /// Where its weights are.
    pub fn device(&self) -> Device {
        self.mean.val().device()
    }

    /// How many convolutions there are.
    pub fn layers(&self) -> usize {
        self.convolutions.len()
    }

    /// The SHA-256 of all weights and biases, layer by layer: what a random network has in place of a file's.
    pub fn hash(&self) -> Result<String> {
        let mut bytes = Vec::new();
        for conv in &self.convolutions {
            let biases = conv
                .bias
                .as_ref()
                .map(|bias| values(bias.val()))
                .transpose()?;
            let weights = values(conv.weight.val())?;
            let all = weights.iter().chain(biases.iter().flatten());
            bytes.extend(all.flat_map(|value| value.to_le_bytes()));
        }
        Ok(sha256(bytes))
    }

    /// How many numbers [`Self::embed`] gives an image.
    pub fn dimension(&self) -> usize {
        CHANNELS[self.convolutions.len() - 1]
    }

    /// Global average pooling of the last convolution's output after ReLU: [n, 3, h, w] in [-1, 1] -> [n, dimension], all >= 0.
    pub fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        global_average_pool(self.forward(images))
    }

    /// The last convolution's output after ReLU: [n, 3, h, w] in [-1, 1] -> [n, dimension, h', w'].
    pub fn forward(&self, images: Tensor<4>) -> Tensor<4> {
        self.finish(self.start(images, 0), 0)
    }

    /// The output of the first `layers` convolutions after ReLU; of none, the normalised images. Grey, [n, 1, h, w], is
    /// repeated as RGB here: the normalisation has three channels.
    pub fn start(&self, images: Tensor<4>, layers: usize) -> Tensor<4> {
        let maps = images.add_scalar(1.0).div_scalar(2.0); // RGB in [0, 1]
        let maps = (maps - self.mean.val()) / self.deviation.val();
        self.convolve(maps, 0..layers)
    }

    /// What [`Self::forward`] makes of what [`Self::start`] gave for the first `layers` convolutions.
    pub fn finish(&self, maps: Tensor<4>, layers: usize) -> Tensor<4> {
        self.convolve(maps, layers..self.convolutions.len())
    }

    /// The output after ReLU before each halving of the image, and the last: relu1_2, 2_2, 3_3, 4_3 and 5_3 of all
    /// thirteen convolutions.
    pub fn taps(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let last = self.convolutions.len();
        let ends = POOLED
            .into_iter()
            .filter(|&layer| layer < last)
            .chain([last]);
        let (mut maps, mut first) = (self.start(images, 0), 0);
        let tap = |end: usize| {
            maps = self.convolve(maps.clone(), first..end);
            first = end;
            maps.clone()
        };
        ends.map(tap).collect()
    }

    fn convolve(&self, mut maps: Tensor<4>, layers: Range<usize>) -> Tensor<4> {
        for layer in layers {
            let conv = &self.convolutions[layer];
            if POOLED.contains(&layer) {
                maps = max_pool2d(maps);
            }
            maps = Activation::Relu.forward(conv.forward(maps));
        }
        maps
    }
}

/// The same safetensors file with the entries of its header in alphabetical order: the library writes metadata in an order
/// that differs from one process to the next, and equal networks are to be equal files.
fn with_sorted_header(bytes: &[u8]) -> Result<Vec<u8>> {
    let (start, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(start.try_into()?) as usize;
    let (header, data) = rest.split_at(length);
    let mut entries: BTreeMap<String, serde_json::Value> = serde_json::from_slice(header)?;
    if let Some(metadata) = entries.get_mut("__metadata__") {
        let sorted: BTreeMap<String, String> = serde_json::from_value(metadata.take())?;
        *metadata = serde_json::to_value(sorted)?;
    }
    let mut header = serde_json::to_vec(&entries)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = (header.len() as u64).to_le_bytes();
    Ok([&length, header.as_slice(), data].concat())
}

/// Three numbers from a list in text, with or without brackets.
fn triple(text: &str) -> Result<Vec<f32>> {
    let numbers: Vec<f32> = text
        .trim_matches(['[', ']', '(', ')', ' '])
        .split(',')
        .map(|number| number.trim().parse::<f32>())
        .collect::<std::result::Result<_, _>>()
        .with_context(|| format!("`{text}` is not a list of numbers"))?;
    anyhow::ensure!(
        numbers.len() == 3,
        "`{text}` has {} numbers, expected 3",
        numbers.len()
    );
    Ok(numbers)
}
