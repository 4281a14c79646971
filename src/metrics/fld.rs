//! Feature likelihood divergence: how likely held-out images are under a mixture of Gaussians around the generated ones.
//!
//! Jiralerspong et al., *Feature Likelihood Divergence: Evaluating the Generalization of Generative Models Using Samples*
//! (2023, arXiv 2302.04440), section 3, as their code computes it. Features are normalised by mean and deviation (ddof 1) of the
//! held-out images. Every generated image is the centre of one component of equal weight, whose variance starts from
//! (d^2 + 0.001) / features, d the distance to the nearest image of the fit, and is fitted to these by 50 steps of Adam (0.5) on
//! their likelihood; beside the components stands one around their mean with distances shrunk by 0.9, which keeps far images
//! from ruling the fit and is left out afterwards. The score is 100 times the difference of the mean negative log likelihoods,
//! a feature, of the held-out images: under this mixture, less under one of real images (half of those of the fit around the
//! other half).
//!
//! What is fitted to are the images that a model was trained on, what is held out are the real images that it is measured
//! against: copies of training images take tiny variances, and what is held out becomes unlikely.

mod mixture;

use crate::error::{Result, refuse};
use crate::features::Features;
use crate::random::Random;

use self::mixture::negative_log_likelihood;
use super::{Comparison, Direction, Metric, MetricSettings, REAL, Score, ScoreDefinition, check};

/// More images of a kind are not looked at: as many as the authors take of the generated ones.
const MOST: usize = 10_000;

/// The authors warn of memorisation above this.
const MEMORISED: f64 = 1000.0;

/// What is fitted to, in errors.
const TRAINING: &str = "the images that the model was trained on";

/// Feature likelihood divergence.
#[derive(Clone, Copy, Debug)]
pub struct Fld;

impl Metric for Fld {
    fn name(&self) -> &'static str {
        "fld"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        &[ScoreDefinition {
            name: "fld",
            title: "FLD",
            direction: Direction::Lower,
            spread: "",
        }]
    }

    fn minimum_images(&self, _: &MetricSettings) -> usize {
        2
    }

    fn needs_training(&self) -> bool {
        true
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("most", MOST.to_string()),
            ("seed", settings.seed.to_string()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let training = comparison.training.ok_or_else(no_training)?;
        training.check_finite(TRAINING, 0)?;
        if training.rows < 2 {
            return Err(refuse(
                format!(
                    "`fld` needs at least 2 of {TRAINING}, given {}",
                    training.rows
                ),
                "give it more images",
            ));
        }
        let random = Random::new(comparison.settings.seed);
        let some = |features: &Features, name: &str| {
            let count = features.rows.min(MOST);
            features.select(&random.stream(name).choose(features.rows, count))
        };
        let generated = some(comparison.generated, "fld generated");
        let (fit, held_out) = (
            some(training, "fld training"),
            some(comparison.real, "fld real"),
        );
        let value = fld(&generated, &fit, &held_out)?;
        let warning = if value > MEMORISED {
            "`fld`: so unlikely are held-out images only where generated ones are copies of those that were fitted to"
        } else {
            ""
        };
        Ok(vec![Score {
            warning: warning.to_owned(),
            ..Score::new("fld", value)
        }])
    }
}

fn no_training() -> anyhow::Error {
    refuse(
        format!("`fld` fits to {TRAINING}, and they are not known"),
        "measure against the test split of a patch store, whose training split is then fitted to",
    )
}

/// The score of `generated`: fitted to `fit`, two images or more, evaluated on `held_out`, likewise.
///
/// # Errors
/// Refuses a feature that is the same in all held-out images.
pub fn fld(generated: &Features, fit: &Features, held_out: &Features) -> Result<f64> {
    let half = generated.rows.min(fit.rows / 2);
    let (centres, rest): (Vec<usize>, Vec<usize>) = (0..fit.rows).partition(|&row| row < half);
    let of_generated = mixture_likelihood(generated, fit, held_out)?;
    let of_real = mixture_likelihood(&fit.select(&centres), &fit.select(&rest), held_out)?;
    Ok(100.0 * (of_generated - of_real))
}

/// The mean negative log likelihood, a feature, of `held_out` under the mixture around `centres` fitted to `fit`.
///
/// # Errors
/// Refuses a feature that is the same in all held-out images.
pub fn mixture_likelihood(centres: &Features, fit: &Features, held_out: &Features) -> Result<f64> {
    let scale = Scale::of(held_out)?;
    let [centres, fit, held_out] = [centres, fit, held_out].map(|features| scale.apply(features));
    Ok(negative_log_likelihood(
        &centres,
        &fit,
        &held_out,
        scale.mean.len(),
    ))
}

/// Mean and deviation of features.
struct Scale {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scale {
    fn of(features: &Features) -> Result<Self> {
        let count = features.rows as f64;
        let sums = |term: &dyn Fn(usize, f64) -> f64| {
            let mut sums = vec![0.0; features.columns];
            for row in 0..features.rows {
                let values = features.row(row).iter().enumerate();
                for (sum, (column, &value)) in sums.iter_mut().zip(values) {
                    *sum += term(column, f64::from(value));
                }
            }
            sums
        };
        let mean: Vec<f64> = sums(&|_, value| value)
            .iter()
            .map(|sum| sum / count)
            .collect();
        let squares = sums(&|column, value| (value - mean[column]).powi(2));
        let deviation: Vec<f64> = squares
            .iter()
            .map(|sum| (sum / (count - 1.0)).sqrt())
            .collect();
        if let Some(feature) = deviation.iter().position(|&deviation| deviation == 0.0) {
            return Err(refuse(
                format!(
                    "`fld` divides by the deviation of features, and feature {feature} is the same in all of {REAL}"
                ),
                "give it more images, or take an extractor without dead features",
            ));
        }
        Ok(Self { mean, deviation })
    }

    fn apply(&self, features: &Features) -> Vec<f64> {
        let columns = self.mean.len();
        let values = features.values.iter().enumerate();
        values
            .map(|(place, &value)| {
                let column = place % columns;
                (f64::from(value) - self.mean[column]) / self.deviation[column]
            })
            .collect()
    }
}
