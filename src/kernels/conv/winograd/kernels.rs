//! Kernels as tiles see them, and their gradients back. Where rows of numbers are combined, they lie side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::form::Form;
use super::side::{self, SQUARE};
use crate::kernels::conv::geometry::Geometry;
use crate::kernels::wide::wide;

/// G g G' for the kernels [outputs, inputs, kernel, kernel]: [entries, phases x inputs, outputs], for the convolution.
pub(super) fn for_outputs(form: &Form, geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let (outputs, inputs, area) = (geometry.outputs, geometry.inputs, geometry.area());
    let mut turned = vec![0.0; weight.len()];
    turn(weight, inputs * area, &mut turned);
    let mut kernels = vec![0.0; form.matrices() * inputs * outputs];
    kernels
        .par_chunks_exact_mut(inputs * outputs)
        .enumerate()
        .for_each(|(place, kernels)| {
            let taps = form.taps(place / form.phases(), place % form.phases());
            combine(&taps, &turned, area, kernels, outputs, [0, 1]);
        });
    kernels
}

/// The same as [entries, outputs, phases x inputs], for the gradient of the input.
pub(super) fn for_inputs(form: &Form, geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let (outputs, inputs, area) = (geometry.outputs, geometry.inputs, geometry.area());
    let mut turned = vec![0.0; weight.len()];
    turned
        .par_chunks_exact_mut(inputs * area)
        .zip(weight.par_chunks_exact(inputs * area))
        .for_each(|(turned, kernels)| turn(kernels, area, turned));
    let mut kernels = vec![0.0; form.matrices() * inputs * outputs];
    kernels
        .par_chunks_exact_mut(outputs * form.phases() * inputs)
        .enumerate()
        .for_each(|(entry, kernels)| {
            for phase in 0..form.phases() {
                let taps = form.taps(entry, phase);
                let places = [phase, form.phases()];
                combine(&taps, &turned, area, kernels, inputs, places);
            }
        });
    kernels
}

/// The gradient of the weight from those of its matrices, [entries, parts, outputs, phases x inputs of the part]: the
/// transpose of [`for_inputs`].
pub(super) fn gradient(
    form: &Form,
    geometry: &Geometry,
    parts: &[Range<usize>],
    matrices: &[f32],
) -> Vec<f32> {
    let (outputs, inputs, area) = (geometry.outputs, geometry.inputs, geometry.area());
    let (phases, entry_length) = (form.phases(), form.phases() * inputs * outputs);
    let mut weight = vec![0.0; outputs * inputs * area];
    let kernels = weight.par_chunks_exact_mut(inputs * area).enumerate();
    kernels.for_each(|(output, kernels)| {
        let mut turned = vec![0.0; inputs * area];
        for (entry, matrix) in matrices.chunks_exact(entry_length).enumerate() {
            for phase in 0..phases {
                let taps = form.taps(entry, phase);
                for part in parts {
                    let first = phases * part.start * outputs;
                    let row = first + (output * phases + phase) * part.len();
                    let source = &matrix[row..][..part.len()];
                    add(&taps, source, &mut turned[part.start..], inputs);
                }
            }
        }
        turn(&turned, inputs, kernels);
    });
    weight
}

wide! {
    /// Rows of `length` numbers, in `targets` from the first of `places` on and as many apart as the second says, each the sum
    /// of some of the `taps` rows of its source, with their factors.
    fn combine(
        rows: &[(usize, f32)],
        sources: &[f32],
        taps: usize,
        targets: &mut [f32],
        length: usize,
        places: [usize; 2],
    ) {
        let ((first, factor), others) = rows.split_first().expect("an entry has a tap");
        let targets = targets.chunks_exact_mut(length).skip(places[0]).step_by(places[1]);
        for (target, source) in targets.zip(sources.chunks_exact(taps * length)) {
            for (sum, value) in target.iter_mut().zip(&source[first * length..]) {
                *sum = factor * value;
            }
            for (tap, factor) in others {
                for (sum, value) in target.iter_mut().zip(&source[tap * length..]) {
                    *sum += factor * value;
                }
            }
        }
    }

    /// Adds a row, with their factors, to some rows of `targets`, which lie `length` apart.
    fn add(rows: &[(usize, f32)], source: &[f32], targets: &mut [f32], length: usize) {
        for (tap, factor) in rows {
            for (sum, value) in targets[tap * length..].iter_mut().zip(source) {
                *sum += factor * value;
            }
        }
    }

    /// Writes some columns of a matrix with `columns` columns, from the first that `matrix` begins with, as rows of `length`.
    fn turn_columns(matrix: &[f32], columns: usize, turned: &mut [f32], length: usize) {
        let count = turned.len() / length;
        for start in (0..length).step_by(SQUARE) {
            let source = &matrix[start * columns..];
            let target = &mut turned[start..];
            match [SQUARE.min(length - start), count] {
                [SQUARE, SQUARE] => side::turn::<SQUARE, SQUARE>(source, [columns, length], target),
                size => side::turn_any(size, source, [columns, length], target),
            }
        }
    }
}

/// Writes the transpose of a matrix with `columns` columns.
fn turn(matrix: &[f32], columns: usize, turned: &mut [f32]) {
    let rows = matrix.len() / columns;
    turned
        .par_chunks_mut(SQUARE * rows)
        .with_min_len(4)
        .enumerate()
        .for_each(|(block, turned)| turn_columns(&matrix[block * SQUARE..], columns, turned, rows));
}
