//! Kernels as tiles see them, and their gradients back. Where rows of numbers are combined, they lie side by side.

use std::ops::Range;

use rayon::prelude::*;

use super::form::Form;
use crate::kernels::conv::geometry::Geometry;

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
            let sources = turned.chunks_exact(area * outputs);
            for (target, source) in kernels.chunks_exact_mut(outputs).zip(sources) {
                combine(&taps, source, target);
            }
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
                let targets = kernels.chunks_exact_mut(inputs).skip(phase);
                let sources = turned.chunks_exact(inputs * area);
                for (target, source) in targets.step_by(form.phases()).zip(sources) {
                    combine(&taps, source, target);
                }
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
                    for &(tap, factor) in &taps {
                        let target = &mut turned[tap * inputs + part.start..][..part.len()];
                        for (sum, value) in target.iter_mut().zip(source) {
                            *sum += factor * value;
                        }
                    }
                }
            }
        }
        turn(&turned, inputs, kernels);
    });
    weight
}

/// The sum of some rows of `source`, each with its factor.
fn combine(rows: &[(usize, f32)], source: &[f32], target: &mut [f32]) {
    let length = target.len();
    let row = |tap: usize| &source[tap * length..][..length];
    let ((first, factor), others) = rows.split_first().expect("an entry has a tap");
    for (sum, value) in target.iter_mut().zip(row(*first)) {
        *sum = factor * value;
    }
    for (tap, factor) in others {
        for (sum, value) in target.iter_mut().zip(row(*tap)) {
            *sum += factor * value;
        }
    }
}

/// Writes the transpose of a matrix with `columns` columns.
fn turn(matrix: &[f32], columns: usize, turned: &mut [f32]) {
    const BLOCK: usize = 16;
    let rows = matrix.len() / columns;
    turned
        .par_chunks_mut(BLOCK * rows)
        .with_min_len(4)
        .enumerate()
        .for_each(|(block, turned)| {
            let first = block * BLOCK;
            for start in (0..rows).step_by(BLOCK) {
                for (column, target) in turned.chunks_exact_mut(rows).enumerate() {
                    let end = (start + BLOCK).min(rows);
                    let source = matrix[start * columns + first + column..].iter();
                    for (value, source) in
                        target[start..end].iter_mut().zip(source.step_by(columns))
                    {
                        *value = *source;
                    }
                }
            }
        });
}
