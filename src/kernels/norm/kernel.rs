//! Normalisation of rows on slices, forward and backward, each in two passes over the entries.
//!
//! Sums are taken in a fixed order: sixteen running sums along a row, then rows one after the other in f64. So a result
//! depends neither on the number of threads nor on the width of the CPU's vectors.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use rayon::prelude::*;

use super::EPSILON;
use super::layout::Layout;
use crate::kernels::Activation;
use crate::kernels::flex::GRAIN;
use crate::kernels::scratch::zeros;
use crate::wide::{sum_of_products, wide};

/// What normalisation multiplies and adds per channel, and the function that follows.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    /// `[channels]`
    pub(super) gamma: &'a [f32],
    /// `[channels]`
    pub(super) beta: &'a [f32],
    pub(super) activation: Activation,
}

/// The gradients with respect to the input, the scale and the shift.
pub(super) struct Pulled {
    pub(super) input: Vec<f32>,
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
}

/// The mean of each group, then the biased variance of each: [2, groups].
pub(super) fn moments(layout: &Layout, input: &[f32]) -> Vec<f32> {
    let pairs: Vec<(f32, f32)> = (0..layout.groups())
        .into_par_iter()
        .with_min_len(GRAIN.div_ceil(layout.group_size()))
        .map(|group| group_moments(layout, input, group))
        .collect();
    let (means, variances): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
    [means, variances].concat()
}

/// activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)
pub(super) fn normalise(
    layout: &Layout,
    input: &[f32],
    moments: &[f32],
    affine: Affine<'_>,
) -> Vec<f32> {
    let mut output = zeros(input.len());
    let places = layout.places;
    let rows = GRAIN.div_ceil(places);
    let tasks = output.par_chunks_mut(rows * places).enumerate();
    tasks.for_each(|(task, output)| {
        normalise_rows(layout, input, moments, affine, task * rows, output);
    });
    output
}

/// The backward step of [`normalise`]; where `of_input`, the moments were those of the input and move with it.
pub(super) fn pull_back(
    layout: &Layout,
    input: &[f32],
    moments: &[f32],
    affine: Affine<'_>,
    gradient: &[f32],
    of_input: bool,
) -> Pulled {
    let places = layout.places;
    let rows = GRAIN.div_ceil(places);
    let mut output = zeros(input.len());
    // Per row the sums of g and of g x', g being the gradient before the activation and x' the normalised input.
    let mut sums = vec![(0.0, 0.0); layout.rows()];
    let tasks = output
        .par_chunks_mut(rows * places)
        .zip(sums.par_chunks_mut(rows))
        .enumerate();
    tasks.for_each(|(task, (output, sums))| {
        let input = [input, gradient];
        pull_back_rows(layout, input, moments, affine, task * rows, output, sums);
    });

    let mut pulled = Pulled {
        input: output,
        gamma: vec![0.0; layout.channels],
        beta: vec![0.0; layout.channels],
    };
    for channel in 0..layout.channels {
        let rows = (0..layout.images).map(|image| sums[image * layout.channels + channel]);
        let (beta, gamma) = rows.fold((0.0, 0.0), |all, row| (all.0 + row.0, all.1 + row.1));
        pulled.gamma[channel] = gamma as f32;
        pulled.beta[channel] = beta as f32;
    }
    // Per group the means of gamma g and of gamma g x'.
    let size = layout.group_size() as f64;
    let means: Vec<(f32, f32)> = (0..layout.groups())
        .map(|group| {
            let mut all = (0.0, 0.0);
            if of_input {
                for row in layout.rows_of(group) {
                    let gamma = f64::from(affine.gamma[row % layout.channels]);
                    all.0 += gamma * sums[row].0;
                    all.1 += gamma * sums[row].1;
                }
            }
            ((all.0 / size) as f32, (all.1 / size) as f32)
        })
        .collect();
    let tasks = pulled.input.par_chunks_mut(rows * places).enumerate();
    tasks.for_each(|(task, output)| {
        move_with_moments(layout, input, moments, affine, &means, task * rows, output);
    });
    pulled
}

