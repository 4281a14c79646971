//! Estimates of squared distances from matrix products, and how far off they may be.

use std::ops::Range;

use crate::linalg::{Centring, Rows, Tile, Transposed, Value, squared_distance, tiles};

use super::PANEL;

/// Estimates that are looked at together.
const LANES: usize = 8;

/// The rows of two matrices, centred and scaled alike.
pub(super) struct Pairs<'a, T> {
    left: Rows<'a, T>,
    right: Rows<'a, T>,
    centring: Centring,
    /// |x|^2 of the rows as they are in tiles.
    left_norms: Vec<f64>,
    right_norms: Vec<f64>,
    /// What a squared distance is multiplied with in tiles.
    pub(super) unit: f64,
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
    pub(super) fn new(left: Rows<'a, T>, right: Rows<'a, T>, centring: Centring) -> Self {
        let columns = left.columns as f64;
        let zero = vec![T::round(0.0); left.columns];
        let norms = |rows: Rows<'_, T>| -> Vec<f64> {
            let mut norms = Vec::with_capacity(rows.rows);
            let mut tile = Tile::default();
            for panel in tiles(rows.rows, PANEL) {
                let index = |place| panel.start + place;
                centring.fill(&mut tile, rows, panel.len(), index);
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

    /// Puts a panel of left rows into `tile`.
    pub(super) fn left_panel(&self, panel: &Range<usize>, tile: &mut Tile<T>) {
        let index = |place| panel.start + place;
        self.centring.fill(tile, self.left, panel.len(), index);
    }

    /// Puts a panel of right rows into `strips`, by way of `tile`.
    pub(super) fn right_panel(
        &self,
        panel: &Range<usize>,
        tile: &mut Tile<T>,
        strips: &mut Vec<Transposed<T>>,
    ) {
        let index = |place| panel.start + place;
        self.centring.fill(tile, self.right, panel.len(), index);
        tile.transpose(strips);
    }

    /// The squared distance of a left and a right row from their product, in the scale of tiles, and how far off it may
    /// be.
    pub(super) fn estimate(&self, left: usize, right: usize, product: T) -> (f64, f64) {
        let norms = self.left_norms[left] + self.right_norms[right];
        let product: f64 = product.into();
        (norms - 2.0 * product, self.relative * norms + self.absolute)
    }

    /// The squared distance itself.
    pub(super) fn squared_distance(&self, left: usize, right: usize) -> f64 {
        squared_distance(self.left.row(left), self.right.row(right))
    }

    /// Calls `found` with the place in `products` of every right row, from `first` on, whose squared distance to the row
    /// `left` may be as small as `reach`.
    pub(super) fn each_within(
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

    /// Puts the most that the squared distances of the row `left` to the right rows from `first` on can be into the
    /// ascending `smallest`, which keeps its length.
    pub(super) fn keep_smallest(
        &self,
        left: usize,
        first: usize,
        products: &[T],
        smallest: &mut Vec<f64>,
    ) {
        let (high, left_norm) = (1.0 + self.relative, self.left_norms[left]);
        let right_norms = &self.right_norms[first..first + products.len()];
        let last = smallest.len() - 1;
        let most = |(&product, &norm): (&T, &f64)| {
            let product: f64 = product.into();
            high * (left_norm + norm) + self.absolute - 2.0 * product
        };
        for (products, norms) in products.chunks(LANES).zip(right_norms.chunks(LANES)) {
            let mut values = [f64::INFINITY; LANES];
            for (value, pair) in values.iter_mut().zip(products.iter().zip(norms)) {
                *value = most(pair);
            }
            let limit = smallest[last];
            if values.iter().any(|&value| value < limit) {
                for value in values {
                    if value < smallest[last] {
                        let place = smallest.partition_point(|&smaller| smaller < value);
                        smallest.insert(place, value);
                        smallest.truncate(last + 1);
                    }
                }
            }
        }
    }
}
