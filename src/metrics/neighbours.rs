//! Nearest neighbours in feature space, and balls around images that reach to them.
//!
//! Distances are those of [`squared_distance`], so ties and duplicates come out exactly. Most need not be computed that
//! way: |x|^2 + |y|^2 - 2 x . y by matrix products is a hundred times faster and off by a known bound, and only pairs
//! closer to a decision than that bound are computed again by differences.
//!
//! Memory beside the features is that of a few blocks of products and of the k nearest of every image: at 50,000 images of
//! 2,048 features on either side less than 0.1 GiB, with the features less than 1 GiB. (Where KID looks at all pairs as
//! well, their products are kept: see [`super::kid`].)

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::linalg::{Rows, Value};

use super::pairs::{Block, Pairs};

/// Whether an image on the surface of a ball is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boundary {
    /// It is: `<=`.
    Inside,
    /// It is not: `<`.
    Outside,
}

impl Boundary {
    fn holds(self, distance: f64, radius: f64) -> bool {
        match self {
            Self::Inside => distance <= radius,
            Self::Outside => distance < radius,
        }
    }
}

/// One of two sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Generated,
    Real,
}

/// A ball around every image of one side: which images of the other side are inside?
pub(super) struct Balls {
    pub(super) around: Side,
    /// Their squared radii.
    pub(super) radii: Vec<f64>,
    pub(super) boundary: Boundary,
}

/// How many images each ball holds, and how many balls hold each image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    /// For every ball, the images in it.
    pub(super) of_ball: Vec<u32>,
    /// For every image, the balls it is in.
    pub(super) of_image: Vec<u32>,
}

/// The `k` nearest other rows of every row, nearest first: their squared distances and their indices.
pub(super) struct Neighbours {
    k: usize,
    found: Vec<Nearest>,
}

impl Neighbours {
    /// The nearest among the other rows of the set that `pairs` are within, of which there must be `k`.
    pub(super) fn among<T: Value>(pairs: &Pairs<'_, T>, k: usize) -> Self {
        let rows = pairs.sides()[0].rows;
        assert!((1..rows).contains(&k), "neighbour {k} of {rows}");
        let mut found = vec![Nearest::new(k); rows];
        let mut transposed = Block::default();
        pairs.each_block(|panel, other, block| {
            if panel != other {
                transposed.transpose(block);
                teach(&transposed, pairs, other, panel, &mut found);
            }
            teach(block, pairs, panel, other, &mut found);
        });
        Self { k, found }
    }

    /// The nearest row of `set` to every one of `rows`.
    pub(super) fn across<T: Value>(rows: Rows<'_, T>, set: Rows<'_, T>) -> Self {
        let pairs = Pairs::between(rows, set, false);
        let mut found = vec![Nearest::new(1); rows.rows];
        pairs.each_block(|panel, other, block| teach(block, &pairs, panel, other, &mut found));
        Self { k: 1, found }
    }

    /// The squared distance of every row to its `k`-th nearest; `k` must be no more than were looked for.
    pub(super) fn squared_radii(&self, k: usize) -> Vec<f64> {
        assert!((1..=self.k).contains(&k), "neighbour {k} of {}", self.k);
        let radius = |nearest: &Nearest| nearest.rows[k - 1].0;
        self.found.iter().map(radius).collect()
    }

    /// The nearest of every row: its squared distance and its index, the first one of several at the same distance.
    pub(super) fn nearest(&self) -> impl Iterator<Item = (f64, usize)> {
        self.found.iter().map(|nearest| nearest.rows[0])
    }
}

/// The nearest rows seen so far.
#[derive(Clone)]
struct Nearest {
    /// Squared distance and index, ascending.
    rows: Vec<(f64, usize)>,
    k: usize,
}

impl Nearest {
    fn new(k: usize) -> Self {
        Self {
            rows: Vec::with_capacity(k + 1),
            k,
        }
    }

    /// Whether no row can be nearer, nor be found before those at the same distance.
    fn is_final(&self) -> bool {
        self.rows
            .get(self.k - 1)
            .is_some_and(|&(distance, _)| distance <= 0.0)
    }

    fn insert(&mut self, distance: f64, index: usize) {
        let place = self
            .rows
            .partition_point(|&nearer| nearer < (distance, index));
        if place < self.k {
            self.rows.insert(place, (distance, index));
            self.rows.truncate(self.k);
        }
    }
}

