//! Cases with known answers, which the metrics have to reproduce in f64, and properties that they have to have.
//!
//! The answers are closed forms, or were computed in f64 by a second algorithm; the inputs are formulas.

use crate::error::Result;
use crate::linalg::{Moments, Rows};
use crate::random::Random;

use super::density_coverage::density_and_coverage;
use super::neighbours::{Balls, Boundary, Neighbours, Side, inside};
use super::precision_recall::covered;
use super::{Frechet, frechet, frechet_of_moments, frechet_of_rows, kid_biased, kid_unbiased};

/// An f64 matrix that owns its values.
#[derive(Clone)]
struct Example {
    columns: usize,
    values: Vec<f64>,
}

impl Example {
    /// `value(i, j)` at row i and column j, counted from 0.
    fn of(rows: usize, columns: usize, value: impl Fn(u32, u32) -> f64) -> Self {
        let row = |i| (0..columns as u32).map(move |j| (i, j));
        let values = (0..rows as u32)
            .flat_map(row)
            .map(|(i, j)| value(i, j))
            .collect();
        Self { columns, values }
    }

    fn line(values: &[f64]) -> Self {
        Self {
            columns: 1,
            values: values.to_vec(),
        }
    }

    fn normal(rows: usize, columns: usize, name: &str) -> Self {
        let mut stream = Random::new(6).stream(name);
        let values = (0..rows * columns).map(|_| stream.normal()).collect();
        Self { columns, values }
    }

    fn map(&self, value: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|&old| value(old)).collect();
        Self {
            columns: self.columns,
            values,
        }
    }

    /// The first rows, `count` of them.
    fn first(&self, count: usize) -> Self {
        let values = self.values[..count * self.columns].to_vec();
        Self {
            columns: self.columns,
            values,
        }
    }

    fn backwards(&self) -> Self {
        let rows = self.values.chunks_exact(self.columns).rev();
        Self {
            columns: self.columns,
            values: rows.flatten().copied().collect(),
        }
    }

    fn twice(&self) -> Self {
        Self {
            columns: self.columns,
            values: self.values.repeat(2),
        }
    }

    /// Every row x turned into x - 2 v (v . x) / |v|^2: a reflection, with v = (1, 2, 3, ...).
    fn reflected(&self) -> Self {
        let direction: Vec<f64> = (1..=self.columns).map(|index| index as f64).collect();
        let length: f64 = direction.iter().map(|v| v * v).sum();
        let reflect = |row: &[f64]| {
            let along: f64 = row.iter().zip(&direction).map(|(x, v)| x * v).sum();
            let turned = row
                .iter()
                .zip(&direction)
                .map(|(x, v)| x - 2.0 * v * along / length);
            turned.collect::<Vec<f64>>()
        };
        let values = self
            .values
            .chunks_exact(self.columns)
            .flat_map(reflect)
            .collect();
        Self {
            columns: self.columns,
            values,
        }
    }

    fn rows(&self) -> Rows<'_, f64> {
        Rows::new(self.values.len() / self.columns, self.columns, &self.values)
    }

    fn distance(&self, other: &Self) -> f64 {
        frechet(self.rows(), other.rows(), 1).unwrap().distance()
    }
}

/// Precision, recall, density and coverage of `fake` against `real`.
fn prdc(real: &Example, fake: &Example, k: usize, boundary: Boundary) -> [f64; 4] {
    let balls = |around, example: &Example| Balls {
        around,
        radii: Neighbours::among(example.rows(), k).squared_radii(k),
        boundary,
    };
    let (real_balls, fake_balls) = (balls(Side::Real, real), balls(Side::Generated, fake));
    let answers = inside(fake.rows(), real.rows(), &[&real_balls, &fake_balls]);
    let (density, coverage) = density_and_coverage(&answers[0], k);
    [
        covered(&answers[0]),
        covered(&answers[1]),
        density,
        coverage,
    ]
}

#[track_caller]
fn assert_near(value: f64, expected: f64, tolerance: f64) {
    let scale = expected.abs().max(1e-300);
    let error = (value - expected).abs();
    assert!(
        error <= tolerance * scale,
        "{value}, expected {expected}: relative {:e}",
        error / scale
    );
}

