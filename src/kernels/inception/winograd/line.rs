//! Kernels of 1 x 3 and 1 x 7 and their transposes, and of 5 x 5 column by column: four outputs from a tile of `TILE` inputs, half, 10
//! of 28 and 8 of 20 of the products.
//!
//! The axis that tiles lie along is parted by the residues of its places; across it, image by image, and then tile after tile, numbers
//! lie side by side. So what a tap further across reads lies one number further.

use std::sync::OnceLock;

use super::points::{STEP, factors, input_transform, output_transform};
use super::{Tiles, bounded, compute, kernels, load, spacing};
use crate::kernels::inception::convolution::Shape;
use crate::kernels::scratch::{in_blocks, padded};
use crate::wide::{LANES, wide};

/// Outputs along the kernel below which too many tiles hang over the border.
const SMALLEST: usize = 8;
/// Most tiles of a group of images: the kernels are read once for all, and the tiles stay in the second cache.
const TILES: usize = 192;

/// The convolution of some images.
struct Line<'a, const TILE: usize> {
    shape: &'a Shape,
    /// The axis that tiles lie along: 0 down, 1 across.
    axis: usize,
    /// Places across that axis, of all images with their padding.
    across: usize,
    /// Tiles along it.
    tiles: usize,
    /// All tiles, made a multiple of the vector's length.
    lanes: usize,
}

fn axis(shape: &Shape) -> usize {
    usize::from(shape.kernel[0] == 1)
}

/// Places of an image across the axis of tiles, with its padding.
fn padded_across(shape: &Shape) -> usize {
    let other = 1 - axis(shape);
    shape.input[other] + 2 * shape.padding[other]
}

/// What each entry of G has of each tap, for the taps of one place across after the other.
fn factors_across<const TILE: usize>(shape: &Shape) -> Vec<Vec<f64>> {
    let [height, width] = shape.kernel;
    let axis = axis(shape);
    let factors = factors::<TILE>();
    let across = 0..shape.kernel[1 - axis];
    let entries = factors.iter();
    let entries = entries.flat_map(|along| across.clone().map(move |place| (along, place)));
    entries
        .map(|(along, place)| {
            let taps = (0..height).flat_map(|down| (0..width).map(move |right| [down, right]));
            taps.map(|tap| {
                if tap[1 - axis] == place {
                    along[tap[axis]]
                } else {
                    0.0
                }
            })
            .collect()
        })
        .collect()
}

/// Whether a convolution at every place is computed here.
pub(super) fn fits(shape: &Shape) -> bool {
    shape.output[axis(shape)] >= SMALLEST
}

/// [images, channels, places] -> [images, outputs, places], by tiles of `TILE` inputs
pub(super) fn convolve<const TILE: usize>(
    shape: &Shape,
    input: &[f32],
    weight: &[f32],
    transformed: &OnceLock<Vec<f32>>,
    bias: &[f32],
) -> Vec<f32> {
    let kernels = transformed.get_or_init(|| kernels(weight, &factors_across::<TILE>(shape)));
    let axis = axis(shape);
    let (across, tiles) = (padded_across(shape), shape.output[axis].div_ceil(STEP));
    let [image_in, image_out] = shape.lengths();
    let group = (TILES / (across * tiles)).clamp(1, shape.images.max(1));
    in_blocks(
        input,
        shape.images * image_out,
        [group * image_in, group * image_out],
        |input, output, scratch| {
            let across = output.len() / image_out * across;
            let line = Line::<TILE> {
                shape,
                axis,
                across,
                tiles,
                lanes: padded(across * tiles),
            };
            compute(&line, input, kernels, bias, output, scratch);
        },
    )
}

impl<const TILE: usize> Line<'_, TILE> {
    /// Numbers of one residue of a channel: the last tile reaches further.
    fn residue(&self) -> usize {
        self.lanes + (TILE - 1) / STEP * self.across
    }
}

