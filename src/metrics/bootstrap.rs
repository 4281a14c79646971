//! How far a score would move if other images had been drawn: bootstrap intervals over images, for one trained model.
//!
//! Generated and real images are drawn again, both with replacement, and the score is computed of each draw. A draw repeats
//! images, so it scores worse than the images themselves by about as much as a finite number of images does (FID's bias is about
//! 1 / n); the percentile interval is therefore moved so that the mean of the draws lies on the score. It is an interval of the
//! expected score at this number of images, not of the score at infinitely many, and says nothing of other trainings.
//!
//! Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapters 13 and 10 (bias). `tests` check that the intervals
//! hold what they promise where the truth is known.

use super::{Comparison, Metric, MetricSettings, Score, check_features};
use crate::error::Result;
use crate::features::Features;
use crate::linalg::quantile;
use crate::random::{Random, Stream};

/// How much of the draws an interval holds.
const CONFIDENCE: f64 = 0.95;

/// The 95 % interval of the first score of `metric`, which is `value` for these features, from `settings.bootstrap` draws.
///
/// # Errors
/// Those of the metric.
pub(super) fn interval_over_images(
    metric: &dyn Metric,
    value: f64,
    generated: &Features,
    real: &Features,
    settings: &MetricSettings,
) -> Result<(f64, f64)> {
    let random = Random::new(settings.seed);
    let draws = (0..settings.bootstrap)
        .map(|draw| {
            let mut stream = random.at(draw as u64).stream("bootstrap over images");
            let generated = again(generated, &mut stream);
            let real = again(real, &mut stream);
            let comparison = Comparison::shared(&generated, &real, settings, false);
            Ok(metric.compute(&comparison)?[0].value)
        })
        .collect::<Result<Vec<f64>>>()?;
    Ok(interval(value, draws))
}

/// The middle of `draws`, moved so that their mean lies on `value`.
fn interval(value: f64, mut draws: Vec<f64>) -> (f64, f64) {
    draws.sort_by(f64::total_cmp);
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let end = |fraction: f64| value + quantile(&draws, fraction) - mean;
    (end(tail), end(1.0 - tail))
}

/// One score of two sets of images against the same real ones.
#[derive(Clone, Debug)]
pub struct ScoreDifference {
    /// The score of each set.
    pub scores: [Score; 2],
    /// The 95 % interval over images of the first less the second, where the score has one: see [`difference_over_images`].
    pub interval: Option<(f64, f64)>,
}

/// Every score of `metric` for two sets of as many images against the same real ones, with intervals of their differences from
/// `settings.bootstrap` draws.
///
/// The draws are paired: both sets are measured against the same draw of the real images, and the same places are drawn of both.
/// What the sets share then moves both scores alike, and the difference less: the interval is narrower than those of the two
/// scores suggest.
///
/// # Errors
/// Those of the metric.
pub fn difference_over_images(
    metric: &dyn Metric,
    sets: [&Features; 2],
    real: &Features,
    settings: &MetricSettings,
) -> Result<Vec<ScoreDifference>> {
    assert_eq!(sets[0].rows, sets[1].rows, "sets of as many images");
    let compute = |generated: &Features, real: &Features| {
        metric.compute(&Comparison::shared(generated, real, settings, false))
    };
    for set in sets {
        check_features(set, real)?;
    }
    let [first, second] = [compute(sets[0], real)?, compute(sets[1], real)?];
    let images = sets[0].rows.min(real.rows);
    let has_interval = first.len() == 1 && metric.has_interval(images, real.columns);
    let pairs = first.into_iter().zip(second).map(|(first, second)| {
        let value = first.value - second.value;
        let interval = (has_interval && settings.bootstrap > 0).then(|| -> Result<(f64, f64)> {
            let random = Random::new(settings.seed);
            let draws = (0..settings.bootstrap).map(|draw| {
                let mut stream = random
                    .at(draw as u64)
                    .stream("paired bootstrap over images");
                let places = draw_again(sets[0].rows, &mut stream);
                let real = again(real, &mut stream);
                let [first, second] = sets.map(|set| set.select(&places));
                Ok(compute(&first, &real)?[0].value - compute(&second, &real)?[0].value)
            });
            Ok(interval(value, draws.collect::<Result<_>>()?))
        });
        Ok(ScoreDifference {
            scores: [first, second],
            interval: interval.transpose()?,
        })
    });
    pairs.collect()
}

/// As many rows as there are, each drawn from all.
fn again(features: &Features, stream: &mut Stream) -> Features {
    features.select(&draw_again(features.rows, stream))
}