#[track_caller]
fn assert_all_near(values: [f64; 4], expected: [f64; 4]) {
    for (value, expected) in values.into_iter().zip(expected) {
        assert_near(value, expected, 1e-9);
    }
}

/// 16 x 4 and 20 x 4; the covariances have rank 3 and 4.
fn tilted() -> (Example, Example) {
    let x = |i, j| f64::from((7 * i + 13 * j + 5 * i * j + 3) % 17) / 17.0;
    let y = |i, j| 1.3 * f64::from((5 * i + 11 * j + 3 * i * j + 1) % 19) / 19.0 - 0.1;
    (Example::of(16, 4, x), Example::of(20, 4, y))
}

/// Two of 12 x 4, both of rank 2.
fn rank_deficient() -> (Example, Example) {
    let y = |i, j| 1.5 * f64::from(2 + 5 * i + j).cos() + 0.25;
    (sines(), Example::of(12, 4, y))
}

fn sines() -> Example {
    Example::of(12, 4, |i, j| f64::from(1 + 3 * i + 7 * j).sin())
}

fn both_routes(x: &Example, y: &Example, ddof: usize) -> Result<[Frechet; 2]> {
    let moments = frechet_of_moments(&Moments::of(x.rows()), &Moments::of(y.rows()), ddof)?;
    Ok([moments, frechet_of_rows(x.rows(), y.rows(), ddof)?])
}

#[test]
fn fid_of_the_tilted_pair() {
    let (x, y) = tilted();
    for (ddof, expected) in [(1, 0.258_331_226_832), (0, 0.248_565_222_769)] {
        for frechet in both_routes(&x, &y, ddof).unwrap() {
            assert_near(frechet.distance(), expected, 1e-9);
        }
    }
}

#[test]
fn moments_of_the_tilted_pair() {
    let (x, y) = tilted();
    let x_mean = [
        0.452_205_882_352_941,
        0.485_294_117_647_059,
        0.705_882_352_941_176,
        0.488_970_588_235_294,
    ];
    let y_mean = [
        0.488_421_052_631_579,
        0.526_052_631_578_947,
        0.498_684_210_526_316,
        0.536_315_789_473_684,
    ];
    for (example, means, trace) in [
        (x, x_mean, 0.266_176_470_588_235),
        (y, y_mean, 0.593_138_504_155_125),
    ] {
        let moments = Moments::of(example.rows());
        for (mean, expected) in moments.mean().iter().zip(means) {
            assert_near(*mean, expected, 1e-14);
        }
        let covariance = moments.covariance(1);
        assert_near(
            (0..4).map(|index| covariance[(index, index)]).sum(),
            trace,
            1e-14,
        );
    }
}

#[test]
fn fid_of_the_rank_deficient_pair() {
    let (x, y) = rank_deficient();
    // In 60 decimal digits. Where an eigenvalue that should be 0 and is 1e-17 is kept, its square root 3e-9 is too; an
    // eigenvalue routine for matrices that need not be symmetric gives 1.525769125 and 1.408318191.
    for (ddof, expected) in [(1, 1.525_769_184_311_656_8), (0, 1.408_318_211_342_991_4)] {
        let [moments, rows] = both_routes(&x, &y, ddof).unwrap();
        assert_near(moments.distance(), expected, 1e-12);
        assert_near(rows.distance(), expected, 1e-12);
    }
}

#[test]
fn fid_of_constants_and_halves() {
    let half = |low: f64, high: f64, first: bool| {
        Example::of(100, 2, move |i, j| {
            if j == 0 && (i < 50) == first {
                high
            } else {
                low
            }
        })
    };
    let (real, fake) = (half(1.0, 2.0, true), half(9.0, 2.0, false));
    for frechet in both_routes(&real, &fake, 1).unwrap() {
        assert_near(frechet.distance(), 80.0 + 900.0 / 99.0, 1e-9);
    }
}

