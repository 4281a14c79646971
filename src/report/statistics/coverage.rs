//! Whether intervals hold the truth as often as they say, on numbers whose truth is known.

use super::robust::resampled;
use super::{LEAST_FOR_BOOTSTRAP, Paired, Summary, interquartile_mean, probability_of_improvement};
use crate::metrics::Direction;
use crate::random::{Random, Stream};

/// The fraction of `trials` in which the interval holds `truth`.
fn coverage(trials: u64, truth: f64, interval: impl Fn(u64, &mut Stream) -> (f64, f64)) -> f64 {
    let holds = |trial: &u64| {
        let mut stream = Random::new(24).at(*trial).stream("coverage");
        let (low, high) = interval(*trial, &mut stream);
        low <= truth && truth <= high
    };
    (0..trials).filter(holds).count() as f64 / trials as f64
}

/// Draws from N(mean, 1).
fn normal(stream: &mut Stream, count: usize, mean: f64) -> Vec<f64> {
    (0..count).map(|_| mean + stream.normal()).collect()
}

fn assert_holds(covered: f64, what: &str) {
    assert!((0.93..=0.97).contains(&covered), "{what}: {covered}");
}

#[test]
fn t_intervals_hold_with_three_seeds_and_five() {
    for count in [3, 5] {
        let of_mean = coverage(4000, 2.0, |_, stream| {
            Summary::of(&normal(stream, count, 2.0))
                .unwrap()
                .interval
                .unwrap()
        });
        assert_holds(of_mean, &format!("mean of {count}"));
        // What a seed does to both systems alike cancels.
        let of_difference = coverage(4000, -1.0, |_, stream| {
            let shared = normal(stream, count, 50.0);
            let own = |stream: &mut Stream, mean| -> Vec<f64> {
                let own = normal(stream, count, mean);
                own.iter()
                    .zip(&shared)
                    .map(|(own, shared)| own + shared)
                    .collect()
            };
            let (left, right) = (own(stream, 0.0), own(stream, 1.0));
            Paired::of(&left, &right).unwrap().summary.interval.unwrap()
        });
        assert_holds(of_difference, &format!("paired difference of {count}"));
    }
}

/// The interval of the interquartile mean of `count` draws.
fn of_middle(count: usize) -> f64 {
    coverage(2000, 0.0, |trial, stream| {
        let values = normal(stream, count, 0.0);
        resampled(&[&values], 500, trial, |drawn| {
            interquartile_mean(&drawn[0])
        })
    })
}

#[test]
fn bootstrap_intervals_hold_from_where_they_are_shown() {
    assert_holds(of_middle(LEAST_FOR_BOOTSTRAP), "interquartile mean");
    // The distribution function of N(0, 1) at 1 / sqrt(2): how often a draw from N(1, 1) exceeds one from N(0, 1).
    let truth = 0.760_249_938_906_523_5;
    let of_improvement = coverage(1000, truth, |trial, stream| {
        let own = normal(stream, LEAST_FOR_BOOTSTRAP, 1.0);
        let other = normal(stream, LEAST_FOR_BOOTSTRAP, 0.0);
        resampled(&[&own, &other], 400, trial, |drawn| {
            probability_of_improvement(&drawn[0], &drawn[1], Direction::Higher)
        })
    });
    assert_holds(of_improvement, "probability of improvement");
}

#[test]
fn bootstrap_intervals_of_few_seeds_do_not_hold() {
    for (count, most) in [(3, 0.80), (5, 0.92)] {
        let covered = of_middle(count);
        assert!(covered < most, "{count}: {covered}");
    }
}
