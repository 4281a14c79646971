//! Precision, recall, density and coverage.

use super::{Example, assert_near, sines, tilted};
use crate::metrics::density_coverage::density_and_coverage;
use crate::metrics::neighbours::{Balls, Boundary, Neighbours, Side, inside};
use crate::metrics::pairs::Pairs;
use crate::metrics::precision_recall::covered;

/// Precision, recall, density and coverage of `fake` against `real`.
fn prdc(real: &Example, fake: &Example, k: usize, boundary: Boundary) -> [f64; 4] {
    let balls = |around, example: &Example| Balls {
        around,
        radii: Neighbours::among(&Pairs::within(example.rows(), false), k).squared_radii(k),
        boundary,
    };
    let (real_balls, fake_balls) = (balls(Side::Real, real), balls(Side::Generated, fake));
    let pairs = Pairs::between(real.rows(), fake.rows(), false);
    let answers = inside(&pairs, &[&real_balls, &fake_balls]);
    let (density, coverage) = density_and_coverage(&answers[0], k);
    [
        covered(&answers[0]),
        covered(&answers[1]),
        density,
        coverage,
    ]
}

#[track_caller]
fn assert_all_near(values: [f64; 4], expected: [f64; 4]) {
    for (value, expected) in values.into_iter().zip(expected) {
        assert_near(value, expected, 1e-9);
    }
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
