//! Layers of networks that are only run, never trained: convolution with bias and ReLU, pools of 3 x 3 places.
//!
//! In f32 on the CPU, without automatic differentiation, by kernels of this module's own; elsewhere by Burn's.

mod convolution;
mod pool;
mod winograd;

use std::sync::{Arc, OnceLock};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::{avg_pool2d, conv2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};

use self::convolution::{Shape, convolve};
use super::flex::{Primitive, entries, is_ours, tensor};

/// The kernels of a convolution, and what becomes of them once for all images.
#[derive(Clone, Debug)]
pub struct Kernels {
    weight: Tensor<4>,
    transformed: Transformed,
}

/// Kernels as tiles see them, once they were asked for.
type Transformed = Arc<OnceLock<Vec<f32>>>;

impl Kernels {
    /// Those of `weight`, [outputs, inputs, kh, kw].
    pub fn new(weight: Tensor<4>) -> Self {
        Self {
            weight,
            transformed: Transformed::default(),
        }
    }

    /// [outputs, inputs, kh, kw]
    pub fn weight(&self) -> &Tensor<4> {
        &self.weight
    }
}

/// The operations of a back end.
#[backend_extension(Flex)]
trait Inference: Backend {
    /// A convolution with bias and ReLU.
    fn convolution(
        maps: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        transformed: Transformed,
        shape: Shape,
    ) -> FloatTensor<Self>;

    /// The largest of 3 x 3 places.
    fn largest(maps: FloatTensor<Self>, stride: usize, padding: usize) -> FloatTensor<Self>;

    /// The mean of those of 3 x 3 places that lie inside the image, and 0 if it is negative.
    fn rectified_mean(maps: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Inference for Flex {
    fn convolution(
        maps: Primitive,
        weight: Primitive,
        bias: Primitive,
        transformed: Transformed,
        shape: Shape,
    ) -> Primitive {
        let [maps, weight, bias] = [maps, weight, bias].map(|tensor| tensor.to_contiguous());
        let (maps, weight, bias) = (entries(&maps), entries(&weight), entries(&bias));
        let output = convolve(&shape, maps, weight, &transformed, bias);
        let [height, width] = shape.output;
        tensor(output, [shape.images, shape.outputs, height, width])
    }

    fn largest(maps: Primitive, stride: usize, padding: usize) -> Primitive {
        let [images, channels, height, width] = dims(&maps);
        let maps = maps.to_contiguous();
        let output = pool::largest(entries(&maps), [height, width], stride, padding);
        let places = |size: usize| (size + 2 * padding - 3) / stride + 1;
        tensor(output, [images, channels, places(height), places(width)])
    }

    fn rectified_mean(maps: Primitive) -> Primitive {
        let shape @ [_, _, height, width] = dims(&maps);
        let maps = maps.to_contiguous();
        tensor(pool::rectified_mean(entries(&maps), [height, width]), shape)
    }
}

fn dims(tensor: &Primitive) -> [usize; 4] {
    tensor.layout().shape().dims()
}

/// Whether this module's kernels, which have no gradient, can be used on `maps`.
fn on_cpu(maps: &Tensor<4>) -> bool {
    is_ours(maps) && !maps.device().is_autodiff()
}

/// A convolution of the `inputs` channels of `maps` from number `first` on, plus `bias`; the first `rectified` outputs
/// are rectified.
///
/// Maps [n, channels, h, w], kernels [outputs, inputs, kh, kw], bias `[outputs]` -> [n, outputs, h', w'] with
/// h' = (h + 2 padding - kh) / stride + 1, rounded down.
pub fn convolution(
    maps: Tensor<4>,
    first: usize,
    kernels: &Kernels,
    bias: Tensor<1>,
    rectified: usize,
    stride: usize,
    padding: [usize; 2],
) -> Tensor<4> {
    let [images, channels, height, width] = maps.dims();
    let weight = kernels.weight.clone();
    let [outputs, inputs, kernel_height, kernel_width] = weight.dims();
    if !on_cpu(&maps) {
        let options = ConvOptions::new([stride; 2], padding, [1, 1], 1);
        let output = conv2d(maps.narrow(1, first, inputs), weight, Some(bias), options);
        if rectified == outputs {
            return relu(output);
        }
        let rest = output.clone().narrow(1, rectified, outputs - rectified);
        return Tensor::cat(vec![relu(output.narrow(1, 0, rectified)), rest], 1);
    }
    let places =
        |size: usize, kernel: usize, padding: usize| (size + 2 * padding - kernel) / stride + 1;
    let shape = Shape {
        images,
        channels,
        first,
        inputs,
        outputs,
        rectified,
        input: [height, width],
        output: [
            places(height, kernel_height, padding[0]),
            places(width, kernel_width, padding[1]),
        ],
        kernel: [kernel_height, kernel_width],
        padding,
        stride,
    };
    Tensor::from_dispatch(Dispatch::convolution(
        maps.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        kernels.transformed.clone(),
        shape,
    ))
}

/// The largest of 3 x 3 places, `stride` apart; `padding` is 0 or 1. [n, channels, h, w] -> [n, channels, h', w']
pub fn largest(maps: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    if !on_cpu(&maps) {
        let options = MaxPoolOptions::new([3, 3])
            .with_stride([stride; 2])
            .with_padding([padding; 2]);
        return max_pool2d(maps, options);
    }
    Tensor::from_dispatch(Dispatch::largest(maps.into_dispatch(), stride, padding))
}

/// The mean of those of 3 x 3 places that lie inside the image, and 0 if it is negative. [n, channels, h, w] -> the same
pub fn rectified_mean(maps: Tensor<4>) -> Tensor<4> {
    if !on_cpu(&maps) {
        let options = AvgPoolOptions::new([3, 3])
            .with_stride([1, 1])
            .with_padding([1, 1])
            .with_count_include_pad(false);
        return relu(avg_pool2d(maps, options));
    }
    Tensor::from_dispatch(Dispatch::rectified_mean(maps.into_dispatch()))
}
