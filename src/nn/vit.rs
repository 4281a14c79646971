//! The vision transformer of published image encoders, for inference.
//!
//! Dosovitskiy et al.: An Image is Worth 16x16 Words, 2021 (arXiv 2010.11929), with what its descendants added: LayerScale
//! (Touvron et al. 2021, arXiv 2103.17239), SwiGLU (Shazeer 2020, arXiv 2002.05202) and register tokens (Darcet et al. 2024,
//! arXiv 2309.16588), as DINOv2 (Oquab et al. 2024, arXiv 2304.07193) and timm have them; and as CLIP has it (Radford et al.
//! 2021, arXiv 2103.00020), with a normalisation before the first block and a projection behind the last. A [`VitConfig`]
//! describes one; LayerScale is folded into the weights before it, in f64.

mod names;
mod positions;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use self::names::Tensors;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::transformer::{attention, layer_norm, linear, linear_onto};

pub use crate::kernels::transformer::Follow;
pub use names::{CLIP, DINOV2, Naming, TIMM, TRANSFORMERS_DINOV2, TRANSFORMERS_VIT};
pub use positions::{Resampling, keys, resample};

/// What a vision transformer is made of.
#[derive(Clone, Copy, Debug)]
pub struct VitConfig {
    /// Height and width of an image in pixels.
    pub size: usize,
    /// Height and width of a patch in pixels.
    pub patch: usize,
    /// Numbers of a token.
    pub width: usize,
    /// How many blocks.
    pub depth: usize,
    /// How many heads attention has; they share the width.
    pub heads: usize,
    /// Numbers between the two linear maps of a block.
    pub hidden: usize,
    /// What they are made of by: a GELU or a gate.
    pub follow: Follow,
    /// How many register tokens stand between the class token and the patches.
    pub registers: usize,
    /// Whether what a block adds is scaled number by number (LayerScale).
    pub scaled: bool,
    /// What layer normalisation adds to a variance.
    pub epsilon: f32,
    /// Height and width of the published position embeddings, in patches.
    pub grid: usize,
    /// How they are brought to the patches of an image, where it has another number.
    pub resampling: Resampling,
    /// Whether tokens are normalised before the first block.
    pub pre_norm: bool,
    /// What stands for an image.
    pub output: Output,
}

/// What of the last tokens, normalised, stands for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// The class token.
    Class,
    /// The class token under a linear map to so many numbers.
    Projected(usize),
    /// The class token, and behind it the mean of the patches' tokens.
    ClassAndMean,
}

impl VitConfig {
    /// How many numbers an image becomes.
    pub fn features(&self) -> usize {
        match self.output {
            Output::Class => self.width,
            Output::Projected(numbers) => numbers,
            Output::ClassAndMean => 2 * self.width,
        }
    }

    /// Patches along a side of an image.
    fn side(&self) -> usize {
        self.size / self.patch
    }
}

/// A vision transformer.
#[derive(Debug)]
pub struct Vit {
    config: VitConfig,
    embed: Linear,
    /// The class token and the registers with their positions, [1, 1 + registers, width].
    prefix: Tensor<3>,
    /// Of the patches, [1, patches, width].
    positions: Tensor<3>,
    pre_norm: Option<Norm>,
    blocks: Vec<Block>,
    norm: Norm,
    /// [width, features]
    projection: Option<Tensor<2>>,
}

/// x + attention(norm(x)), and of that x + mlp(norm(x)).
#[derive(Debug)]
struct Block {
    attention_norm: Norm,
    /// To query, key and value.
    packed: Linear,
    project: Linear,
    norm: Norm,
    widen: Linear,
    narrow: Linear,
}

/// x W + b.
#[derive(Debug)]
struct Linear {
    /// [inputs, outputs]
    weight: Tensor<2>,
    /// `[outputs]`
    bias: Tensor<1>,
}

/// Scale and shift of a layer normalisation, `[width]`.
#[derive(Debug)]
struct Norm {
    gamma: Tensor<1>,
    beta: Tensor<1>,
}

impl Vit {
    /// The network with the weights of the file at `path`, whose tensors are called as one of `namings` says, and the
    /// SHA-256 of that file.
    ///
    /// # Errors
    /// Refuses a file whose tensors are named otherwise, have other shapes or are more or fewer than the network's.
    pub fn from_file(
        path: &Path,
        config: VitConfig,
        namings: &[Naming],
        device: &Device,
    ) -> Result<(Self, String)> {
        let weights = Weights::read(path)?;
        let hash = weights.hash().to_owned();
        let mut tensors = Tensors::find(weights, path, &config, namings)?;
        let network = Self::take(&mut tensors, config, device)?;
        tensors.finish()?;
        Ok((network, hash))
    }

