//! t-SNE, exact (van der Maaten and Hinton, Journal of Machine Learning Research 9, 2008), after PCA.
//!
//! Every pair of points is computed, so it is for some thousand points at most; Barnes-Hut trees pay off beyond that, and the
//! crates that have them sum in an order that depends on threads. It starts from the first two principal components, so it
//! draws nothing at random, and sums are in a fixed order: equal points give equal bytes.

use faer::{Mat, MatRef};
use rayon::prelude::*;

use super::canvas::Point;
use crate::error::Result;
use crate::linalg::{Rows, centred, eigenvalues};

/// Principal components that distances are measured in.
const COMPONENTS: usize = 50;
/// How many neighbours a point has, about.
const PERPLEXITY: f64 = 30.0;
/// Steps of the descent, and how many of them attract more strongly, and how much.
const STEPS: usize = 600;
const EARLY: usize = 200;
const EXAGGERATION: f64 = 12.0;
/// Partial sums, so that they can be computed with vector instructions.
const LANES: usize = 8;

/// Places in the plane for `rows` points of `columns` features.
///
/// # Errors
/// Fails if the principal components do not converge.
pub(super) fn embed(features: &[f32], rows: usize, columns: usize) -> Result<Vec<Point>> {
    let components = principal_components(features, rows, columns)?;
    let perplexity = PERPLEXITY.min((rows as f64 - 1.0) / 3.0);
    Ok(descend(
        &affinities(components.as_ref(), perplexity),
        components.as_ref(),
    ))
}

/// The first principal components of the rows, as many as there are up to [`COMPONENTS`], largest first: by the eigenvectors of
/// the products of rows, which are fewer than features.
fn principal_components(features: &[f32], rows: usize, columns: usize) -> Result<Mat<f64>> {
    let centred = centred(Rows::new(rows, columns, features), 1.0);
    let products = &centred * centred.transpose();
    let mut vectors = Mat::zeros(rows, rows);
    // Ascending.
    let values = eigenvalues(products.as_ref(), Some(vectors.as_mut()))?;
    let count = COMPONENTS.min(columns).min(rows);
    Ok(Mat::from_fn(rows, count, |row, place| {
        let column = rows - 1 - place;
        // The sign of an eigenvector is free: the entry farthest from 0 is positive.
        let entries = (0..rows).map(|row| vectors[(row, column)]);
        let farthest = entries.fold(0.0f64, |most, entry| {
            if entry.abs() > most.abs() {
                entry
            } else {
                most
            }
        });
        vectors[(row, column)] * values[column].max(0.0).sqrt() * farthest.signum()
    }))
}

/// Symmetric affinities p, row by row: each point's Gaussian has the width that gives it the wanted perplexity. They sum to 1.
fn affinities(points: MatRef<'_, f64>, perplexity: f64) -> Vec<f64> {
    let count = points.nrows();
    let conditional: Vec<Vec<f64>> = (0..count)
        .into_par_iter()
        .map(|own| {
            let squared = |other: usize| -> f64 {
                let columns = 0..points.ncols();
                columns
                    .map(|column| (points[(own, column)] - points[(other, column)]).powi(2))
                    .sum()
            };
            let distances: Vec<f64> = (0..count).map(squared).collect();
            row_affinities(&distances, own, perplexity)
        })
        .collect();
    let mut joint = vec![0.0; count * count];
    for own in 0..count {
        for other in 0..count {
            joint[own * count + other] =
                (conditional[own][other] + conditional[other][own]) / (2.0 * count as f64);
        }
    }
    joint
}

/// The affinities of one point to the others, by bisection of the precision of its Gaussian.
fn row_affinities(distances: &[f64], own: usize, perplexity: f64) -> Vec<f64> {
    let others = || {
        distances
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != own)
    };
    let nearest = others()
        .map(|(_, distance)| *distance)
        .fold(f64::INFINITY, f64::min);
    let (mut low, mut high, mut precision) = (0.0, f64::INFINITY, 1.0);
    let weights = |precision: f64| -> Vec<f64> {
        let weight = |(other, distance): (usize, &f64)| {
            if other == own {
                0.0
            } else {
                (-(distance - nearest) * precision).exp()
            }
        };
        distances.iter().enumerate().map(weight).collect()
    };
    let mut found = weights(precision);
    for _ in 0..64 {
        let sum: f64 = found.iter().sum();
        let mean: f64 = found
            .iter()
            .zip(distances)
            .map(|(weight, distance)| weight * (distance - nearest))
            .sum::<f64>()
            / sum;
        let entropy = sum.ln() + precision * mean;
        if (entropy - perplexity.ln()).abs() < 1e-6 {
            break;
        }
        if entropy > perplexity.ln() {
            low = precision;
            precision = if high.is_finite() {
                f64::midpoint(low, high)
            } else {
                2.0 * precision
            };
        } else {
            high = precision;
            precision = f64::midpoint(low, high);
        }
        found = weights(precision);
    }
    let sum: f64 = found.iter().sum();
    found.iter().map(|weight| weight / sum).collect()
}

