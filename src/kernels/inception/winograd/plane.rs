//! Kernels of 3 x 3: four by four outputs from a tile of 6 x 6 inputs, a quarter of the products. Those of 5 x 5, from tiles of 8 x 8,
//! would round too much; along one axis, as `line` has them, they do not.
//!
//! After the last tile of a row stands one that belongs to no output; what is computed for it is left out at the end.

#![expect(
    clippy::needless_range_loop,
    reason = "the iterator that takes its place is not turned into vectors"
)]

use std::ops::Range;
use std::sync::OnceLock;
use std::{array, iter};

use super::points::{self, STEP, input_transform, output_transform};
use super::{Tiles, bounded, compute, kernels, load, spacing};
use crate::kernels::inception::convolution::Shape;
use crate::kernels::scratch::{in_blocks, padded};
use crate::wide::{LANES, wide};

/// Height and width of the inputs of a tile.
const TILE: usize = 6;
/// Most tiles of a band of more than one row: enough for the `gemm` crate, few enough that the band stays in the second cache.
const TILES: usize = 80;
/// Places of a row, with its padding, at most.
const WIDEST: usize = 512;
/// Height and width of an output below which too many tiles hang over its border.
const SMALLEST: usize = 16;

/// Whether a convolution at every place is computed here.
pub(super) fn fits(shape: &Shape) -> bool {
    shape.output.iter().all(|&side| side >= SMALLEST) && shape.output[1] + 4 * STEP <= WIDEST
}

/// [images, channels, places] -> [images, outputs, places]
pub(super) fn convolve(
    shape: &Shape,
    input: &[f32],
    weight: &[f32],
    transformed: &OnceLock<Vec<f32>>,
    bias: &[f32],
) -> Vec<f32> {
    let kernels = transformed.get_or_init(|| kernels(weight, &factors()));
    let down = shape.output[0].div_ceil(STEP);
    let rows = rows_at_once(down, across(shape));
    in_blocks(
        input,
        shape.images * shape.lengths()[1],
        shape.lengths(),
        |input, output, scratch| {
            for start in (0..down).step_by(rows) {
                let band = Band::new(shape, start..(start + rows).min(down));
                compute(&band, input, kernels, bias, output, scratch);
            }
        },
    )
}

/// What each entry of G g G' has of each tap.
fn factors() -> Vec<Vec<f64>> {
    let factors = points::factors::<TILE>();
    let entries = factors
        .iter()
        .flat_map(|row| factors.iter().map(move |column| (row, column)));
    entries
        .map(|(row, column)| {
            row.iter()
                .flat_map(|a| column.iter().map(move |b| a * b))
                .collect()
        })
        .collect()
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
    const AXES: u32 = 2;
    const ENTRIES: usize = TILE * TILE;

    fn shape(&self) -> &Shape {
        self.shape
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn parted(&self) -> usize {
        STEP * STEP * self.residue
    }

    fn part(&self, channel: usize, input: &[f32], parted: &mut [f32]) {
        let places = self.shape.input_places();
        let map = &input[(self.shape.first + channel) * places..][..places];
        part(self, map, parted);
    }

    fn enter(&self, channel: usize, parted: &[f32], entries: &mut [f32]) {
        enter(self, channel, parted, entries);
    }

    fn leave(&self, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        leave(self, channel, products, bounds, results);
    }

    fn join(&self, channel: usize, results: &[f32], output: &mut [f32]) {
        let places = self.shape.output_places();
        join(self, results, &mut output[channel * places..][..places]);
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
                let mut column = [[0.0; LANES]; TILE];
                for down in 0..TILE {
                    let residue = (down % STEP) * STEP + across % STEP;
                    let next = (down / STEP) * band.across + across / STEP;
                    column[down] = load(&parted[residue * band.residue + next + lane..]);
                }
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
                let mut column = [[0.0; LANES]; TILE];
                for down in 0..TILE {
                    let at = (down * TILE + across) * entry + channel * band.lanes + lane;
                    column[down] = load(&products[at..]);
                }
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
