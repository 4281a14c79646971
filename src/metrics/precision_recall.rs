//! Improved precision and recall: how many generated images look real, and how much of the real set is generated.
//!
//! Kynkäänniemi et al., *Improved Precision and Recall Metric for Assessing Generative Models* (2019,
//! arXiv 1904.06991), section 2, eq. 1 and 2. A set is stood for by balls around its images that reach to the k-th
//! nearest other image, surface included (`<=`, as in the authors' code). Precision is the fraction of generated images
//! in a ball of the real set, recall the share of real images in a ball of the generated set. F1, their harmonic mean,
//! is not in that paper; it is here because the tables that this project reproduces report one.

use crate::error::Result;

use super::neighbours::Inside;
use super::{Comparison, Direction, Metric, MetricSettings, Score, ScoreDefinition, check};

/// Precision, recall and their harmonic mean.
#[derive(Clone, Copy, Debug)]
pub struct PrecisionRecall;

impl Metric for PrecisionRecall {
    fn name(&self) -> &'static str {
        "precision-recall"
    }

    fn scores(&self) -> &'static [ScoreDefinition] {
        const fn higher(name: &'static str, title: &'static str) -> ScoreDefinition {
            ScoreDefinition {
                name,
                title,
                direction: Direction::Higher,
                spread: "",
            }
        }
        const SCORES: [ScoreDefinition; 3] = [
            higher("precision", "Precision"),
            higher("recall", "Recall"),
            higher("f1", "F1"),
        ];
        &SCORES
    }

    fn minimum_images(&self, settings: &MetricSettings) -> usize {
        settings.precision_neighbours + 1
    }

    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)> {
        vec![
            ("boundary", "<=".to_owned()),
            ("k", settings.precision_neighbours.to_string()),
        ]
    }

    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>> {
        check(self, comparison)?;
        let (of_real, of_generated) = comparison.precision_and_recall();
        let (precision, recall) = (covered(of_real), covered(of_generated));
        Ok(vec![
            Score::new("precision", precision),
            Score::new("recall", recall),
            Score::new("f1", harmonic_mean(precision, recall)),
        ])
    }
}

/// The fraction of images in some ball.
pub(super) fn covered(inside: &Inside) -> f64 {
    let covered = inside.of_image.iter().filter(|&&balls| balls > 0).count();
    covered as f64 / inside.of_image.len() as f64
}

/// 2 p r / (p + r), and 0 where both are 0.
pub fn harmonic_mean(precision: f64, recall: f64) -> f64 {
    if precision + recall > 0.0 {
        2.0 * precision * recall / (precision + recall)
    } else {
        0.0
    }
}
