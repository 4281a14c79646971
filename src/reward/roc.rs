//! ROC AUC: how well a similarity tells similar pairs from dissimilar ones.

use crate::error::{Result, refuse};
use crate::random::Random;

/// Bootstrap samples behind [`RocAuc::interval`].
pub const BOOTSTRAPS: usize = 1000;
/// How sure the interval is.
const CONFIDENCE: f64 = 0.95;

/// What similarities say about which pairs are similar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RocAuc {
    /// Area under the ROC curve: the probability that a similar pair is more similar than a dissimilar one, ties counted
    /// half. 0.5 is chance.
    pub auc: f64,
    /// The 95 % interval of `auc`, by bootstrap over anchors.
    pub interval: (f64, f64),
    /// The largest fraction of pairs that one threshold puts on their side. It is chosen on these very pairs, so it flatters.
    pub accuracy: f64,
    /// That threshold: pairs at least this similar count as similar.
    pub threshold: f64,
}

/// The ROC AUC of `similar` against `dissimilar` pairs, both in the order of their anchors. `random` draws the bootstrap.
///
/// # Errors
/// Refuses numbers that are not finite, and sets that are empty or of different lengths.
pub fn roc_auc(similar: &[f64], dissimilar: &[f64], random: Random) -> Result<RocAuc> {
    if similar.is_empty() || similar.len() != dissimilar.len() {
        return Err(refuse(
            format!(
                "{} similar and {} dissimilar pairs",
                similar.len(),
                dissimilar.len()
            ),
            "compare as many pairs of the one kind as of the other, at least one",
        ));
    }
    if let Some(value) = similar
        .iter()
        .chain(dissimilar)
        .find(|value| !value.is_finite())
    {
        return Err(refuse(
            format!("a similarity is {value}"),
            "look at the network that gave it: its training may have diverged",
        ));
    }
    let (accuracy, threshold) = best_threshold(similar, dissimilar);
    let areas = bootstrap(similar, dissimilar, random);
    Ok(RocAuc {
        auc: area(similar, dissimilar),
        interval: interval(areas),
        accuracy,
        threshold,
    })
}

/// How much larger the area is by one network's similarities than by another's on the same pairs, and the 95 % interval
/// of that by bootstrap over anchors, the same draws for both. Each side is (similar, dissimilar), as [`roc_auc`] takes them.
pub fn gain(
    ours: (&[f64], &[f64]),
    theirs: (&[f64], &[f64]),
    random: Random,
) -> Result<(f64, (f64, f64))> {
    let ours_whole = roc_auc(ours.0, ours.1, random)?;
    let theirs_whole = roc_auc(theirs.0, theirs.1, random)?;
    let differences = bootstrap(ours.0, ours.1, random)
        .into_iter()
        .zip(bootstrap(theirs.0, theirs.1, random))
        .map(|(ours, theirs)| ours - theirs);
    Ok((
        ours_whole.auc - theirs_whole.auc,
        interval(differences.collect()),
    ))
}

/// The areas of bootstrap samples, pairs drawn by their anchors with replacement.
fn bootstrap(similar: &[f64], dissimilar: &[f64], random: Random) -> Vec<f64> {
    let areas = (0..BOOTSTRAPS as u64).map(|number| {
        let mut stream = random.at(number).stream("bootstrap");
        let places: Vec<usize> = (0..similar.len())
            .map(|_| stream.below(similar.len()))
            .collect();
        let take = |values: &[f64]| {
            places
                .iter()
                .map(|&place| values[place])
                .collect::<Vec<_>>()
        };
        area(&take(similar), &take(dissimilar))
    });
    areas.collect()
}

/// The middle 95 % of redrawn values, of which there is one at least.
pub fn interval(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let quantile = |fraction: f64| values[((values.len() - 1) as f64 * fraction).round() as usize];
    (
        quantile((1.0 - CONFIDENCE) / 2.0),
        quantile(f64::midpoint(1.0, CONFIDENCE)),
    )
}

