//! Convolutions of 3 x 3 with 2.25 times fewer products: F(2 x 2, 3 x 3) of Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks* (CVPR 2016), after Winograd.
//!
//! Two by two outputs of a channel depend on four by four inputs, a tile. With tile d and kernel g they are
//!
//! ```text
//! A' [ (G g G') . (B' d B) ] A        . entry by entry, summed over the input channels before A is applied
//!
//!      1  0 -1  0           1    0    0            1  1  1  0
//! B' = 0  1  1  0      G = 1/2  1/2  1/2      A' = 0  1 -1 -1
//!      0 -1  1  0          1/2 -1/2  1/2
//!      0  1  0 -1           0    0    1
//! ```
//!
//! so that for each of the 16 entries the sum over channels is a product of matrices, [outputs, inputs] times [inputs,
//! tiles]. Which convolutions are computed like this depends on the sizes of one image alone, and every tile is computed
//! by itself: an image has the same bits whatever its batch.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into the dispatched closure is compiled for the plainest processor"
)]

use std::array;
use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;

use super::geometry::{BLOCKS, Geometry};
use super::product::{multiply, pieces};
use super::scratch::{Scratch, in_blocks, padded, row_stride, take};
use crate::linalg::Matrix;

/// Entries of a tile, and so products of matrices.
const ENTRIES: usize = 16;
/// Channels below which the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 16;
/// Places below which an image has too few tiles to be worth the transform of the kernels.
const FEWEST_PLACES: usize = 64;
/// Numbers in the transformed tiles of one entry that a block should have, and the tiles that a product should have.
const NUMBERS: usize = 32 * 1024;
const TILES: RangeInclusive<usize> = 64..=256;

/// Whether a convolution is computed here.
pub(super) fn fits(geometry: &Geometry) -> bool {
    let channels = geometry.inputs.min(geometry.outputs);
    (geometry.kernel, geometry.stride, geometry.padding) == (3, 1, 1)
        && channels >= FEWEST_CHANNELS
        && geometry.output_places() >= FEWEST_PLACES
}

/// [images, inputs, places] and weights [outputs, inputs, 3, 3] -> [images, outputs, places]
pub(super) fn convolve(
    geometry: &Geometry,
    input: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
) -> Vec<f32> {
    let kernels = transform_kernels(geometry, weight);
    let image_in = geometry.inputs * geometry.input_places();
    let image_out = geometry.outputs * geometry.output_places();
    let tiles = Tiles::new(geometry);
    in_blocks(
        input,
        geometry.images * image_out,
        [tiles.images * image_in, tiles.images * image_out],
        |input, output, scratch| block(geometry, &tiles, input, &kernels, bias, output, scratch),
    )
}

/// How the tiles of a convolution are put into blocks.
struct Tiles {
    /// Rows of tiles in an image, and tiles in a row.
    down: usize,
    across: usize,
    /// Images of a block.
    images: usize,
    /// Rows of tiles, in each image of a block, that are computed at a time.
    rows: usize,
}

impl Tiles {
    fn new(geometry: &Geometry) -> Self {
        let [down, across] = geometry.output.map(|side| side.div_ceil(2));
        let wanted = (NUMBERS / geometry.inputs).clamp(*TILES.start(), *TILES.end());
        let most = geometry.images.div_ceil(BLOCKS).max(1);
        Self {
            down,
            across,
            images: (wanted / (down * across)).clamp(1, most),
            rows: (wanted / across).clamp(1, down),
        }
    }
}

/// G g G' for every kernel: [outputs, 16, inputs].
fn transform_kernels(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let inputs = geometry.inputs;
    let mut kernels = vec![0.0; geometry.outputs * ENTRIES * inputs];
    kernels
        .par_chunks_mut(ENTRIES * inputs)
        .zip(weight.par_chunks(9 * inputs))
        .for_each(|(kernels, weight)| {
            for (input, g) in weight.chunks_exact(9).enumerate() {
                let columns: [[f32; 4]; 3] = array::from_fn(|x| spread([g[x], g[3 + x], g[6 + x]]));
                for y in 0..4 {
                    let row = spread([columns[0][y], columns[1][y], columns[2][y]]);
                    for (x, value) in row.into_iter().enumerate() {
                        kernels[(4 * y + x) * inputs + input] = value;
                    }
                }
            }
        });
    kernels
}

