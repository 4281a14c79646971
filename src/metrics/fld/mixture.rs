//! A mixture of isotropic Gaussians around given centres, whose variances are fitted by gradient steps.

use std::f64::consts::TAU;

use rayon::prelude::*;

use crate::linalg::{Matrix, multiply};

/// Steps of the fit, and their length.
const STEPS: i32 = 50;
const RATE: f64 = 0.5;
/// Adam's decays, and what it adds to a root.
const DECAYS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;
/// Log variances stay between these.
const LEAST: f64 = -40.0;
const MOST: f64 = 20.0;
/// What is added to the smallest squared distance before the first variance is made of it.
const ADDED: f64 = 1e-3;
/// Distances to the mean, shrunk by this.
const SHRUNK: f64 = 0.9;
/// A component this far below the others, as a logarithm, has no share in f64.
const NOTHING: f64 = -45.0;
/// Rows that one thread takes at a time.
const SHARE: usize = 64;

/// The mean negative log likelihood, a feature, of `held_out` under a mixture around `centres` that was fitted to `fit`; all are
/// rows of `columns` numbers.
pub(super) fn negative_log_likelihood(
    centres: &[f64],
    fit: &[f64],
    held_out: &[f64],
    columns: usize,
) -> f64 {
    let count = centres.len() / columns;
    let log_variances = fitted(
        &squared_distances(fit, centres, columns),
        count,
        fit,
        columns,
    );
    let distances = squared_distances(held_out, centres, columns);
    let components = Components::new(&log_variances, columns);
    let likelihoods: Vec<f64> = distances
        .par_chunks(count)
        .map_init(Vec::new, |logs, distances| {
            components.log_sum(distances, None, logs)
        })
        .collect();
    let mean = likelihoods.iter().sum::<f64>() / likelihoods.len() as f64;
    -mean / columns as f64
}

/// The log variances of `count` components that make the rows of `fit` likely.
fn fitted(distances: &[f32], count: usize, fit: &[f64], columns: usize) -> Vec<f64> {
    let rows = distances.len() / count;
    let mut nearest = vec![f32::INFINITY; count];
    for distances in distances.chunks_exact(count) {
        for (nearest, &distance) in nearest.iter_mut().zip(distances) {
            *nearest = nearest.min(distance);
        }
    }
    let start = |&nearest: &f32| ((f64::from(nearest) + ADDED) / columns as f64).ln();
    // The component around the mean comes last; it has the weight of all the others.
    let mut parameters: Vec<f64> = nearest.iter().map(start).collect();
    parameters.push(0.0);
    let around = around_mean(fit, columns);
    let mut moments = vec![[0.0; 2]; count + 1];
    for step in 1..=STEPS {
        let gradient = gradient(distances, &around, &parameters, columns);
        let corrections = DECAYS.map(|decay| 1.0 - decay.powi(step));
        let each = parameters.iter_mut().zip(&mut moments).zip(&gradient);
        for ((parameter, moments), sum) in each {
            let slope = sum / (rows * columns) as f64;
            for (moment, (decay, new)) in moments
                .iter_mut()
                .zip(DECAYS.into_iter().zip([slope, slope * slope]))
            {
                *moment = decay * *moment + (1.0 - decay) * new;
            }
            let [first, second] = [0, 1].map(|order| moments[order] / corrections[order]);
            *parameter -= RATE * first / (second.sqrt() + EPSILON);
        }
        for parameter in &mut parameters[..count] {
            *parameter = parameter.clamp(LEAST, MOST);
        }
    }
    parameters.truncate(count);
    parameters
}

