//! Normalisation of activations: over the batch, and over groups of channels, with the activation function that follows.
//!
//! In f32 on the CPU by kernels of this module's own (function included: one pass less each way); elsewhere by Burn's.

mod extension;
mod kernel;
mod layout;
#[cfg(test)]
mod tests;

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::{batch_norm, batch_norm_train};

use self::extension::{Plan, moments, normalise};
use self::layout::{Layout, Sharing};
use super::activation::Activation;
use super::flex::is_ours;
use super::parameters::{Parameters, set_buffer};

/// Added to variances before the square root.
const EPSILON: f64 = 1e-5;
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
        let (output, mean, variance) = self.normalise_by_batch(input, activation);
        let blend = |running: &mut Param<Tensor<1>>, batch: Tensor<1>| {
            let kept = running.val().detach().mul_scalar(1.0 - MOMENTUM);
            set_buffer(running, kept + batch.detach().mul_scalar(MOMENTUM));
        };
        blend(&mut self.running_mean, mean);
        blend(
            &mut self.running_variance,
            variance.mul_scalar(count / (count - 1.0).max(1.0)),
        );
        output
    }

    /// Normalises by the statistics of this batch and leaves the running ones alone.
    pub fn forward_batch(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        self.normalise_by_batch(input, activation).0
    }

    /// Normalises by the running statistics: what an image becomes does not depend on its batch.
    pub fn forward(&self, input: Tensor<4>, activation: Activation) -> Tensor<4> {
        let affine = [self.gamma.val(), self.beta.val()];
        let (mean, variance) = (self.running_mean.val(), self.running_variance.val());
        if is_ours(&input) {
            let plan = Plan {
                layout: Layout::new(input.dims(), Sharing::Batch),
                activation,
                of_input: false,
            };
            return normalise(input, Tensor::stack(vec![mean, variance], 0), affine, plan);
        }
        let [gamma, beta] = affine;
        activation.forward(batch_norm(input, gamma, beta, mean, variance, EPSILON))
    }

    /// The result, and the batch's mean and biased variance, `[channels]` each.
    fn normalise_by_batch(
        &self,
        input: Tensor<4>,
        activation: Activation,
    ) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
        let affine = [self.gamma.val(), self.beta.val()];
        if is_ours(&input) {
            let (output, moments) = normalise_alone(input, affine, Sharing::Batch, activation);
            let moment = |place: usize| moments.clone().narrow(0, place, 1).squeeze_dim(0);
            return (output, moment(0), moment(1));
        }
        let [gamma, beta] = affine;
        let normalised = batch_norm_train(input, gamma, beta, EPSILON);
        let output = activation.forward(normalised.output);
        (output, normalised.mean, normalised.variance)
    }
}

/// Normalises f32 on the CPU by its own moments, and returns these too: [2, groups], means and biased variances.
fn normalise_alone(
    input: Tensor<4>,
    affine: [Tensor<1>; 2],
    sharing: Sharing,
    activation: Activation,
) -> (Tensor<4>, Tensor<2>) {
    let plan = Plan {
        layout: Layout::new(input.dims(), sharing),
        activation,
        of_input: true,
    };
    let moments = moments(input.clone(), plan.layout);
    (normalise(input, moments.clone(), affine, plan), moments)
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
        let [images, channels, height, width] = input.dims();
        if is_ours(&input) {
            let affine = [self.gamma.val(), self.beta.val()];
            return normalise_alone(input, affine, Sharing::Groups(self.groups), activation).0;
        }
        // A group of an image is normalised as batch normalisation normalises a channel: one operation of the
        // automatic differentiation in place of six.
        let rows = images * self.groups;
        let grouped = input.reshape([1, rows, channels / self.groups * height * width]);
        let device = &grouped.device();
        let (one, zero) = (Tensor::ones([rows], device), Tensor::zeros([rows], device));
        let normalised: Tensor<3> = batch_norm_train(grouped, one, zero, EPSILON).output;
        let scale = self.gamma.val().reshape([1, channels, 1, 1]);
        let shift = self.beta.val().reshape([1, channels, 1, 1]);
        activation.forward(normalised.reshape([images, channels, height, width]) * scale + shift)
    }
}
