//! Balls around images in feature space that reach to the k-th nearest neighbour, and which images fall into them.
//!
//! Distances are those of [`squared_distance`], so ties and duplicates come out exactly. Most need not be computed
//! that way: |x|^2 + |y|^2 - 2 x . y by matrix products is many times faster and off by a known bound, and only pairs
//! closer to a decision than that bound are computed again by differences.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::linalg::{Rows, Value, squared_distance, tiles};

/// Rows whose distances to all others are held at a time, by each thread.
const TILE: usize = 64;
/// Columns of one matrix product.
const PRODUCT_TILE: usize = 512;

/// Whether an image on the surface of a ball is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// It is: `<=`.
    Inside,
    /// It is not: `<`.
    Outside,
}

/// How many images each ball holds, and how many balls hold each image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    /// For every ball, the images in it.
    pub(super) of_ball: Vec<u32>,
    /// For every image, the balls it is in.
    pub(super) of_image: Vec<u32>,
}

/// The squared distance of every row to its `k`-th nearest neighbour among the other rows; there must be `k` of them.
pub(super) fn squared_radii<T: Value>(rows: Rows<'_, T>, k: usize) -> Vec<f64> {
    assert!(
        (1..rows.rows).contains(&k),
        "neighbour {k} of {}",
        rows.rows
    );
    let pairs = Pairs::new(rows, rows);
    let radii = |(index, mut estimates): (usize, Vec<f64>)| {
        // A row is its own nearest neighbour; infinity moves it to the end.
        estimates[index] = f64::INFINITY;
        let bounds: Vec<f64> = (0..rows.rows)
            .map(|other| pairs.bound(index, other))
            .collect();
        // k rows are surely no farther than `reach`: all rows that may be as near are candidates.
        let mut farthest: Vec<f64> = add(&estimates, &bounds);
        let reach = *farthest.select_nth_unstable_by(k - 1, f64::total_cmp).1;
        let mut candidates: Vec<f64> = (0..rows.rows)
            .filter(|&other| other != index && estimates[other] - bounds[other] <= reach)
            .map(|other| squared_distance(rows.row(index), rows.row(other)))
            .collect();
        *candidates.select_nth_unstable_by(k - 1, f64::total_cmp).1
    };
    let nested: Vec<Vec<f64>> = tiles(rows.rows, TILE)
        .into_par_iter()
        .map(|tile| pairs.estimates(tile).map(radii).collect())
        .collect();
    nested.concat()
}

/// Which `images` are in the balls around `centres`, which have the squared radii `radii`.
pub(super) fn inside<T: Value>(
    centres: Rows<'_, T>,
    radii: &[f64],
    images: Rows<'_, T>,
    boundary: Boundary,
) -> Inside {
    let pairs = Pairs::new(centres, images);
    let holds = |ball: usize, image: usize, estimate: f64| {
        let (radius, bound) = (radii[ball], pairs.bound(ball, image));
        if (estimate - radius).abs() > bound {
            return estimate < radius;
        }
        let exact = squared_distance(centres.row(ball), images.row(image));
        match boundary {
            Boundary::Inside => exact <= radius,
            Boundary::Outside => exact < radius,
        }
    };
    let count = |tile| {
        let mut counts = Inside {
            of_ball: Vec::new(),
            of_image: vec![0; images.rows],
        };
        for (ball, estimates) in pairs.estimates(tile) {
            let mut held = 0;
            for (image, &estimate) in estimates.iter().enumerate() {
                let holds = u32::from(holds(ball, image, estimate));
                held += holds;
                counts.of_image[image] += holds;
            }
            counts.of_ball.push(held);
        }
        counts
    };
    let nothing = || Inside {
        of_ball: Vec::new(),
        of_image: vec![0; images.rows],
    };
    tiles(centres.rows, TILE)
        .into_par_iter()
        .map(count)
        .reduce(nothing, |mut all, more| {
            all.of_ball.extend(more.of_ball);
            for (sum, more) in all.of_image.iter_mut().zip(more.of_image) {
                *sum += more;
            }
            all
        })
}

fn add(x: &[f64], y: &[f64]) -> Vec<f64> {
    x.iter().zip(y).map(|(x, y)| x + y).collect()
}

/// Estimates of the squared distances between the rows of two matrices.
struct Pairs<'a, T> {
    left: Rows<'a, T>,
    right: Rows<'a, T>,
    left_norms: Vec<f64>,
    right_norms: Vec<f64>,
}

impl<'a, T: Value> Pairs<'a, T> {
    fn new(left: Rows<'a, T>, right: Rows<'a, T>) -> Self {
        Self {
            left,
            right,
            left_norms: left.squared_norms(),
            right_norms: right.squared_norms(),
        }
    }

    /// For every row of a tile of the left matrix, its index and its estimated squared distances to all rows of the
    /// right one.
    fn estimates(&self, tile: std::ops::Range<usize>) -> impl Iterator<Item = (usize, Vec<f64>)> {
        let left = self.left.tile(tile.clone());
        let mut estimates = vec![Vec::with_capacity(self.right.rows); tile.len()];
        for others in tiles(self.right.rows, PRODUCT_TILE) {
            let products = left.products(&self.right.tile(others.clone()));
            let products = products.chunks_exact(others.len());
            for ((row, estimates), products) in tile.clone().zip(&mut estimates).zip(products) {
                let norms = &self.right_norms[others.clone()];
                estimates.extend(
                    products
                        .iter()
                        .zip(norms)
                        .map(|(product, norm)| self.left_norms[row] + norm - 2.0 * product),
                );
            }
        }
        tile.zip(estimates)
    }

    /// How far at most an estimate is from [`squared_distance`].
    ///
    /// A sum of d products, in any order, is off by at most d eps / 2 times the sum of their magnitudes (Higham,
    /// *Accuracy and Stability of Numerical Algorithms*, section 3.1). Over |x|^2, |y|^2, 2 x . y and |x - y|^2 this
    /// makes less than 2 (d + 2) eps (|x|^2 + |y|^2); twice that leaves room for the last roundings.
    fn bound(&self, left: usize, right: usize) -> f64 {
        let terms = (self.left.columns + 4) as f64;
        4.0 * terms * f64::EPSILON * (self.left_norms[left] + self.right_norms[right])
    }
}
