//! Kernels of 3 x 3: F(4 x 4, 3 x 3), four by four outputs from a tile of 6 x 6 inputs, a quarter of the products.
//!
//! ```text
//!      1   0  -5/2   0   1  0           1   0    0
//!      0  -p   -2    q   1  0          -2/3 -2q/3 -1/3         1  1   1    1    1    0
//! B' = 0   p   -2   -q   1  0     G =  -2/3  2q/3 -1/3    A' = 0  q  -q    p   -p    0      p = sqrt(2)
//!      0  -q  -1/2   p   1  0           1/6  p/6   1/3         0 1/2 1/2   2    2    0      q = sqrt(1/2)
//!      0   q  -1/2  -p   1  0           1/6 -p/6   1/3         0 q/2 -q/2 2p  -2p    1
//!      0   1    0  -5/2  0  1           0   0    1
//! ```
//!
//! These are the matrices of the points 0, q, -q, p, -p and infinity. Those of the paper, 0, 1, -1, 2, -2, have whole numbers and twice
//! the rounding error: with these it is 1.1 times that of the plain sum.
//!
//! After the last tile of a row stands one that belongs to no output; what is computed for it is left out at the end.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "the iterator that takes its place is not turned into vectors"
)]

use std::ops::Range;
use std::{array, iter};

use super::{Tiles, Vector, bounded, compute, load, spacing};
use crate::kernels::inception::convolution::Shape;
use crate::kernels::scratch::{in_blocks, padded};
use crate::wide::{LANES, wide};

/// Height and width of the outputs of a tile, and of its inputs.
const STEP: usize = 4;
const TILE: usize = 6;
const ENTRIES: usize = TILE * TILE;
/// Most tiles of a band of more than one row: enough for the `gemm` crate, few enough that the band stays in the second cache.
const TILES: usize = 80;
/// Places of a row, with its padding, at most.
const WIDEST: usize = 512;
/// Height and width of an output below which too many tiles hang over its border.
const SMALLEST: usize = 16;
/// p, and q below.
const P: f32 = std::f32::consts::SQRT_2;
const Q: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// The matrix G.
const KERNEL: [[f64; 3]; TILE] = {
    let (p, q) = (std::f64::consts::SQRT_2, std::f64::consts::FRAC_1_SQRT_2);
    [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -2.0 / 3.0 * q, -1.0 / 3.0],
        [-2.0 / 3.0, 2.0 / 3.0 * q, -1.0 / 3.0],
        [1.0 / 6.0, p / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -p / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ]
};

/// Whether a convolution at every place is computed here.
pub(super) fn fits(shape: &Shape) -> bool {
    shape.kernel == [3, 3]
        && shape.output.iter().all(|&side| side >= SMALLEST)
        && shape.output[1] + 2 * TILE <= WIDEST
}

/// [images, channels, places] -> [images, outputs, places], with kernels [entries, outputs, inputs]
pub(super) fn convolve(shape: &Shape, input: &[f32], kernels: &[f32], bias: &[f32]) -> Vec<f32> {
    let down = shape.output[0].div_ceil(STEP);
    let rows = rows_at_once(down, across(shape));
    let lengths @ [_, image_out] = shape.lengths();
    in_blocks(
        input,
        shape.images * image_out,
        lengths,
        |input, output, scratch| {
            for start in (0..down).step_by(rows) {
                let band = Band::new(shape, start..(start + rows).min(down));
                compute(&band, input, kernels, bias, output, scratch);
            }
        },
    )
}

/// What each entry of G g G' has of each tap.
pub(super) fn factors() -> [[f64; 9]; ENTRIES] {
    array::from_fn(|entry| {
        let (rows, columns) = (KERNEL[entry / TILE], KERNEL[entry % TILE]);
        array::from_fn(|tap| rows[tap / 3] * columns[tap % 3])
    })
}

/// Tiles in a row, with the one that belongs to no output.
fn across(shape: &Shape) -> usize {
    shape.output[1].div_ceil(STEP) + 1
}

