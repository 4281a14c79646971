//! Gradients of convolutions as products of matrices, whose columns kernels of this file gather and add up.

use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::kernel::matmul::{MatmulStrategy, matmul};
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::EVERY_SHAPE;
use crate::kernels::conv::geometry::Geometry;
use crate::kernels::gpu::{channels_last, empty, of_each};

/// Parts of a weight gradient that are computed side by side: enough to keep a large card busy.
const PARTS: usize = 256;
/// Rows and columns of a part, about: those of a block of a product on a GPU.
const SIDE: usize = 64;
/// Places that a part is summed over at least.
const FEWEST_PLACES: usize = 256;

/// Whether the kernels of this file can compute a gradient of a convolution: they count the columns in 32 bits.
pub(super) fn take(geometry: &Geometry, numbers: DType) -> bool {
    let columns = geometry.images * geometry.output_places() * geometry.terms();
    numbers == DType::F32 && u32::try_from(columns).is_ok()
}

/// Every place of the output times all the weights: one product of matrices, whose columns are then added up by a kernel. (Burn's
/// kernels for it decline strides other than 1, or take images one by one.)
pub(super) fn input_gradient(
    output: CubeTensor,
    weight: CubeTensor,
    geometry: &Geometry,
) -> CubeTensor {
    let [height, width] = geometry.input;
    let places = geometry.images * geometry.output_places();
    let output = matrix(output, [places, geometry.outputs]);
    let weight = matrix(weight, [geometry.outputs, geometry.terms()]);
    let columns = product(output, weight);
    let input = empty(&columns, [geometry.images, height, width, geometry.inputs]);
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
        sizes(geometry),
        geometry.kernel,
        geometry.stride,
    );
    permute_nhwc_to_nchw(input)
}

/// The output's gradient times the patches of the input that it was computed from, summed over all places of all images. That is a long
/// sum for each of few numbers, so it is cut into parts, which a GPU has cores for. (Burn's kernels for it sum over all places at once.)
pub(super) fn weight_gradient(
    input: CubeTensor,
    output: CubeTensor,
    geometry: &Geometry,
) -> CubeTensor {
    let places = geometry.images * geometry.output_places();
    let (outputs, terms) = (geometry.outputs, geometry.terms());
    let patches = if geometry.is_whole() {
        matrix(input, [places, terms])
    } else {
        patches(input, geometry)
    };
    let parts = parts(places, outputs.div_ceil(SIDE) * terms.div_ceil(SIDE));
    let rows = places / parts;
    let output = matrix(output, [parts, rows, outputs]);
    let patches = reshape(patches, Shape::new([parts, rows, terms]));
    let mut weight = product(Cube::float_swap_dims(output, 1, 2), patches);
    if parts > 1 {
        weight = Cube::float_sum_dim(weight, 0);
    }
    let side = geometry.kernel;
    permute_nhwc_to_nchw(reshape(
        weight,
        Shape::new([outputs, side, side, geometry.inputs]),
    ))
}

/// How many equal parts a sum over `places` is cut into, of a gradient that is `blocks` blocks of a product.
fn parts(places: usize, blocks: usize) -> usize {
    let most = (places / FEWEST_PLACES).min(PARTS / blocks.min(PARTS));
    let mut parts = 1;
    while 2 * parts <= most && places.is_multiple_of(2 * parts) {
        parts *= 2;
    }
    parts
}

/// What every output place reads: [images x places of the output, kernel x kernel x channels], zero beyond the border.
fn patches(input: CubeTensor, geometry: &Geometry) -> CubeTensor {
    let input = channels_last(input);
    let places = geometry.images * geometry.output_places();
    let columns = empty(&input, [places, geometry.terms()]);
    let (cubes, dimension) = of_each(&columns, places * geometry.inputs);
    let client = input.client.clone();
    gather::launch(
        &client,
        cubes,
        dimension,
        input.into_tensor_arg(),
        columns.clone().into_tensor_arg(),
        places,
        sizes(geometry),
        geometry.kernel,
        geometry.stride,
    );
    columns
}

/// The product of two matrices, or of each of many.
fn product(left: CubeTensor, right: CubeTensor) -> CubeTensor {
    let strategy = MatmulStrategy::default();
    matmul(left, right, None, strategy, DType::F32).expect(EVERY_SHAPE)
}