#[test]
fn fid_of_a_shift_is_its_square() {
    let x = Example::normal(9, 2048, "x");
    let y = x.map(|value| value + 1.0);
    let frechet = frechet(x.rows(), y.rows(), 1).unwrap();
    assert_near(frechet.mean, 2048.0, 1e-12);
    assert!(frechet.trace.abs() < 1e-9, "{}", frechet.trace);
}

#[test]
fn fid_of_a_set_with_itself_is_zero() {
    for x in [
        tilted().0,
        rank_deficient().0,
        Example::normal(40, 100, "x"),
    ] {
        for frechet in both_routes(&x, &x, 1).unwrap() {
            assert!(frechet.distance() < 1e-6, "{frechet:?}");
        }
    }
    let x = tilted().0;
    assert!(x.distance(&x) < 1e-14);
}

#[test]
fn both_routes_to_fid_agree_whatever_the_shape() {
    for (x_rows, y_rows, columns) in [(30, 20, 50), (200, 150, 20), (10, 80, 40)] {
        let x = Example::normal(x_rows, columns, "x");
        let y = Example::normal(y_rows, columns, "y").map(|value| 1.5 * value + 0.3);
        let [moments, rows] = both_routes(&x, &y, 1).unwrap();
        assert_near(moments.mean, rows.mean, 1e-12);
        assert_near(moments.trace, rows.trace, 1e-11);
    }
}

#[test]
fn fid_is_symmetric_and_knows_shifts_rotations_and_scales() {
    let x = Example::normal(60, 5, "x");
    let y = Example::normal(50, 5, "y").map(|value| value.powi(3) + 0.5);
    let distance = x.distance(&y);
    assert_near(y.distance(&x), distance, 1e-12);
    let shift = |value| value - 7.0;
    assert_near(x.map(shift).distance(&y.map(shift)), distance, 1e-12);
    assert_near(x.reflected().distance(&y.reflected()), distance, 1e-12);
    let scale = |value| 3.0 * value;
    assert_near(x.map(scale).distance(&y.map(scale)), 9.0 * distance, 1e-12);
    let frechet = frechet(x.rows(), y.rows(), 1).unwrap();
    assert!(frechet.trace > 0.0 && frechet.distance() > frechet.mean);
    assert_near(x.backwards().distance(&y), distance, 1e-12);
}

#[test]
fn every_corruption_raises_fid() {
    let real = Example::normal(300, 4, "x");
    let noise = Example::normal(300, 4, "noise");
    let distances: Vec<f64> = [0.0, 0.5, 1.0, 2.0]
        .map(|amount| {
            let values = real
                .values
                .iter()
                .zip(&noise.values)
                .map(|(x, n)| x + amount * n);
            let corrupted = Example {
                columns: 4,
                values: values.collect(),
            };
            corrupted.distance(&real)
        })
        .to_vec();
    assert!(distances.is_sorted_by(|a, b| a < b), "{distances:?}");
}

#[test]
fn kid_of_the_tilted_pair() {
    let (x, y) = tilted();
    assert_near(kid_unbiased(x.rows(), y.rows()), -0.008_836_785_227, 1e-9);
    assert_near(
        kid_unbiased(x.rows(), y.first(16).rows()),
        -0.039_925_995_727,
        1e-9,
    );
}

#[test]
fn kid_of_the_rank_deficient_pair() {
    let (x, y) = rank_deficient();
    assert_near(kid_unbiased(x.rows(), y.rows()), 0.485_252_091_317, 1e-9);
    assert_near(kid_biased(x.rows(), y.rows()), 1.322_707_688_315, 1e-9);
    assert_near(kid_unbiased(x.rows(), x.rows()), -0.356_974_858_241, 1e-9);
}

#[test]
fn kid_of_the_square() {
    let square = Example::of(4, 2, |i, j| f64::from((i >> j) & 1));
    // The same square two to the right and two up, and the square with the corner (2, 2) added: sums done by hand.
    let shifted = square.map(|value| value + 2.0);
    assert_near(
        kid_unbiased(square.rows(), shifted.rows()),
        4301.125 / 12.0,
        1e-12,
    );
    let mut more = square.clone();
    more.values.extend([2.0, 2.0]);
    let expected = 10.75 / 6.0 + 54.75 / 10.0 - 2.0 * 81.25 / 20.0;
    assert_near(kid_unbiased(square.rows(), more.rows()), expected, 1e-12);
}

