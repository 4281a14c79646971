//! Nearest neighbours in feature space, and balls around images that reach to them.
//!
//! Distances are those of [`squared_distance`], so ties and duplicates come out exactly. Most need not be computed that
//! way: |x|^2 + |y|^2 - 2 x . y by matrix products is a hundred times faster and off by a known bound, and only pairs
//! closer to a decision than that bound are computed again by differences.
//!
//! Pairs are gone through in blocks of [`PANEL`] x [`PANEL`]; of a set against itself each pair is computed once. Memory
//! beside the features is that of a few blocks and of the k nearest of every image: at 50,000 images of 2,048 features on
//! either side less than 0.1 GiB, with the features less than 1 GiB.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use crate::linalg::{Centring, Rows, STRIP, Tile, Transposed, Value, squared_distance, tiles};

/// Rows and columns of a block.
const PANEL: usize = 1024;
/// Estimates that are looked at together.
const LANES: usize = 8;

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
    /// The nearest among the other rows, of which there must be `k`.
    pub(super) fn among<T: Value>(rows: Rows<'_, T>, k: usize) -> Self {
        assert!(
            (1..rows.rows).contains(&k),
            "neighbour {k} of {}",
            rows.rows
        );
        let pairs = Pairs::new(rows, rows, Centring::of(&[rows]));
        let mut found = vec![Nearest::new(k); rows.rows];
        let panels = tiles(rows.rows, PANEL);
        for (number, panel) in panels.iter().enumerate() {
            let left = pairs.left_panel(panel);
            for other in &panels[..=number] {
                let same = other == panel;
                let mut block = Block::of(&left, &pairs.right_panel(other), same);
                let transposed = block.transposed();
                if same {
                    block.complete(&transposed);
                } else {
                    transposed.teach(&pairs, other, panel, &mut found);
                }
                block.teach(&pairs, panel, other, &mut found);
            }
        }
        Self { k, found }
    }

    /// The nearest row of `set` to every one of `rows`.
    pub(super) fn across<T: Value>(rows: Rows<'_, T>, set: Rows<'_, T>) -> Self {
        let pairs = Pairs::new(rows, set, Centring::of(&[rows, set]));
        let mut found = vec![Nearest::new(1); rows.rows];
        for panel in tiles(rows.rows, PANEL) {
            let left = pairs.left_panel(&panel);
            for other in tiles(set.rows, PANEL) {
                let block = Block::of(&left, &pairs.right_panel(&other), false);
                block.teach(&pairs, &panel, &other, &mut found);
            }
        }
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

/// Which images of either side are in each of several sets of balls.
pub(super) fn inside<T: Value>(
    generated: Rows<'_, T>,
    real: Rows<'_, T>,
    questions: &[&Balls],
) -> Vec<Inside> {
    let pairs = Pairs::new(real, generated, Centring::of(&[generated, real]));
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
    let widest_real = widest(Side::Real, real.rows);
    let widest_generated = widest(Side::Generated, generated.rows);
    let zeros = |count: usize| (0..count).map(|_| AtomicU32::new(0)).collect();
    let counts: Vec<[Vec<AtomicU32>; 2]> = questions
        .iter()
        .map(|_| [zeros(real.rows), zeros(generated.rows)])
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
                let distance = exact
                    .get_or_insert_with(|| squared_distance(real.row(image), generated.row(other)));
                balls.boundary.holds(*distance, radius)
            };
            if holds {
                // Sums do not depend on the order in which threads add to them.
                counts[0][image].fetch_add(1, Ordering::Relaxed);
                counts[1][other].fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    for panel in tiles(real.rows, PANEL) {
        let left = pairs.left_panel(&panel);
        for other in tiles(generated.rows, PANEL) {
            let block = Block::of(&left, &pairs.right_panel(&other), false);
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
        }
    }
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

/// The rows of two matrices, centred and scaled alike.
struct Pairs<'a, T> {
    left: Rows<'a, T>,
    right: Rows<'a, T>,
    centring: Centring,
    /// |x|^2 of the rows as they are in tiles.
    left_norms: Vec<f64>,
    right_norms: Vec<f64>,
    /// What a squared distance is multiplied with in tiles.
    unit: f64,
    /// An estimate is off by at most `relative` (|x|^2 + |y|^2) + `absolute`.
    relative: f64,
    absolute: f64,
}

impl<'a, T: Value> Pairs<'a, T> {
    /// The bound: with u the roundoff of a number and d columns, 2 x . y is off by at most d u (|x|^2 + |y|^2), and by
    /// d times the smallest number where products are smaller than that. Rounding centred entries moves the rows
    /// themselves by u |x| and u |y|, and so their squared distance by at most 4 u (|x|^2 + |y|^2). The distance by
    /// differences, in f64, has d / 8 roundings of its own, each at most 2^-53 of 2 (|x|^2 + |y|^2). Twice all that
    /// leaves room for what is of second order.
    fn new(left: Rows<'a, T>, right: Rows<'a, T>, centring: Centring) -> Self {
        let columns = left.columns as f64;
        let zero = vec![T::round(0.0); left.columns];
        let norms = |rows: Rows<'_, T>| -> Vec<f64> {
            let mut norms = Vec::with_capacity(rows.rows);
            for panel in tiles(rows.rows, PANEL) {
                let tile = centring.tile(rows, panel.len(), |place| panel.start + place);
                norms.extend(tile.each().map(|row| squared_distance(row, &zero)));
            }
            norms
        };
        Self {
            left_norms: norms(left),
            right_norms: norms(right),
            unit: centring.squared_scale(),
            relative: 2.0 * (columns + 4.0) * (T::ROUNDOFF + f64::EPSILON / 2.0),
            absolute: 4.0 * columns * T::SMALLEST,
            left,
            right,
            centring,
        }
    }

    fn left_panel(&self, panel: &Range<usize>) -> Tile<T> {
        let index = |place| panel.start + place;
        self.centring.tile(self.left, panel.len(), index)
    }

    fn right_panel(&self, panel: &Range<usize>) -> Vec<Transposed<T>> {
        let index = |place| panel.start + place;
        let tile = self.centring.tile(self.right, panel.len(), index);
        let strips = tiles(panel.len(), STRIP).into_par_iter();
        strips.map(|strip| tile.transposed(strip)).collect()
    }

    /// The squared distance of a left and a right row from their product, in the scale of tiles, and how far off it may
    /// be.
    fn estimate(&self, left: usize, right: usize, product: T) -> (f64, f64) {
        let norms = self.left_norms[left] + self.right_norms[right];
        let product: f64 = product.into();
        (norms - 2.0 * product, self.bound(norms))
    }

    fn bound(&self, norms: f64) -> f64 {
        self.relative * norms + self.absolute
    }

    /// Calls `found` with the place in `products` of every right row, from `first` on, whose squared distance to the row
    /// `left` may be as small as `reach`.
    fn each_within(
        &self,
        left: usize,
        first: usize,
        products: &[T],
        reach: impl Fn(usize) -> f64,
        mut found: impl FnMut(usize),
    ) {
        let (low, left_norm) = (1.0 - self.relative, self.left_norms[left]);
        let right_norms = &self.right_norms[first..first + products.len()];
        let excess = |place: usize| {
            let product: f64 = products[place].into();
            low * (left_norm + right_norms[place]) - self.absolute - 2.0 * product - reach(place)
        };
        let whole = products.len() - products.len() % LANES;
        for start in (0..whole).step_by(LANES) {
            let mut least = [0.0; LANES];
            for (lane, least) in least.iter_mut().enumerate() {
                *least = excess(start + lane);
            }
            if least.iter().any(|&least| least <= 0.0) {
                (start..start + LANES)
                    .filter(|&place| excess(place) <= 0.0)
                    .for_each(&mut found);
            }
        }
        (whole..products.len())
            .filter(|&place| excess(place) <= 0.0)
            .for_each(found);
    }
}

