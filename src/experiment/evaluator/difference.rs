//! How much one set of images is better than another, measured against the same reference.

use serde::Serialize;

use super::{Evaluator, Kept, explain};
use crate::error::{Result, refuse};
use crate::features::{Copies, FeatureFile, Features};
use crate::metrics::{self, Protocol, difference_over_images};

/// A score of two sets, and their difference.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// The score.
    pub score: String,
    /// The number of each set; none where it could not be computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<[f64; 2]>,
    /// The first less the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<f64>,
    /// Its 95 % interval over images, by a paired bootstrap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// How many draws the interval is of; 0 without one.
    pub draws: usize,
    /// Why there are no numbers.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// What a reader must know before quoting them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub warning: String,
    /// The id of the protocol of both numbers.
    pub protocol_id: String,
    /// How both were measured.
    pub protocol: Protocol,
}

impl Evaluator {
    /// Every score of two sets of features, and their differences. A metric that fails gives a record without numbers.
    ///
    /// # Errors
    /// Refuses sets of different numbers of images, and a reference of which only statistics are known.
    pub fn differences(&self, sets: [&FeatureFile; 2]) -> Result<Vec<Difference>> {
        let Kept::Features(real) = &self.real else {
            anyhow::bail!("the features of the reference were not kept");
        };
        let rows = sets.map(|set| set.rows);
        if rows[0] != rows[1] {
            return Err(refuse(
                format!(
                    "sets of {} and of {} images do not compare",
                    rows[0], rows[1]
                ),
                "take as many of each with `--images N`",
            ));
        }
        let [first, second] = sets.map(|set| Features::join(set.rows, set.blocks()));
        let (first, second) = (first?, second?);
        for set in [&first, &second] {
            metrics::check_features(set, real)?;
        }
        let notes = [(&first, "the first set"), (&second, "the second set")].map(|(set, what)| {
            let mut copies = Copies::default();
            copies.add(set);
            copies.note(what)
        });
        let mut found = Vec::new();
        for metric in &self.metrics {
            let protocol = self.protocol(*metric, rows[0]);
            let computed = difference_over_images(*metric, [&first, &second], real, &self.settings);
            for (place, definition) in metric.scores().iter().enumerate() {
                let mut record = Difference {
                    score: definition.name.to_owned(),
                    values: None,
                    difference: None,
                    interval: None,
                    draws: 0,
                    failure: String::new(),
                    warning: String::new(),
                    protocol_id: protocol.id(),
                    protocol: protocol.clone(),
                };
                match &computed {
                    Ok(pairs) => {
                        let pair = &pairs[place];
                        let [one, other] = &pair.scores;
                        record.values = Some([one.value, other.value]);
                        record.difference = Some(one.value - other.value);
                        record.interval = pair.interval;
                        record.draws = pair.interval.map_or(0, |_| self.settings.bootstrap);
                        let mut said: Vec<&str> = Vec::new();
                        let all = [&one.warning, &other.warning, &notes[0], &notes[1]];
                        for note in all.into_iter().chain([&self.reference.copies]) {
                            if !note.is_empty() && !said.contains(&note.as_str()) {
                                said.push(note);
                            }
                        }
                        record.warning = said.join("; ");
                    }
                    Err(error) => record.failure = explain(error),
                }
                found.push(record);
            }
        }
        Ok(found)
    }
}