#[test]
fn kid_ignores_the_order_and_is_zero_with_itself_when_biased() {
    let x = Example::normal(300, 7, "x");
    let y = Example::normal(290, 7, "y").map(|value| value + 0.1);
    let distance = kid_unbiased(x.rows(), y.rows());
    assert_near(kid_unbiased(y.rows(), x.rows()), distance, 1e-9);
    assert_near(kid_unbiased(x.backwards().rows(), y.rows()), distance, 1e-9);
    assert!(kid_biased(x.rows(), x.rows()).abs() < 1e-12);
}

#[test]
fn kid_by_tiles_is_kid_by_pairs() {
    let (x, y) = (Example::normal(150, 3, "x"), Example::normal(131, 3, "y"));
    let kernel = |a: &[f64], b: &[f64]| {
        let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
        (product / 3.0 + 1.0).powi(3)
    };
    let mean = |a: &Example, b: &Example, same: bool| {
        let (a, b) = (a.rows(), b.rows());
        let pairs = (0..a.rows).flat_map(|i| (0..b.rows).map(move |j| (i, j)));
        let kernels: Vec<f64> = pairs
            .filter(|(i, j)| !same || i != j)
            .map(|(i, j)| kernel(a.row(i), b.row(j)))
            .collect();
        kernels.iter().sum::<f64>() / kernels.len() as f64
    };
    let expected = mean(&x, &x, true) + mean(&y, &y, true) - 2.0 * mean(&x, &y, false);
    assert_near(kid_unbiased(x.rows(), y.rows()), expected, 1e-9);
}

#[test]
fn neighbours_of_the_tilted_pair() {
    let (real, fake) = tilted();
    for boundary in [Boundary::Inside, Boundary::Outside] {
        assert_all_near(prdc(&real, &fake, 3, boundary), [0.4, 0.875, 0.25, 0.4375]);
        assert_all_near(prdc(&real, &fake, 5, boundary), [0.5, 0.9375, 0.45, 0.8125]);
    }
}

#[test]
fn neighbours_on_a_line_tell_the_boundary() {
    let real = Example::line(&[0.0, 1.0, 2.0, 3.0, 10.0]);
    let fake = Example::line(&[0.5, 1.5, 2.5, 4.0, 5.0]);
    let cases = [
        (1, Boundary::Inside, [1.0, 0.8, 1.8, 1.0]),
        (1, Boundary::Outside, [1.0, 0.8, 1.6, 1.0]),
        (3, Boundary::Inside, [1.0, 0.8, 19.0 / 15.0, 1.0]),
        (3, Boundary::Outside, [1.0, 0.8, 1.2, 1.0]),
    ];
    for (k, boundary, expected) in cases {
        assert_all_near(prdc(&real, &fake, k, boundary), expected);
    }
}

#[test]
fn neighbours_of_sines_and_cosines() {
    let fake = Example::of(12, 4, |i, j| 0.6 * f64::from(2 + 5 * i + j).cos());
    for boundary in [Boundary::Inside, Boundary::Outside] {
        let (three, five) = ([1.0, 0.75, 15.0 / 36.0, 0.5], [1.0, 1.0, 58.0 / 60.0, 1.0]);
        assert_all_near(prdc(&sines(), &fake, 3, boundary), three);
        assert_all_near(prdc(&sines(), &fake, 5, boundary), five);
    }
}

#[test]
fn a_set_against_itself_lies_on_its_own_boundaries() {
    // Enough rows and columns that products are computed in several tiles: ties have to survive that.
    for x in [
        sines(),
        Example::normal(700, 33, "x"),
        Example::normal(130, 300, "x"),
    ] {
        assert_all_near(
            prdc(&x, &x, 3, Boundary::Inside),
            [1.0, 1.0, 4.0 / 3.0, 1.0],
        );
        assert_all_near(prdc(&x, &x, 3, Boundary::Outside), [1.0, 1.0, 1.0, 1.0]);
    }
}

