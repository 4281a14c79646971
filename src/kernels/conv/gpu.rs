//! Convolutions on a GPU: Burn's, and their gradients by input and weight.
//!
//! A transposed convolution is the gradient of a convolution by its input, for which Burn has kernels that take maps and weights with
//! channels last, as convolutions do. Its own transposed convolution wants them otherwise, so that both are copied, and has as its weight
//! gradient a convolution by whole maps.

mod products;

use burn::backend::Cube;
use burn::backend::ops::{ConvOptions, FloatTensorOps};
use burn::tensor::Shape;
use burn_cubecl::kernel::conv::{
    ConvStrategy, conv_data_backward, conv_forward, conv_weight_backward,
};
use burn_cubecl::ops::numeric::add;
use burn_cubecl::ops::{permute_nchw_to_nhwc, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::extension::{Convolution, PullBack};
use super::geometry::{Direction, Geometry};
use crate::kernels::gpu::channels_last;

/// Burn falls back to kernels that take every shape.
const EVERY_SHAPE: &str = "a convolution of every shape has a kernel";

impl Convolution for Cube {
    fn convolution(
        operand: CubeTensor,
        weight: CubeTensor,
        geometry: Geometry,
        direction: Direction,
    ) -> CubeTensor {
        transform(operand, weight, None, &geometry, direction)
    }

    fn biased_convolution(
        operand: CubeTensor,
        weight: CubeTensor,
        bias: CubeTensor,
        geometry: Geometry,
        direction: Direction,
    ) -> CubeTensor {
        transform(operand, weight, Some(bias), &geometry, direction)
    }
}

impl PullBack for Cube {
    fn pull_back(
        operand: CubeTensor,
        weight: CubeTensor,
        gradient: CubeTensor,
        geometry: &Geometry,
        direction: Direction,
        [of_operand, of_weight, of_bias]: [bool; 3],
    ) -> [Option<CubeTensor>; 3] {
        // Once for all three.
        let gradient = channels_last(gradient);
        let by_operand = of_operand.then(|| {
            let back = direction.reversed();
            transform(gradient.clone(), weight, None, geometry, back)
        });
        let by_weight = of_weight.then(|| {
            let [input, output] = direction.ends(operand, gradient.clone());
            if !geometry.is_point() && products::take(geometry, input.dtype) {
                return products::weight_gradient(input, output, geometry);
            }
            let shape = Shape::new(geometry.weight_shape());
            let strategy = ConvStrategy::default();
            conv_weight_backward(input, output, shape, options(geometry), strategy)
                .expect(EVERY_SHAPE)
        });
        let by_bias = of_bias.then(|| {
            let (channels, [height, width]) = geometry.after(direction);
            let places = Shape::new([geometry.images * height * width, channels]);
            let places = reshape(permute_nchw_to_nhwc(gradient), places);
            reshape(Cube::float_sum_dim(places, 0), Shape::new([channels]))
        });
        [by_operand, by_weight, by_bias]
    }
}

fn transform(
    operand: CubeTensor,
    weight: CubeTensor,
    bias: Option<CubeTensor>,
    geometry: &Geometry,
    direction: Direction,
) -> CubeTensor {
    let (options, strategy) = (options(geometry), ConvStrategy::default());
    if direction == Direction::Along {
        return conv_forward(operand, weight, bias, options, strategy).expect(EVERY_SHAPE);
    }
    let (channels, [height, width]) = geometry.after(direction);
    let overlaps_little = geometry.stride > 1 || geometry.is_whole();
    let result = if overlaps_little && products::take(geometry, operand.dtype) {
        products::input_gradient(operand, weight, geometry)
    } else {
        let shape = Shape::new([geometry.images, channels, height, width]);
        conv_data_backward(operand, weight, shape, options, strategy).expect(EVERY_SHAPE)
    };
    match bias {
        Some(bias) => add(result, reshape(bias, Shape::new([1, channels, 1, 1]))),
        None => result,
    }
}

fn options(geometry: &Geometry) -> ConvOptions<2> {
    let padding = geometry.padding.unsigned_abs();
    ConvOptions::new([geometry.stride; 2], [padding; 2], [1, 1], 1)
}
