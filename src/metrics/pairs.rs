//! All pairs of rows of two sets or of one: their products, block by block, and squared distances from these.
//!
//! Pairs are gone through in blocks of [`PANEL`] x [`PANEL`] rows; within one set each pair is computed once. Where several
//! metrics go through the same pairs, the blocks can be kept.

mod block;

use std::ops::Range;
use std::sync::OnceLock;

use crate::linalg::{Centring, Rows, Tile, Transposed, Value, squared_distance, tiles};

pub(super) use self::block::Block;

/// Rows and columns of a block.
const PANEL: usize = 1024;
/// Estimates that are looked at together.
const LANES: usize = 8;

/// The pairs of rows of two matrices, centred and scaled alike, or of one.
pub(super) struct Pairs<'a, T> {
    left: Rows<'a, T>,
    right: Rows<'a, T>,
    /// Whether right and left are one.
    within: bool,
    centring: Centring,
    /// |x|^2 of the rows as they are in tiles.
    left_norms: Vec<f64>,
    right_norms: Vec<f64>,
    /// What a squared distance is multiplied with in tiles.
    pub(super) unit: f64,
    /// An estimate is off by at most `relative` (|x|^2 + |y|^2) + `absolute`.
    relative: f64,
    absolute: f64,
    /// The blocks in order, if they are kept; each is computed when it is first asked for.
    kept: Vec<OnceLock<Block<T>>>,
}

/// What blocks are computed in.
#[derive(Default)]
struct Scratch<T> {
    left: Tile<T>,
    /// Which rows are in `left`.
    panel: Range<usize>,
    right: Tile<T>,
    strips: Vec<Transposed<T>>,
    transposed: Block<T>,
}

impl<'a, T: Value> Pairs<'a, T> {
    /// The bound: with u the roundoff of a number and d columns, 2 x . y is off by at most d u (|x|^2 + |y|^2), and by
    /// d times the smallest number where products are smaller than that. Rounding centred entries moves the rows
    /// themselves by u |x| and u |y|, and so their squared distance by at most 4 u (|x|^2 + |y|^2). The distance by
    /// differences, in f64, has d / 8 roundings of its own, each at most 2^-53 of 2 (|x|^2 + |y|^2). Twice all that
    /// leaves room for what is of second order.
    fn new([left, right]: [Rows<'a, T>; 2], within: bool, centring: Centring, kept: bool) -> Self {
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
        let left_norms = norms(left);
        let right_norms = if within {
            left_norms.clone()
        } else {
            norms(right)
        };
        let mut pairs = Self {
            within,
            left_norms,
            right_norms,
            unit: centring.squared_scale(),
            relative: 2.0 * (columns + 4.0) * (T::ROUNDOFF + f64::EPSILON / 2.0),
            absolute: 4.0 * columns * T::SMALLEST,
            left,
            right,
            centring,
            kept: Vec::new(),
        };
        if kept {
            pairs.kept = pairs.panels().map(|_| OnceLock::new()).collect();
        }
        pairs
    }

    /// The pairs of one row of `left` and one of `right`; `kept` says whether their products are kept, which takes as
    /// many numbers.
    pub(super) fn between(left: Rows<'a, T>, right: Rows<'a, T>, kept: bool) -> Self {
        Self::new([left, right], false, Centring::of(&[left, right]), kept)
    }

    /// The pairs of two of `rows`.
    pub(super) fn within(rows: Rows<'a, T>, kept: bool) -> Self {
        Self::new([rows, rows], true, Centring::of(&[rows]), kept)
    }

    /// The rows on the left and on the right.
    pub(super) fn sides(&self) -> [Rows<'a, T>; 2] {
        [self.left, self.right]
    }

    /// What rows were centred and scaled with.
    pub(super) fn centring(&self) -> &Centring {
        &self.centring
    }

    /// Whether they are pairs within one set, each of which is seen once, the later row on the left.
    pub(super) fn are_within(&self) -> bool {
        self.within
    }

    /// The rows of the blocks, left and right. Of pairs within one set, right rows come before left ones, or are the same.
    fn panels(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<T> {
        let (left, right) = (tiles(self.left.rows, PANEL), tiles(self.right.rows, PANEL));
        let within = self.within;
        left.into_iter().flat_map(move |panel| {
            let others = right.clone().into_iter();
            let last = panel.start;
            let others = others.take_while(move |other| !within || other.start <= last);
            others.map(move |other| (panel.clone(), other))
        })
    }

    /// Calls `see` with every block, in a fixed order, and with its rows on the left and on the right. A row is infinitely
    /// far from itself.
    pub(super) fn each_block(&self, mut see: impl FnMut(&Range<usize>, &Range<usize>, &Block<T>)) {
        let (mut scratch, mut own) = (Scratch::default(), Block::default());
        for (number, (panel, other)) in self.panels().enumerate() {
            let block = if let Some(kept) = self.kept.get(number) {
                kept.get_or_init(|| {
                    let mut block = Block::default();
                    self.compute(&panel, &other, &mut block, &mut scratch);
                    block
                })
            } else {
                self.compute(&panel, &other, &mut own, &mut scratch);
                &own
            };
            see(&panel, &other, block);
        }
    }

    fn compute(
        &self,
        panel: &Range<usize>,
        other: &Range<usize>,
        block: &mut Block<T>,
        scratch: &mut Scratch<T>,
    ) {
        if scratch.panel != *panel {
            let index = |place| panel.start + place;
            self.centring
                .fill(&mut scratch.left, self.left, panel.len(), index);
            scratch.panel = panel.clone();
        }
        let index = |place| other.start + place;
        self.centring
            .fill(&mut scratch.right, self.right, other.len(), index);
        scratch.right.transpose(&mut scratch.strips);
        let diagonal = self.within && panel == other;
        block.compute(&scratch.left, &scratch.strips, diagonal);
        if diagonal {
            scratch.transposed.transpose(block);
            block.complete(&scratch.transposed);
        }
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
