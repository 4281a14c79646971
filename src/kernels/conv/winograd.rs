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
mod points;
mod side;
#[cfg(test)]
mod tests;
mod tiles;
mod together;
mod vector;
mod weight_gradient;

use rayon::prelude::*;

use self::form::Form;
use self::kernels::Kernels;
use self::side::Side;
use super::geometry::{BLOCKS, Geometry};
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, borrow, in_blocks, take};
use crate::linalg::Matrix;

/// Tiles that a product should have.
const TILES: usize = 128;
/// Tiles below which a product takes longer to read the kernels than to compute.
const FEW_TILES: usize = 64;
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

    /// Images of one side times the kernels: images of the other side.
    fn pass(
        &self,
        sides: [&Side; 2],
        images: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let lengths = sides.map(|side| side.image);
        let kernels = Kernels::new(self.form, self.geometry, weight, sides[1].is_input);
        let most = self.geometry.images.div_ceil(BLOCKS).max(1);
        let group = (TILES / self.tiles).clamp(1, most);
        if group * self.tiles < FEW_TILES {
            return self.pass_together(sides, images, &kernels, bias);
        }
        let kernels = kernels.all();
        in_blocks(
            images,
            self.geometry.images * lengths[1],
            lengths.map(|length| group * length),
            |images, results, scratch| {
                pass_block(sides, images, &kernels, bias, results, scratch);
            },
        )
    }
}

/// Some images of one side times `kernels`, [entries, row of a tile there, row here]: images of the other side.
fn pass_block(
    [from, to]: [&Side; 2],
    images: &[f32],
    kernels: &[f32],
    bias: Option<&[f32]>,
    results: &mut [f32],
    scratch: &mut Scratch,
) {
    let count = images.len() / from.image;
    let rows = [from, to].map(Side::row);
    let Scratch {
        planes,
        columns,
        joined,
        ..
    } = scratch;
    let before = count * from.plane;
    let planes = take(planes, before + count * to.plane);
    let (planes, sums) = planes.split_at_mut(before);
    planes.fill(0.0);
    to.clear(sums);
    side::enter(from, images, planes);
    for origins in from.origins.iter().zip(&to.origins) {
        let tiles = count * origins.0.len() / from.phases;
        let spread = take(columns, tiles * from.tile());
        let products = take(joined, tiles * to.tile());
        tiles::spread(from, planes, origins.0, spread);
        for (entry, kernels) in kernels.chunks_exact(rows[0] * rows[1]).enumerate() {
            multiply_tiles(
                [tiles, rows[1], rows[0]],
                &spread[entry * from.entry()..],
                kernels,
                &mut products[entry * to.entry()..],
                [from.tile(), rows[1], to.tile()],
            );
        }
        tiles::collect(to, products, origins.1, sums);
    }
    side::leave(to, sums, bias, results);
}

/// One entry of some tiles times some columns of kernels, [row of a tile here, row there]. `strides` are the numbers from
/// one row to the next of tiles, kernels and products.
fn multiply_tiles(
    [tiles, columns, terms]: [usize; 3],
    spread: &[f32],
    kernels: &[f32],
    products: &mut [f32],
    strides: [usize; 3],
) {
    for piece in pieces(terms) {
        multiply(
            [tiles, columns, piece.len()],
            products,
            strides[2],
            Matrix::rows(&spread[piece.start..], strides[0]),
            Matrix::rows(&kernels[piece.start * strides[1]..], strides[1]),
            piece.start > 0,
        );
    }
}

/// [`tiles::spread`] of whole images on all cores.
fn spread_all(side: &Side, images: &[f32], tiles: &mut [f32]) {
    let origins = side.origins.concat();
    let length = origins.len() / side.phases * side.tile();
    let mut planes = borrow(images.len() / side.image * side.plane);
    let images = images.par_chunks_exact(side.image);
    let planes = planes.par_chunks_exact_mut(side.plane);
    images
        .zip(planes)
        .zip(tiles.par_chunks_exact_mut(length))
        .for_each(|((image, plane), tiles)| {
            plane.fill(0.0);
            side::enter(side, image, plane);
            let tiles = tiles.par_chunks_mut(RUN * side.tile());
            let origins = origins.par_chunks(RUN * side.phases);
            origins
                .zip(tiles)
                .for_each(|(origins, tiles)| tiles::spread(side, plane, origins, tiles));
        });
}
