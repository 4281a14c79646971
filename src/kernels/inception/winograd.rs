//! Convolutions at every place with fewer products, after Winograd (Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, CVPR 2016, section 4). Forward only. The training's own forms, [`crate::kernels::conv`], can be read backwards for
//! gradients.
//!
//! Some neighbouring outputs of a channel depend on a tile of inputs d. With the kernel g they are
//!
//! ```text
//! A' [ (G g) . (B' d) ]               along one axis: kernels of 1 x 3, 1 x 7, their transposes, columns of 5 x 5, `line`
//! A' [ (G g G') . (B' d B) ] A        along both: kernels of 3 x 3, `plane`
//! ```
//!
//! entry by entry, summed over the input channels before A is applied: for each entry the sum over channels is a product of
//! matrices, [outputs, inputs] times [inputs, tiles]. The matrices A, B and G are in `points`.
//!
//! Tiles lie side by side in vectors: maps are parted by the residues of their rows and columns, so that the same entry of
//! neighbouring tiles are neighbouring numbers. A tile is computed by itself: an image has the same bits whatever its batch.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

mod line;
mod plane;
mod points;

use std::sync::OnceLock;

use self::points::STEP;
use super::convolution::Shape;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, take};
use crate::linalg::Matrix;
use crate::wide::{LANES, at_least};

/// Channels below which the transforms cost more than the products save.
const FEWEST_CHANNELS: usize = 16;

/// One number of each of neighbouring tiles.
type Vector = [f32; LANES];

/// Tiles of an image, as many as are computed at once.
trait Tiles {
    /// Axes that a kernel runs along.
    const AXES: u32;
    /// Entries of a tile.
    const ENTRIES: usize;

    fn shape(&self) -> &Shape;

    /// How many tiles, made a multiple of the vector's length.
    fn lanes(&self) -> usize;

    /// Taps of a kernel across the axis that tiles lie along: what one of them reads lies one lane further than for the one before. At
    /// most as many as a vector is long.
    fn taps_across(&self) -> usize {
        1
    }

    /// Numbers of a map parted by residues.
    fn parted(&self) -> usize;

    /// The numbers of a channel of `input` under the tiles, by their residues, with zeros around the image.
    fn part(&self, channel: usize, input: &[f32], parted: &mut [f32]);

    /// Writes a parted map's entries of all tiles into `entries`, [entries, inputs, tiles], where `channel` lies.
    fn enter(&self, channel: usize, parted: &[f32], entries: &mut [f32]);

    /// Writes one channel's outputs of all tiles, plus a bias and at least as much as a bound (`bounds`), [residues, tiles], from
    /// `products`, [entries, outputs, tiles].
    fn leave(&self, channel: usize, products: &[f32], bounds: [f32; 2], results: &mut [f32]);

    /// Writes outputs, [residues, tiles], into a channel of `output`.
    fn join(&self, channel: usize, results: &[f32], output: &mut [f32]);
}

/// [images, channels, places] -> [images, outputs, places], if the convolution is computed here; that depends on the sizes of
/// one image alone. `transformed` keeps what becomes of `weight`.
pub(super) fn convolve(
    shape: &Shape,
    input: &[f32],
    weight: &[f32],
    transformed: &OnceLock<Vec<f32>>,
    bias: &[f32],
) -> Option<Vec<f32>> {
    if shape.stride != 1 || shape.inputs.min(shape.outputs) < FEWEST_CHANNELS {
        return None;
    }
    let along_both = plane::fits(shape);
    let along_one = line::fits(shape);
    Some(match shape.kernel {
        [3, 3] if along_both => plane::convolve(shape, input, weight, transformed, bias),
        [3, 1] | [1, 3] if along_one => {
            line::convolve::<6>(shape, input, weight, transformed, bias)
        }
        [5, 5] if along_one => line::convolve::<8>(shape, input, weight, transformed, bias),
        [7, 1] | [1, 7] if along_one => {
            line::convolve::<10>(shape, input, weight, transformed, bias)
        }
        _ => return None,
    })
}

