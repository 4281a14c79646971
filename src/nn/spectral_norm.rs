//! Spectral normalisation: a weight divided by its largest singular value.
//!
//! Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, 2018
//! (arXiv 1802.05957), section 2.1 and Algorithm 1.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::parameters::{Parameters, set_buffer};

/// Keeps a length from being divided by zero.
const EPSILON: f64 = 1e-12;

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

    /// One step of the power iteration (Algorithm 1, line 1): v = W'u / |W'u|, then u = Wv / |Wv|.
    pub fn power_iterate<const D: usize>(&mut self, weight: Tensor<D>) {
        let matrix = as_matrix(weight.detach());
        let left = self.left.val().unsqueeze_dim::<2>(0); // [1, outputs]
        let right = normalised(left.matmul(matrix.clone()).squeeze_dim::<1>(0)); // [rest]
        let product = matrix.matmul(right.clone().unsqueeze_dim::<2>(1)); // [outputs, 1]
        set_buffer(&mut self.left, normalised(product.squeeze_dim::<1>(1)));
        set_buffer(&mut self.right, right);
    }

    /// W / sigma(W) with sigma = u'Wv (equation 8); u and v are constants of the gradient, sigma is not.
    pub fn normalise<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        let matrix = as_matrix(weight.clone());
        let product = matrix.matmul(self.right.val().unsqueeze_dim::<2>(1)); // [outputs, 1]
        let sigma = (product.squeeze_dim::<1>(1) * self.left.val()).sum(); // [1]
        weight / sigma.reshape([1; D])
    }
}

fn as_matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let outputs = weight.dims()[0] as i32;
    weight.reshape([outputs, -1])
}

fn normalised(vector: Tensor<1>) -> Tensor<1> {
    let length = vector
        .clone()
        .powf_scalar(2.0)
        .sum()
        .sqrt()
        .clamp_min(EPSILON);
    vector / length
}
