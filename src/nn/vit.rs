//! The vision transformer of published image encoders, for inference.
//!
//! Dosovitskiy et al.: An Image is Worth 16x16 Words, 2021 (arXiv 2010.11929), with what its descendants added: LayerScale
//! (Touvron et al. 2021, arXiv 2103.17239), SwiGLU (Shazeer 2020, arXiv 2002.05202) and register tokens (Darcet et al. 2024,
//! arXiv 2309.16588), as DINOv2 (Oquab et al. 2024, arXiv 2304.07193) and timm have them; and as CLIP has it (Radford et al.
//! 2021, arXiv 2103.00020), with a normalisation before the first block and a projection behind the last. A [`VitConfig`]
//! describes one; LayerScale is folded into the weights before it, in f64.

mod block;
mod names;
mod positions;

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use self::block::{Block, Linear, Norm};
use self::names::Tensors;
use super::weights::Weights;
use crate::error::Result;

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
    projection: Option<Linear>,
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
        // From patches to tokens, and from tokens to features.
        let terms = 3 * config.patch * config.patch;
        let shape = [width, 3, config.patch, config.patch];
        let weight = tensors.values(&format!("{}.weight", naming.embed), &shape)?;
        let bias = if naming.bias {
            tensors.values(&format!("{}.bias", naming.embed), &[width])?
        } else {
            vec![0.0; width]
        };
        let embed = Linear::of(&weight, bias, None, terms, device);
        let pre_norm = config
            .pre_norm
            .then(|| Norm::take(tensors, naming.pre_norm, width, device));
        let blocks = (0..config.depth)
            .map(|number| Block::take(tensors, &config, number, device))
            .collect::<Result<_>>()?;
        let projection = match config.output {
            Output::Projected(numbers) => {
                let name = format!("{}.weight", naming.projection);
                let weight = tensors.values(&name, &[numbers, width])?;
                Some(Linear::of(&weight, vec![0.0; numbers], None, width, device))
            }
            Output::Class | Output::ClassAndMean => None,
        };
        Ok(Self {
            config,
            embed,
            prefix: row(prefix),
            positions: row(positions),
            pre_norm: pre_norm.transpose()?,
            blocks,
            norm: Norm::take(tensors, naming.norm, width, device)?,
            projection,
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
        let mut tokens = self.norm.forward(tokens, config);
        if let Some(projection) = &self.projection {
            tokens = projection.forward(tokens, Follow::Nothing);
        }
        let class: Tensor<2> = tokens.clone().narrow(1, 0, 1).squeeze_dim(1);
        if !all {
            return class;
        }
        let (first, count) = (1 + config.registers, tokens.dims()[1]);
        let patches = tokens.narrow(1, first, count - first);
        Tensor::cat(vec![class, patches.mean_dim(1).squeeze_dim(1)], 1)
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