#[test]
fn exact_duplicates_have_balls_of_no_size() {
    // A large common offset: distances by products alone would not be zero for equal rows.
    let x = Example::normal(20, 5, "x")
        .map(|value| value + 1000.1)
        .twice();
    assert_all_near(prdc(&x, &x, 1, Boundary::Inside), [1.0, 1.0, 2.0, 1.0]);
    assert_all_near(prdc(&x, &x, 1, Boundary::Outside), [0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn neighbours_are_those_of_distances_by_differences() {
    let (real, fake) = (Example::normal(90, 6, "x"), Example::normal(70, 6, "y"));
    let distance =
        |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let (x, y) = (real.rows(), fake.rows());
    let mut held = 0;
    for ball in 0..x.rows {
        let mut distances: Vec<f64> = (0..x.rows)
            .map(|other| distance(x.row(ball), x.row(other)))
            .collect();
        distances.sort_by(f64::total_cmp);
        held += (0..y.rows)
            .filter(|&image| distance(x.row(ball), y.row(image)) < distances[5])
            .count();
    }
    let density = held as f64 / (5.0 * 70.0);
    assert_near(prdc(&real, &fake, 5, Boundary::Outside)[2], density, 1e-15);
}

#[test]
fn neighbours_know_rotations_scales_and_order() {
    let (real, fake) = (Example::normal(80, 4, "x"), Example::normal(90, 4, "y"));
    let expected = prdc(&real, &fake, 3, Boundary::Inside);
    let same = |change: &dyn Fn(&Example) -> Example| {
        assert_all_near(
            prdc(&change(&real), &change(&fake), 3, Boundary::Inside),
            expected,
        );
    };
    same(&Example::reflected);
    same(&Example::backwards);
    same(&|example| example.map(|value| 5.0 * value));
    let [_, recall, ..] = prdc(&real, &fake.twice(), 3, Boundary::Inside);
    assert!(recall <= expected[1]);
}

#[test]
fn generating_only_the_middle_is_precise_and_recalls_little() {
    let real = Example::normal(200, 16, "x").map(|value| 3.0 * value);
    let fake = Example::normal(200, 16, "y").map(|value| 0.1 * value);
    let [precision, recall, ..] = prdc(&real, &fake, 3, Boundary::Inside);
    assert!(precision > 0.8 && recall < 0.3, "{precision} {recall}");
}

#[test]
fn mode_collapse_lowers_recall_and_coverage() {
    let real = Example::normal(300, 3, "x");
    let fake = Example::normal(300, 3, "y");
    // All 300 images within a hair of the first ten.
    let jitter = Example::normal(300, 3, "jitter");
    let values = (0..900).map(|place| fake.values[place % 30] + 1e-3 * jitter.values[place]);
    let collapsed = Example {
        columns: 3,
        values: values.collect(),
    };
    let [_, recall, _, coverage] = prdc(&real, &fake, 5, Boundary::Outside);
    let [_, low_recall, _, low_coverage] = prdc(&real, &collapsed, 5, Boundary::Outside);
    assert!(low_recall < 0.5 * recall, "{low_recall} {recall}");
    assert!(low_coverage < 0.5 * coverage, "{low_coverage} {coverage}");
}

#[test]
fn blur_lowers_precision() {
    let real = Example::normal(200, 3, "x");
    let fake = Example::normal(200, 3, "y");
    let [precision, ..] = prdc(&real, &fake, 3, Boundary::Inside);
    let [blurred, ..] = prdc(&real, &fake.map(|value| value + 3.0), 3, Boundary::Inside);
    assert!(blurred < 0.5 * precision, "{blurred} {precision}");
}

#[test]
fn coverage_of_an_equal_distribution_is_as_expected() {
    let (real, fake) = (Example::normal(2000, 8, "x"), Example::normal(2000, 8, "y"));
    let [_, _, density, coverage] = prdc(&real, &fake, 5, Boundary::Outside);
    assert!(
        (coverage - (1.0 - 0.5f64.powi(5))).abs() < 0.015,
        "{coverage}"
    );
    assert!((density - 1.0).abs() < 0.05, "{density}");
}
