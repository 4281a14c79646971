//! A number over seeds: mean, standard deviation and confidence interval. Seeds are the unit: what is resampled, paired and
//! counted is trainings, never images.
//!
//! One seed has no spread, and says so by having none: it is never printed as zero.

#[cfg(test)]
mod coverage;
#[cfg(test)]
mod golden;
mod over_images;
mod over_seeds;
mod paired;
mod robust;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::Table;
use crate::error::{Result, refuse};

use over_images::over_images;
use over_seeds::over_seeds;

pub use paired::{Paired, holm};
pub use robust::{
    LEAST_FOR_BOOTSTRAP, bootstrap_interval, interquartile_mean, probability_of_improvement,
};

/// How sure a confidence interval is.
const CONFIDENCE: f64 = 0.95;

/// The statistics behind a table of results: over seeds for each score that has several (`over_seeds`), over images for each
/// that has one and was measured with an interval (`over_images`).
///
/// # Errors
/// Refuses numbers that are not finite.
pub fn statistics(table: &Table, baseline: &str) -> Result<Vec<Table>> {
    let mut tables = over_seeds(table, baseline)?;
    tables.extend(over_images(table)?);
    Ok(tables)
}

/// One number measured with several seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// How many seeds.
    pub count: usize,
    /// The mean over seeds.
    pub mean: f64,
    /// The sample standard deviation over seeds (ddof 1); none for one seed.
    pub deviation: Option<f64>,
    /// The 95 % confidence interval of the mean by Student's t with `count` - 1 degrees of freedom; none for one seed.
    pub interval: Option<(f64, f64)>,
}

impl Summary {
    /// Summarises the values of one number, one a seed.
    ///
    /// # Errors
    /// Refuses no values at all, and values that are not finite.
    pub fn of(values: &[f64]) -> Result<Self> {
        if let Some(value) = values.iter().find(|value| !value.is_finite()) {
            return Err(refuse(
                format!("cannot summarise the value {value}"),
                "leave out the seeds that failed, and say how many are left",
            ));
        }
        if values.is_empty() {
            return Err(refuse(
                "cannot summarise no values",
                "finish at least one seed",
            ));
        }
        let count = values.len();
        let mean = values.iter().sum::<f64>() / count as f64;
        let deviation = (count > 1).then(|| {
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (count - 1) as f64).sqrt()
        });
        let interval = deviation.map(|deviation| {
            let half = student_quantile(count - 1) * deviation / (count as f64).sqrt();
            (mean - half, mean + half)
        });
        Ok(Self {
            count,
            mean,
            deviation,
            interval,
        })
    }
}

/// The factor that makes a standard error half a confidence interval.
fn student_quantile(degrees_of_freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom as f64)
        .expect("one degree of freedom or more")
        .inverse_cdf(0.5 + CONFIDENCE / 2.0)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    fn assert_near(value: f64, expected: f64, tolerance: f64) {
        assert!(
            (value - expected).abs() <= tolerance,
            "{value}, expected {expected}"
        );
    }

    #[test]
    fn three_seeds_have_a_mean_a_deviation_and_an_interval() {
        let summary = Summary::of(&[1.0, 2.0, 6.0]).unwrap();
        assert_eq!((summary.count, summary.mean), (3, 3.0));
        assert_near(summary.deviation.unwrap(), 7f64.sqrt(), 1e-15);
        // t(0.975, 2) = sqrt(2 * 0.95^2 / (1 - 0.95^2)) in closed form.
        let half = (2.0 * 0.9025 / 0.0975f64).sqrt() * (7.0 / 3.0f64).sqrt();
        let (low, high) = summary.interval.unwrap();
        assert_near(low, 3.0 - half, 1e-9);
        assert_near(high, 3.0 + half, 1e-9);
    }

    #[test]
    fn the_quantiles_are_those_of_the_printed_tables() {
        for (freedom, quantile) in [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (99, 1.984)] {
            assert_near(student_quantile(freedom), quantile, 5e-4);
        }
    }

    #[test]
    fn one_seed_has_no_spread() {
        let summary = Summary::of(&[44.04]).unwrap();
        assert_eq!(summary.mean, 44.04);
        assert_eq!((summary.deviation, summary.interval), (None, None));
    }

    #[test]
    fn equal_seeds_have_a_spread_of_zero() {
        let summary = Summary::of(&[0.5; 4]).unwrap();
        assert_eq!(summary.deviation, Some(0.0));
        assert_eq!(summary.interval, Some((0.5, 0.5)));
    }

    #[test]
    fn values_that_are_no_numbers_are_refused() {
        let error = Summary::of(&[1.0, f64::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "cannot summarise the value NaN");
        let error = Summary::of(&[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot summarise no values");
    }
}
