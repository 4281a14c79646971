//! Feature vectors of a set of images, one row an image: what extractors make and metrics read.

use rayon::prelude::*;

use crate::error::{Result, refuse};

/// Values that one thread checks at a time.
const CHECKED: usize = 64 * 1024;

/// A matrix of features, `rows` images by `columns` features, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    /// How many images.
    pub rows: usize,
    /// How many features an image has.
    pub columns: usize,
    /// The values, `rows * columns` of them.
    pub values: Vec<f32>,
}

impl Features {
    /// Wraps `values`, whose length must be `rows * columns`.
    pub fn new(rows: usize, columns: usize, values: Vec<f32>) -> Self {
        assert_eq!(
            values.len(),
            rows * columns,
            "values of a {rows} x {columns} matrix"
        );
        Self {
            rows,
            columns,
            values,
        }
    }

    /// All of `blocks` below one another, `rows` rows together.
    pub fn join(rows: usize, blocks: impl Iterator<Item = Result<Self>>) -> Result<Self> {
        let mut all = Self::new(0, 0, Vec::new());
        for block in blocks {
            let block = block?;
            if all.values.is_empty() {
                all.columns = block.columns;
                all.values.reserve_exact(rows * block.columns);
            }
            all.values.extend(block.values);
        }
        Ok(Self::new(rows, all.columns, all.values))
    }

    /// The features of image `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// The rows at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let values = indices
            .iter()
            .flat_map(|&index| self.row(index))
            .copied()
            .collect();
        Self::new(indices.len(), self.columns, values)
    }

    /// Refuses features that are NaN or infinite, naming the first such image of `what`, of which `before` come before
    /// these: a metric of them would not be a number.
    pub fn check_finite(&self, what: &str, before: usize) -> Result<()> {
        let finite = self.values.par_chunks(CHECKED).all(|values| {
            // All of them, without a branch: the compiler makes vectors of it.
            values
                .iter()
                .fold(true, |all, value| all & value.is_finite())
        });
        if finite {
            return Ok(());
        }
        match self.values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(place) => Err(refuse(
                format!(
                    "feature {} of image {} of {what} is not finite",
                    place % self.columns,
                    before + place / self.columns
                ),
                "look at that image, and at the weights of the extractor",
            )),
        }
    }
}