/// How many of `down` rows of `across` tiles a band has, so that the fewest lanes of vectors lie idle.
fn rows_at_once(down: usize, across: usize) -> usize {
    let lanes = |rows: usize| down / rows * padded(rows * across) + padded(down % rows * across);
    let fitting = (2..=down).take_while(|rows| rows * across <= TILES);
    iter::once(1)
        .chain(fitting)
        .min_by_key(|&rows| lanes(rows))
        .expect("one row")
}

/// Some rows of tiles of an image.
struct Band<'a> {
    shape: &'a Shape,
    /// Its rows of tiles.
    rows: Range<usize>,
    /// Tiles in a row.
    across: usize,
    /// Tiles, made a multiple of the vector's length.
    lanes: usize,
    /// Numbers of one residue of the rows and columns of a map.
    residue: usize,
}

impl<'a> Band<'a> {
    fn new(shape: &'a Shape, rows: Range<usize>) -> Self {
        let across = across(shape);
        let lanes = padded(rows.len() * across);
        Self {
            shape,
            rows,
            across,
            lanes,
            // A tile reaches into the next ones to the right and below.
            residue: padded(lanes + across + 1),
        }
    }
}

impl Tiles for Band<'_> {
    const ENTRIES: usize = ENTRIES;
    const OUTPUTS: usize = STEP * STEP;

    fn shape(&self) -> &Shape {
        self.shape
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn parted(&self) -> usize {
        STEP * STEP * self.residue
    }

    fn part(&self, map: &[f32], parted: &mut [f32]) {
        part(self, map, parted);
    }

    fn enter(&self, channel: usize, parted: &[f32], entries: &mut [f32]) {
        enter(self, channel, parted, entries);
    }

    fn leave(&self, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        leave(self, channel, products, bounds, results);
    }

    fn join(&self, results: &[f32], map: &mut [f32]) {
        join(self, results, map);
    }
}