/// The products of the rows of two panels.
struct Block<T> {
    height: usize,
    /// For every strip of the panel on the right the products of all rows on the left, row by row.
    strips: Vec<Vec<T>>,
    width: usize,
}

impl<T: Value> Block<T> {
    /// All products, or those of a panel with itself that are on or below the diagonal.
    fn of(left: &Tile<T>, right: &[Transposed<T>], below_diagonal: bool) -> Self {
        let height = left.rows();
        let strips = right.par_iter().enumerate().map(|(number, strip)| {
            let first = if below_diagonal { number * STRIP } else { 0 };
            let mut products = vec![T::round(0.0); height * strip.rows()];
            left.multiply(first..height, strip, &mut products[first * strip.rows()..]);
            products
        });
        Self {
            height,
            strips: strips.collect(),
            width: right.iter().map(Transposed::rows).sum(),
        }
    }

    /// The block with left and right exchanged.
    fn transposed(&self) -> Self {
        let strips = tiles(self.height, STRIP).into_par_iter().map(|rows| {
            let mut products = vec![T::round(0.0); self.width * rows.len()];
            let mut targets = products.chunks_exact_mut(rows.len());
            for strip in &self.strips {
                let width = strip.len() / self.height;
                for (column, target) in targets.by_ref().take(width).enumerate() {
                    for (row, target) in rows.clone().zip(target) {
                        *target = strip[row * width + column];
                    }
                }
            }
            products
        });
        Self {
            height: self.width,
            strips: strips.collect(),
            width: self.height,
        }
    }

