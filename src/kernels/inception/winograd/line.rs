//! Kernels of 1 x 7 and 7 x 1: two outputs from a tile of eight inputs, 8 products in place of 14.
//!
//! The matrices are those of the points 0, a, -a, 1, -1, 2, -2 and infinity with a = sqrt(3/16). Of 192 rectified normal channels
//! sums then round 1.7 times as much as the plain ones, with a = 1/2 2.1 times. With x, y and z for the squares of a, 1 and 2 and
//! k one of them, i and j the other two,
//!
//! ```text
//! B'  of 0:         -xyz d0 + (xy + xz + yz) d2 - (x + y + z) d4 + d6
//!     of +-sqrt(k): (ij d2 - (i + j) d4 + d6) +- sqrt(k) (ij d1 - (i + j) d3 + d5)
//!     of infinity:  -xyz d1 + (xy + xz + yz) d3 - (x + y + z) d5 + d7
//! G   of 0:         (1, 0, 0, 0, 0, 0, 0) / -xyz
//!     of p:         (1, p, .., p^6) / 2k (k - i) (k - j)        k = p^2
//!     of infinity:  (0, 0, 0, 0, 0, 0, 1)
//! A'                the sum of all but the last;  the sum of p times each, plus the last
//! ```
//!
//! The axis that the kernel runs along is parted into even and odd places; across it, and then tile after tile, numbers lie side
//! by side.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use std::array;

use super::{Tiles, Vector, bounded, compute, load, spacing};
use crate::kernels::inception::convolution::Shape;
use crate::kernels::scratch::{in_blocks, padded};
use crate::wide::{LANES, wide};

/// Outputs of a tile, taps of a kernel, inputs of a tile.
const STEP: usize = 2;
const TAPS: usize = 7;
const TILE: usize = STEP + TAPS - 1;
/// Outputs along the kernel below which too many tiles hang over the border.
const SMALLEST: usize = 8;

/// The points with a positive sign, and their squares.
const POINTS: [f64; 3] = [0.433_012_701_892_219_3, 1.0, 2.0];
const SQUARES: [f64; 3] = [0.1875, 1.0, 4.0];

/// The convolution of one image.
struct Line<'a> {
    shape: &'a Shape,
    /// The axis that the kernel runs along: 0 down, 1 across.
    axis: usize,
    /// Places across that axis.
    across: usize,
    /// Tiles along it.
    tiles: usize,
    /// All tiles, made a multiple of the vector's length.
    lanes: usize,
}

fn axis(shape: &Shape) -> Option<usize> {
    match shape.kernel {
        [TAPS, 1] => Some(0),
        [1, TAPS] => Some(1),
        _ => None,
    }
}

/// Whether a convolution at every place is computed here.
pub(super) fn fits(shape: &Shape) -> bool {
    axis(shape).is_some_and(|axis| shape.output[axis] >= SMALLEST && shape.padding[1 - axis] == 0)
}

/// [images, channels, places] -> [images, outputs, places], with kernels [entries, outputs, inputs]
pub(super) fn convolve(shape: &Shape, input: &[f32], kernels: &[f32], bias: &[f32]) -> Vec<f32> {
    let axis = axis(shape).expect("a kernel along one axis");
    let (across, tiles) = (shape.output[1 - axis], shape.output[axis].div_ceil(STEP));
    let line = Line {
        shape,
        axis,
        across,
        tiles,
        lanes: padded(across * tiles),
    };
    let lengths @ [_, image_out] = shape.lengths();
    in_blocks(
        input,
        shape.images * image_out,
        lengths,
        |input, output, scratch| compute(&line, input, kernels, bias, output, scratch),
    )
}

/// The matrix G.
pub(super) fn factors() -> [[f64; TAPS]; TILE] {
    let [x, y, z] = SQUARES;
    let mut rows = [[0.0; TAPS]; TILE];
    rows[0][0] = -1.0 / (x * y * z);
    for (pair, (point, square)) in POINTS.into_iter().zip(SQUARES).enumerate() {
        let others = [1, 2].map(|next| SQUARES[(pair + next) % 3]);
        let scale = 2.0 * square * others.map(|other| square - other).iter().product::<f64>();
        for (sign, row) in [point, -point].into_iter().zip(1 + 2 * pair..) {
            rows[row] = array::from_fn(|tap| sign.powi(tap as i32) / scale);
        }
    }
    rows[TILE - 1][TAPS - 1] = 1.0;
    rows
}

impl Line<'_> {
    /// Numbers of the even places of a map, and of the odd ones: the last tile reaches three further.
    fn half(&self) -> usize {
        self.lanes + (TILE / STEP - 1) * self.across
    }
}

