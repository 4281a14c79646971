//! A convolution with its bias and ReLU on the CPU, for kernels of any shape, forward only.
//!
//! Images become matrices, block by block, whose product with the weights is the convolution; 1 x 1 kernels need no such
//! matrix, and most of the others go by [`winograd`]. A block's output is rectified on its way from the cache. An image's
//! result has the same bits whatever the batch it comes in.

use std::ops::Range;
use std::sync::OnceLock;

use super::winograd;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, in_blocks, padded, row_stride, take};
use crate::linalg::Matrix;
use crate::wide::{at_least, wide};

/// Places that a product should have: enough for the `gemm` crate, few enough that a block stays in the second cache.
const PLACES: usize = 512;

/// The sizes of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) images: usize,
    /// Channels of an image in the input, of which the convolution sees `inputs`, from number `first` on.
    pub(super) channels: usize,
    pub(super) first: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// How many outputs, the first ones, are rectified.
    pub(super) rectified: usize,
    /// Heights and widths.
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) padding: [usize; 2],
    pub(super) stride: usize,
}

impl Shape {
    /// Numbers of an image in the input, and in the output.
    pub(super) fn lengths(&self) -> [usize; 2] {
        [
            self.channels * self.input_places(),
            self.outputs * self.output_places(),
        ]
    }

    pub(super) fn input_places(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(super) fn output_places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// The bound of an output channel: zero if it is rectified.
    pub(super) fn least(&self, channel: usize) -> f32 {
        if channel < self.rectified {
            0.0
        } else {
            f32::NEG_INFINITY
        }
    }

    /// Numbers that one output is a weighted sum of.
    fn terms(&self) -> usize {
        self.inputs * self.kernel[0] * self.kernel[1]
    }

    /// Whether every output reads one place of the input.
    fn is_point(&self) -> bool {
        self.kernel == [1, 1] && self.stride == 1
    }

    /// How many images form a block.
    fn group(&self) -> usize {
        (PLACES / self.output_places()).clamp(1, self.images.div_ceil(2).max(1))
    }

    /// The rows of an image's output in pieces of about equal length, with about as many places as a block should have.
    fn bands(&self) -> impl Iterator<Item = Range<usize>> {
        let height = self.output[0];
        let rows = height.div_ceil(self.output_places().div_ceil(PLACES));
        (0..height)
            .step_by(rows)
            .map(move |start| start..(start + rows).min(height))
    }
}

/// [images, channels, places] -> [images, outputs, places]
///
/// `transformed` belongs to `weight`: what [`winograd`] makes of it the first time.
pub(super) fn convolve(
    shape: &Shape,
    input: &[f32],
    weight: &[f32],
    transformed: &OnceLock<Vec<f32>>,
    bias: &[f32],
) -> Vec<f32> {
    if let Some(output) = winograd::convolve(shape, input, weight, transformed, bias) {
        return output;
    }
    let lengths = shape.lengths();
    in_blocks(
        input,
        shape.images * lengths[1],
        lengths.map(|length| shape.group() * length),
        |input, output, scratch| {
            for band in shape.bands() {
                compute(shape, input, weight, bias, output, band, scratch);
            }
        },
    )
}

/// A band of the images of a block.
fn compute(
    shape: &Shape,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    output: &mut [f32],
    band: Range<usize>,
    scratch: &mut Scratch,
) {
    let (places, width) = (shape.output_places(), shape.output[1]);
    let image_out = shape.outputs * places;
    let images = output.len() / image_out;
    let (offset, band_places) = (band.start * width, band.len() * width);
    // A kernel of 1 x 1 takes an image's numbers where they lie.
    let in_place = shape.is_point() && images == 1;
    let count = if in_place {
        band_places
    } else {
        padded(images * band_places)
    };
    let stride = row_stride(count);
    let sums = take(&mut scratch.joined, shape.outputs * stride);
    for piece in pieces(shape.terms()) {
        let right = if in_place {
            let first = (shape.first + piece.start) * places + offset;
            Matrix::rows(&input[first..], places)
        } else {
            let columns = take(&mut scratch.columns, piece.len() * stride);
            gather(shape, input, &piece, &band, columns, stride);
            Matrix::rows(columns, stride)
        };
        multiply(
            [shape.outputs, count, piece.len()],
            sums,
            stride,
            Matrix::rows(&weight[piece.start..], shape.terms()),
            right,
            piece.start > 0,
        );
    }
    let rows = sums.chunks_exact(stride).zip(bias);
    for (channel, (row, &bias)) in rows.enumerate() {
        for (image, sums) in row.chunks_exact(band_places).take(images).enumerate() {
            let at = image * image_out + channel * places + offset;
            let target = &mut output[at..at + band_places];
            bound(sums, bias, shape.least(channel), target);
        }
    }
}

/// Fills `columns`, [terms, images x places of the band] with rows `stride` apart, from the images in `input`.
fn gather(
    shape: &Shape,
    input: &[f32],
    terms: &Range<usize>,
    band: &Range<usize>,
    columns: &mut [f32],
    stride: usize,
) {
    let [height, width] = shape.input;
    let out_width = shape.output[1];
    let area = shape.kernel[0] * shape.kernel[1];
    let rows = terms.clone().zip(columns.chunks_exact_mut(stride));
    for (term, row) in rows {
        let (channel, tap) = (shape.first + term / area, term % area);
        let (down, right) = (tap / shape.kernel[1], tap % shape.kernel[1]);
        // The output's columns whose tap lies inside the image.
        let first = shape.padding[1]
            .saturating_sub(right)
            .div_ceil(shape.stride);
        let end = ((width + shape.padding[1] - right).div_ceil(shape.stride)).min(out_width);
        let images = input.chunks_exact(shape.channels * height * width);
        for (image, target) in images.zip(row.chunks_exact_mut(band.len() * out_width)) {
            let map = &image[channel * height * width..][..height * width];
            for (place, target) in band.clone().zip(target.chunks_exact_mut(out_width)) {
                let y = (place * shape.stride + down).wrapping_sub(shape.padding[0]);
                if y >= height {
                    target.fill(0.0);
                    continue;
                }
                target[..first].fill(0.0);
                target[end..].fill(0.0);
                let target = &mut target[first..end];
                let source = &map[y * width + first * shape.stride + right - shape.padding[1]..];
                match shape.stride {
                    1 => target.copy_from_slice(&source[..target.len()]),
                    2 => every_second(source, target),
                    stride => {
                        for (target, value) in target.iter_mut().zip(source.iter().step_by(stride))
                        {
                            *target = *value;
                        }
                    }
                }
            }
        }
    }
}

wide! {
    /// Fills `target` with every second number of `source`, from the first on.
    fn every_second(source: &[f32], target: &mut [f32]) {
        let (pairs, _) = source.as_chunks::<2>();
        for (target, pair) in target.iter_mut().zip(pairs) {
            *target = pair[0];
        }
        if let Some(last) = target.get_mut(pairs.len()) {
            *last = source[2 * pairs.len()];
        }
    }

    /// Sums plus a bias, and at least as much as a bound.
    fn bound(sums: &[f32], bias: f32, least: f32, target: &mut [f32]) {
        for (target, sum) in target.iter_mut().zip(sums) {
            *target = at_least(*sum + bias, least);
        }
    }
}

#[cfg(test)]
mod tests;
