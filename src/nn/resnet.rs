//! Residual networks, as feature extractors that can be trained from some layer on.
//!
//! He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2016 (arXiv 1512.03385), table 1, in torchvision's
//! form: the stride of a bottleneck lies in its 3 x 3 convolution, names and shapes of tensors are torchvision's.
//!
//! **What a layer is.** The layers that the number in the name counts: the first convolution, and those of the residual
//! branches, in the order images pass them (151 in ResNet-152; its last layer, the published classifier, is left out).
//! A layer's batch normalisation belongs to it, and the convolution of a block's shortcut to the block's first layer.
//!
//! **What frozen means.** A frozen layer is a fixed function: its weights get no gradient, and its batch normalisation
//! normalises by the running statistics and leaves them alone. (In PyTorch `requires_grad = False` alone would still change the
//! running statistics in training; then a "frozen" network is another one after every batch.)

mod block;

use std::path::Path;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

use self::block::{Block, Unit};
use super::activation::Activation::Relu;
use super::conv::Window;
use super::parameters::Parameters;
use super::pool::global_average_pool;
use super::weights::Weights;
use crate::error::Result;
use crate::kernels::inception::largest;
use crate::random::Random;

/// torchvision's normalisation of RGB in [0, 1].
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];
/// The first convolution: 7 x 7, halving.
const FIRST: Window = Window {
    kernel: 7,
    stride: 2,
    padding: 3,
};
/// Feature maps after the first convolution; those inside the blocks of stage s are 2^s times as many.
const WIDTH: usize = 64;

/// Which residual network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// ResNet-18.
    D18,
    /// ResNet-50.
    D50,
    /// ResNet-152.
    D152,
}

impl Depth {
    /// Blocks of each stage.
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::D18 => [2, 2, 2, 2],
            Self::D50 => [3, 4, 6, 3],
            Self::D152 => [3, 8, 36, 3],
        }
    }

    /// Whether blocks have three convolutions, 1 x 1, 3 x 3 and 1 x 1, in place of two of 3 x 3.
    fn has_bottlenecks(self) -> bool {
        self != Self::D18
    }

    /// How many layers there are, the published classifier not counted.
    pub fn layers(self) -> usize {
        let each = if self.has_bottlenecks() { 3 } else { 2 };
        1 + each * self.blocks().iter().sum::<usize>()
    }

    /// Length of the features of an image.
    pub fn dimension(self) -> usize {
        let expansion = if self.has_bottlenecks() { 4 } else { 1 };
        8 * WIDTH * expansion
    }
}

/// A residual network up to the global average pooling.
#[derive(Module, Debug)]
pub struct ResNet {
    first: Unit,
    blocks: Vec<Block>,
    /// Of RGB in [0, 1], [1, 3, 1, 1].
    mean: Param<Tensor<4>>,
    deviation: Param<Tensor<4>>,
    /// Layers that are frozen, from the first.
    frozen: usize,
}

impl ResNet {
    /// A network with He-normal weights drawn from `random`, all of whose layers learn.
    pub fn random(depth: Depth, random: Random, device: &Device) -> Self {
        let parameters = Parameters::new("resnet", random, device);
        let constant = |name: &str, values: [f32; 3]| {
            let parameter = parameters.given(name, [1, 3, 1, 1], values.to_vec());
            parameter.set_require_grad(false)
        };
        let (mut blocks, mut inputs) = (Vec::new(), WIDTH);
        for (stage, count) in depth.blocks().into_iter().enumerate() {
            for place in 0..count {
                let stride = if stage > 0 && place == 0 { 2 } else { 1 };
                let name = format!("layer{}.{place}", stage + 1);
                let width = WIDTH << stage;
                let part = parameters.within(name);
                let block = Block::new(&part, inputs, width, stride, depth.has_bottlenecks());
                inputs = block.outputs();
                blocks.push(block);
            }
        }
        Self {
            first: Unit::new(&parameters.within("conv1"), 3, WIDTH, FIRST),
            blocks,
            mean: constant("mean", MEAN),
            deviation: constant("deviation", DEVIATION),
            frozen: 0,
        }
    }