wide! {
    /// [`Tiles::part`], by the residues of rows and columns.
    fn part(band: &Band<'_>, map: &[f32], parted: &mut [f32]) {
        let [height, width] = band.shape.input;
        let [above, before] = band.shape.padding;
        parted.fill(0.0);
        let first = STEP * band.rows.start;
        let mut line = [0.0; WIDEST];
        for down in 0..STEP * band.rows.len() + TILE - STEP {
            let y = (first + down).wrapping_sub(above);
            if y >= height {
                continue;
            }
            // Columns that no tile reaches are left out.
            let count = width.min(STEP * band.across - before);
            line[before..before + count].copy_from_slice(&map[y * width..][..count]);
            let (groups, _) = line.as_chunks::<STEP>();
            let groups = &groups[..band.across];
            let at = (down % STEP) * STEP * band.residue + (down / STEP) * band.across;
            let mut rows = parted[at..].chunks_mut(band.residue);
            let [a, b, c, d] = array::from_fn(|_| {
                &mut rows.next().expect("a row of every residue")[..groups.len()]
            });
            for (tile, group) in groups.iter().enumerate() {
                a[tile] = group[0];
                b[tile] = group[1];
                c[tile] = group[2];
                d[tile] = group[3];
            }
        }
    }

    /// Writes the outputs of the band's tiles, [residues, tiles], into their map.
    fn join(band: &Band<'_>, results: &[f32], map: &mut [f32]) {
        let [height, width] = band.shape.output;
        let last = (STEP * band.rows.end).min(height);
        let rows = &mut map[STEP * band.rows.start * width..last * width];
        for (down, row) in rows.chunks_exact_mut(width).enumerate() {
            let at = (down % STEP) * STEP * band.lanes + (down / STEP) * band.across;
            let sources: [&[f32]; STEP] =
                array::from_fn(|residue| &results[at + residue * band.lanes..][..band.across]);
            let (groups, rest) = row.as_chunks_mut::<STEP>();
            let [a, b, c, d] = sources.map(|source| &source[..groups.len()]);
            for (tile, group) in groups.iter_mut().enumerate() {
                *group = [a[tile], b[tile], c[tile], d[tile]];
            }
            for (value, source) in rest.iter_mut().zip(sources) {
                *value = source[groups.len()];
            }
        }
    }

    /// B' d B of one channel's tiles, [residues, tiles], into `tiles`, [entries, inputs, tiles].
    fn enter(band: &Band<'_>, channel: usize, parted: &[f32], tiles: &mut [f32]) {
        let entry = spacing(band.shape.inputs, band.lanes);
        for lane in (0..band.lanes).step_by(LANES) {
            let mut rows = [[[0.0; LANES]; TILE]; TILE];
            for across in 0..TILE {
                let column: [Vector; TILE] = array::from_fn(|down| {
                    let residue = (down % STEP) * STEP + across % STEP;
                    let next = (down / STEP) * band.across + across / STEP;
                    load(&parted[residue * band.residue + next + lane..])
                });
                let column = input_transform(&column);
                for down in 0..TILE {
                    rows[down][across] = column[down];
                }
            }
            for (down, row) in rows.iter().enumerate() {
                for (across, values) in input_transform(row).iter().enumerate() {
                    let at = (down * TILE + across) * entry + channel * band.lanes + lane;
                    tiles[at..at + LANES].copy_from_slice(values);
                }
            }
        }
    }

    /// A' m A of one channel of `products`, [entries, outputs, tiles], plus a bias and at least as much as a bound
    /// (`bounds`), into `results`, [residues, tiles].
    fn leave(band: &Band<'_>, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        let entry = spacing(band.shape.outputs, band.lanes);
        for lane in (0..band.lanes).step_by(LANES) {
            let mut rows = [[[0.0; LANES]; TILE]; STEP];
            for across in 0..TILE {
                let column: [Vector; TILE] = array::from_fn(|down| {
                    load(&products[(down * TILE + across) * entry + channel * band.lanes + lane..])
                });
                let column = output_transform(&column);
                for down in 0..STEP {
                    rows[down][across] = column[down];
                }
            }
            for (down, row) in rows.iter().enumerate() {
                for (across, values) in output_transform(row).iter().enumerate() {
                    let at = (down * STEP + across) * band.lanes + lane;
                    results[at..at + LANES].copy_from_slice(&bounded(values, bounds));
                }
            }
        }
    }
}

/// B' times a column.
#[inline(always)]
fn input_transform(d: &[Vector; TILE]) -> [Vector; TILE] {
    let mut out = [[0.0; LANES]; TILE];
    for lane in 0..LANES {
        let [d0, d1, d2, d3, d4, d5] = array::from_fn(|entry| d[entry][lane]);
        let (inner_even, inner_odd) = (d4 - 2.0 * d2, Q * d3 - P * d1);
        let (outer_even, outer_odd) = (d4 - 0.5 * d2, P * d3 - Q * d1);
        out[0][lane] = d0 - 2.5 * d2 + d4;
        out[1][lane] = inner_even + inner_odd;
        out[2][lane] = inner_even - inner_odd;
        out[3][lane] = outer_even + outer_odd;
        out[4][lane] = outer_even - outer_odd;
        out[5][lane] = d1 - 2.5 * d3 + d5;
    }
    out
}

/// A' times a column.
#[inline(always)]
fn output_transform(m: &[Vector; TILE]) -> [Vector; STEP] {
    let mut out = [[0.0; LANES]; STEP];
    for lane in 0..LANES {
        let [m0, m1, m2, m3, m4, m5] = array::from_fn(|entry| m[entry][lane]);
        let (inner_sum, inner_difference) = (m1 + m2, Q * (m1 - m2));
        let (outer_sum, outer_difference) = (m3 + m4, P * (m3 - m4));
        out[0][lane] = m0 + inner_sum + outer_sum;
        out[1][lane] = inner_difference + outer_difference;
        out[2][lane] = 0.5 * inner_sum + 2.0 * outer_sum;
        out[3][lane] = 0.5 * inner_difference + 2.0 * outer_difference + m5;
    }
    out
}
