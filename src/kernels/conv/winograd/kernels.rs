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

use super::cut;
use super::form::Form;
use super::points::{FourByThree, FourByTwo, Points, TwoByTwo};
use super::side::{self, SQUARE};
use super::vector::{Vector, in_lanes, load, store};
use crate::kernels::conv::geometry::Geometry;
use crate::kernels::scratch::{Loan, borrow, take, with_scratch};
use crate::wide::{LANES, wide};

/// Rows of all matrices that are computed at a time: what they are made of then stays in the second cache.
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

    /// Channels of the side that products come from: the rows of a block.
    fn rows(&self) -> usize {
        if self.to_input {
            self.geometry.outputs
        } else {
            self.geometry.inputs
        }
    }

    /// Phases side by side in a row of a matrix; the others lie one below the other, each a block of its own.
    fn parts(&self) -> usize {
        if self.to_input { self.form.phases() } else { 1 }
    }

    /// Numbers of the matrices of all entries to so many channels.
    fn count(&self, channels: usize) -> usize {
        self.taps.len() * self.rows() * channels
    }

    /// G g G' of all kernels, run after run of channels: [entries, channels here, channels there], either with its phases.
    pub(super) fn all<'r>(&self, runs: impl Iterator<Item = &'r Range<usize>> + Clone) -> Loan {
        let rows = self.rows();
        let mut matrices = borrow(runs.clone().map(|run| self.count(run.len())).sum());
        let mut rest = &mut matrices[..];
        // A task has the same rows of every block of a run.
        let mut tasks = Vec::new();
        for channels in runs {
            let (run, others) = rest.split_at_mut(self.count(channels.len()));
            let row = self.parts() * channels.len();
            let parts = cut(run.chunks_exact_mut(rows * row), ROWS * row);
            tasks.extend(
                (0..)
                    .zip(parts)
                    .map(|(task, blocks)| (channels, task, blocks)),
            );
            rest = others;
        }
        tasks.into_par_iter().for_each(|(channels, task, blocks)| {
            with_scratch(|scratch| {
                let rows = task * ROWS..rows.min((task + 1) * ROWS);
                let length = rows.len() * self.geometry.area() * channels.len();
                let turned = take(&mut scratch.columns, length);
                self.turn(rows, channels, turned);
                self.write(&self.taps, turned, channels.len(), blocks);
            });
        });
        matrices
    }

    /// Numbers of the taps of all kernels to so many channels.
    pub(super) fn count_taps(&self, channels: usize) -> usize {
        self.rows() * self.geometry.area() * channels
    }

    /// Taps of all kernels to some channels, [channels here, taps, channels there].
    pub(super) fn turn_all(&self, channels: &Range<usize>, turned: &mut [f32]) {
        self.turn(0..self.rows(), channels, turned);
    }

    /// One entry of a run of [`Self::all`], of what [`Self::turn_all`] wrote for its channels.
    pub(super) fn entry(&self, entry: usize, turned: &[f32], channels: usize, matrix: &mut [f32]) {
        let phases = self.form.phases();
        let blocks = matrix.chunks_exact_mut(self.rows() * self.parts() * channels);
        let taps = &self.taps[entry * phases..][..phases];
        self.write(taps, turned, channels, blocks);
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

    /// Some rows of as many blocks as `taps` are given for, to `length` channels.
    fn write<'m>(
        &self,
        taps: &[Vec<(usize, f32)>],
        turned: &[f32],
        length: usize,
        blocks: impl IntoIterator<Item = &'m mut [f32]>,
    ) {
        let strides = [self.geometry.area() * length, self.parts() * length];
        for (taps, block) in taps.chunks_exact(self.parts()).zip(blocks) {
            for (part, taps) in taps.iter().enumerate() {
                spread(taps, turned, length, strides, &mut block[part * length..]);
            }
        }
    }
}