    fn take(tensors: &mut Tensors, config: VitConfig, device: &Device) -> Result<Self> {
        let (width, naming) = (config.width, tensors.naming());
        let positioned = naming.positioned;
        let row = |values: Vec<f32>| {
            let count = values.len() / width;
            Tensor::<3>::from_data(TensorData::new(values, [1, count, width]), device)
        };
        // Tokens before the patches: those that have positions get them here.
        let mut prefix = tensors.values(naming.class, &naming.shape(&[1, 1, width]))?;
        if config.registers > 0 {
            prefix.extend(tensors.values(naming.registers, &[1, config.registers, width])?);
        }
        let count = positioned + config.grid * config.grid;
        let positions = tensors.values(naming.positions, &naming.shape(&[1, count, width]))?;
        let (of_prefix, of_patches) = positions.split_at(positioned * width);
        for (token, position) in prefix.iter_mut().zip(of_prefix) {
            *token += position;
        }
        let positions = resample(of_patches, config.grid, config.side(), config.resampling);
        let terms = 3 * config.patch * config.patch;
        let shape = [width, 3, config.patch, config.patch];
        let weight = tensors.values(&format!("{}.weight", naming.embed), &shape)?;
        let bias = if naming.bias {
            tensors.values(&format!("{}.bias", naming.embed), &[width])?
        } else {
            vec![0.0; width]
        };
        let embed = Linear::of(weight, bias, None, terms, device);
        let pre_norm = config
            .pre_norm
            .then(|| Norm::take(tensors, naming.pre_norm, width, device));
        let blocks = (0..config.depth)
            .map(|number| Block::take(tensors, &config, number, device))
            .collect::<Result<_>>()?;
        Ok(Self {
            config,
            embed,
            prefix: row(prefix),
            positions: row(positions),
            pre_norm: pre_norm.transpose()?,
            blocks,
            norm: Norm::take(tensors, naming.norm, width, device)?,
            projection: match config.output {
                Output::Projected(numbers) => {
                    let name = format!("{}.weight", naming.projection);
                    let weight = tensors.values(&name, &[numbers, width])?;
                    let no_bias = vec![0.0; numbers];
                    Some(Linear::of(weight, no_bias, None, width, device).weight)
                }
                Output::Class | Output::ClassAndMean => None,
            },
        })
    }

