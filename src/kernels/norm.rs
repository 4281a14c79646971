//! Normalisation of activations: over the batch, and over groups of channels, with the activation function that follows.
//!
//! In f32 by kernels of this module's own (function included: one pass less each way); in other numbers by Burn's.

mod extension;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod kernel;
mod layout;
#[cfg(test)]
mod tests;

use burn::tensor::{Tensor, module};

use self::extension::{Plan, moments, normalise};
use self::layout::{Layout, Sharing};
use super::activation::Activation;
use super::is_f32;

/// Added to variances before the square root.
const EPSILON: f64 = 1e-5;

/// Batch normalisation by the batch's own statistics (Ioffe and Szegedy 2015, algorithm 1), then `activation`.
///
/// Input [n, channels, h, w]; `affine` is scale and shift, `[channels]` each. Returns the result and the batch's mean
/// and biased variance, `[channels]` each, through which no gradient flows in f32.
pub fn batch_norm_train(
    input: Tensor<4>,
    affine: [Tensor<1>; 2],
    activation: Activation,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    if is_f32(&input) {
        let (output, moments) = normalise_alone(input, affine, Sharing::Batch, activation);
        let moment = |place: usize| moments.clone().narrow(0, place, 1).squeeze_dim(0);
        return (output, [moment(0), moment(1)]);
    }
    let [gamma, beta] = affine;
    let normalised = module::batch_norm_train(input, gamma, beta, EPSILON);
    let output = activation.forward(normalised.output);
    (output, [normalised.mean, normalised.variance])
}

/// Batch normalisation by given statistics, then `activation`: what an image becomes does not depend on its batch.
///
/// Input [n, channels, h, w]; `affine` is scale and shift, `statistics` mean and variance, `[channels]` each.
pub fn batch_norm(
    input: Tensor<4>,
    affine: [Tensor<1>; 2],
    [mean, variance]: [Tensor<1>; 2],
    activation: Activation,
) -> Tensor<4> {
    if is_f32(&input) {
        let plan = Plan {
            layout: Layout::new(input.dims(), Sharing::Batch),
            activation,
            of_input: false,
        };
        return normalise(input, Tensor::stack(vec![mean, variance], 0), affine, plan);
    }
    let [gamma, beta] = affine;
    activation.forward(module::batch_norm(
        input, gamma, beta, mean, variance, EPSILON,
    ))
}

/// Group normalisation (Wu and He 2018, eq. 7): per image, over `groups` groups of channels; then `activation`.
///
/// Input [n, channels, h, w]; `affine` is scale and shift, `[channels]` each. `groups` divides the channels.
pub fn group_norm(
    input: Tensor<4>,
    groups: usize,
    affine: [Tensor<1>; 2],
    activation: Activation,
) -> Tensor<4> {
    if is_f32(&input) {
        return normalise_alone(input, affine, Sharing::Groups(groups), activation).0;
    }
    // A group of an image is normalised as batch normalisation normalises a channel: one operation of the automatic
    // differentiation in place of six.
    let [images, channels, height, width] = input.dims();
    let rows = images * groups;
    let grouped = input.reshape([1, rows, channels / groups * height * width]);
    let device = &grouped.device();
    let (one, zero) = (Tensor::ones([rows], device), Tensor::zeros([rows], device));
    let normalised: Tensor<3> = module::batch_norm_train(grouped, one, zero, EPSILON).output;
    let [scale, shift] = affine.map(|tensor| tensor.reshape([1, channels, 1, 1]));
    activation.forward(normalised.reshape([images, channels, height, width]) * scale + shift)
}

/// Normalises f32 by its own moments, and returns these too: [2, groups], means and biased variances.
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