/// Shows the rows of `panel`, on the left of `block`, those of `others` on the right, and lets them keep the nearest.
fn teach<T: Value>(
    block: &Block<T>,
    pairs: &Pairs<'_, T>,
    panel: &Range<usize>,
    others: &Range<usize>,
    found: &mut [Nearest],
) {
    let found = found[panel.clone()].par_iter_mut().enumerate();
    found.for_each(|(place, nearest)| {
        let row = panel.start + place;
        // k rows are surely no farther than `reach`: all rows that may be as near are candidates.
        let known = nearest.rows.iter();
        let mut surely: Vec<f64> = known.map(|(distance, _)| distance * pairs.unit).collect();
        surely.resize(nearest.k, f64::INFINITY);
        for (columns, products) in block.row(place) {
            pairs.keep_smallest(row, others.start + columns.start, products, &mut surely);
        }
        let reach = surely[nearest.k - 1];
        for (columns, products) in block.row(place) {
            let first = others.start + columns.start;
            let keep = |column: usize| {
                // Rows come in ascending order, so those left out would not be the first at distance 0.
                if !nearest.is_final() {
                    let other = first + column;
                    nearest.insert(pairs.squared_distance(row, other), other);
                }
            };
            pairs.each_within(row, first, products, |_| reach, keep);
        }
    });
}

/// Which images of either side are in each of several sets of balls; `pairs` are those of real and generated images.
pub(super) fn inside<T: Value>(pairs: &Pairs<'_, T>, questions: &[&Balls]) -> Vec<Inside> {
    let [real, generated] = pairs.sides().map(|rows| rows.rows);
    // Squared radii in the scale of the estimates; a side without balls has ones that hold nothing.
    let widest = |side: Side, count: usize| -> Vec<f64> {
        let mut widest = vec![f64::NEG_INFINITY; count];
        for balls in questions.iter().filter(|balls| balls.around == side) {
            for (widest, &radius) in widest.iter_mut().zip(&balls.radii) {
                *widest = widest.max(radius * pairs.unit);
            }
        }
        widest
    };
    let widest_real = widest(Side::Real, real);
    let widest_generated = widest(Side::Generated, generated);
    let zeros = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
    let counts: Vec<[Vec<AtomicU32>; 2]> = questions
        .iter()
        .map(|_| [zeros(real), zeros(generated)])
        .collect();
    let decide = |image: usize, other: usize, product: T| {
        let (estimate, bound) = pairs.estimate(image, other, product);
        let mut exact = None;
        for (balls, counts) in questions.iter().zip(&counts) {
            let radius = match balls.around {
                Side::Real => balls.radii[image],
                Side::Generated => balls.radii[other],
            };
            let difference = estimate - radius * pairs.unit;
            let holds = if difference.abs() > bound {
                difference < 0.0
            } else {
                let distance = exact.get_or_insert_with(|| pairs.squared_distance(image, other));
                balls.boundary.holds(*distance, radius)
            };
            if holds {
                // Sums do not depend on the order in which threads add to them.
                counts[0][image].fetch_add(1, Ordering::Relaxed);
                counts[1][other].fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    pairs.each_block(|panel, other, block| {
        let widest_generated = &widest_generated[other.clone()];
        panel.clone().into_par_iter().for_each(|image| {
            for (columns, products) in block.row(image - panel.start) {
                let widest = &widest_generated[columns.clone()];
                let first = other.start + columns.start;
                let reach = |place: usize| widest[place].max(widest_real[image]);
                pairs.each_within(image, first, products, reach, |place| {
                    decide(image, first + place, products[place]);
                });
            }
        });
    });
    let numbers = |counts: &[AtomicU32]| -> Vec<u32> {
        counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect()
    };
    let answer = |(balls, [of_real, of_generated]): (&&Balls, &[Vec<AtomicU32>; 2])| {
        let (of_real, of_generated) = (numbers(of_real), numbers(of_generated));
        match balls.around {
            Side::Real => Inside {
                of_ball: of_real,
                of_image: of_generated,
            },
            Side::Generated => Inside {
                of_ball: of_generated,
                of_image: of_real,
            },
        }
    };
    questions.iter().zip(&counts).map(answer).collect()
}
