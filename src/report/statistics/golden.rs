//! Against SciPy and rliable: `tests/golden/statistics/make.py` computed the expected numbers.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::robust::resampled;
use super::{Paired, Summary, holm, interquartile_mean, probability_of_improvement};
use crate::metrics::Direction;

#[derive(Deserialize)]
struct Data {
    samples: BTreeMap<String, Sample>,
    pairs: BTreeMap<String, Pair>,
    holm: Vec<Corrected>,
}

#[derive(Deserialize)]
struct Sample {
    values: Vec<f64>,
    mean: f64,
    deviation: f64,
    interval: (f64, f64),
    interquartile_mean: f64,
    bootstrap: (f64, f64),
}

#[derive(Deserialize)]
struct Pair {
    left: Vec<f64>,
    right: Vec<f64>,
    mean: f64,
    interval: (f64, f64),
    p: f64,
    improvement_where_lower_is_better: f64,
    improvement_where_higher_is_better: f64,
}

#[derive(Deserialize)]
struct Corrected {
    p: Vec<f64>,
    adjusted: Vec<f64>,
}

fn data() -> Data {
    let text = include_str!("../../../tests/golden/statistics/data.json");
    serde_json::from_str(text).expect("the script wrote it")
}

/// Equal to within a relative 1e-8 of the larger or, near zero, an absolute 1e-12.
fn assert_near(value: f64, expected: f64, what: &str) {
    let tolerance = 1e-8 * value.abs().max(expected.abs()) + 1e-12;
    assert!(
        (value - expected).abs() <= tolerance,
        "{what}: {value}, expected {expected}"
    );
}

#[test]
fn summaries_are_those_of_scipy_and_rliable() {
    for (name, sample) in data().samples {
        let summary = Summary::of(&sample.values).unwrap();
        let (low, high) = summary.interval.unwrap();
        assert_near(summary.mean, sample.mean, &name);
        assert_near(summary.deviation.unwrap(), sample.deviation, &name);
        assert_near(low, sample.interval.0, &name);
        assert_near(high, sample.interval.1, &name);
        let middle = interquartile_mean(&sample.values);
        assert_near(middle, sample.interquartile_mean, &name);
        if name == "ties" {
            continue; // its bootstrap distribution has steps, and the ends may fall on either side of one
        }
        // Other random numbers, so the ends differ by what their own draws do.
        let (low, high) = resampled(&[&sample.values], 50_000, 0, |drawn| {
            interquartile_mean(&drawn[0])
        });
        let tolerance = 0.02 * (sample.bootstrap.1 - sample.bootstrap.0);
        assert!(
            (low - sample.bootstrap.0).abs() <= tolerance,
            "{name}: {low}"
        );
        assert!(
            (high - sample.bootstrap.1).abs() <= tolerance,
            "{name}: {high}"
        );
    }
}

#[test]
fn paired_differences_are_those_of_scipy_and_rliable() {
    for (name, pair) in data().pairs {
        let paired = Paired::of(&pair.left, &pair.right).unwrap();
        let (low, high) = paired.summary.interval.unwrap();
        assert_near(paired.summary.mean, pair.mean, &name);
        assert_near(low, pair.interval.0, &name);
        assert_near(high, pair.interval.1, &name);
        assert_near(paired.p.unwrap(), pair.p, &name);
        let improvement =
            |direction| probability_of_improvement(&pair.left, &pair.right, direction);
        let lower = improvement(Direction::Lower);
        assert_near(lower, pair.improvement_where_lower_is_better, &name);
        let higher = improvement(Direction::Higher);
        assert_near(higher, pair.improvement_where_higher_is_better, &name);
    }
}

#[test]
fn corrections_are_those_of_the_formula() {
    for case in data().holm {
        for (value, expected) in holm(&case.p).into_iter().zip(&case.adjusted) {
            assert_near(value, *expected, "Holm");
        }
    }
}
