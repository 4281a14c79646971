//! Kernel inception distance: the squared maximum mean discrepancy of features under a cubic polynomial kernel.
//!
//! Bińkowski et al., *Demystifying MMD GANs* (2018, arXiv 1801.01401), section 4: k(x, y) = (x . y / d + 1)^3 for d
//! features, the unbiased estimator, the mean over random subsets. As in torch-fidelity, subsets are drawn without
//! replacement from both sides independently, the cross term is the mean over all m^2 pairs, and the spread is the
//! population standard deviation over subsets. Subsets overlap, so that spread is not a standard error.
//!
//! `kid-block` is the mean over disjoint blocks of about equal size, every image in one (as compare_gan computes it, here
//! in a seeded random order); its spread is the standard error, blocks being independent.
//!
//! The estimator is unbiased and can therefore be negative.
//!
//! Subsets overlap. Where all pairs of images are no more than the pairs of all subsets, each is computed once, and what a
//! subset needs is picked out: for the 100 subsets of 1,000 up to 10,000 images a side. Precision, recall, density and
//! coverage need the same products; when they are asked for as well, these are kept: 0.75 GiB for 10,000 images a side.

mod all_pairs;

use std::ops::Range;

use rayon::prelude::*;

use crate::error::{Result, refuse};
use crate::linalg::{Centring, Rows, STRIP, Tile, Transposed, Value, tiles};
use crate::random::Random;

pub(super) use self::all_pairs::takes_all_pairs;
use self::all_pairs::unbiased_of_each;
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// Rows of one block of the kernel matrix; it has [`STRIP`] columns.
const TILE: usize = 512;

/// Kernel distance between the features of generated and real images.
#[derive(Clone, Copy, Debug)]
pub struct Kid;

impl Metric for Kid {
    fn name(&self) -> &'static str {
        "kid"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "kid",
            title: "KID",
            direction: Direction::Lower,
            spread: "standard deviation over subsets",
        }]
    }

    fn minimum_images(&self, settings: &MetricSettings) -> usize {
        settings.kid_subset_size
    }

    fn too_few_hint(&self) -> &'static str {
        "give it more images, or lower `evaluation.metrics.kid_subset_size` in every evaluation to be compared"
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        let mut list = kernel_settings(settings);
        list.push(("subset_size", settings.kid_subset_size.to_string()));
        list.push(("subsets", settings.kid_subsets.to_string()));
        list
    }

    fn has_interval(&self, _: usize, _: usize) -> bool {
        true
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        let settings = comparison.settings;
        check(self, comparison)?;
        let size = settings.kid_subset_size;
        let [x, y] = comparison.rows();
        if x.rows == size && y.rows == size {
            return Ok(vec![Score::new("kid", kid_unbiased(x, y))]);
        }
        let subsets = (0..settings.kid_subsets).map(|subset| {
            let random = Random::new(settings.seed).at(subset as u64);
            let choose = |count, name| random.stream(name).choose(count, size);
            [choose(x.rows, "kid generated"), choose(y.rows, "kid real")]
        });
        let estimates: Vec<f64> = if takes_all_pairs(settings, x.rows, y.rows) {
            unbiased_of_each(subsets.collect(), comparison.pairs())
        } else {
            let (kernel, mut parts) = (Kernel::new(x, y), <[Part<f32>; 2]>::default());
            subsets
                .map(|[x, y]| kernel.unbiased(&x, &y, &mut parts))
                .collect()
        };
        let (mean, variance) = mean_and_variance(&estimates);
        Ok(vec![Score {
            spread: Some(variance.sqrt()),
            ..Score::new("kid", mean)
        }])
    }
}

/// Kernel distance over disjoint blocks, with its standard error.
#[derive(Clone, Copy, Debug)]
pub struct KidBlock;

