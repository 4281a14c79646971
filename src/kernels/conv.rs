//! Convolutions.
//!
//! In f32 on the CPU they are products of matrices, forward and backward, in blocks of this module's own; those of 3 x 3
//! and DCGAN's 4 x 4 at every second place have fewer products, in `winograd`. On GPUs they are Burn's convolutions and their
//! gradients, for transposed ones too, in `gpu`. Anything else is left to Burn.

mod columns;
mod extension;
mod forward;
mod geometry;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;
mod input_gradient;
#[cfg(test)]
mod tests;
mod weight_gradient;
mod winograd;

use burn::tensor::Tensor;
use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};

use self::extension::apply;
use self::geometry::{Direction, Geometry};
use super::flex::{is_on_cpu, is_ours};

/// Whether a tensor's convolutions are computed here: on the CPU in f32 alone, on a GPU in all its numbers.
fn has_kernels(tensor: &Tensor<4>) -> bool {
    is_ours(tensor) || !is_on_cpu(tensor)
}

/// Cross-correlation of images with kernels, as PyTorch's `conv2d`; stride and padding are equal in both directions.
///
/// Input [n, inputs, h, w], weight [outputs, inputs, kernel, kernel], bias `[outputs]` -> [n, outputs, h', w'] with
/// h' = (h + 2 padding - kernel) / stride + 1, rounded down.
pub fn conv2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    [stride, padding]: [usize; 2],
) -> Tensor<4> {
    let [images, inputs, height, width] = input.dims();
    let [outputs, _, kernel, _] = weight.dims();
    if !(has_kernels(&input) && has_kernels(&weight)) {
        let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
        return module::conv2d(input, weight, bias, options);
    }
    let size = [height, width];
    let geometry = Geometry {
        images,
        inputs,
        outputs,
        input: size,
        output: size.map(|size| (size + 2 * padding - kernel) / stride + 1),
        kernel,
        stride,
        padding: padding.cast_signed(),
    };
    apply(input, weight, bias, geometry, Direction::Along)
}

/// The transpose (adjoint) of [`conv2d`], as PyTorch's `conv_transpose2d`.
///
/// Input [n, inputs, h, w], weight [inputs, outputs, kernel, kernel], bias `[outputs]` -> [n, outputs, h', w'] with
/// h' = (h - 1) stride + kernel - 2 padding.
pub fn conv_transpose2d(
    input: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    [stride, padding]: [usize; 2],
) -> Tensor<4> {
    let [images, inputs, height, width] = input.dims();
    let [_, outputs, kernel, _] = weight.dims();
    if !(has_kernels(&input) && has_kernels(&weight)) {
        let options = ConvTransposeOptions::new([stride; 2], [padding; 2], [0, 0], [1, 1], 1);
        return module::conv_transpose2d(input, weight, bias, options);
    }
    let size = [height, width];
    // The convolution whose transpose this is.
    let geometry = Geometry {
        images,
        inputs: outputs,
        outputs: inputs,
        input: size.map(|size| (size - 1) * stride + kernel - 2 * padding),
        output: size,
        kernel,
        stride,
        padding: padding.cast_signed(),
    };
    apply(input, weight, bias, geometry, Direction::Back)
}
