//! Kernels as tiles see them, and their gradients back. The rows of numbers that are combined lie side by side.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "the iterator that takes its place is not turned into vectors"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::form::Form;
use super::points::{FourByThree, FourByTwo, Points, TwoByTwo};
use super::side::{self, SQUARE};
use super::vector::{Vector, in_lanes, load, store};
use crate::kernels::conv::geometry::Geometry;
use crate::kernels::scratch::{LANES, Loan, borrow, take, with_scratch};
use crate::kernels::wide::wide;

/// Rows of all matrices that one thread computes at a time: what they are made of then stays in the second cache.
const ROWS: usize = 16;

/// Kernels [outputs, inputs, kernel, kernel] as tiles of one side see them, on their way to another.
pub(super) struct Kernels<'a> {
    form: Form,
    geometry: &'a Geometry,
    weight: &'a [f32],
    /// Whether to the input: kernels for the gradient of the input, or for outputs.
    to_input: bool,
    /// The taps of every entry and phase.
    taps: Vec<Vec<(usize, f32)>>,
}

impl<'a> Kernels<'a> {
    pub(super) fn new(
        form: Form,
        geometry: &'a Geometry,
        weight: &'a [f32],
        to_input: bool,
    ) -> Self {
        Self {
            form,
            geometry,
            weight,
            to_input,
            taps: form.all_taps(),
        }
    }

    /// Channels of the side that products come from: the rows of a matrix.
    fn rows(&self) -> usize {
        if self.to_input {
            self.geometry.outputs
        } else {
            self.geometry.inputs
        }
    }

    /// Runs of channels side by side in a row, each of another phase.
    fn parts(&self) -> usize {
        if self.to_input { self.form.phases() } else { 1 }
    }

    /// G g G' of all kernels: [entries, channels here, channels there], either with its phases.
    pub(super) fn all(&self) -> Loan {
        let channels = if self.to_input {
            0..self.geometry.inputs
        } else {
            0..self.geometry.outputs
        };
        let (rows, columns) = (self.rows(), self.parts() * channels.len());
        let mut matrices = borrow(self.taps.len() / self.parts() * rows * columns);
        // A task has the same rows of every matrix.
        let mut tasks: Vec<Vec<&mut [f32]>> = Vec::new();
        tasks.resize_with(rows.div_ceil(ROWS), Vec::new);
        for matrix in matrices.chunks_exact_mut(rows * columns) {
            for (task, rows) in tasks.iter_mut().zip(matrix.chunks_mut(ROWS * columns)) {
                task.push(rows);
            }
        }
        tasks
            .into_par_iter()
            .enumerate()
            .for_each(|(task, matrices)| {
                with_scratch(|scratch| {
                    let rows = task * ROWS..(task * ROWS + ROWS).min(rows);
                    let length = rows.len() * self.geometry.area() * channels.len();
                    let turned = take(&mut scratch.columns, length);
                    self.turn(rows, &channels, turned);
                    self.write(&self.taps, turned, channels.len(), matrices);
                });
            });
        matrices
    }

    /// Numbers of the taps of all kernels to `channels` channels.
    pub(super) fn count_taps(&self, channels: usize) -> usize {
        self.rows() * self.geometry.area() * channels
    }

    /// Taps of all kernels to some channels, [channels here, taps, channels there].
    pub(super) fn turn_all(&self, channels: &Range<usize>, turned: &mut [f32]) {
        self.turn(0..self.rows(), channels, turned);
    }

    /// One entry of [`Self::all`] of what [`Self::turn_all`] wrote.
    pub(super) fn entry(&self, entry: usize, turned: &[f32], channels: usize, matrix: &mut [f32]) {
        let phases = self.form.phases();
        let matrices = matrix.chunks_exact_mut(self.rows() * self.parts() * channels);
        self.write(
            &self.taps[entry * phases..][..phases],
            turned,
            channels,
            matrices,
        );
    }

    /// Taps of some rows, [rows, taps, channels].
    fn turn(&self, rows: Range<usize>, channels: &Range<usize>, turned: &mut [f32]) {
        let (area, inputs) = (self.geometry.area(), self.geometry.inputs);
        let length = channels.len();
        if self.to_input {
            let kernels = self.weight.chunks_exact(inputs * area).skip(rows.start);
            for (kernels, turned) in kernels.zip(turned.chunks_exact_mut(area * length)) {
                turn(&kernels[channels.start * area..], area, turned, length);
            }
        } else {
            let first = (channels.start * inputs + rows.start) * area;
            turn(&self.weight[first..], inputs * area, turned, length);
        }
    }