/// The area under the ROC curve of any number of `similar` (positive) and `dissimilar` (negative) values: the Mann-Whitney
/// statistic by ranks, ties at their mean rank. Not a number where one of them is empty.
pub fn area(similar: &[f64], dissimilar: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = similar.iter().map(|&value| (value, true)).collect();
    all.extend(dissimilar.iter().map(|&value| (value, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = 0.0;
    let mut start = 0;
    while start < all.len() {
        let end = start
            + all[start..]
                .iter()
                .take_while(|pair| pair.0 <= all[start].0)
                .count();
        let rank = (start + end + 1) as f64 / 2.0; // mean of start + 1 ..= end
        ranks += rank * all[start..end].iter().filter(|pair| pair.1).count() as f64;
        start = end;
    }
    let count = similar.len() as f64;
    (ranks - count * (count + 1.0) / 2.0) / (count * dissimilar.len() as f64)
}

/// The largest accuracy and the threshold that has it.
fn best_threshold(similar: &[f64], dissimilar: &[f64]) -> (f64, f64) {
    let mut thresholds: Vec<f64> = similar.iter().chain(dissimilar).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    let mut similar = similar.to_vec();
    let mut dissimilar = dissimilar.to_vec();
    similar.sort_by(f64::total_cmp);
    dissimilar.sort_by(f64::total_cmp);
    let total = (similar.len() + dissimilar.len()) as f64;
    let mut best = (dissimilar.len() as f64 / total, f64::INFINITY);
    for threshold in thresholds {
        let below = |values: &[f64]| values.partition_point(|&value| value < threshold);
        let right = (similar.len() - below(&similar)) + below(&dissimilar);
        let accuracy = right as f64 / total;
        if accuracy > best.0 {
            best = (accuracy, threshold);
        }
    }
    best
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    fn of(similar: &[f64], dissimilar: &[f64]) -> RocAuc {
        roc_auc(similar, dissimilar, Random::new(0)).unwrap()
    }

    #[test]
    fn the_area_counts_pairs_in_the_right_order() {
        assert_eq!(of(&[0.9, 0.8], &[0.1, 0.2]).auc, 1.0);
        assert_eq!(of(&[0.1, 0.2], &[0.9, 0.8]).auc, 0.0);
        assert_eq!(of(&[0.5, 0.5], &[0.5, 0.5]).auc, 0.5);
        // Of 3 x 3 comparisons: 0.9 wins 3, 0.6 wins 2, 0.3 wins 0 and ties 1.
        assert!((of(&[0.9, 0.6, 0.3], &[0.7, 0.3, 0.4]).auc - 5.5 / 9.0).abs() < 1e-15);
    }

    #[test]
    fn the_area_is_that_of_counting_one_by_one() {
        let mut stream = Random::new(4).stream("test");
        let mut draw = |shift: f64| -> Vec<f64> {
            (0..60)
                .map(|_| ((stream.normal() + shift) * 4.0).round() / 4.0)
                .collect()
        };
        let (similar, dissimilar) = (draw(0.7), draw(0.0));
        let mut count = 0.0;
        for a in &similar {
            for b in &dissimilar {
                count += if a > b {
                    1.0
                } else if a < b {
                    0.0
                } else {
                    0.5
                };
            }
        }
        let found = of(&similar, &dissimilar);
        assert!((found.auc - count / 3600.0).abs() < 1e-12);
        assert!(found.interval.0 < found.auc && found.auc < found.interval.1);
        // Half-width of two standard errors, by Hanley and McNeil about 0.09 here.
        let width = found.interval.1 - found.interval.0;
        assert!((0.1..0.3).contains(&width), "{width}");
    }

    #[test]
    fn the_best_threshold_is_found_and_never_worse_than_one_side() {
        let found = of(&[0.9, 0.6, 0.3], &[0.7, 0.3, 0.4]);
        // At 0.6: 0.9 and 0.6 are similar, 0.3 and 0.4 are not; at 0.9 as many.
        assert!((found.accuracy - 4.0 / 6.0).abs() < 1e-15);
        assert_eq!(found.threshold, 0.6);
        assert_eq!(of(&[0.1, 0.2], &[0.9, 0.8]).accuracy, 0.5);
    }

    #[test]
    fn the_gain_is_measured_on_the_same_anchors() {
        // Both networks err on the same anchors, ours on fewer: the difference is surer than the areas themselves.
        let similar: Vec<f64> = (0..100)
            .map(|k| if k % 4 == 0 { 0.1 } else { 0.9 })
            .collect();
        let better: Vec<f64> = (0..100)
            .map(|k| if k % 8 == 0 { 0.1 } else { 0.9 })
            .collect();
        let dissimilar = vec![0.5; 100];
        let ours = (better.as_slice(), dissimilar.as_slice());
        let (difference, (low, high)) =
            gain(ours, (&similar, &dissimilar), Random::new(1)).unwrap();
        assert!((difference - 0.12).abs() < 1e-12, "{difference}");
        assert!(low > 0.05 && high < 0.2, "{low} to {high}");
        assert_eq!(gain(ours, ours, Random::new(1)).unwrap(), (0.0, (0.0, 0.0)));
    }

    #[test]
    fn numbers_that_are_none_are_refused() {
        let error = roc_auc(&[f64::NAN], &[0.5], Random::new(0)).unwrap_err();
        assert_eq!(error.to_string(), "a similarity is NaN");
        assert!(roc_auc(&[], &[], Random::new(0)).is_err());
        assert!(roc_auc(&[0.5], &[0.5, 0.6], Random::new(0)).is_err());
    }
}
