//! The gradients of a convolution's weights and biases.
//!
//! By [`Winograd`] where that is faster. Else output gradients times the transpose of the columns. The work is cut twice,
//! both times by the sizes alone: into runs of images, whose partial sums are added in order, and into runs of input
//! channels, whose weights are disjoint. Small weights take many runs of images, large ones (whose partial sums would be
//! costly to keep) runs of channels.

use rayon::prelude::*;

use super::columns::{Part, gather};
use super::geometry::Geometry;
use super::input_gradient::join;
use super::winograd::Winograd;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, row_stride, take, with_scratch, zeros};
use crate::linalg::Matrix;

/// Numbers in all partial sums together.
const PARTIAL_SUMS: usize = 1024 * 1024;
/// Pieces of work wanted, so that several cores are busy.
const TASKS: usize = 8;

/// Inputs [images, inputs, places] and gradients [images, outputs, places] -> [outputs, inputs, kernel, kernel]
pub(super) fn weight_gradient(geometry: &Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    if geometry.is_whole() {
        return whole(geometry, input, gradient);
    }
    if let Some(winograd) = Winograd::of(geometry) {
        return winograd.weight_gradient(input, gradient);
    }
    let (outputs, terms) = (geometry.outputs, geometry.terms());
    let image_in = geometry.inputs * geometry.input_places();
    let image_out = outputs * geometry.output_places();
    let groups = geometry.images.div_ceil(geometry.group());
    let runs = (PARTIAL_SUMS / (outputs * terms))
        .clamp(1, TASKS)
        .min(groups)
        .max(1);
    let images = groups.div_ceil(runs) * geometry.group();
    let channels = geometry.inputs.div_ceil(TASKS.div_ceil(runs));
    let rows = channels * geometry.area();
    let runs = geometry.images.div_ceil(images);
    // Every partial sum is [terms, outputs].
    let mut partial = zeros(runs * terms * outputs);
    partial
        .par_chunks_exact_mut(terms * outputs)
        .zip(input.par_chunks(images * image_in))
        .zip(gradient.par_chunks(images * image_out))
        .for_each(|((partial, input), gradient)| {
            partial
                .par_chunks_mut(rows * outputs)
                .enumerate()
                .for_each(|(place, target)| {
                    with_scratch(|scratch| {
                        run(geometry, place * rows, input, gradient, target, scratch);
                    });
                });
        });
    add_up(&partial, outputs, terms)
}

/// The sum over some images of the weights from number `first` of each output: [weights, outputs].
fn run(
    geometry: &Geometry,
    first: usize,
    input: &[f32],
    gradient: &[f32],
    target: &mut [f32],
    scratch: &mut Scratch,
) {
    let outputs = geometry.outputs;
    let places = geometry.output_places();
    let group = geometry.group();
    let Scratch {
        columns, joined, ..
    } = scratch;
    let inputs = input.chunks(group * geometry.inputs * geometry.input_places());
    let gradients = gradient.chunks(group * outputs * places);
    for (input, gradient) in inputs.zip(gradients) {
        let images = gradient.len() / (outputs * places);
        let (gradient, gradient_stride) = if images == 1 {
            (gradient, places)
        } else {
            let stride = row_stride(images * places);
            let joined = take(joined, outputs * stride);
            join(gradient, outputs, places, stride, joined);
            (&*joined, stride)
        };
        for band in geometry.bands() {
            let band_places = band.len() * geometry.output[1];
            // Joined images are never cut into bands: a group has more than one image only if it fits.
            let offset = band.start * geometry.output[1];
            let count = images * band_places;
            let stride = row_stride(count);
            for rows in pieces(target.len() / outputs) {
                let part = Part {
                    terms: first + rows.start..first + rows.end,
                    band: band.clone(),
                    stride,
                };
                let columns = take(columns, rows.len() * stride);
                gather(geometry, &part, input, columns);
                for piece in pieces(count) {
                    multiply(
                        [rows.len(), outputs, piece.len()],
                        &mut target[rows.start * outputs..],
                        outputs,
                        Matrix::rows(&columns[piece.start..], stride),
                        Matrix::columns(&gradient[offset + piece.start..], gradient_stride),
                        true,
                    );
                }
            }
        }
    }
}

/// Partial sums [runs, terms, outputs] -> [outputs, terms], added in order.
fn add_up(partial: &[f32], outputs: usize, terms: usize) -> Vec<f32> {
    const TILE: usize = 16;
    let mut sum = zeros(outputs * terms);
    sum.par_chunks_mut(TILE * terms)
        .enumerate()
        .for_each(|(block, sum)| {
            for partial in partial.chunks_exact(outputs * terms) {
                for start in (0..terms).step_by(TILE) {
                    for (row, sum) in sum.chunks_exact_mut(terms).enumerate() {
                        let output = block * TILE + row;
                        let end = (start + TILE).min(terms);
                        for (term, sum) in (start..end).zip(&mut sum[start..end]) {
                            *sum += partial[term * outputs + output];
                        }
                    }
                }
            }
        });
    sum
}

/// One place per image: the transpose of [images, outputs] times [images, all the input].
fn whole(geometry: &Geometry, input: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (outputs, terms) = (geometry.outputs, geometry.terms());
    let rows = outputs.div_ceil(TASKS);
    let mut sum = zeros(outputs * terms);
    sum.par_chunks_mut(rows * terms)
        .enumerate()
        .for_each(|(block, sum)| {
            for piece in pieces(geometry.images) {
                multiply(
                    [sum.len() / terms, terms, piece.len()],
                    sum,
                    terms,
                    Matrix::columns(&gradient[piece.start * outputs + block * rows..], outputs),
                    Matrix::rows(&input[piece.start * terms..], terms),
                    piece.start > 0,
                );
            }
        });
    sum
}

/// The gradient of a bias: gradients [images, channels, places] -> their sums, [channels]
pub(super) fn bias_gradient(gradient: &[f32], channels: usize, places: usize) -> Vec<f32> {
    let maps: Vec<f32> = gradient
        .par_chunks_exact(places)
        .with_min_len(16)
        .map(lane_sum)
        .collect();
    let mut sums = vec![0.0; channels];
    for image in maps.chunks_exact(channels) {
        for (sum, map) in sums.iter_mut().zip(image) {
            *sum += map;
        }
    }
    sums
}

/// A sum in sixteen interleaved parts, which the compiler turns into vectors.
fn lane_sum(values: &[f32]) -> f32 {
    let chunks = values.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().sum();
    let mut lanes = [0.0f32; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    lanes.iter().sum::<f32>() + rest
}