/// `count` places, each drawn from all of them.
fn draw_again(count: usize, stream: &mut Stream) -> Vec<usize> {
    (0..count).map(|_| stream.below(count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Fid, Kid, evaluate};

    /// Images of each side, features of each, draws of an interval, intervals.
    const IMAGES: usize = 80;
    const FEATURES: usize = 3;
    const DRAWS: usize = 150;
    const INTERVALS: u64 = 200;

    /// Features whose mean is `mean` in each of them.
    fn features(mean: f32, position: u64, name: &str) -> Features {
        let mut stream = Random::new(5).at(position).stream(name);
        let values = stream.normals(IMAGES * FEATURES);
        let values = values.into_iter().map(|value| value + mean).collect();
        Features::new(IMAGES, FEATURES, values)
    }

    /// How many of the intervals of independent experiments hold the mean of the score over all of them.
    fn coverage(metric: &'static dyn Metric) -> f64 {
        let settings = MetricSettings {
            bootstrap: DRAWS,
            kid_subsets: 10,
            kid_subset_size: IMAGES,
            ..MetricSettings::default()
        };
        let found: Vec<(f64, (f64, f64))> = (0..INTERVALS)
            .map(|position| {
                let generated = features(0.8, position, "generated");
                let real = features(0.0, position, "real");
                let outcomes = evaluate(&[metric], &generated, &real, &settings).unwrap();
                let score = outcomes[0].score.as_ref().unwrap();
                (score.value, score.interval.unwrap())
            })
            .collect();
        let truth = found.iter().map(|(value, _)| value).sum::<f64>() / INTERVALS as f64;
        let holds = |(_, (low, high)): &&(f64, (f64, f64))| (*low..=*high).contains(&truth);
        found.iter().filter(holds).count() as f64 / INTERVALS as f64
    }

    #[test]
    fn intervals_hold_the_expected_score_as_often_as_they_say() {
        for metric in [&Fid as &'static dyn Metric, &Kid] {
            let coverage = coverage(metric);
            assert!(
                (0.92..=0.98).contains(&coverage),
                "{}: {coverage}",
                metric.name()
            );
        }
    }

    #[test]
    fn intervals_of_a_difference_hold_it_as_often_as_they_say_and_are_narrower_than_two() {
        let settings = MetricSettings {
            bootstrap: DRAWS,
            ..MetricSettings::default()
        };
        let found: Vec<(f64, (f64, f64))> = (0..INTERVALS)
            .map(|position| {
                let sets = [(0.8, "one"), (0.6, "other")]
                    .map(|(mean, name)| features(mean, position, name));
                let real = features(0.0, position, "real");
                let pair = [&sets[0], &sets[1]];
                let found = difference_over_images(&Fid, pair, &real, &settings).unwrap();
                let [one, other] = &found[0].scores;
                (one.value - other.value, found[0].interval.unwrap())
            })
            .collect();
        let truth = found.iter().map(|(value, _)| value).sum::<f64>() / INTERVALS as f64;
        let holds = |(_, (low, high)): &&(f64, (f64, f64))| (*low..=*high).contains(&truth);
        let coverage = found.iter().filter(holds).count() as f64 / INTERVALS as f64;
        assert!((0.91..=0.99).contains(&coverage), "{coverage}");
        // A set and itself do not differ in any draw; two scores by themselves do.
        let (set, real) = (features(0.8, 0, "one"), features(0.0, 0, "real"));
        let itself = difference_over_images(&Fid, [&set, &set], &real, &settings).unwrap();
        let (low, high) = itself[0].interval.unwrap();
        assert!(low.abs() < 1e-12 && high.abs() < 1e-12, "{low} {high}");
        let alone = evaluate(&[&Fid], &set, &real, &settings).unwrap();
        let (low, high) = alone[0].score.as_ref().unwrap().interval.unwrap();
        assert!(high - low > 0.1, "{low} {high}");
    }

    #[test]
    fn there_is_no_interval_unless_asked_for_and_none_of_a_covariance_that_lacks_rank() {
        let (generated, real) = (features(0.8, 0, "generated"), features(0.0, 0, "real"));
        let interval = |bootstrap: usize, rows: usize| {
            let settings = MetricSettings {
                bootstrap,
                ..MetricSettings::default()
            };
            let few = generated.select(&(0..rows).collect::<Vec<_>>());
            let outcomes = evaluate(&[&Fid], &few, &real, &settings).unwrap();
            outcomes[0].score.as_ref().unwrap().interval
        };
        assert_eq!(interval(0, IMAGES), None);
        assert_eq!(interval(10, FEATURES), None);
        assert!(interval(10, IMAGES).is_some());
    }
}