wide! {
    /// Mean and variance of a group.
    fn group_moments(layout: &Layout, input: &[f32], group: usize) -> (f32, f32) {
        let size = layout.group_size() as f64;
        let rows = || layout.rows_of(group).map(|row| &input[row * layout.places..][..layout.places]);
        let mean = (rows().map(|row| sum(row, |x| x)).sum::<f64>() / size) as f32;
        let squares = rows().map(|row| sum(row, |x| (x - mean) * (x - mean)));
        (mean, (squares.sum::<f64>() / size) as f32)
    }

    /// The rows of [`normalise`] from row `first`.
    fn normalise_rows(
        layout: &Layout,
        input: &[f32],
        moments: &[f32],
        affine: Affine<'_>,
        first: usize,
        output: &mut [f32],
    ) {
        for (place, output) in output.chunks_exact_mut(layout.places).enumerate() {
            let row = first + place;
            let line = Line::new(layout, moments, affine, row);
            line.forward(&input[row * layout.places..][..layout.places], output);
            affine.activation.apply(output);
        }
    }

    /// From row `first`: the gradient before the activation, and its sums.
    fn pull_back_rows(
        layout: &Layout,
        input_and_gradient: [&[f32]; 2],
        moments: &[f32],
        affine: Affine<'_>,
        first: usize,
        output: &mut [f32],
        sums: &mut [(f64, f64)],
    ) {
        let places = layout.places;
        for (place, (output, sums)) in output.chunks_exact_mut(places).zip(sums).enumerate() {
            let row = first + place;
            let [input, gradient] = input_and_gradient.map(|all| &all[row * places..][..places]);
            let line = Line::new(layout, moments, affine, row);
            line.forward(input, output);
            affine.activation.pull_back(output, gradient);
            let products = sum_of_products(output, input, line.mean);
            let total = sum(output, |g| g);
            *sums = (total, products * f64::from(line.inverse));
        }
    }

    /// From row `first`: the gradient before the activation becomes that of the input.
    fn move_with_moments(
        layout: &Layout,
        input: &[f32],
        moments: &[f32],
        affine: Affine<'_>,
        means: &[(f32, f32)],
        first: usize,
        output: &mut [f32],
    ) {
        for (place, output) in output.chunks_exact_mut(layout.places).enumerate() {
            let row = first + place;
            let line = Line::new(layout, moments, affine, row);
            let (shift, slope) = means[layout.group_of(row)];
            let gamma = affine.gamma[row % layout.channels];
            let (scale, slope) = (gamma * line.inverse, slope * line.inverse * line.inverse);
            let shift = shift * line.inverse;
            let input = &input[row * layout.places..][..layout.places];
            for (entry, x) in output.iter_mut().zip(input) {
                *entry = scale * *entry - shift - slope * (x - line.mean);
            }
        }
    }
}

/// What a row is normalised with.
struct Line {
    mean: f32,
    /// 1 / sqrt(variance + epsilon)
    inverse: f32,
    scale: f32,
    shift: f32,
}

impl Line {
    #[inline(always)]
    fn new(layout: &Layout, moments: &[f32], affine: Affine<'_>, row: usize) -> Self {
        let (group, channel) = (layout.group_of(row), row % layout.channels);
        let variance = f64::from(moments[layout.groups() + group]);
        let inverse = (1.0 / (variance + EPSILON).sqrt()) as f32;
        Self {
            mean: moments[group],
            inverse,
            scale: affine.gamma[channel] * inverse,
            shift: affine.beta[channel],
        }
    }

    #[inline(always)]
    fn forward(&self, input: &[f32], output: &mut [f32]) {
        for (y, x) in output.iter_mut().zip(input) {
            *y = (x - self.mean) * self.scale + self.shift;
        }
    }
}

/// Running sums along a row: a fixed number, whatever the CPU.
const LANES: usize = 16;

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    let mut lanes = [0f32; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += term(x);
        }
    }
    let rest: f64 = rest.iter().map(|&x| f64::from(term(x))).sum();
    lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>() + rest
}