    /// The features of images whose channels were normalised: [n, 3, size, size] -> [n, [`VitConfig::features`]].
    pub fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let config = &self.config;
        let mut tokens = self.tokens(images);
        let all = config.output == Output::ClassAndMean;
        for (number, block) in self.blocks.iter().enumerate() {
            // What is made of the others after the last attention, nobody looks at.
            let kept = (number + 1 == config.depth && !all).then_some(1);
            tokens = block.forward(tokens, config, kept);
        }
        let tokens = self.norm.forward(tokens, config);
        let count = tokens.dims()[1];
        let class: Tensor<2> = tokens.clone().narrow(1, 0, 1).squeeze_dim(1);
        match (&self.projection, config.output) {
            (Some(projection), _) => class.matmul(projection.clone()),
            (None, Output::Class | Output::Projected(_)) => class,
            (None, Output::ClassAndMean) => {
                let first = 1 + config.registers;
                let patches = tokens.narrow(1, first, count - first);
                Tensor::cat(vec![class, patches.mean_dim(1).squeeze_dim(1)], 1)
            }
        }
    }

    /// The tokens before the first block: [n, 3, size, size] -> [n, 1 + registers + patches, width].
    fn tokens(&self, images: Tensor<4>) -> Tensor<3> {
        let (side, patch) = (self.config.side(), self.config.patch);
        let count = images.dims()[0];
        let patches = images
            .reshape([count, 3, side, patch, side, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([count, side * side, 3 * patch * patch]);
        let positions = self.positions.clone().repeat_dim(0, count);
        let patches = self.embed.forward_onto(positions, patches);
        let tokens = Tensor::cat(vec![self.prefix.clone().repeat_dim(0, count), patches], 1);
        match &self.pre_norm {
            Some(norm) => norm.forward(tokens, &self.config),
            None => tokens,
        }
    }
}

impl Block {
    fn take(
        tensors: &mut Tensors,
        config: &VitConfig,
        number: usize,
        device: &Device,
    ) -> Result<Self> {
        let (width, hidden) = (config.width, config.hidden);
        let naming = tensors.naming();
        let within = |part: &str| format!("{}.{number}.{part}", naming.blocks);
        let scale = |tensors: &mut Tensors, part: &str| {
            let scale = config
                .scaled
                .then(|| tensors.values(&within(part), &[width]));
            scale.transpose()
        };
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        let outputs = 3 * width / naming.packed.len();
        for part in naming.packed {
            let name = within(part);
            weight.extend(tensors.values(&format!("{name}.weight"), &[outputs, width])?);
            bias.extend(tensors.values(&format!("{name}.bias"), &[outputs])?);
        }
        let packed = Linear::of(weight, bias, None, width, device);
        let scales = [
            scale(tensors, naming.scales[0])?,
            scale(tensors, naming.scales[1])?,
        ];
        let [of_attention, of_mlp] = &scales;
        let (widen, narrow) = if config.follow == Follow::SwiGlu {
            (naming.gated, 2 * hidden)
        } else {
            (naming.mlp, hidden)
        };
        let mut linear = |part: &str, shape: [usize; 2], scale: Option<&[f32]>| {
            Linear::take(tensors, &within(part), shape, scale, device)
        };
        let project = linear(naming.project, [width, width], of_attention.as_deref())?;
        let [first, second] = widen;
        let widen = linear(first, [narrow, width], None)?;
        let narrow = linear(second, [width, hidden], of_mlp.as_deref())?;
        let [attention_norm, norm] = naming.norms;
        Ok(Self {
            attention_norm: Norm::take(tensors, &within(attention_norm), width, device)?,
            packed,
            project,
            norm: Norm::take(tensors, &within(norm), width, device)?,
            widen,
            narrow,
        })
    }

    /// [n, tokens, width] -> the same, or of the first `kept` tokens alone.
    fn forward(&self, tokens: Tensor<3>, config: &VitConfig, kept: Option<usize>) -> Tensor<3> {
        let normalised = self.attention_norm.forward(tokens.clone(), config);
        let packed = self.packed.forward(normalised, Follow::Nothing);
        let mixed = attention(packed, config.heads);
        let kept = kept.unwrap_or(tokens.dims()[1]);
        let [tokens, mixed] = [tokens, mixed].map(|tokens| tokens.narrow(1, 0, kept));
        let tokens = self.project.forward_onto(tokens, mixed);
        let normalised = self.norm.forward(tokens.clone(), config);
        let hidden = self.widen.forward(normalised, config.follow);
        self.narrow.forward_onto(tokens, hidden)
    }
}

impl Linear {
    /// The linear map called `name`, whose weight is `[outputs, inputs]` in the file; its outputs times `scale`.
    fn take(
        tensors: &mut Tensors,
        name: &str,
        [outputs, inputs]: [usize; 2],
        scale: Option<&[f32]>,
        device: &Device,
    ) -> Result<Self> {
        let weight = tensors.values(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = tensors.values(&format!("{name}.bias"), &[outputs])?;
        Ok(Self::of(weight, bias, scale, inputs, device))
    }

    /// From the weight [outputs, inputs].
    fn of(
        weight: Vec<f32>,
        mut bias: Vec<f32>,
        scale: Option<&[f32]>,
        inputs: usize,
        device: &Device,
    ) -> Self {
        let outputs = bias.len();
        let scaled = |value: f32, scale: f32| (f64::from(value) * f64::from(scale)) as f32;
        let mut turned = vec![0.0; weight.len()];
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            let scale = scale.map_or(1.0, |scale| scale[output]);
            for (input, &value) in row.iter().enumerate() {
                turned[input * outputs + output] = scaled(value, scale);
            }
            bias[output] = scaled(bias[output], scale);
        }
        Self {
            weight: Tensor::from_data(TensorData::new(turned, [inputs, outputs]), device),
            bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
        }
    }

    fn forward(&self, input: Tensor<3>, follow: Follow) -> Tensor<3> {
        linear(input, self.weight.clone(), self.bias.clone(), follow)
    }

    /// y + x W + b.
    fn forward_onto(&self, onto: Tensor<3>, input: Tensor<3>) -> Tensor<3> {
        linear_onto(onto, input, self.weight.clone(), self.bias.clone())
    }
}

impl Norm {
    fn take(tensors: &mut Tensors, name: &str, width: usize, device: &Device) -> Result<Self> {
        let mut vector = |part: &str| -> Result<Tensor<1>> {
            let values = tensors.values(&format!("{name}.{part}"), &[width])?;
            Ok(Tensor::from_data(TensorData::new(values, [width]), device))
        };
        Ok(Self {
            gamma: vector("weight")?,
            beta: vector("bias")?,
        })
    }

    fn forward(&self, tokens: Tensor<3>, config: &VitConfig) -> Tensor<3> {
        let (gamma, beta) = (self.gamma.clone(), self.beta.clone());
        layer_norm(tokens, gamma, beta, config.epsilon)
    }
}
