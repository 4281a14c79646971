//! Spectral normalisation: a weight divided by its largest singular value.
//!
//! Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, 2018
//! (arXiv 1802.05957), section 2.1 and Algorithm 1.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::parameters::{Parameters, set_buffer};
use crate::kernels::{normalised, power_iteration, spectral_normalise};

/// The persistent estimate of a weight's first pair of singular vectors, the weight seen as [outputs, the rest].
#[derive(Module, Debug)]
pub struct SpectralNorm {
    /// Left singular vector, `[outputs]`.
    pub left: Param<Tensor<1>>,
    /// Right singular vector, [the rest].
    pub right: Param<Tensor<1>>,
}

impl SpectralNorm {
    /// Random unit vectors for a weight of `outputs` rows and `rest` columns.
    pub fn new(parameters: &Parameters, outputs: usize, rest: usize) -> Self {
        let unit = |name: &str, length: usize| {
            let mut vector = parameters.normal(name, [length], 0.0, 1.0);
            let direction = normalised(vector.val());
            set_buffer(&mut vector, direction);
            vector
        };
        Self {
            left: unit("left", outputs),
            right: unit("right", rest),
        }
    }

    /// One step of the power iteration.
    pub fn power_iterate<const D: usize>(&mut self, weight: Tensor<D>) {
        let [left, right] = power_iteration(weight, self.left.val());
        set_buffer(&mut self.left, left);
        set_buffer(&mut self.right, right);
    }

    /// The weight over its largest singular value, as the pair of vectors estimates it.
    pub fn normalise<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        spectral_normalise(weight, [self.left.val(), self.right.val()])
    }
}
