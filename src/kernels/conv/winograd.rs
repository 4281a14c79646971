//! Convolutions with fewer products, after Winograd: F(2 x 2, r x r) of Lavin and Gray, *Fast Algorithms for
//! Convolutional Neural Networks* (CVPR 2016), section 4.1.
//!
//! Two by two outputs of a channel depend on a tile of r + 1 by r + 1 inputs d. With the kernel g, r by r, they are
//!
//! ```text
//! A' [ (G g G') . (B' d B) ] A        . entry by entry, summed over the input channels before A is applied
//!
//!      1  0 -1  0           1    0    0            1  1  1  0
//! B' = 0  1  1  0      G = 1/2  1/2  1/2      A' = 0  1 -1 -1         r = 3: 16 products instead of 36
//!      0 -1  1  0          1/2 -1/2  1/2
//!      0  1  0 -1           0    0    1
//!
//!      1 -1  0              1    0                 1  1  0
//! B' = 0  1  0         G =  1    1            A' = 0  1  1            r = 2: 9 products instead of 16
//!      0 -1  1              0    1
//! ```
//!
//! so that for each entry the sum over channels is a product of matrices, [tiles, inputs] times [inputs, outputs]. A
//! convolution of 3 x 3 is of the first form. One of 4 x 4 at every second place is the sum of four of 2 x 2, one for each
//! phase: the even and the odd rows and columns see the even and the odd taps. It is of the second form, with four times
//! the channels.
//!
//! The three operations are the same sum of products read three ways. With D = B' d B, K = G g G' and E = A e A' for
//! gradients e of the output: the output is A' [D K] A, the gradient of the input B [E K'] B', that of the kernel G' [D' E] G.
//!
//! Which convolutions are computed like this depends on the sizes of one image alone, and every tile is computed by itself:
//! an image has the same bits whatever its batch.

mod form;
mod kernels;
mod side;
mod together;

use std::ops::Range;

use rayon::prelude::*;

use self::form::{Form, tiles};
use self::side::{Side, Tiling};
use super::geometry::{BLOCKS, Geometry};
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{Scratch, borrow, in_blocks, padded, take, with_scratch};
use crate::linalg::Matrix;

/// Tiles that a product should have.
const TILES: usize = 256;
/// Tiles below which a product takes longer to read the kernels than to compute.
const FEW_TILES: usize = 64;
/// Numbers of all planes that a gradient of the weight goes through at a time.
const NUMBERS: usize = 1024 * 1024;

/// A convolution that is computed here.
pub(super) struct Winograd<'a> {
    geometry: &'a Geometry,
    form: &'static Form,
    input: Side,
    output: Side,
    /// Tiles in an image.
    tiles: usize,
}

impl<'a> Winograd<'a> {
    /// The convolution of these sizes, if it is computed here.
    pub(super) fn of(geometry: &'a Geometry) -> Option<Self> {
        let form = Form::of(geometry)?;
        let tiles = tiles(geometry);
        let [down, across] = tiles;
        let band = (TILES / across).clamp(1, down);
        let input = Tiling {
            image: geometry.input,
            plane: tiles.map(|count| form.stride * (2 * count + form.taps - 1)),
            border: geometry.padding.unsigned_abs(),
            phases: form.stride,
            tiles,
            band,
        };
        let output = Tiling {
            image: geometry.output,
            plane: tiles.map(|count| 2 * count),
            border: 0,
            phases: 1,
            tiles,
            band,
        };
        Some(Self {
            geometry,
            form,
            input: Side::new(geometry.inputs, form.input, &input),
            output: Side::new(geometry.outputs, form.output, &output),
            tiles: down * across,
        })
    }

    /// [images, inputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, outputs, places]
    pub(super) fn convolve(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        let kernels = kernels::for_outputs(self.form, self.geometry, weight);
        self.pass([&self.input, &self.output], input, &kernels, bias)
    }

    /// Gradients [images, outputs, places] and weights [outputs, inputs, kernel, kernel] -> [images, inputs, places]
    pub(super) fn input_gradient(
        &self,
        gradient: &[f32],
        weight: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let kernels = kernels::for_inputs(self.form, self.geometry, weight);
        self.pass([&self.output, &self.input], gradient, &kernels, bias)
    }

    /// Images of one side times `kernels`, [entries, width of a tile there, width here]: images of the other side.
    fn pass(
        &self,
        sides: [&Side; 2],
        images: &[f32],
        kernels: &[f32],
        bias: Option<&[f32]>,
    ) -> Vec<f32> {
        let lengths = sides.map(|side| side.image);
        let most = self.geometry.images.div_ceil(BLOCKS).max(1);
        let group = (TILES / self.tiles).clamp(1, most);
        if group * self.tiles < FEW_TILES {
            return self.pass_together(sides, images, kernels, bias);
        }
        in_blocks(
            images,
            self.geometry.images * lengths[1],
            lengths.map(|length| group * length),
            |images, results, scratch| {
                self.pass_block(sides, images, kernels, bias, results, scratch);
            },
        )
    }

