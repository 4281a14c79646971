//! How many different images a generator makes, by the birthday paradox (Arora and Zhang 2017, arXiv 1706.08224).
//!
//! If every image is drawn uniformly from N different ones, each of the s (s - 1) / 2 pairs of a sample of s images is a pair of
//! equal ones with probability 1 / N. So with c such pairs the estimate of N is s (s - 1) / (2 c). Where the images are not
//! equally probable the same number estimates 1 / (sum of p^2), which is at most N: then it is a lower bound. (The paper's rule,
//! that a sample of s images with a duplicate half of the time means a support of about s^2, is the same in one significant digit.)

use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::error::{Result, refuse};

/// How sure the interval is.
const CONFIDENCE: f64 = 0.95;

/// What the pairs of equal images in a sample say of the number of different images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Support {
    /// Images in the sample.
    pub images: usize,
    /// Pairs of equal images among them.
    pub collisions: u64,
    /// The estimate of the number of different images; none without collisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<f64>,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end; none without collisions, where the lower end is that of a one-sided interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

/// The size of the support that a sample of `images` images with `collisions` pairs of equal ones was drawn from. The interval
/// is that of a Poisson mean (Garwood 1936): of a uniform distribution the pairs are pairwise independent, so that their number
/// varies no more than that.
///
/// # Errors
/// Refuses fewer than two images, and more collisions than pairs.
pub fn support_size(images: usize, collisions: u64) -> Result<Support> {
    let pairs = images as f64 * (images as f64 - 1.0) / 2.0;
    if images < 2 || collisions as f64 > pairs {
        return Err(refuse(
            format!("{collisions} pairs of equal images among {images} images"),
            "take a sample of at least two images, and count each pair once",
        ));
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
    if collisions == 0 {
        return Ok(Support {
            images,
            collisions,
            estimate: None,
            low: pairs / poisson_limit(1, CONFIDENCE),
            high: None,
        });
    }
    Ok(Support {
        images,
        collisions,
        estimate: Some(pairs / collisions as f64),
        low: pairs / poisson_limit(collisions + 1, 1.0 - tail),
        high: Some(pairs / poisson_limit(collisions, tail)),
    })
}

/// The mean of a Poisson variable for which `count` or more are seen with probability `probability`: half a quantile of
/// chi-squared.
fn poisson_limit(count: u64, probability: f64) -> f64 {
    let distribution = ChiSquared::new(2.0 * count as f64).expect("a positive number of degrees");
    distribution.inverse_cdf(probability) / 2.0
}

impl Support {
    /// What it says, in a sentence.
    pub fn describe(&self) -> String {
        let Self { images, low, .. } = self;
        let number = rounded;
        match (self.estimate, self.high) {
            (Some(estimate), Some(high)) => format!(
                "{} pairs of equal images among {images}: a support of about {} different images (95 % interval {} to {}) if \
                 all are equally probable, and of more if not",
                self.collisions,
                number(estimate),
                number(*low),
                number(high),
            ),
            _ => format!(
                "no two equal images among {images}: that says only that there are at least {} different ones (95 %)",
                number(*low),
            ),
        }
    }
}

/// A number of images with three significant digits, in thousands.
fn rounded(value: f64) -> String {
    let digits = value.abs().max(1.0).log10().floor() as i32;
    let unit = 10f64.powi((digits - 2).max(0));
    let whole = ((value / unit).round() * unit) as u64;
    let text = whole.to_string();
    let mut grouped = String::new();
    for (place, digit) in text.chars().enumerate() {
        if place > 0 && (text.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Pairs of equal members in a draw of `images` from `support` different ones.
    fn collisions(support: usize, images: usize, position: u64) -> u64 {
        let mut counts = vec![0u64; support];
        let mut stream = Random::new(5).at(position).stream("birthdays");
        for _ in 0..images {
            counts[stream.below(support)] += 1;
        }
        counts
            .iter()
            .map(|&count| count * count.saturating_sub(1) / 2)
            .sum()
    }

    #[test]
    fn the_interval_holds_the_truth_in_simulation() {
        const TRIALS: u64 = 1000;
        for (support, images) in [(365, 23), (2000, 100), (5000, 1000), (200, 400)] {
            let (mut held, mut estimates) = (0, Vec::new());
            for trial in 0..TRIALS {
                let found = support_size(images, collisions(support, images, trial)).unwrap();
                let truth = support as f64;
                held +=
                    u64::from(found.low <= truth && found.high.is_none_or(|high| truth <= high));
                estimates.push(found.collisions as f64);
            }
            // 95 % less three standard deviations of 1000 trials.
            assert!(held >= 930, "{support} of {images}: {held}");
            // The collisions have the mean that the estimator takes for granted.
            let mean = estimates.iter().sum::<f64>() / TRIALS as f64;
            let expected = images as f64 * (images as f64 - 1.0) / 2.0 / support as f64;
            let error = (expected / TRIALS as f64).sqrt();
            assert!((mean - expected).abs() < 4.0 * error, "{mean}, {expected}");
        }
    }

    #[test]
    fn intervals_are_those_of_the_printed_tables() {
        // Garwood: 1 event 0.0253 to 5.572, 10 events 4.795 to 18.39.
        for (collisions, low, high) in [(1, 0.025_318, 5.571_643), (10, 4.795_389, 18.390_36)] {
            let found = support_size(1000, collisions).unwrap();
            let pairs = 499_500.0;
            assert!((pairs / found.high.unwrap() - low).abs() < 1e-4);
            assert!((pairs / found.low - high).abs() < 1e-4);
            assert_eq!(found.estimate, Some(pairs / collisions as f64));
        }
        // No event: 3 at most, the rule of three.
        let none = support_size(1000, 0).unwrap();
        assert!((499_500.0 / none.low - 20f64.ln()).abs() < 1e-6);
        assert_eq!((none.estimate, none.high), (None, None));
        assert_eq!(
            none.describe(),
            "no two equal images among 1000: that says only that there are at least 167,000 different ones (95 %)"
        );
    }

    #[test]
    fn counts_that_cannot_be_are_refused() {
        for (images, collisions) in [(0, 0), (1, 0), (3, 4)] {
            assert!(support_size(images, collisions).is_err());
        }
        assert!(support_size(3, 3).is_ok());
    }
}
