//! The gradient of a convolution's input, which is also the transposed convolution.
//!
//! By [`Winograd`] where that is faster. Else three ways: a whole-image kernel is one product; at stride 1 the gradient is
//! a convolution with the kernels turned by half a turn; at other strides weights times output gradients give columns that
//! are added up where they came from.

use rayon::prelude::*;

use super::columns::scatter;
use super::forward::convolve;
use super::geometry::Geometry;
use super::winograd::Winograd;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, in_blocks, padded, row_stride, take, zeros};
use crate::linalg::Matrix;

/// Numbers in a block's columns: half a MiB, half of a second cache.
const COLUMNS: usize = 128 * 1024;
/// Images of whole-image kernels per block.
const WHOLE_IMAGES: usize = 16;

/// Gradients [images, outputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, inputs, places]
///
/// `bias`, one per input channel, is added (by the transposed convolution).
pub(super) fn input_gradient(
    geometry: &Geometry,
    gradient: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    if geometry.is_whole() {
        return whole(geometry, gradient, weight, bias);
    }
    if let Some(winograd) = Winograd::of(geometry) {
        return winograd.input_gradient(gradient, weight, bias);
    }
    if geometry.stride == 1 {
        let turned = turned(geometry, weight);
        return convolve(&mirrored(geometry), gradient, &turned, bias);
    }
    let image_in = geometry.inputs * geometry.input_places();
    let image_out = geometry.outputs * geometry.output_places();
    let group = geometry.group();
    in_blocks(
        gradient,
        geometry.images * image_in,
        [group * image_out, group * image_in],
        |gradient, input, scratch| block(geometry, gradient, weight, bias, input, scratch),
    )
}

/// The convolution that is the input gradient of one with stride 1.
fn mirrored(geometry: &Geometry) -> Geometry {
    Geometry {
        inputs: geometry.outputs,
        outputs: geometry.inputs,
        input: geometry.output,
        output: geometry.input,
        padding: geometry.kernel.cast_signed() - 1 - geometry.padding,
        ..*geometry
    }
}

/// [outputs, inputs, kernel, kernel] -> [inputs, outputs, kernel, kernel], every kernel turned by half a turn.
fn turned(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let area = geometry.area();
    let mut turned = Vec::with_capacity(weight.len());
    for input in 0..geometry.inputs {
        for output in weight.chunks_exact(geometry.terms()) {
            turned.extend(output[input * area..][..area].iter().rev());
        }
    }
    turned
}

/// One place per image: gradients [images, outputs] times weights [outputs, all the input].
fn whole(geometry: &Geometry, gradient: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (terms, outputs) = (geometry.terms(), geometry.outputs);
    let places = geometry.input_places();
    let mut input = zeros(geometry.images * terms);
    input
        .par_chunks_mut(WHOLE_IMAGES * terms)
        .zip(gradient.par_chunks(WHOLE_IMAGES * outputs))
        .for_each(|(input, gradient)| {
            if let Some(bias) = bias {
                for (map, bias) in input.chunks_exact_mut(places).zip(bias.iter().cycle()) {
                    map.fill(*bias);
                }
            }
            let images = input.len() / terms;
            // A product with one row would go to another kernel of the gemm crate and sum in another order.
            if images == 1 {
                let gradient = [gradient, gradient].concat();
                let mut pair = [&*input, &*input].concat();
                whole_block(geometry, &gradient, weight, &mut pair, bias.is_some());
                input.copy_from_slice(&pair[..terms]);
            } else {
                whole_block(geometry, gradient, weight, input, bias.is_some());
            }
        });
    input
}

fn whole_block(
    geometry: &Geometry,
    gradient: &[f32],
    weight: &[f32],
    input: &mut [f32],
    accumulate: bool,
) {
    let (terms, outputs) = (geometry.terms(), geometry.outputs);
    for piece in pieces(outputs) {
        multiply(
            [input.len() / terms, terms, piece.len()],
            input,
            terms,
            Matrix::rows(&gradient[piece.start..], outputs),
            Matrix::rows(&weight[piece.start * terms..], terms),
            accumulate || piece.start > 0,
        );
    }
}

/// A block of images, some channels at a time.
fn block(
    geometry: &Geometry,
    gradient: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    input: &mut [f32],
    scratch: &mut Scratch,
) {
    let (places, area) = (geometry.output_places(), geometry.area());
    let count = gradient.len() / (geometry.outputs * places);
    let stride = row_stride(count * places);
    let Scratch {
        columns,
        joined,
        phases,
        ..
    } = scratch;
    // The gradients of all images side by side.
    let joined = take(joined, geometry.outputs * stride);
    join(gradient, geometry.outputs, places, stride, joined);
    let [_, width] = geometry.input;
    let phases = take(phases, width + 2 * geometry.stride);
    // Some channels of the input at a time: columns, scattered to their positions.
    let channels = (COLUMNS / (area * stride)).clamp(1, geometry.inputs);
    for first in (0..geometry.inputs).step_by(channels) {
        let last = (first + channels).min(geometry.inputs);
        let rows = (last - first) * area;
        let columns = take(columns, rows * stride);
        for piece in pieces(geometry.outputs) {
            multiply(
                [rows, padded(count * places), piece.len()],
                columns,
                stride,
                Matrix::columns(
                    &weight[piece.start * geometry.terms() + first * area..],
                    geometry.terms(),
                ),
                Matrix::rows(&joined[piece.start * stride..], stride),
                piece.start > 0,
            );
        }
        let places_in = geometry.input_places();
        for (image, maps) in input
            .chunks_exact_mut(geometry.inputs * places_in)
            .enumerate()
        {
            let maps = maps[first * places_in..last * places_in].chunks_exact_mut(places_in);
            for ((channel, map), columns) in maps.enumerate().zip(columns.chunks(area * stride)) {
                let bias = bias.map_or(0.0, |bias| bias[first + channel]);
                let columns = &columns[image * places..];
                scatter(geometry, columns, stride, bias, phases, map);
            }
        }
    }
}

/// [images, channels, places] -> [channels, images x places], with rows `stride` apart.
pub(super) fn join(
    values: &[f32],
    channels: usize,
    places: usize,
    stride: usize,
    joined: &mut [f32],
) {
    for (channel, row) in joined.chunks_mut(stride).take(channels).enumerate() {
        let images = values.chunks_exact(channels * places);
        for (image, target) in images.zip(row.chunks_exact_mut(places)) {
            target.copy_from_slice(&image[channel * places..][..places]);
        }
    }
}
