//! Spectral normalisation: a weight divided by its largest singular value, and the power iteration that estimates this.
//!
//! Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, 2018 (arXiv 1802.05957), section 2.1
//! and Algorithm 1. In f32 on the CPU one pass over the weight for sigma, one for the quotient and two for its gradient, by all
//! cores; by Burn's operations there are ten on one core, a seventh of an SNGAN step at batch 8. On a GPU ten kernels, where Burn's
//! operations launch some thirty.

mod extension;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod kernel;
#[cfg(test)]
mod tests;

use burn::tensor::Tensor;

use self::extension::{normalise, times_columns, times_rows};
use super::is_f32;

/// Keeps a length from being divided by zero.
const EPSILON: f32 = 1e-12;

/// One step of the power iteration (Algorithm 1, line 1) on a weight seen as [outputs, the rest]: v = W'u / |W'u|, then
/// u = Wv / |Wv|. Returns u, `[outputs]`, and v, [the rest]; no gradient flows through either.
pub fn power_iteration<const D: usize>(weight: Tensor<D>, left: Tensor<1>) -> [Tensor<1>; 2] {
    let weight = weight.detach();
    if is_f32(&weight) {
        let right = normalised(times_columns(weight.clone(), left));
        let left = normalised(times_rows(weight, right.clone()));
        return [left, right];
    }
    let matrix = as_matrix(weight);
    let right = left.unsqueeze_dim::<2>(0).matmul(matrix.clone());
    let right = normalised(right.squeeze_dim(0));
    let left = matrix.matmul(right.clone().unsqueeze_dim::<2>(1));
    [normalised(left.squeeze_dim(1)), right]
}

/// W / sigma(W) with sigma = u'Wv (equation 8), W being the weight seen as [outputs, the rest]; u and v are constants of the
/// gradient, sigma is not.
pub fn spectral_normalise<const D: usize>(
    weight: Tensor<D>,
    [left, right]: [Tensor<1>; 2],
) -> Tensor<D> {
    if is_f32(&weight) {
        return normalise(weight, [left, right]);
    }
    let product = as_matrix(weight.clone()).matmul(right.unsqueeze_dim::<2>(1)); // [outputs, 1]
    let sigma = (product.squeeze_dim::<1>(1) * left).sum(); // [1]
    weight / sigma.reshape([1; D])
}

fn as_matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let outputs = weight.dims()[0].cast_signed() as i32;
    weight.reshape([outputs, -1])
}

/// A vector over its length; a constant.
pub fn normalised(vector: Tensor<1>) -> Tensor<1> {
    if is_f32(&vector) {
        return extension::unit(vector);
    }
    let squares = vector.clone().square();
    vector / squares.sum().sqrt().clamp_min(EPSILON)
}
