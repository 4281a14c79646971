//! Convolutions with fewer products, after Winograd: F(m x m, r x r) of Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks* (CVPR 2016), section 4.1.
//!
//! m x m outputs of a channel depend on a tile of m + r - 1 by m + r - 1 inputs d. With the kernel g, r by r, they are
//!
//! ```text
//! A' [ (G g G') . (B' d B) ] A        . entry by entry, summed over the input channels before A is applied
//! ```
//!
//! so that for each entry the sum over channels is a product of matrices, [tiles, inputs] times [inputs, outputs]. A convolution
//! of 4 x 4 at every second place is the sum of four of 2 x 2, one for each phase: the even and the odd rows and columns see the
//! even and the odd taps. It has four times the channels.
//!
//! | kernels | m | products in place of |
//! | --- | --- | --- |
//! | 3 x 3 | 4 | 36 of 144 |
//! | 4 x 4 at every second place | 4 | 25 of 64, for each phase |
//! | the same on maps of fewer than four such tiles | 2 | 9 of 16, for each phase |
//!
//! The three operations are the same sum of products read three ways. With D = B' d B, K = G g G' and E = A e A' for
//! gradients e of the output: the output is A' [D K] A, the gradient of the input B [E K'] B', that of the kernel G' [D' E] G.
//! Where products are made, what they are made of has been spread once, tile after tile ([`tiles`]).
//!
//! Which convolutions are computed like this depends on the sizes of one image alone, and every tile is computed by itself:
//! an image has the same bits whatever its batch.

mod form;
mod kernels;
mod pass;
mod points;
mod side;
#[cfg(test)]
mod tests;
mod tiles;
mod vector;
mod weight_gradient;

use rayon::prelude::*;

use self::form::Form;
use self::side::Side;
use super::geometry::Geometry;
use crate::kernels::scratch::borrow;

/// Tiles of a band of an image, about.
const TILES: usize = 96;
/// Tiles that a thread spreads at a time.
const RUN: usize = 16;

/// A convolution that is computed here.
pub(super) struct Winograd<'a> {
    geometry: &'a Geometry,
    form: Form,
    input: Side,
    output: Side,
    /// Tiles in an image.
    tiles: usize,
}

impl<'a> Winograd<'a> {
    /// The convolution of these sizes, if it is computed here.
    pub(super) fn of(geometry: &'a Geometry) -> Option<Self> {
        let form = Form::of(geometry)?;
        Some(Self {
            geometry,
            form,
            input: Side::new(form, geometry, true, geometry.inputs),
            output: Side::new(form, geometry, false, geometry.outputs),
            tiles: form.tiles(geometry).iter().product(),
        })
    }

    /// [images, inputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, outputs, places]
    pub(super) fn convolve(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        self.pass([&self.input, &self.output], input, weight, bias)
    }

    /// Gradients [images, outputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, inputs, places]
    pub(super) fn input_gradient(
        &self,
        gradient: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        self.pass([&self.output, &self.input], gradient, weight, bias)
    }
}

/// [`tiles::spread`] of whole images on all cores: [entries, images, tiles, row].
fn spread_all(side: &Side, images: &[f32], spread: &mut [f32]) {
    let origins = side.origins.concat();
    let tiles = origins.len() / side.phases;
    let entries = spread.chunks_exact_mut(spread.len() / side.form.entries());
    let spread = cut(entries, tiles * side.entry());
    let mut planes = borrow(images.len() / side.image * side.plane);
    let planes = planes.par_chunks_exact_mut(side.plane);
    images
        .par_chunks_exact(side.image)
        .zip(planes)
        .zip(spread)
        .for_each(|((image, plane), entries)| {
            side::enter(side, image, plane);
            let runs = cut(entries, RUN * side.entry());
            let origins = origins.par_chunks(RUN * side.phases);
            origins.zip(runs).for_each(|(origins, mut entries)| {
                tiles::spread(side, plane, origins, &mut entries);
            });
        });
}

/// Slices, each cut into pieces of `length`, the last of which may be shorter: the first pieces of all, then the second ones, and so on.
fn cut<'m>(
    slices: impl IntoIterator<Item = &'m mut [f32]>,
    length: usize,
) -> Vec<Vec<&'m mut [f32]>> {
    let mut parts: Vec<Vec<&mut [f32]>> = Vec::new();
    for slice in slices {
        for (place, piece) in slice.chunks_mut(length).enumerate() {
            if place == parts.len() {
                parts.push(Vec::new());
            }
            parts[place].push(piece);
        }
    }
    parts
}
