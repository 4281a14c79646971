//! Convolutions on a GPU: Burn's, and their gradients by input and weight.
//!
//! A transposed convolution is the gradient of a convolution by its input, for which Burn has kernels that take maps and weights with
//! channels last, as convolutions do. Its own transposed convolution wants them otherwise, so that both are copied, and has as its weight
//! gradient a convolution by whole maps.

use burn::backend::Cube;
use burn::backend::ops::{ConvOptions, FloatTensorOps};
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::conv::{
    ConvStrategy, conv_data_backward, conv_forward, conv_weight_backward,
};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::numeric::add;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::extension::{Convolution, PullBack};
use super::geometry::{Direction, Geometry};
use crate::kernels::gpu::{channels_last, empty, of_each};

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
        let by_operand = of_operand.then(|| {
            let back = direction.reversed();
            transform(gradient.clone(), weight, None, geometry, back)
        });
        let by_weight = of_weight.then(|| {
            let [input, output] = direction.ends(operand, gradient.clone());
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
    let result = if overlaps_little && operand.dtype == DType::F32 {
        input_gradient(operand, weight, geometry)
    } else {
        let shape = Shape::new([geometry.images, channels, height, width]);
        conv_data_backward(operand, weight, shape, options, strategy).expect(EVERY_SHAPE)
    };
    match bias {
        Some(bias) => add(result, reshape(bias, Shape::new([1, channels, 1, 1]))),
        None => result,
    }
}

/// Every place of the output times all the weights: one product of matrices, whose columns are then added up by a kernel. (Burn's
/// kernels for it decline strides other than 1, or take images one by one.)
fn input_gradient(output: CubeTensor, weight: CubeTensor, geometry: &Geometry) -> CubeTensor {
    let channels = geometry.inputs;
    let [height, width] = geometry.input;
    let rows = |tensor: CubeTensor, rows: usize, columns: usize| {
        let tensor = permute_nchw_to_nhwc(channels_last(tensor));
        reshape(tensor, Shape::new([rows, columns]))
    };
    let places = geometry.images * geometry.output_places();
    let output = rows(output, places, geometry.outputs);
    let weight = rows(weight, geometry.outputs, geometry.area() * channels);
    let strategy = MatmulStrategy::default();
    let columns = matmul(output, weight, None, strategy, DType::F32).expect(EVERY_SHAPE);
    let input = empty(&columns, [geometry.images, height, width, channels]);
    let (cubes, dimension) = of_each(&input, input.meta.num_elements());
    let client = columns.client.clone();
    let row = columns.meta.strides()[0];
    add_up::launch(
        &client,
        cubes,
        dimension,
        columns.into_tensor_arg(),
        input.clone().into_tensor_arg(),
        row,
        channels,
        height,
        width,
        geometry.output[0],
        geometry.output[1],
        geometry.padding.unsigned_abs(),
        geometry.kernel,
        geometry.stride,
    );
    permute_nhwc_to_nchw(input)
}

/// Adds up what all places of the output have for one number of the input: `columns` is [images, places of the output, kernel, kernel,
/// channels], with `row` numbers from a place to the next, `input` [images, height, width, channels].
#[cube(launch)]
fn add_up(
    columns: &Tensor<f32>,
    input: &mut Tensor<f32>,
    row: usize,
    channels: usize,
    height: usize,
    width: usize,
    output_height: usize,
    output_width: usize,
    padding: usize,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
) {
    let number = ABSOLUTE_POS;
    if number >= input.len() {
        terminate!();
    }
    let channel = number % channels;
    let place = number / channels;
    let across = place % width + padding;
    let down = place / width % height + padding;
    let first = place / width / height * output_height;
    let mut sum = 0.0f32;
    // The taps under which an output can have this place. A difference below zero wraps around, and is no place of the output.
    let mut tap_down = down % stride;
    while tap_down < kernel {
        let above = (down - tap_down) / stride;
        let mut tap_across = across % stride;
        while tap_across < kernel {
            let before = (across - tap_across) / stride;
            if above < output_height && before < output_width {
                let at = (first + above) * output_width + before;
                sum += columns[at * row + (tap_down * kernel + tap_across) * channels + channel];
            }
            tap_across += stride;
        }
        tap_down += stride;
    }
    input[number] = sum;
}

fn options(geometry: &Geometry) -> ConvOptions<2> {
    let padding = geometry.padding.unsigned_abs();
    ConvOptions::new([geometry.stride; 2], [padding; 2], [1, 1], 1)
}
