//! Normalisation layers, with the activation function that follows; what they compute is in [`crate::kernels`].

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::activation::Activation;
use super::parameters::{Parameters, clip, set_buffer};
use crate::kernels::{batch_norm, batch_norm_train, group_norm, moving_average};

/// Weight of the newest batch in the running statistics.
const MOMENTUM: f64 = 0.1;

/// Batch normalisation of images (Ioffe and Szegedy 2015), with PyTorch's conventions.
///
/// Not Burn's module: its running statistics lag an update in records, are shared between clones, and take the biased
/// variance where PyTorch takes the unbiased one. Here they are plain parameters without gradient.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`.
    pub beta: Param<Tensor<1>>,
    /// Running mean, `[channels]`.
    pub running_mean: Param<Tensor<1>>,
    /// Running unbiased variance, `[channels]`.
    pub running_variance: Param<Tensor<1>>,
}

impl BatchNorm {
    /// Over `channels` channels; the scale starts from N(1, `deviation`^2).
    pub fn new(parameters: &Parameters, channels: usize, deviation: f32) -> Self {
        let buffer = |name: &str, value: f32| {
            parameters
                .constant(name, [channels], value)
                .set_require_grad(false)
        };
        Self {
            gamma: parameters.normal("gamma", [channels], 1.0, deviation),
            beta: parameters.constant("beta", [channels], 0.0),
            running_mean: buffer("running_mean", 0.0),
            running_variance: buffer("running_variance", 1.0),
        }
    }

    /// Normalises by the statistics of this batch and adds them to the running ones. [n, channels, h, w]
    pub fn forward_training(&mut self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let [images, _, height, width] = input.dims();
        let count = (images * height * width) as f64;
        let (output, [mean, variance]) = batch_norm_train(input, self.affine(), activation);
        let follow = |running: &mut Param<Tensor<1>>, batch: Tensor<1>| {
            set_buffer(
                running,
                moving_average(running.val(), batch, 1.0 - MOMENTUM),
            );
        };
        follow(&mut self.running_mean, mean);
        follow(
            &mut self.running_variance,
            variance.mul_scalar(count / (count - 1.0).max(1.0)),
        );
        output
    }

    /// Normalises by the statistics of this batch and leaves the running ones alone.
    pub fn forward_batch(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        batch_norm_train(input, self.affine(), activation).0
    }

    /// Normalises by the running statistics: what an image becomes does not depend on its batch.
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let statistics = [self.running_mean.val(), self.running_variance.val()];
        batch_norm(input, self.affine(), statistics, activation)
    }

    /// Clips scale and shift to [-`bound`, `bound`]; the running statistics stay.
    pub fn clip(&mut self, bound: f64) {
        clip(&mut self.gamma, bound);
        clip(&mut self.beta, bound);
    }

    fn affine(&self) -> [Tensor<1>; 2] {
        [self.gamma.val(), self.beta.val()]
    }
}

/// Group normalisation (Wu and He 2018): per image, over groups of channels.
#[derive(Module, Debug)]
pub struct GroupNorm {
    /// Scale, `[channels]`.
    pub gamma: Param<Tensor<1>>,
    /// Shift, `[channels]`.
    pub beta: Param<Tensor<1>>,
    groups: usize,
}

impl GroupNorm {
    /// Over `channels` channels in at most 32 groups (the number of Ho et al. 2020), fewer where 32 do not divide them.
    pub fn new(parameters: &Parameters, channels: usize) -> Self {
        let groups = (1..=channels.min(32))
            .rev()
            .find(|groups| channels.is_multiple_of(*groups) && channels / groups >= 4)
            .unwrap_or(1);
        Self {
            gamma: parameters.constant("gamma", [channels], 1.0),
            beta: parameters.constant("beta", [channels], 0.0),
            groups,
        }
    }

    /// [n, channels, h, w] -> the same
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let affine = [self.gamma.val(), self.beta.val()];
        group_norm(input, self.groups, affine, activation)
    }
}

/// Instance normalisation (Ulyanov et al. 2016) without scale and shift, as PyTorch's `InstanceNorm2d`: every channel of every image
/// by its own mean and variance, so that what an image becomes depends on itself alone. [n, channels, h, w] -> the same
pub fn instance_norm(input: Tensor<4>, activation: Activation) -> Tensor<4> {
    let (channels, device) = (input.dims()[1], input.device());
    let affine = [
        Tensor::ones([channels], &device),
        Tensor::zeros([channels], &device),
    ];
    group_norm(input, channels, affine, activation)
}