impl Metric for KidBlock {
    fn name(&self) -> &'static str {
        "kid-block"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "kid-block",
            title: "KID (blocks)",
            direction: Direction::Lower,
            spread: "standard error",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        2
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        let mut list = kernel_settings(settings);
        list.push(("largest_block", settings.kid_subset_size.to_string()));
        list
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        let settings = comparison.settings;
        check(self, comparison)?;
        let [x, y] = comparison.rows();
        let count = usize::max(x.rows, y.rows).div_ceil(settings.kid_subset_size);
        let fewest = usize::min(x.rows, y.rows);
        if fewest < 2 * count {
            return Err(refuse(
                format!("`kid-block` cannot make {count} blocks of two or more of {fewest} images"),
                "give it more of them, or raise `evaluation.metrics.kid_subset_size`",
            ));
        }
        let (kernel, mut parts) = (Kernel::new(x, y), <[Part<f32>; 2]>::default());
        let random = Random::new(settings.seed);
        let generated = random.stream("kid-block generated").permutation(x.rows);
        let real = random.stream("kid-block real").permutation(y.rows);
        let block = |order: &[usize], number: usize| {
            let bound = |number| number * order.len() / count;
            order[bound(number)..bound(number + 1)].to_vec()
        };
        let estimates: Vec<f64> = (0..count)
            .map(|number| {
                let generated = block(&generated, number);
                kernel.unbiased(&generated, &block(&real, number), &mut parts)
            })
            .collect();
        let (mean, variance) = mean_and_variance(&estimates);
        // The sample variance over n blocks is n / (n - 1) of this, and that of their mean 1 / n of it.
        Ok(vec![Score {
            spread: (count > 1).then(|| (variance / (count - 1) as f64).sqrt()),
            ..Score::new("kid-block", mean)
        }])
    }
}

fn kernel_settings(settings: &MetricSettings) -> Vec<(&'static str, String)> {
    vec![
        ("estimator", "unbiased".to_owned()),
        ("kernel", "(x.y/d + 1)^3".to_owned()),
        ("seed", settings.seed.to_string()),
    ]
}

/// The mean and the population variance.
fn mean_and_variance(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares = values.iter().map(|value| (value - mean).powi(2));
    (mean, squares.sum::<f64>() / count)
}

/// The unbiased estimate from all rows of both sides, of which each must have two or more.
pub fn kid_unbiased<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>) -> f64 {
    Kernel::new(x, y).unbiased(&all(x), &all(y), &mut Default::default())
}

/// The biased estimate from all rows of both sides: a squared distance, at least 0, and 0 for equal sets of rows.
pub fn kid_biased<T: Value>(x: Rows<'_, T>, y: Rows<'_, T>) -> f64 {
    let kernel = Kernel::new(x, y);
    let mut parts = Default::default();
    kernel.fill(&mut parts, &all(x), &all(y));
    let mean = |a: &Part<T>, b: &Part<T>| kernel.sum(a, b) / (a.rows() * b.rows()) as f64;
    let [x, y] = &parts;
    mean(x, x) + mean(y, y) - 2.0 * mean(x, y)
}

/// Of each row, what is added to a product of it in the scale of tiles for this row, over d, and half of the kernel's 1.
fn added<T: Value>(rows: Rows<'_, T>, centring: &Centring) -> Vec<f64> {
    let features = rows.columns as f64;
    let each = (0..rows.rows).into_par_iter().map(|index| rows.row(index));
    each.map(|row| centring.taken(row) / features + 0.5)
        .collect()
}

fn all<T: Value>(rows: Rows<'_, T>) -> Vec<usize> {
    (0..rows.rows).collect()
}

/// The kernel on the rows of two sets.
///
/// Products of f32 rows are f32, of rows around zero; what centring takes from them is added in f64, and so is everything
/// after. Their roundings have no sign in common: over the 10^6 pairs of a subset of 1000 they move an estimate by about
/// 1e-10 of the kernel.
struct Kernel<'a, T> {
    x: Rows<'a, T>,
    y: Rows<'a, T>,
    centring: Centring,
    /// As [`added`] has it.
    added: [Vec<f64>; 2],
}

/// Some rows of one set, in the forms that products are computed from.
#[derive(Default)]
struct Part<T> {
    left: Tile<T>,
    right: Vec<Transposed<T>>,
    /// Those entries of [`Kernel::added`].
    added: Vec<f64>,
}

impl<T: Value> Part<T> {
    fn rows(&self) -> usize {
        self.left.rows()
    }
}

