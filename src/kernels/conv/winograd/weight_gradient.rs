//! The gradient of the kernels: G' [D' E] G, with the tiles of many images in one sum.

use rayon::prelude::*;

use super::side::Side;
use super::{Winograd, kernels, spread_all};
use crate::kernels::product::{multiply, pieces, width_of_runs};
use crate::kernels::scratch::{Loan, borrow, take, with_scratch, zeros};
use crate::linalg::Matrix;
use crate::wide::LANES;

/// Numbers of the spread tiles of all images that a sum goes through at a time.
const NUMBERS: usize = 4 * 1024 * 1024;
/// Numbers between the matrices of two entries, so that the same row of all is not on the same lines of the first cache.
const GAP: usize = LANES;
/// Outputs that a thread computes at a time, at most.
const OUTPUTS: usize = 64;

/// What some images' inputs and gradients are spread to.
struct Spread {
    inputs: Loan,
    gradients: Loan,
    tiles: usize,
}

impl Winograd<'_> {
    /// Inputs [images, inputs, places] and gradients [images, outputs, places] -> [outputs, inputs, kernel, kernel]
    ///
    /// The work is cut into runs of outputs; images are summed in order, block after block.
    pub(in crate::kernels::conv) fn weight_gradient(
        &self,
        input: &[f32],
        gradient: &[f32],
    ) -> Vec<f32> {
        let mut weight = zeros(self.geometry.outputs * self.geometry.terms());
        if self.geometry.images == 0 {
            return weight;
        }
        let sides = [&self.input, &self.output];
        let tile: usize = sides.map(Side::tile).iter().sum();
        let images = (NUMBERS / tile / self.tiles).clamp(1, self.geometry.images);
        let (outputs, terms) = (self.geometry.outputs, self.geometry.terms());
        let columns = self.input.row();
        if images == self.geometry.images {
            // The matrices of a run of outputs stay in its thread's caches.
            let spread = self.spread(input, gradient);
            let most = outputs.div_ceil(rayon::current_num_threads()).min(OUTPUTS);
            let run = width_of_runs(outputs, most);
            let runs = weight.par_chunks_mut(run * terms).enumerate();
            runs.for_each(|(place, kernels)| {
                with_scratch(|scratch| {
                    let length = kernels.len() / terms * columns;
                    let matrices = take(&mut scratch.joined, self.matrices(length));
                    let entries = matrices.chunks_exact_mut(length + GAP).enumerate();
                    for (entry, matrix) in entries {
                        self.add_products(entry, place * run, &spread, &mut matrix[..length], true);
                    }
                    self.collect(matrices, length + GAP, kernels, &mut scratch.columns);
                });
            });
            return weight;
        }
        let length = outputs * columns;
        let mut matrices = borrow(self.matrices(length));
        let [left, right] = sides.map(|side| images * side.image);
        let blocks = input.chunks(left).zip(gradient.chunks(right));
        for (block, (input, gradient)) in blocks.enumerate() {
            let spread = self.spread(input, gradient);
            let entries = matrices.par_chunks_exact_mut(length + GAP).enumerate();
            entries.for_each(|(entry, matrix)| {
                self.add_products(entry, 0, &spread, &mut matrix[..length], block == 0);
            });
        }
        let kernels = weight.par_chunks_exact_mut(terms).enumerate();
        kernels.for_each(|(output, kernels)| {
            with_scratch(|scratch| {
                let matrices = &matrices[output * columns..];
                self.collect(matrices, length + GAP, kernels, &mut scratch.columns);
            });
        });
        weight
    }

    /// Numbers of the matrices of all entries, of `length` numbers each.
    fn matrices(&self, length: usize) -> usize {
        self.form.entries() * (length + GAP)
    }

    /// The gradient of some kernels from their matrices, which lie `entry` numbers apart.
    fn collect(&self, matrices: &[f32], entry: usize, kernels: &mut [f32], taps: &mut Vec<f32>) {
        let inputs = self.geometry.inputs;
        kernels::gradient(self.form, inputs, (matrices, entry), kernels, taps);
    }

    fn spread(&self, input: &[f32], gradient: &[f32]) -> Spread {
        let tiles = input.len() / self.input.image * self.tiles;
        let [mut inputs, mut gradients] =
            [&self.input, &self.output].map(|side| borrow(tiles * side.tile()));
        spread_all(&self.input, input, &mut inputs);
        spread_all(&self.output, gradient, &mut gradients);
        Spread {
            inputs,
            gradients,
            tiles,
        }
    }

    /// Adds to one entry of some outputs, from the `first`, of the gradient, [outputs, phases x inputs], what some images give; those
    /// of the `fresh` block begin it.
    fn add_products(
        &self,
        entry: usize,
        first: usize,
        spread: &Spread,
        matrix: &mut [f32],
        fresh: bool,
    ) {
        let columns = self.input.row();
        let strides = [&self.input, &self.output].map(Side::entry);
        let inputs = &spread.inputs[entry * spread.tiles * strides[0]..];
        let gradients = &spread.gradients[entry * spread.tiles * strides[1] + first..];
        for piece in pieces(spread.tiles) {
            multiply(
                [matrix.len() / columns, columns, piece.len()],
                matrix,
                columns,
                Matrix::columns(&gradients[piece.start * strides[1]..], strides[1]),
                Matrix::rows(&inputs[piece.start * strides[0]..], strides[0]),
                !(fresh && piece.start == 0),
            );
        }
    }
}