    /// Fills what is above the diagonal from the block's transpose, and moves every row infinitely far from itself.
    fn complete(&mut self, transposed: &Self) {
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

    /// The products of row `row`, and which rows of the panel on the right they are with, a strip at a time.
    fn row(&self, row: usize) -> impl Iterator<Item = (Range<usize>, &[T])> {
        let strips = tiles(self.width, STRIP).into_iter().zip(&self.strips);
        strips.map(move |(columns, strip)| {
            let width = columns.len();
            (columns, &strip[row * width..][..width])
        })
    }

    /// Shows the rows of the panel on the left those on the right, and lets them keep the nearest.
    fn teach(
        &self,
        pairs: &Pairs<'_, T>,
        panel: &Range<usize>,
        others: &Range<usize>,
        found: &mut [Nearest],
    ) {
        let found = found[panel.clone()].par_iter_mut().enumerate();
        found.for_each(|(place, nearest)| {
            let row = panel.start + place;
            // k rows are surely no farther than `reach`: all rows that may be as near are candidates.
            let mut surely: Vec<f64> = Vec::with_capacity(nearest.k + 1);
            surely.extend(
                nearest
                    .rows
                    .iter()
                    .map(|(distance, _)| distance * pairs.unit),
            );
            surely.resize(nearest.k, f64::INFINITY);
            for (columns, products) in self.row(place) {
                let norms = &pairs.right_norms[others.start..][columns];
                pairs.keep_smallest(row, norms, products, &mut surely);
            }
            let reach = surely[nearest.k - 1];
            for (columns, products) in self.row(place) {
                let first = others.start + columns.start;
                pairs.each_within(
                    row,
                    first,
                    products,
                    |_| reach,
                    |place| {
                        // Rows come in ascending order, so those left out would not be the first at distance 0.
                        if !nearest.is_final() {
                            let other = first + place;
                            let (left, right) = (pairs.left.row(row), pairs.right.row(other));
                            nearest.insert(squared_distance(left, right), other);
                        }
                    },
                );
            }
        });
    }
}

impl<T: Value> Pairs<'_, T> {
    /// Puts the most that the distances can be into the ascending `smallest`, which keeps its length.
    fn keep_smallest(&self, left: usize, norms: &[f64], products: &[T], smallest: &mut Vec<f64>) {
        let (high, left_norm) = (1.0 + self.relative, self.left_norms[left]);
        let last = smallest.len() - 1;
        let most = |(&product, &norm): (&T, &f64)| {
            let product: f64 = product.into();
            high * (left_norm + norm) + self.absolute - 2.0 * product
        };
        let mut keep = |value: f64| {
            if value < smallest[last] {
                let place = smallest.partition_point(|&smaller| smaller < value);
                smallest.insert(place, value);
                smallest.truncate(last + 1);
            }
            smallest[last]
        };
        let mut limit = keep(f64::INFINITY);
        for (products, norms) in products.chunks(LANES).zip(norms.chunks(LANES)) {
            let mut values = [f64::INFINITY; LANES];
            for (value, pair) in values.iter_mut().zip(products.iter().zip(norms)) {
                *value = most(pair);
            }
            if values.iter().any(|&value| value < limit) {
                for value in values {
                    limit = keep(value);
                }
            }
        }
    }
}
