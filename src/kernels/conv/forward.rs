//! The convolution itself: columns times weights, block by block of whole images; by [`Winograd`] where that is faster.

use super::columns::{Part, gather};
use super::geometry::Geometry;
use super::winograd::Winograd;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, in_blocks, padded, row_stride, take};
use crate::linalg::Matrix;

/// [images, inputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, outputs, places]
pub(super) fn convolve(
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    if let Some(winograd) = Winograd::of(geometry) {
        return winograd.convolve(input, weight, bias);
    }
    let image_in = geometry.inputs * geometry.input_places();
    let image_out = geometry.outputs * geometry.output_places();
    let group = geometry.group();
    in_blocks(
        input,
        geometry.images * image_out,
        [group * image_in, group * image_out],
        |input, output, scratch| block(geometry, input, weight, bias, output, scratch),
    )
}

/// The same for the images of one block.
fn block(
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    scratch: &mut Scratch,
) {
    let places = geometry.output_places();
    let image_out = geometry.outputs * places;
    // Kernels of one position: the images themselves are the columns.
    if geometry.is_point() && padded(places) == places && geometry.outputs > 1 {
        let image_in = geometry.inputs * places;
        let images = output
            .chunks_exact_mut(image_out)
            .zip(input.chunks_exact(image_in));
        for (output, input) in images {
            start(output, places, places, bias);
            for piece in pieces(geometry.terms()) {
                let fresh = piece.start == 0 && bias.is_none();
                multiply(
                    [geometry.outputs, places, piece.len()],
                    output,
                    places,
                    Matrix::rows(&weight[piece.start..], geometry.terms()),
                    Matrix::rows(&input[piece.start * places..], places),
                    !fresh,
                );
            }
        }
        return;
    }
    // Other kernels: a band of rows at a time, gathered to columns.
    let images = output.len() / image_out;
    for band in geometry.bands() {
        let band_places = band.len() * geometry.output[1];
        let count = images * band_places;
        let stride = row_stride(count);
        let Scratch {
            columns, joined, ..
        } = &mut *scratch;
        let alone = images == 1 && padded(count) == count;
        let offset = band.start * geometry.output[1];
        let (target, target_stride) = if alone {
            (&mut output[offset..], places)
        } else {
            (take(joined, geometry.outputs * stride), stride)
        };
        start(target, target_stride, count, bias);
        for piece in pieces(geometry.terms()) {
            let part = Part {
                terms: piece.clone(),
                band: band.clone(),
                stride,
            };
            let columns = take(columns, piece.len() * stride);
            gather(geometry, &part, input, columns);
            let fresh = piece.start == 0 && bias.is_none();
            sum(
                geometry,
                &weight[piece.start..],
                columns,
                [padded(count), piece.len(), stride],
                target,
                target_stride,
                !fresh,
            );
        }
        // Back to one map a channel of each image.
        if !alone {
            let rows = joined.chunks_exact(stride).take(geometry.outputs);
            for (channel, row) in rows.enumerate() {
                for (image, values) in row[..count].chunks_exact(band_places).enumerate() {
                    let at = image * image_out + channel * places + offset;
                    output[at..at + band_places].copy_from_slice(values);
                }
            }
        }
    }
}

/// Fills the first `count` numbers of every row with the channel's bias, if there is one.
fn start(target: &mut [f32], stride: usize, count: usize, bias: Option<&[f32]>) {
    if let Some(bias) = bias {
        for (row, bias) in target.chunks_mut(stride).zip(bias) {
            row[..count].fill(*bias);
        }
    }
}

/// Adds the weighted sums of the rows of `columns`. `size` is [columns, rows, distance of rows].
fn sum(
    geometry: &Geometry,
    weight: &[f32],
    columns: &[f32],
    [count, terms, stride]: [usize; 3],
    target: &mut [f32],
    target_stride: usize,
    accumulate: bool,
) {
    if geometry.outputs > 1 {
        return multiply(
            [geometry.outputs, count, terms],
            target,
            target_stride,
            Matrix::rows(weight, geometry.terms()),
            Matrix::rows(columns, stride),
            accumulate,
        );
    }
    // One output: a product with a vector, for which the gemm crate would choose among kernels by the other sizes.
    let target = &mut target[..count];
    if !accumulate {
        target.fill(0.0);
    }
    for (weight, row) in weight[..terms].iter().zip(columns.chunks_exact(stride)) {
        for (sum, value) in target.iter_mut().zip(row) {
            *sum += weight * value;
        }
    }
}