impl<'a, T: Value> Kernel<'a, T> {
    fn new(x: Rows<'a, T>, y: Rows<'a, T>) -> Self {
        let centring = Centring::of(&[x, y]);
        let added = [x, y].map(|rows| added(rows, &centring));
        Self {
            x,
            y,
            centring,
            added,
        }
    }

    /// The unbiased estimate from rows of x and of y; `parts` are filled with them.
    fn unbiased(&self, x: &[usize], y: &[usize], parts: &mut [Part<T>; 2]) -> f64 {
        self.fill(parts, x, y);
        let within = |part: &Part<T>| {
            let pairs = part.rows() * (part.rows() - 1);
            2.0 * self.sum_below_diagonal(part) / pairs as f64
        };
        let [x, y] = parts;
        within(x) + within(y) - 2.0 * self.sum(x, y) / (x.rows() * y.rows()) as f64
    }

    /// Fills parts with rows of x and of y.
    fn fill(&self, parts: &mut [Part<T>; 2], x: &[usize], y: &[usize]) {
        let sides = [(self.x, x), (self.y, y)].into_iter().zip(&self.added);
        for (part, ((rows, indices), added)) in parts.iter_mut().zip(sides) {
            let index = |place: usize| indices[place];
            self.centring
                .fill(&mut part.left, rows, indices.len(), index);
            part.left.transpose(&mut part.right);
            part.added.clear();
            part.added.extend(indices.iter().map(|&index| added[index]));
        }
    }

    /// The sum of k(x, y) over all pairs.
    fn sum(&self, x: &Part<T>, y: &Part<T>) -> f64 {
        self.sum_of_blocks(x, y, false)
    }

    /// The sum of `k(x_i, x_j)` over i > j.
    fn sum_below_diagonal(&self, x: &Part<T>) -> f64 {
        self.sum_of_blocks(x, x, true)
    }

    fn sum_of_blocks(&self, x: &Part<T>, y: &Part<T>, below_diagonal: bool) -> f64 {
        let blocks: Vec<(usize, Range<usize>)> = (0..y.right.len())
            .flat_map(|strip| {
                let first = if below_diagonal { strip * STRIP } else { 0 };
                let rows = tiles(x.rows() - first, TILE).into_iter();
                rows.map(move |rows| (strip, first + rows.start..first + rows.end))
            })
            .collect();
        let sums: Vec<f64> = blocks
            .into_par_iter()
            .map_init(Vec::new, |products, (strip, rows)| {
                let (first, width) = (strip * STRIP, y.right[strip].rows());
                products.resize(rows.len() * width, T::round(0.0));
                x.left.multiply(rows.clone(), &y.right[strip], products);
                let of_columns = &y.added[first..first + width];
                let products = products.chunks_exact(width);
                let of_rows = rows.zip(products).map(|(row, products)| {
                    let counted = if below_diagonal {
                        width.min(row - first)
                    } else {
                        width
                    };
                    self.sum_of_row(x.added[row], of_columns, &products[..counted])
                });
                of_rows.sum()
            })
            .collect();
        sums.iter().sum()
    }

    /// The sum of k(x, y) over the y of a row of products.
    fn sum_of_row(&self, added: f64, of_columns: &[f64], products: &[T]) -> f64 {
        let unit = 1.0 / (self.centring.squared_scale() * self.x.columns as f64);
        let mut lanes = [0.0; 8];
        let cube = |(&product, &of_column): (&T, &f64)| {
            let product: f64 = product.into();
            let value = product * unit + (added + of_column);
            value * value * value
        };
        let chunks = products.chunks_exact(lanes.len());
        let rest = products.len() - chunks.remainder().len();
        for (chunk, of_columns) in chunks.zip(of_columns.chunks_exact(lanes.len())) {
            for (lane, pair) in lanes.iter_mut().zip(chunk.iter().zip(of_columns)) {
                *lane += cube(pair);
            }
        }
        let rest = products[rest..].iter().zip(&of_columns[rest..]).map(cube);
        lanes.iter().sum::<f64>() + rest.sum::<f64>()
    }
}