/// G times a column of a kernel.
fn spread([a, b, c]: [f32; 3]) -> [f32; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// The convolution of the images of one block.
fn block(
    geometry: &Geometry,
    tiles: &Tiles,
    input: &[f32],
    kernels: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
    scratch: &mut Scratch,
) {
    let (inputs, outputs) = (geometry.inputs, geometry.outputs);
    let images = output.len() / (outputs * geometry.output_places());
    let Scratch {
        columns,
        joined,
        phases,
    } = scratch;
    for first in (0..tiles.down).step_by(tiles.rows) {
        let rows = first..(first + tiles.rows).min(tiles.down);
        let count = images * rows.len() * tiles.across;
        let stride = row_stride(count);
        let spread = take(columns, ENTRIES * inputs * stride);
        let summed = take(joined, ENTRIES * outputs * stride);
        let buffer = take(phases, 4 * (2 * tiles.across + 2));
        pulp::Arch::new()
            .dispatch(|| transform_tiles(geometry, tiles, &rows, input, stride, buffer, spread));
        for entry in 0..ENTRIES {
            for piece in pieces(inputs) {
                multiply(
                    [outputs, padded(count), piece.len()],
                    &mut summed[entry * outputs * stride..],
                    stride,
                    Matrix::rows(&kernels[entry * inputs + piece.start..], ENTRIES * inputs),
                    Matrix::rows(&spread[(entry * inputs + piece.start) * stride..], stride),
                    piece.start > 0,
                );
            }
        }
        pulp::Arch::new()
            .dispatch(|| transform_back(geometry, tiles, &rows, summed, stride, bias, output));
    }
}

/// B' d B for the tiles in some rows of every image: [16, inputs, tiles].
#[inline(always)]
fn transform_tiles(
    geometry: &Geometry,
    tiles: &Tiles,
    rows: &Range<usize>,
    input: &[f32],
    stride: usize,
    buffer: &mut [f32],
    spread: &mut [f32],
) {
    let [height, width] = geometry.input;
    let across = tiles.across;
    let length = 2 * across + 2;
    buffer.fill(0.0); // what lies left and right of the image
    for (map, values) in input.chunks_exact(height * width).enumerate() {
        let (image, channel) = (map / geometry.inputs, map % geometry.inputs);
        for (place, row) in rows.clone().enumerate() {
            // The row's tiles reach from one line above their outputs to one below.
            let line = |number: usize| {
                let inside = (2 * row + number).checked_sub(1).filter(|y| *y < height);
                inside.map_or(&[][..], |y| &values[y * width..][..width])
            };
            let lines: [&[f32]; 4] = array::from_fn(line);
            let pairs = [(0, -1.0, 2), (1, 1.0, 2), (2, -1.0, 1), (1, -1.0, 3)];
            for ((plus, sign, other), target) in
                pairs.into_iter().zip(buffer.chunks_exact_mut(length))
            {
                combine(lines[plus], sign, lines[other], &mut target[1..=width]);
            }
            let at = (image * rows.len() + place) * across;
            for (y, line) in buffer.chunks_exact(length).enumerate() {
                let entry = |x: usize| ((4 * y + x) * geometry.inputs + channel) * stride + at;
                let pairs = || line.chunks_exact(2).zip(line[2..].chunks_exact(2));
                let mut write = |x: usize, value: fn(&[f32], &[f32]) -> f32| {
                    let target = &mut spread[entry(x)..][..across];
                    for (target, (left, right)) in target.iter_mut().zip(pairs()) {
                        *target = value(left, right);
                    }
                };
                write(0, |left, right| left[0] - right[0]);
                write(1, |left, right| left[1] + right[0]);
                write(2, |left, right| right[0] - left[1]);
                write(3, |left, right| left[1] - right[1]);
            }
        }
    }
}

/// `plus` + `sign` x `other`; a line outside the image is empty and counts as zeros.
#[inline(always)]
fn combine(plus: &[f32], sign: f32, other: &[f32], target: &mut [f32]) {
    match (plus.is_empty(), other.is_empty()) {
        (false, false) => {
            for (target, (plus, other)) in target.iter_mut().zip(plus.iter().zip(other)) {
                *target = plus + sign * other;
            }
        }
        (false, true) => target.copy_from_slice(plus),
        (true, false) => {
            for (target, other) in target.iter_mut().zip(other) {
                *target = sign * other;
            }
        }
        (true, true) => target.fill(0.0),
    }
}

/// A' m A plus the bias, for the sums [16, outputs, tiles] of some rows of every image.
#[inline(always)]
fn transform_back(
    geometry: &Geometry,
    tiles: &Tiles,
    rows: &Range<usize>,
    summed: &[f32],
    stride: usize,
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let [height, width] = geometry.output;
    let across = tiles.across;
    for (map, values) in output.chunks_exact_mut(height * width).enumerate() {
        let (image, channel) = (map / geometry.outputs, map % geometry.outputs);
        let bias = bias.map_or(0.0, |bias| bias[channel]);
        for (place, row) in rows.clone().enumerate() {
            let at = (image * rows.len() + place) * across;
            let entries: [&[f32]; ENTRIES] = array::from_fn(|entry| {
                &summed[(entry * geometry.outputs + channel) * stride + at..][..across]
            });
            let lines = &mut values[2 * row * width..height.min(2 * row + 2) * width];
            for (y, line) in lines.chunks_exact_mut(width).enumerate() {
                let column = |x: usize, tile: usize| {
                    let [a, b, c, d] = array::from_fn(|y| entries[4 * y + x][tile]);
                    if y == 0 { a + b + c } else { b - c - d }
                };
                let outputs = |tile: usize| {
                    let [a, b, c, d] = array::from_fn(|x| column(x, tile));
                    [a + b + c + bias, b - c - d + bias]
                };
                let mut pairs = line.chunks_exact_mut(2);
                for (tile, pair) in pairs.by_ref().enumerate() {
                    pair.copy_from_slice(&outputs(tile));
                }
                if let [last] = pairs.into_remainder() {
                    *last = outputs(across - 1)[0];
                }
            }
        }
    }
}