/// The gradient of some outputs' kernels, [outputs, inputs, kernel, kernel], from those of their matrices, [outputs, phases x inputs] of
/// each entry, which lie `entry` numbers apart: the transpose of [`Kernels`] to the input. `taps` is room for one output's.
pub(super) fn gradient(
    form: Form,
    inputs: usize,
    (matrices, entry): (&[f32], usize),
    kernels: &mut [f32],
    taps: &mut Vec<f32>,
) {
    let area = (form.stride() * form.taps()).pow(2);
    let taps = take(taps, inputs * area);
    for (output, kernels) in kernels.chunks_exact_mut(inputs * area).enumerate() {
        let row = &matrices[output * form.phases() * inputs..];
        collect(form, inputs, (row, entry), taps);
        turn(taps, inputs, kernels, area);
    }
}

wide! {
    /// Rows of `length` channels: each the sum of some taps of the source's row, with their factors. Rows lie `strides` apart.
    fn spread(
        parts: &[(usize, f32)],
        sources: &[f32],
        length: usize,
        strides: [usize; 2],
        targets: &mut [f32],
    ) {
        let rows = sources.chunks_exact(strides[0]);
        for (source, target) in rows.zip(targets.chunks_mut(strides[1])) {
            let mut first = 0;
            while first < length {
                let (taps, target) = (&source[first..], &mut target[first..]);
                first += match length - first {
                    64.. => spread_lanes::<64>(parts, taps, length, target),
                    32.. => spread_lanes::<32>(parts, taps, length, target),
                    16.. => spread_lanes::<16>(parts, taps, length, target),
                    _ => spread_lanes::<1>(parts, taps, length, target),
                };
            }
        }
    }

    /// G' m G of rows, [phases, `length` channels], one of each entry's matrix: a row of kernels, [taps, channels].
    fn collect(form: Form, length: usize, rows: (&[f32], usize), taps: &mut [f32]) {
        match form {
            Form::HalveTwo => collect_rows::<TwoByTwo, 3, 2, 2>(form, length, rows, taps),
            Form::HalveFour => collect_rows::<FourByTwo, 5, 4, 2>(form, length, rows, taps),
            Form::SameFour => collect_rows::<FourByThree, 6, 4, 3>(form, length, rows, taps),
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

/// The sum of some taps, `stride` numbers from one to the next, of `COUNT` channels; returns how many these are.
#[inline(always)]
fn spread_lanes<const COUNT: usize>(
    parts: &[(usize, f32)],
    taps: &[f32],
    stride: usize,
    target: &mut [f32],
) -> usize {
    let mut sum = [0.0; COUNT];
    for &(tap, factor) in parts {
        let values = &taps[tap * stride..][..COUNT];
        for lane in 0..COUNT {
            sum[lane] += factor * values[lane];
        }
    }
    target[..COUNT].copy_from_slice(&sum);
    COUNT
}

#[inline(always)]
fn collect_rows<F, const TILE: usize, const STEP: usize, const TAPS: usize>(
    form: Form,
    length: usize,
    rows: (&[f32], usize),
    taps: &mut [f32],
) where
    F: Points<TILE, STEP, TAPS>,
{
    for phase in 0..form.phases() {
        for first in (0..length).step_by(LANES) {
            let place = [phase, first, length];
            match length - first {
                LANES.. => collect_vector::<F, TILE, STEP, TAPS>(form, place, rows, taps, LANES),
                rest => collect_vector::<F, TILE, STEP, TAPS>(form, place, rows, taps, rest),
            }
        }
    }
}

/// `count` channels of a phase from the `first`, of `length`.
#[inline(always)]
fn collect_vector<F, const TILE: usize, const STEP: usize, const TAPS: usize>(
    form: Form,
    [phase, first, length]: [usize; 3],
    (rows, entry): (&[f32], usize),
    taps: &mut [f32],
    count: usize,
) where
    F: Points<TILE, STEP, TAPS>,
{
    let mut columns = [[[0.0; LANES]; TILE]; TAPS];
    for down in 0..TILE {
        let mut row: [Vector; TILE] = [[0.0; LANES]; TILE];
        for across in 0..TILE {
            let place = (down * TILE + across) * entry + phase * length + first;
            row[across] = load(&rows[place..], count);
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