/// Maps or kernels as a matrix, or several, whose columns are channels or end with them.
fn matrix<const D: usize>(tensor: CubeTensor, shape: [usize; D]) -> CubeTensor {
    reshape(
        permute_nchw_to_nhwc(channels_last(tensor)),
        Shape::new(shape),
    )
}

/// A convolution's sizes, for a kernel.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    /// Of the input.
    channels: usize,
    height: usize,
    width: usize,
    output_height: usize,
    output_width: usize,
    padding: usize,
}

fn sizes(geometry: &Geometry) -> SizesLaunch {
    SizesLaunch::new(
        geometry.inputs,
        geometry.input[0],
        geometry.input[1],
        geometry.output[0],
        geometry.output[1],
        geometry.padding.unsigned_abs(),
    )
}

/// Adds up what all places of the output have for one number of the input: `columns` is [images, places of the output, kernel, kernel,
/// channels], with `row` numbers from a place to the next, `input` [images, height, width, channels].
#[cube(launch)]
fn add_up(
    columns: &Tensor<f32>,
    input: &mut Tensor<f32>,
    row: usize,
    sizes: Sizes,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
) {
    let number = ABSOLUTE_POS;
    if number >= input.len() {
        terminate!();
    }
    let channel = number % sizes.channels;
    let place = number / sizes.channels;
    let across = place % sizes.width + sizes.padding;
    let down = place / sizes.width % sizes.height + sizes.padding;
    let first = place / sizes.width / sizes.height * sizes.output_height;
    let mut sum = 0.0f32;
    // The taps under which an output can have this place. A difference below zero wraps around, and is no place of the output.
    let mut tap_down = down % stride;
    while tap_down < kernel {
        let above = (down - tap_down) / stride;
        let mut tap_across = across % stride;
        while tap_across < kernel {
            let before = (across - tap_across) / stride;
            if above < sizes.output_height && before < sizes.output_width {
                let at = (first + above) * sizes.output_width + before;
                sum +=
                    columns[at * row + (tap_down * kernel + tap_across) * sizes.channels + channel];
            }
            tap_across += stride;
        }
        tap_down += stride;
    }
    input[number] = sum;
}

/// Copies one channel of what one place of the output reads: `input` is [images, height, width, channels], `columns` [places of the output of
/// all images, kernel, kernel, channels].
#[cube(launch)]
fn gather(
    input: &Tensor<f32>,
    columns: &mut Tensor<f32>,
    places: usize,
    sizes: Sizes,
    #[comptime] kernel: usize,
    #[comptime] stride: usize,
) {
    let channel = ABSOLUTE_POS % sizes.channels;
    let place = ABSOLUTE_POS / sizes.channels;
    if place >= places {
        terminate!();
    }
    let left = place % sizes.output_width * stride;
    let top = place / sizes.output_width % sizes.output_height * stride;
    let image = place / sizes.output_width / sizes.output_height;
    // Above and left of the image a difference below zero wraps around, and is beyond it too.
    for down in 0..kernel {
        let y = top + down - sizes.padding;
        for across in 0..kernel {
            let x = left + across - sizes.padding;
            let mut value = 0.0f32;
            if y < sizes.height && x < sizes.width {
                value = input
                    [((image * sizes.height + y) * sizes.width + x) * sizes.channels + channel];
            }
            columns[((place * kernel + down) * kernel + across) * sizes.channels + channel] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_many_places_are_cut_and_others_are_not() {
        // DCGAN of width 64 at batch 128: the discriminator's first four layers.
        assert_eq!(parts(131_072, 1), 256);
        assert_eq!(parts(32_768, 32), 8);
        assert_eq!(parts(8192, 128), 2);
        assert_eq!(parts(2048, 512), 1);
        // No part is smaller than another, and none is short.
        assert_eq!(parts(9 * 1024, 1), 32);
        assert_eq!(parts(1155, 1), 1);
        assert_eq!(parts(128, 1), 1);
    }

    #[test]
    fn columns_that_32_bits_cannot_count_and_other_numbers_are_burns() {
        // The widest layer of DDPM of width 128.
        let layer = |images| Geometry {
            images,
            inputs: 384,
            outputs: 128,
            input: [64; 2],
            output: [64; 2],
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        assert!(take(&layer(256), DType::F32));
        assert!(!take(&layer(512), DType::F32));
        assert!(!take(&layer(1), DType::BF16));
    }
}
