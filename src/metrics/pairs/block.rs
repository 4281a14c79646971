//! The products of all rows of one panel with all rows of another.

use std::ops::Range;

use rayon::prelude::*;

use crate::linalg::{STRIP, Tile, Transposed, Value, tiles};

/// The products of the rows of two panels. A block that is computed again keeps its memory.
#[derive(Default)]
pub(in crate::metrics) struct Block<T> {
    height: usize,
    width: usize,
    /// For every strip of the panel on the right the products of all rows on the left, row by row.
    strips: Vec<Vec<T>>,
}

impl<T: Value> Block<T> {
    /// Computes all products, or those of a panel with itself that are on or below the diagonal.
    pub(super) fn compute(
        &mut self,
        left: &Tile<T>,
        right: &[Transposed<T>],
        below_diagonal: bool,
    ) {
        self.resize(left.rows(), right.iter().map(Transposed::rows).sum());
        let strips = self.strips.par_iter_mut().zip(right).enumerate();
        strips.for_each(|(number, (products, strip))| {
            let first = if below_diagonal { number * STRIP } else { 0 };
            let rows = first..left.rows();
            left.multiply(rows, strip, &mut products[first * strip.rows()..]);
        });
    }

    fn resize(&mut self, height: usize, width: usize) {
        (self.height, self.width) = (height, width);
        let strips = tiles(width, STRIP);
        self.strips.resize_with(strips.len(), Vec::new);
        for (strip, columns) in self.strips.iter_mut().zip(strips) {
            strip.resize(height * columns.len(), T::round(0.0));
        }
    }

    /// Becomes `other` with left and right exchanged.
    pub(in crate::metrics) fn transpose(&mut self, other: &Self) {
        self.resize(other.width, other.height);
        let rows = tiles(other.height, STRIP);
        let strips = self.strips.par_iter_mut().zip(rows);
        strips.for_each(|(products, rows)| {
            let mut targets = products.chunks_exact_mut(rows.len());
            for strip in &other.strips {
                let width = strip.len() / other.height;
                for (column, target) in targets.by_ref().take(width).enumerate() {
                    for (row, target) in rows.clone().zip(target) {
                        *target = strip[row * width + column];
                    }
                }
            }
        });
    }

    /// Fills what is above the diagonal from the block's transpose, and moves every row infinitely far from itself.
    pub(super) fn complete(&mut self, transposed: &Self) {
        let width = self.width;
        for (number, (strip, other)) in self.strips.iter_mut().zip(&transposed.strips).enumerate() {
            let first = number * STRIP;
            let columns = STRIP.min(width - first);
            let above = first * columns;
            strip[..above].copy_from_slice(&other[..above]);
            for column in 0..columns {
                strip[(first + column) * columns + column] = T::round(f64::NEG_INFINITY);
            }
        }
    }

    /// The product of row `row` of the panel on the left and row `column` of the one on the right.
    pub(in crate::metrics) fn product(&self, row: usize, column: usize) -> T {
        let strip = column / STRIP;
        let width = STRIP.min(self.width - strip * STRIP);
        self.strips[strip][row * width + column % STRIP]
    }

    /// The products of row `row`, and which rows of the panel on the right they are with, a strip at a time.
    pub(in crate::metrics) fn row(&self, row: usize) -> impl Iterator<Item = (Range<usize>, &[T])> {
        let strips = tiles(self.width, STRIP).into_iter().zip(&self.strips);
        strips.map(move |(columns, strip)| {
            let width = columns.len();
            (columns, &strip[row * width..][..width])
        })
    }
}