    /// The network with the weights of a PyTorch or safetensors file that uses torchvision's names (`layer1.0.conv1.weight` and
    /// so on), and the SHA-256 of that file. What of it learns is said by [`Self::with_trainable`].
    ///
    /// # Errors
    /// Fails as [`Weights`] does; the tensors of the classifier (`fc`) and the counts of batches are passed over.
    pub fn from_file(depth: Depth, path: &Path, device: &Device) -> Result<(Self, String)> {
        let mut weights = Weights::read(path)?;
        let mut network = Self::random(depth, Random::new(0), device);
        network.first.take(&mut weights, "conv1", "bn1")?;
        let mut blocks = network.blocks.iter_mut();
        for (stage, count) in depth.blocks().into_iter().enumerate() {
            for place in 0..count {
                let block = blocks.next().expect("as many as were made");
                block.take(&mut weights, &format!("layer{}.{place}", stage + 1))?;
            }
        }
        let hash = weights.hash().to_owned();
        weights.finish(|name| name.starts_with("fc.") || name.ends_with(".num_batches_tracked"))?;
        Ok((network, hash))
    }

    /// The network with its last `layers` layers learning and all others frozen.
    #[must_use]
    pub fn with_trainable(mut self, depth: Depth, layers: usize) -> Self {
        self.frozen = depth.layers().saturating_sub(layers);
        self.first = self.first.learning(self.frozen == 0);
        let mut before = 1;
        let frozen = self.frozen;
        let blocks = self.blocks.into_iter().map(|block| {
            let count = block.layers();
            let block = block.frozen(frozen.saturating_sub(before));
            before += count;
            block
        });
        self.blocks = blocks.collect();
        self
    }

    /// Images in [-1, 1], RGB or grey (which is repeated), to features: [n, c, h, w] -> [n, dimension]. What an image becomes does
    /// not depend on its batch.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let maps = self.first.forward(self.normalise(images), Relu);
        let blocks = self.blocks.iter();
        let maps = blocks.fold(largest(maps, 2, 1), |maps, block| block.forward(maps));
        global_average_pool(maps)
    }

    /// The same in training: the batch normalisation of layers that learn normalises by the batch and updates its running
    /// statistics.
    pub fn forward_training(&mut self, images: Tensor<4>) -> Tensor<2> {
        let images = self.normalise(images);
        let maps = if self.frozen > 0 {
            self.first.forward(images, Relu)
        } else {
            self.first.forward_training(images, Relu)
        };
        let (mut maps, mut before) = (largest(maps, 2, 1), 1);
        for block in &mut self.blocks {
            maps = block.forward_training(maps, self.frozen.saturating_sub(before));
            before += block.layers();
        }
        global_average_pool(maps)
    }

    /// As the published weights were trained: (RGB in [0, 1] - mean) / deviation.
    fn normalise(&self, images: Tensor<4>) -> Tensor<4> {
        let images = if images.dims()[1] == 1 {
            images.repeat_dim(1, 3)
        } else {
            images
        };
        (images.add_scalar(1.0).mul_scalar(0.5) - self.mean.val()) / self.deviation.val()
    }
}

/// A constant tensor of `values` in the place of a parameter that no optimiser moves.
fn buffer(
    weights: &mut Weights,
    name: &str,
    parameter: &Param<Tensor<1>>,
) -> Result<Param<Tensor<1>>> {
    let shape = parameter.dims();
    let values = weights.values(name, &shape)?;
    let tensor = Tensor::from_data(TensorData::new(values, shape), &parameter.val().device());
    Ok(parameter.clone().map(|_| tensor).set_require_grad(false))
}

#[cfg(test)]
mod tests;