    /// Matrices of some rows, as many runs of `length` channels as `taps` are given for.
    fn write<'m>(
        &self,
        taps: &[Vec<(usize, f32)>],
        turned: &[f32],
        length: usize,
        matrices: impl IntoIterator<Item = &'m mut [f32]>,
    ) {
        let row = self.parts() * length;
        let strides = [self.geometry.area() * length, row];
        for (matrix, taps) in matrices.into_iter().zip(taps.chunks_exact(self.parts())) {
            for (part, taps) in taps.iter().enumerate() {
                spread(taps, turned, length, strides, &mut matrix[part * length..]);
            }
        }
    }
}

/// The gradient of some outputs' kernels, [outputs, inputs, kernel, kernel], from those of their matrices, [outputs, phases x inputs] of
/// each entry, which lie `entry` numbers apart: the transpose of [`Kernels`] to the input. `runs` and `taps` are room for one output's.
pub(super) fn gradient(
    form: Form,
    inputs: usize,
    (matrices, entry): (&[f32], usize),
    kernels: &mut [f32],
    [runs, taps]: [&mut Vec<f32>; 2],
) {
    let area = (form.stride() * form.taps()).pow(2);
    let (columns, stride) = (form.phases() * inputs, inputs + LANES);
    let runs = take(runs, form.matrices() * stride);
    let taps = take(taps, inputs * area);
    for (output, kernels) in kernels.chunks_exact_mut(inputs * area).enumerate() {
        let rows = matrices.chunks(entry);
        let rows =
            rows.flat_map(|matrix| matrix[output * columns..][..columns].chunks_exact(inputs));
        for (run, row) in runs.chunks_exact_mut(stride).zip(rows) {
            run[..inputs].copy_from_slice(row);
        }
        collect(form, inputs, runs, taps);
        turn(taps, inputs, kernels, area);
    }
}

wide! {
    /// Runs of `length` numbers, one a row: each the sum of some runs of the source's row, with their factors. Rows lie `strides`
    /// apart.
    fn spread(
        parts: &[(usize, f32)],
        sources: &[f32],
        length: usize,
        strides: [usize; 2],
        targets: &mut [f32],
    ) {
        let ((first, factor), others) = parts.split_first().expect("an entry has a tap");
        let rows = sources.chunks_exact(strides[0]);
        for (source, target) in rows.zip(targets.chunks_mut(strides[1])) {
            let target = &mut target[..length];
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

    /// G' m G of a run of `length` channels of every entry and phase: a row of kernels, [taps, channels].
    fn collect(form: Form, length: usize, runs: &[f32], taps: &mut [f32]) {
        match form {
            Form::HalveTwo => collect_rows::<TwoByTwo, 3, 2, 2>(form, length, runs, taps),
            Form::HalveFour => collect_rows::<FourByTwo, 5, 4, 2>(form, length, runs, taps),
            Form::SameFour => collect_rows::<FourByThree, 6, 4, 3>(form, length, runs, taps),
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

#[inline(always)]
fn collect_rows<F, const TILE: usize, const STEP: usize, const TAPS: usize>(
    form: Form,
    length: usize,
    runs: &[f32],
    taps: &mut [f32],
) where
    F: Points<TILE, STEP, TAPS>,
{
    for phase in 0..form.phases() {
        for first in (0..length).step_by(LANES) {
            let place = [phase, first, length];
            match length - first {
                LANES.. => collect_vector::<F, TILE, STEP, TAPS>(form, place, runs, taps, LANES),
                rest => collect_vector::<F, TILE, STEP, TAPS>(form, place, runs, taps, rest),
            }
        }
    }
}

/// `count` channels of a phase from the `first`, of `length`.
#[inline(always)]
fn collect_vector<F, const TILE: usize, const STEP: usize, const TAPS: usize>(
    form: Form,
    [phase, first, length]: [usize; 3],
    runs: &[f32],
    taps: &mut [f32],
    count: usize,
) where
    F: Points<TILE, STEP, TAPS>,
{
    let mut columns = [[[0.0; LANES]; TILE]; TAPS];
    for down in 0..TILE {
        let mut row: [Vector; TILE] = [[0.0; LANES]; TILE];
        for across in 0..TILE {
            let run = (down * TILE + across) * form.phases() + phase;
            row[across] = load(&runs[run * (length + LANES) + first..], count);
        }
        let row = in_lanes(F::collect_kernel, &row);
        for right in 0..TAPS {
            columns[right][down] = row[right];
        }
    }
    for right in 0..TAPS {
        let column = in_lanes(F::collect_kernel, &columns[right]);
        for down in 0..TAPS {
            let tap = form.tap(phase, down, right) * length;
            store(&column[down], &mut taps[tap + first..], count);
        }
    }
}