impl<const TILE: usize> Tiles for Line<'_, TILE> {
    const AXES: u32 = 1;
    const ENTRIES: usize = TILE;

    fn shape(&self) -> &Shape {
        self.shape
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn taps_across(&self) -> usize {
        self.shape.kernel[1 - self.axis]
    }

    fn parted(&self) -> usize {
        STEP * self.residue()
    }

    fn enter(&self, channel: usize, parted: &[f32], entries: &mut [f32]) {
        enter(self, channel, parted, entries);
    }

    fn leave(&self, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        leave(self, channel, products, bounds, results);
    }

    fn part(&self, channel: usize, input: &[f32], parted: &mut [f32]) {
        parted.fill(0.0);
        let width = self.shape.input[1];
        let padding = self.shape.padding[self.axis];
        // Places that no tile reaches are left out.
        let reached = STEP * (self.tiles - 1) + TILE;
        let places = (padding..reached).take(self.shape.input[self.axis]);
        let places = places.map(|place| place % STEP * self.residue() + place / STEP * self.across);
        let (each, before) = (padded_across(self.shape), self.shape.padding[1 - self.axis]);
        let inside = self.shape.input[1 - self.axis];
        for (image, maps) in input.chunks_exact(self.shape.lengths()[0]).enumerate() {
            let first = (self.shape.first + channel) * self.shape.input_places();
            let map = &maps[first..][..self.shape.input_places()];
            for (place, at) in places.clone().enumerate() {
                let target = &mut parted[at + image * each + before..][..inside];
                if self.axis == 0 {
                    target.copy_from_slice(&map[place * width..][..width]);
                } else {
                    let column = map[place..].iter().step_by(width);
                    for (target, value) in target.iter_mut().zip(column) {
                        *target = *value;
                    }
                }
            }
        }
    }

    fn join(&self, channel: usize, results: &[f32], output: &mut [f32]) {
        let width = self.shape.output[1];
        let each = padded_across(self.shape);
        let inside = self.shape.output[1 - self.axis];
        for (image, maps) in output.chunks_exact_mut(self.shape.lengths()[1]).enumerate() {
            let map =
                &mut maps[channel * self.shape.output_places()..][..self.shape.output_places()];
            for place in 0..self.shape.output[self.axis] {
                let at = place % STEP * self.lanes + place / STEP * self.across;
                let source = &results[at + image * each..][..inside];
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
}

wide! {
    /// B' d of one channel's tiles, [residues, places], into `tiles`, [entries, inputs, tiles].
    fn enter<const TILE: usize>(line: &Line<'_, TILE>, channel: usize, parted: &[f32], tiles: &mut [f32]) {
        let (entry, residue) = (spacing(line.shape.inputs, line.lanes), line.residue());
        for lane in (0..line.lanes).step_by(LANES) {
            let mut tile = [[0.0; LANES]; TILE];
            for (place, values) in tile.iter_mut().enumerate() {
                let at = place % STEP * residue + place / STEP * line.across + lane;
                *values = load(&parted[at..]);
            }
            for (number, values) in input_transform(&tile).iter().enumerate() {
                let at = number * entry + channel * line.lanes + lane;
                tiles[at..at + LANES].copy_from_slice(values);
            }
        }
    }

    /// A' m of one channel of `products`, [entries, outputs, tiles], plus a bias and at least as much as a bound (`bounds`),
    /// into `results`, [residues, tiles].
    fn leave<const TILE: usize>(line: &Line<'_, TILE>, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]) {
        let entry = spacing(line.shape.outputs, line.lanes);
        for lane in (0..line.lanes).step_by(LANES) {
            let mut sums = [[0.0; LANES]; TILE];
            for (number, values) in sums.iter_mut().enumerate() {
                *values = load(&products[number * entry + channel * line.lanes + lane..]);
            }
            for (side, values) in output_transform(&sums).iter().enumerate() {
                let at = side * line.lanes + lane;
                results[at..at + LANES].copy_from_slice(&bounded(values, bounds));
            }
        }
    }
}
