//! From features to records: each score with its protocol, or why there is none.

use super::{Evaluator, FeatureSource, Kept, Side, explain};
use crate::error::{Result, refuse};
use crate::metrics::{self, Beside, GaussianSide, Metric, Protocol};
use crate::tracker::ScoreRecord;

impl Evaluator {
    /// Every score of `generated` against the reference; `classes` are those of its images.
    pub(super) fn score(
        &self,
        generated: &Side,
        classes: Option<&[String]>,
    ) -> Result<Vec<ScoreRecord>> {
        let protocol = |metric: &dyn Metric| self.protocol(metric, generated.rows);
        let mut records = match (&self.real, &generated.kept) {
            (Kept::Features(real), Kept::Features(features)) => {
                let beside = Beside {
                    generated_classes: classes,
                    real_classes: self.real_classes.as_deref(),
                    training: self.training.as_ref().map(|(_, features)| features),
                };
                let (metrics, settings) = (&self.metrics, &self.settings);
                let outcomes = metrics::evaluate_beside(metrics, features, real, beside, settings)?;
                let records = outcomes.into_iter();
                records
                    .map(|outcome| self.record(outcome, &protocol))
                    .collect()
            }
            (Kept::Gaussian(real), Kept::Gaussian(fitted)) => {
                self.refuse_other_features(fitted.features, real.features)?;
                self.of_gaussians(fitted, real, &protocol)?
            }
            _ => anyhow::bail!("of one side the features are kept, of the other their Gaussian"),
        };
        self.note_copies(&mut records, &generated.copies);
        Ok(records)
    }

    /// Refuses statistics that cannot be of features like those of an extractor.
    fn refuse_other_features(&self, generated: usize, real: usize) -> Result<()> {
        let extracts = matches!(self.features, FeatureSource::Extractor { .. });
        if generated == real || !extracts || self.reference.count > 0 {
            return Ok(());
        }
        Err(refuse(
            format!(
                "`{}` has the statistics of {real} features, and the extractor makes {generated} of an image",
                self.reference.name
            ),
            "name the extractor that they were made with: `--features inception-v3-pytorch` for those of pytorch-fid",
        ))
    }

    /// Every score of a Gaussian against that of the reference; those that need more are absent.
    pub(super) fn of_gaussians(
        &self,
        generated: &GaussianSide,
        real: &GaussianSide,
        protocol: &dyn Fn(&dyn Metric) -> Protocol,
    ) -> Result<Vec<ScoreRecord>> {
        let mut records = Vec::new();
        for &metric in &self.metrics {
            let Some(of_gaussians) = metric.of_gaussians() else {
                let absent = metric.scores().iter().map(|definition| {
                    let mut record = ScoreRecord::new(definition.name, protocol(metric));
                    "needs the features of single images, not mean and covariance"
                        .clone_into(&mut record.absent);
                    record
                });
                records.extend(absent);
                continue;
            };
            let settings = &self.settings;
            let outcomes = metrics::evaluate_gaussians(&[of_gaussians], generated, real, settings)?;
            let mut scores: Vec<ScoreRecord> = outcomes
                .into_iter()
                .map(|outcome| self.record(outcome, protocol))
                .collect();
            if settings.bootstrap > 0 {
                for score in &mut scores {
                    score.warn("no interval: it needs the features of single images");
                }
            }
            records.extend(scores);
        }
        Ok(records)
    }

    /// A number, or why there is none, with how it was measured.
    fn record(
        &self,
        outcome: metrics::ScoreOutcome,
        protocol: &dyn Fn(&dyn Metric) -> Protocol,
    ) -> ScoreRecord {
        let mut record = ScoreRecord::new(outcome.definition.name, protocol(outcome.metric));
        match outcome.score {
            Ok(score) => {
                record.value = Some(score.value);
                record.spread = score.spread;
                if score.spread.is_some() {
                    outcome.definition.spread.clone_into(&mut record.spread_of);
                }
                if let Some(interval) = score.interval {
                    record.interval = Some(interval);
                    record.interval_of = format!(
                        "95 %, bootstrap over images, {} draws",
                        self.settings.bootstrap
                    );
                }
                record.warning = score.warning;
            }
            Err(error) => record.failure = explain(&error),
        }
        record
    }

    /// Says beside every number that images on a side are copies of one another, where they are.
    pub(super) fn note_copies(&self, records: &mut [ScoreRecord], of_generated: &str) {
        for record in records.iter_mut().filter(|record| record.value.is_some()) {
            record.warn(of_generated);
            record.warn(&self.reference.copies);
        }
    }
}