/// The gradient of the negative log likelihood, summed over rows, with respect to every log variance.
fn gradient(distances: &[f32], around: &[f64], parameters: &[f64], columns: usize) -> Vec<f64> {
    let count = parameters.len() - 1;
    let half = columns as f64 / 2.0;
    let components = Components::new(&parameters[..count], columns);
    let mean = Components::new(&parameters[count..], columns);
    let shares: Vec<Vec<f64>> = distances
        .par_chunks(SHARE * count)
        .zip(around.par_chunks(SHARE))
        .map(|(distances, around)| {
            let (mut sums, mut logs) = (vec![0.0; count + 1], Vec::new());
            for (distances, &around) in distances.chunks_exact(count).zip(around) {
                let log_mean = mean.log(0, around);
                let total = components.log_sum(distances, Some(log_mean), &mut logs);
                let each = logs.iter().zip(distances).zip(&components.precisions);
                for (sum, ((&log, &distance), precision)) in sums.iter_mut().zip(each) {
                    if log - total > NOTHING {
                        let share = (log - total).exp();
                        *sum -= share * (0.5 * f64::from(distance) * precision - half);
                    }
                }
                let share = (log_mean - total).exp();
                sums[count] -= share * (0.5 * around * mean.precisions[0] - half);
            }
            sums
        })
        .collect();
    let mut sums = vec![0.0; count + 1];
    for share in shares {
        for (sum, share) in sums.iter_mut().zip(share) {
            *sum += share;
        }
    }
    sums
}

/// Components of equal weight.
struct Components {
    /// 1 / variance.
    precisions: Vec<f64>,
    /// The logarithm of a component's density at its centre, times its weight.
    tops: Vec<f64>,
}

impl Components {
    fn new(log_variances: &[f64], columns: usize) -> Self {
        let log_weight = -(log_variances.len() as f64).ln();
        let half = columns as f64 / 2.0;
        let top = |log_variance: &f64| log_weight - half * (log_variance + TAU.ln());
        Self {
            precisions: log_variances.iter().map(|log| (-log).exp()).collect(),
            tops: log_variances.iter().map(top).collect(),
        }
    }

    /// The logarithm of the weighted density of component `number` at this squared distance.
    fn log(&self, number: usize, distance: f64) -> f64 {
        self.tops[number] - 0.5 * distance * self.precisions[number]
    }

    /// The logarithm of the sum of all densities and of exp(`other`); `logs` becomes those of the components.
    fn log_sum(&self, distances: &[f32], other: Option<f64>, logs: &mut Vec<f64>) -> f64 {
        logs.clear();
        let each = distances.iter().enumerate();
        logs.extend(each.map(|(number, &distance)| self.log(number, f64::from(distance))));
        let all = || logs.iter().copied().chain(other);
        let largest = all().fold(f64::NEG_INFINITY, f64::max);
        let kept = all().map(|log| log - largest).filter(|&log| log > NOTHING);
        largest + kept.map(f64::exp).sum::<f64>().ln()
    }
}

/// The squared distances of rows to their mean, shrunk.
fn around_mean(rows: &[f64], columns: usize) -> Vec<f64> {
    let count = (rows.len() / columns) as f64;
    let mut mean = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        for (sum, value) in mean.iter_mut().zip(row) {
            *sum += value / count;
        }
    }
    let squared = |row: &[f64]| -> f64 {
        let each = row
            .iter()
            .zip(&mean)
            .map(|(value, mean)| (value - mean).powi(2));
        SHRUNK * SHRUNK * each.sum::<f64>()
    };
    rows.chunks_exact(columns).map(squared).collect()
}

/// |x - y|^2 of every row x of the left and every row y of the right, rounded to f32: [left rows, right rows].
fn squared_distances(left: &[f64], right: &[f64], columns: usize) -> Vec<f32> {
    let squares = |rows: &[f64]| -> Vec<f64> {
        let rows = rows.chunks_exact(columns);
        rows.map(|row| row.iter().map(|value| value * value).sum())
            .collect()
    };
    let (of_left, of_right) = (squares(left), squares(right));
    let width = of_right.len();
    let mut distances = vec![0.0; of_left.len() * width];
    distances
        .par_chunks_mut(SHARE * width)
        .zip(left.par_chunks(SHARE * columns))
        .zip(of_left.par_chunks(SHARE))
        .for_each_init(Vec::new, |products, ((distances, share), of_left)| {
            products.resize(distances.len(), 0.0);
            let size = [of_left.len(), width, columns];
            let (left, right) = (
                Matrix::rows(share, columns),
                Matrix::columns(right, columns),
            );
            multiply(size, products, width, left, right, false);
            let rows = distances
                .chunks_exact_mut(width)
                .zip(products.chunks_exact(width));
            for ((distances, products), of_left) in rows.zip(of_left) {
                for ((distance, product), of_right) in
                    distances.iter_mut().zip(products).zip(&of_right)
                {
                    *distance = (of_left + of_right - 2.0 * product).max(0.0) as f32;
                }
            }
        });
    distances
}
