//! Kernels as tiles see them, and their gradients back. Where rows of numbers are combined, they lie side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::form::Form;
use super::side::{self, SQUARE};
use crate::kernels::conv::geometry::Geometry;
use crate::kernels::scratch::{Loan, borrow, take, with_scratch, zeros};
use crate::kernels::wide::wide;

/// Rows of all matrices that one thread computes at a time: what they are made of then stays in the second cache.
const ROWS: usize = 16;

/// G g G' for the kernels [outputs, inputs, kernel, kernel]: [entries, phases x inputs, outputs], for the convolution.
pub(super) fn for_outputs(form: &Form, geometry: &Geometry, weight: &[f32]) -> Loan {
    let (outputs, inputs, area) = (geometry.outputs, geometry.inputs, geometry.area());
    let sizes = [form.matrices(), inputs, outputs];
    transform(form, area, sizes, outputs, |rows, taps| {
        turn(&weight[rows.start * area..], inputs * area, taps, outputs);
    })
}

/// The same as [entries, outputs, phases x inputs], for the gradient of the input.
pub(super) fn for_inputs(form: &Form, geometry: &Geometry, weight: &[f32]) -> Loan {
    let (outputs, inputs, area) = (geometry.outputs, geometry.inputs, geometry.area());
    let sizes = [form.entries(), outputs, form.phases() * inputs];
    transform(form, area, sizes, inputs, |rows, taps| {
        let kernels = weight.chunks_exact(inputs * area);
        let taps = taps.chunks_exact_mut(area * inputs);
        for (kernels, taps) in kernels.skip(rows.start).zip(taps) {
            turn(kernels, area, taps, inputs);
        }
    })
}

/// Matrices of [count, rows, columns], in which every row is made of runs of `length` numbers: one for every entry and phase.
///
/// `turned` writes the taps of some rows, each [area, length].
fn transform(
    form: &Form,
    area: usize,
    [count, rows, columns]: [usize; 3],
    length: usize,
    turned: impl Fn(Range<usize>, &mut [f32]) + Sync,
) -> Loan {
    let taps = form.all_taps();
    let mut matrices = borrow(count * rows * columns);
    // A task has the same rows of every matrix.
    let mut tasks: Vec<Vec<&mut [f32]>> = Vec::new();
    tasks.resize_with(rows.div_ceil(ROWS), Vec::new);
    for matrix in matrices.chunks_exact_mut(rows * columns) {
        for (task, rows) in tasks.iter_mut().zip(matrix.chunks_mut(ROWS * columns)) {
            task.push(rows);
        }
    }
    let tasks = tasks.into_par_iter().enumerate();
    tasks.for_each(|(task, mut matrices)| {
        with_scratch(|scratch| {
            let rows = task * ROWS..(task * ROWS + ROWS).min(rows);
            let sources = take(&mut scratch.columns, rows.len() * area * length);
            turned(rows, sources);
            for (row, source) in sources.chunks_exact(area * length).enumerate() {
                let targets = matrices
                    .iter_mut()
                    .flat_map(|matrix| matrix[row * columns..][..columns].chunks_exact_mut(length));
                combine(&taps, source, targets.collect());
            }
        });
    });
    matrices
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
    let taps = form.all_taps();
    let mut weight = zeros(outputs * inputs * area);
    let kernels = weight.par_chunks_exact_mut(inputs * area).enumerate();
    kernels.for_each(|(output, kernels)| {
        with_scratch(|scratch| {
            let turned = take(&mut scratch.columns, inputs * area);
            turned.fill(0.0);
            let matrices = matrices.chunks_exact(entry_length);
            for (matrix, taps) in matrices.zip(taps.chunks_exact(phases)) {
                for (phase, taps) in taps.iter().enumerate() {
                    for part in parts {
                        let first = phases * part.start * outputs;
                        let row = first + (output * phases + phase) * part.len();
                        let source = &matrix[row..][..part.len()];
                        add(taps, source, &mut turned[part.start..], inputs);
                    }
                }
            }
            turn(turned, inputs, kernels, area);
        });
    });
    weight
}

wide! {
    /// Some rows, each the sum of some rows of the source, with their factors.
    fn combine(sums: &[Vec<(usize, f32)>], source: &[f32], targets: Vec<&mut [f32]>) {
        for (parts, target) in sums.iter().zip(targets) {
            let ((first, factor), others) = parts.split_first().expect("an entry has a tap");
            let length = target.len();
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

    /// Writes the first columns of a matrix with `columns` columns as rows of `length`, as many as there is room for.
    fn turn(matrix: &[f32], columns: usize, turned: &mut [f32], length: usize) {
        for start in (0..length).step_by(SQUARE) {
            for (block, target) in turned.chunks_mut(SQUARE * length).enumerate() {
                let source = &matrix[start * columns + block * SQUARE..];
                let count = target.len() / length;
                let target = &mut target[start..];
                match [SQUARE.min(length - start), count] {
                    [SQUARE, SQUARE] => side::turn::<SQUARE, SQUARE>(source, [columns, length], target),
                    size => side::turn_any(size, source, [columns, length], target),
                }
            }
        }
    }
}