/// Gradient descent with momentum and gains, from the first two components, as scikit-learn does it.
fn descend(affinities: &[f64], components: MatRef<'_, f64>) -> Vec<Point> {
    let count = components.nrows();
    let spread = (0..count)
        .map(|row| components[(row, 0)].powi(2))
        .sum::<f64>()
        / count as f64;
    let scale = 1e-4 / spread.sqrt().max(f64::MIN_POSITIVE);
    let start = |column: usize| -> Vec<f64> {
        let exists = column < components.ncols();
        (0..count)
            .map(|row| {
                if exists {
                    components[(row, column)] * scale
                } else {
                    0.0
                }
            })
            .collect()
    };
    let (mut x, mut y) = (start(0), start(1));
    let rate = (count as f64 / EXAGGERATION / 4.0).max(50.0);
    let mut moves = vec![[0.0f64; 2]; count];
    let mut gains = vec![[1.0f64; 2]; count];
    for step in 0..STEPS {
        let (exaggeration, momentum) = if step < EARLY {
            (EXAGGERATION, 0.5)
        } else {
            (1.0, 0.8)
        };
        let forces: Vec<Forces> = affinities
            .par_chunks(count)
            .enumerate()
            .map(|(own, row)| Forces::on(own, row, &x, &y))
            .collect();
        let norm: f64 = forces.iter().map(|force| force.norm).sum();
        for (own, force) in forces.iter().enumerate() {
            for axis in 0..2 {
                let gradient =
                    4.0 * (exaggeration * force.attraction[axis] - force.repulsion[axis] / norm);
                let gain = &mut gains[own][axis];
                let same = (gradient > 0.0) == (moves[own][axis] > 0.0);
                *gain = if same {
                    (*gain * 0.8).max(0.01)
                } else {
                    *gain + 0.2
                };
                moves[own][axis] = momentum * moves[own][axis] - rate * *gain * gradient;
            }
            x[own] += moves[own][0];
            y[own] += moves[own][1];
        }
    }
    x.into_iter().zip(y).map(|(x, y)| [x, y]).collect()
}

/// What pulls and pushes one point; its distance to itself is 0 and adds nothing but 1 to the norm, which is taken off.
struct Forces {
    attraction: [f64; 2],
    repulsion: [f64; 2],
    norm: f64,
}

impl Forces {
    fn on(own: usize, affinities: &[f64], x: &[f64], y: &[f64]) -> Self {
        let mut sums = [[0.0; LANES]; 5];
        let (own_x, own_y) = (x[own], y[own]);
        let mut add = |lane: usize, p: f64, x: f64, y: f64| {
            let (dx, dy) = (own_x - x, own_y - y);
            let q = 1.0 / (1.0 + dx * dx + dy * dy);
            let (pq, qq) = (p * q, q * q);
            sums[0][lane] += pq * dx;
            sums[1][lane] += pq * dy;
            sums[2][lane] += qq * dx;
            sums[3][lane] += qq * dy;
            sums[4][lane] += q;
        };
        let whole = affinities.len() / LANES * LANES;
        for start in (0..whole).step_by(LANES) {
            for lane in 0..LANES {
                let other = start + lane;
                add(lane, affinities[other], x[other], y[other]);
            }
        }
        for other in whole..affinities.len() {
            add(0, affinities[other], x[other], y[other]);
        }
        let [ax, ay, rx, ry, norm] = sums.map(|lanes| lanes.iter().sum::<f64>());
        Self {
            attraction: [ax, ay],
            repulsion: [rx, ry],
            norm: norm - 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Three clouds of points in twenty dimensions.
    fn clouds(each: usize) -> Vec<f32> {
        let mut stream = Random::new(5).stream("clouds");
        let point = |cloud: usize, stream: &mut crate::random::Stream| -> Vec<f32> {
            let centre = |column: usize| if column == cloud { 20.0 } else { 0.0 };
            (0..20)
                .map(|column| (centre(column) + stream.normal()) as f32)
                .collect()
        };
        (0..3 * each)
            .flat_map(|index| point(index / each, &mut stream))
            .collect()
    }

    #[test]
    fn clouds_stay_together_and_apart_and_equal_points_give_equal_places() {
        let features = clouds(40);
        let places = embed(&features, 120, 20).unwrap();
        assert_eq!(places, embed(&features, 120, 20).unwrap());
        let distance = |one: usize, other: usize| {
            (places[one][0] - places[other][0]).hypot(places[one][1] - places[other][1])
        };
        for own in 0..120 {
            let others = (0..120).filter(|other| *other != own);
            let nearest =
                others.min_by(|one, other| distance(own, *one).total_cmp(&distance(own, *other)));
            assert_eq!(nearest.unwrap() / 40, own / 40, "point {own}");
        }
    }

    #[test]
    fn affinities_are_symmetric_sum_to_one_and_have_their_perplexity() {
        let features = clouds(10);
        let points = principal_components(&features, 30, 20).unwrap();
        let found = affinities(points.as_ref(), 5.0);
        let sum: f64 = found.iter().sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!((0..30).all(|own| found[own * 30 + own] == 0.0));
        assert!((found[7] - found[7 * 30]).abs() < 1e-18);
        let distances: Vec<f64> = (0..30)
            .map(|other| f64::from(other).powi(2) / 9.0)
            .collect();
        let row = row_affinities(&distances, 0, 5.0);
        let entropy: f64 = row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy.exp() - 5.0).abs() < 1e-4, "{}", entropy.exp());
    }

    #[test]
    fn principal_components_keep_the_distances_of_points() {
        let features = clouds(10);
        let points = principal_components(&features, 30, 20).unwrap();
        let squared = |one: usize, other: usize| -> f64 {
            (0..20)
                .map(|column| {
                    f64::from(features[one * 20 + column] - features[other * 20 + column]).powi(2)
                })
                .sum()
        };
        let kept = |one: usize, other: usize| -> f64 {
            (0..20)
                .map(|column| (points[(one, column)] - points[(other, column)]).powi(2))
                .sum()
        };
        for (one, other) in [(0, 1), (3, 17), (12, 29)] {
            assert!((squared(one, other) - kept(one, other)).abs() < 1e-3 * squared(one, other));
        }
    }
}