    fn pass_block(
        &self,
        [from, to]: [&Side; 2],
        images: &[f32],
        kernels: &[f32],
        bias: Option<&[f32]>,
        results: &mut [f32],
        scratch: &mut Scratch,
    ) {
        let count = images.len() / from.image;
        let widths = [from, to].map(|side| side.rows * side.channels);
        let Scratch {
            planes,
            columns,
            joined,
            ..
        } = scratch;
        let before = count * from.plane;
        let planes = take(planes, before + count * to.plane);
        planes.fill(0.0);
        let (planes, sums) = planes.split_at_mut(before);
        side::enter(from, images, planes);
        for origins in from.origins.iter().zip(&to.origins) {
            let tiles = count * origins.0.len() / from.rows;
            let spread = take(columns, tiles * widths[0]);
            let product = take(joined, tiles * widths[1]);
            let kernels = kernels.chunks_exact(widths[0] * widths[1]);
            for (entry, kernels) in kernels.enumerate() {
                let entry = self.form.place(entry);
                side::spread(from, entry, planes, origins.0, &(0..from.channels), spread);
                multiply_tiles(tiles, spread, kernels, widths[1], product);
                side::collect(to, entry, product, origins.1, sums);
            }
        }
        side::leave(to, sums, bias, results);
    }

    /// Inputs [images, inputs, places] and gradients [images, outputs, places] -> [outputs, inputs, kernel, kernel]
    ///
    /// The work is cut into entries and runs of inputs, whose matrices are disjoint; images are summed in order.
    pub(super) fn weight_gradient(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        let (inputs, outputs) = (self.geometry.inputs, self.geometry.outputs);
        if self.geometry.images == 0 {
            return vec![0.0; outputs * self.geometry.terms()];
        }
        let half = padded(inputs / 2).min(inputs);
        let mut parts = vec![0..half, half..inputs];
        parts.retain(|part| !part.is_empty());
        let mut matrices = borrow(self.form.matrices() * inputs * outputs);
        let mut tasks = Vec::new();
        let mut rest = &mut *matrices;
        for entry in 0..self.form.entries() {
            for part in &parts {
                let length = outputs * self.input.rows * part.len();
                let (matrix, others) = rest.split_at_mut(length);
                tasks.push((self.form.place(entry), part, matrix));
                rest = others;
            }
        }
        let sides = [&self.input, &self.output];
        let images = usize::max(
            TILES / self.tiles,
            NUMBERS / (self.input.plane + self.output.plane),
        );
        let images = images.clamp(1, self.geometry.images.max(1));
        let [mut inputs, mut outputs] = sides.map(|side| borrow(images * side.plane));
        let [left, right] = sides.map(|side| images * side.image);
        let blocks = input.chunks(left).zip(gradient.chunks(right));
        for (block, (input, gradient)) in blocks.enumerate() {
            let count = input.len() / self.input.image;
            enter_all(&self.input, input, &mut inputs);
            enter_all(&self.output, gradient, &mut outputs);
            let inputs = &inputs[..count * self.input.plane];
            let outputs = &outputs[..count * self.output.plane];
            tasks.par_iter_mut().for_each(|(entry, part, matrix)| {
                with_scratch(|scratch| {
                    self.add_products(*entry, part, [inputs, outputs], matrix, block == 0, scratch);
                });
            });
        }
        kernels::gradient(self.form, self.geometry, &parts, &matrices)
    }

    /// Adds to one entry of the gradient, [outputs, phases x inputs of the part], what the images in some planes give; the
    /// `first` begin it.
    fn add_products(
        &self,
        entry: [usize; 2],
        part: &Range<usize>,
        [inputs, outputs]: [&[f32]; 2],
        matrix: &mut [f32],
        first: bool,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            columns, joined, ..
        } = scratch;
        let count = inputs.len() / self.input.plane;
        let widths = [self.input.rows * part.len(), self.geometry.outputs];
        let bands = self.input.origins.iter().zip(&self.output.origins);
        for (band, origins) in bands.enumerate() {
            let tiles = count * origins.1.len();
            let left = take(joined, tiles * widths[1]);
            let right = take(columns, tiles * widths[0]);
            side::spread(
                &self.output,
                entry,
                outputs,
                origins.1,
                &(0..widths[1]),
                left,
            );
            side::spread(&self.input, entry, inputs, origins.0, part, right);
            for piece in pieces(tiles) {
                multiply(
                    [widths[1], widths[0], piece.len()],
                    matrix,
                    widths[0],
                    Matrix::columns(&left[piece.start * widths[1]..], widths[1]),
                    Matrix::rows(&right[piece.start * widths[0]..], widths[0]),
                    !(first && band == 0 && piece.start == 0),
                );
            }
        }
    }
}

/// Spread tiles, [tiles, width of a tile here], times some columns of kernels, [width here, width there]: as many as `product` has.
/// Rows of the kernels lie `stride` apart.
fn multiply_tiles(
    tiles: usize,
    spread: &[f32],
    kernels: &[f32],
    stride: usize,
    product: &mut [f32],
) {
    let [terms, columns] = [spread.len(), product.len()].map(|length| length / tiles);
    for piece in pieces(terms) {
        multiply(
            [tiles, columns, piece.len()],
            product,
            columns,
            Matrix::rows(&spread[piece.start..], terms),
            Matrix::rows(&kernels[piece.start * stride..], stride),
            piece.start > 0,
        );
    }
}

/// [`side::enter`] on all cores, with zeros around the images.
fn enter_all(side: &Side, images: &[f32], planes: &mut [f32]) {
    let images = images.par_chunks_exact(side.image);
    let planes = planes.par_chunks_exact_mut(side.plane);
    images.zip(planes).for_each(|(image, plane)| {
        plane.fill(0.0);
        side::enter(side, image, plane);
    });
}