/// What kernels, [outputs, inputs, taps], become: for every entry the sum of their taps with some factors,
/// [entries, outputs, inputs]. By one thread: while others wait for the result none may be given work that asks for it.
fn kernels(weight: &[f32], entries: &[Vec<f64>]) -> Vec<f32> {
    let taps = entries[0].len();
    let mut kernels = Vec::with_capacity(entries.len() * weight.len() / taps);
    for factors in entries {
        kernels.extend(weight.chunks_exact(taps).map(|kernel| {
            let terms = kernel.iter().zip(factors);
            terms
                .map(|(&tap, factor)| f64::from(tap) * factor)
                .sum::<f64>() as f32
        }));
    }
    kernels
}

/// Numbers from one entry of a side with `channels` channels to the next: not a multiple of a page, whose entries would all
/// fall on the same lines of the first cache.
fn spacing(channels: usize, lanes: usize) -> usize {
    channels * lanes + LANES
}

/// What lies under some tiles of `output` from `input`.
fn compute<T: Tiles>(
    tiles: &T,
    input: &[f32],
    kernels: &[f32],
    bias: &[f32],
    output: &mut [f32],
    scratch: &mut Scratch,
) {
    let (shape, lanes) = (tiles.shape(), tiles.lanes());
    let Scratch {
        columns,
        joined,
        planes,
        phases,
    } = scratch;
    let entries = take(columns, T::ENTRIES * spacing(shape.inputs, lanes));
    let products = take(joined, T::ENTRIES * spacing(shape.outputs, lanes));
    // What the input's tiles become.
    let parted = take(phases, tiles.parted());
    for channel in 0..shape.inputs {
        tiles.part(channel, input, parted);
        tiles.enter(channel, parted, entries);
    }
    sum_channels(tiles, kernels, entries, products);
    // What the output's tiles come from.
    let results = take(planes, STEP.pow(T::AXES) * lanes);
    for (channel, &bias) in bias.iter().enumerate() {
        tiles.leave(channel, products, [bias, shape.least(channel)], results);
        tiles.join(channel, results, output);
    }
}

/// For every entry the sum over channels and taps across: `kernels`, [entries, taps, outputs, inputs], times `entries`,
/// [entries, inputs, lanes], is `products`, [entries, outputs, lanes]. The last lanes of a later tap belong to no output.
fn sum_channels<T: Tiles>(tiles: &T, kernels: &[f32], entries: &[f32], products: &mut [f32]) {
    let (shape, lanes, taps) = (tiles.shape(), tiles.lanes(), tiles.taps_across());
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let entries = entries.chunks_exact(spacing(inputs, lanes));
    let products = products.chunks_exact_mut(spacing(outputs, lanes));
    let kernels = kernels.chunks_exact(taps * inputs * outputs);
    for ((kernels, entry), products) in kernels.zip(entries).zip(products) {
        for (tap, kernels) in kernels.chunks_exact(inputs * outputs).enumerate() {
            for piece in pieces(inputs) {
                multiply(
                    [outputs, lanes, piece.len()],
                    products,
                    lanes,
                    Matrix::rows(&kernels[piece.start..], inputs),
                    Matrix::rows(&entry[piece.start * lanes + tap..], lanes),
                    tap + piece.start > 0,
                );
            }
        }
    }
}

#[inline(always)]
fn load(numbers: &[f32]) -> Vector {
    let mut vector = [0.0; LANES];
    vector.copy_from_slice(&numbers[..LANES]);
    vector
}

/// Sums plus a bias, and at least as much as a bound (`bounds`).
#[inline(always)]
fn bounded(sums: &Vector, [bias, least]: [f32; 2]) -> Vector {
    let mut vector = [0.0; LANES];
    for lane in 0..LANES {
        vector[lane] = at_least(sums[lane] + bias, least);
    }
    vector
}