impl Tiles for Line<'_> {
    const ENTRIES: usize = TILE;
    const OUTPUTS: usize = STEP;

    fn shape(&self) -> &Shape {
        self.shape
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn parted(&self) -> usize {
        STEP * self.half()
    }

    fn enter(&self, channel: usize, parted: &[f32], entries: &mut [f32]) {
        enter(self, channel, parted, entries);
    }

    fn leave(&self, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        leave(self, channel, products, bounds, results);
    }

    fn part(&self, map: &[f32], parted: &mut [f32]) {
        parted.fill(0.0);
        let ([height, width], half) = (self.shape.input, self.half());
        let padding = self.shape.padding[self.axis];
        // Places that no tile reaches are left out.
        let reached = STEP * (self.tiles + TILE / STEP - 1);
        let at = |place: usize| {
            let place = place + padding;
            (place < reached).then_some(place % STEP * half + place / STEP * self.across)
        };
        if self.axis == 0 {
            for (y, row) in map.chunks_exact(width).enumerate() {
                if let Some(at) = at(y) {
                    parted[at..at + width].copy_from_slice(row);
                }
            }
            return;
        }
        for x in 0..width {
            if let Some(at) = at(x) {
                let column = map[x..].iter().step_by(width);
                for (target, value) in parted[at..at + height].iter_mut().zip(column) {
                    *target = *value;
                }
            }
        }
    }

    fn join(&self, results: &[f32], map: &mut [f32]) {
        let width = self.shape.output[1];
        for place in 0..self.shape.output[self.axis] {
            let at = place % STEP * self.lanes + place / STEP * self.across;
            let source = &results[at..at + self.across];
            if self.axis == 0 {
                map[place * width..][..width].copy_from_slice(source);
            } else {
                let column = map[place..].iter_mut().step_by(width);
                for (target, value) in column.zip(source) {
                    *target = *value;
                }
            }
        }
    }
}

wide! {
    /// B' d of one channel's tiles, [even and odd, places], into `tiles`, [entries, inputs, tiles].
    fn enter(line: &Line<'_>, channel: usize, parted: &[f32], tiles: &mut [f32]) {
        let entry = spacing(line.shape.inputs, line.lanes);
        for lane in (0..line.lanes).step_by(LANES) {
            let tile: [Vector; TILE] = array::from_fn(|place| {
                load(&parted[place % STEP * line.half() + place / STEP * line.across + lane..])
            });
            for (number, values) in input_transform(&tile).iter().enumerate() {
                let at = number * entry + channel * line.lanes + lane;
                tiles[at..at + LANES].copy_from_slice(values);
            }
        }
    }

    /// A' m of one channel of `products`, [entries, outputs, tiles], plus a bias and at least as much as a bound (`bounds`),
    /// into `results`, [even and odd, tiles].
    fn leave(line: &Line<'_>, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        let entry = spacing(line.shape.outputs, line.lanes);
        for lane in (0..line.lanes).step_by(LANES) {
            let sums: [Vector; TILE] = array::from_fn(|number| {
                load(&products[number * entry + channel * line.lanes + lane..])
            });
            for (side, values) in output_transform(&sums).iter().enumerate() {
                let at = side * line.lanes + lane;
                results[at..at + LANES].copy_from_slice(&bounded(values, bounds));
            }
        }
    }
}

/// B' times a tile.
#[inline(always)]
fn input_transform(d: &[Vector; TILE]) -> [Vector; TILE] {
    const NEGATIVE_PRODUCT: f32 = -(SQUARES[0] * SQUARES[1] * SQUARES[2]) as f32;
    const PAIRS: f32 = (SQUARES[0] * (SQUARES[1] + SQUARES[2]) + SQUARES[1] * SQUARES[2]) as f32;
    const SUM: f32 = (SQUARES[0] + SQUARES[1] + SQUARES[2]) as f32;
    let mut out = [[0.0; LANES]; TILE];
    for lane in 0..LANES {
        let d: [f32; TILE] = array::from_fn(|place| d[place][lane]);
        out[0][lane] = NEGATIVE_PRODUCT * d[0] + PAIRS * d[2] - SUM * d[4] + d[6];
        for pair in 0..3 {
            let (i, j) = (SQUARES[(pair + 1) % 3], SQUARES[(pair + 2) % 3]);
            let (product, sum) = ((i * j) as f32, (i + j) as f32);
            let even = product * d[2] - sum * d[4] + d[6];
            let odd = POINTS[pair] as f32 * (product * d[1] - sum * d[3] + d[5]);
            out[1 + 2 * pair][lane] = even + odd;
            out[2 + 2 * pair][lane] = even - odd;
        }
        out[TILE - 1][lane] = NEGATIVE_PRODUCT * d[1] + PAIRS * d[3] - SUM * d[5] + d[7];
    }
    out
}

/// A' times the sums of a tile.
#[inline(always)]
fn output_transform(m: &[Vector; TILE]) -> [Vector; STEP] {
    let mut out = [[0.0; LANES]; STEP];
    for lane in 0..LANES {
        let m: [f32; TILE] = array::from_fn(|entry| m[entry][lane]);
        out[0][lane] = m[0] + (m[1] + m[2]) + (m[3] + m[4]) + (m[5] + m[6]);
        let differences = [m[1] - m[2], m[3] - m[4], m[5] - m[6]];
        let weighted: [f32; 3] = array::from_fn(|pair| POINTS[pair] as f32 * differences[pair]);
        out[1][lane] = weighted[0] + weighted[1] + weighted[2] + m[7];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one tap and one input, every pair of them: the input comes out where the tap brings it, and nowhere else.
    #[test]
    fn the_matrices_are_those_of_a_correlation() {
        for (tap, place) in (0..TAPS).flat_map(|tap| (0..TILE).map(move |place| (tap, place))) {
            let mut tile = [[0.0; LANES]; TILE];
            tile[place] = [1.0; LANES];
            let tile = input_transform(&tile);
            let factors = factors();
            let sums: [Vector; TILE] =
                array::from_fn(|entry| tile[entry].map(|value| value * factors[entry][tap] as f32));
            for (output, values) in output_transform(&sums).iter().enumerate() {
                let expected = if output + tap == place { 1.0 } else { 0.0 };
                let found = values[0];
                assert!(
                    (found - expected).abs() < 2e-6,
                    "tap {tap} at input {place}: output {output} is {found}, expected {expected}"
                );
            }
        }
    }
}
