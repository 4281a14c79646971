//! What a line of a ledger becomes at the server.

use std::collections::BTreeMap;

use crate::tracker::mlflow::{Tag, key_of, tag_value};
use crate::tracker::{Environment, Evaluation, Event};

/// A line of a ledger that something is delivered of, in the ledger's order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// Training began, or went on.
    Start {
        /// How many times it had begun, this one included.
        number: usize,
        step: u64,
        environment: Environment,
    },
    /// The numbers of a step.
    Step {
        step: u64,
        scalars: BTreeMap<String, f64>,
    },
    /// A grid of samples.
    Picture { step: u64, file: String },
    /// Scores of a measurement.
    Scores(Evaluation),
}

/// How a run stands, as far as its ledger says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Standing {
    /// It has not begun.
    #[default]
    New,
    /// It began and did not end.
    Open,
    /// It ended.
    Ended {
        step: u64,
        status: String,
        reason: String,
    },
}

impl Entry {
    /// The entry of an event, if it has one. `starts` counts the starts before it.
    pub(super) fn of(event: Event, starts: usize) -> Option<Self> {
        match event {
            Event::Start { step, environment } => Some(Self::Start {
                number: starts + 1,
                step,
                environment,
            }),
            Event::Step { step, scalars } => Some(Self::Step { step, scalars }),
            Event::Samples { step, file } => Some(Self::Picture { step, file }),
            Event::Evaluation(evaluation) => Some(Self::Scores(evaluation)),
            Event::End { .. } => None,
        }
    }

    /// The step that it belongs to, if its time matters.
    pub(super) fn step(&self) -> Option<u64> {
        match self {
            Self::Start { .. } => None,
            Self::Step { step, .. } | Self::Picture { step, .. } => Some(*step),
            Self::Scores(evaluation) => Some(evaluation.step),
        }
    }

    /// Its numbers by their keys at the server. A score's key has the id of its protocol in it.
    pub(super) fn numbers(&self) -> Vec<(String, f64)> {
        match self {
            Self::Start { .. } | Self::Picture { .. } => Vec::new(),
            Self::Step { scalars, .. } => scalars
                .iter()
                .map(|(name, value)| (key_of(name), *value))
                .collect(),
            Self::Scores(evaluation) => {
                let mut numbers = Vec::new();
                for score in &evaluation.scores {
                    let name = format!("{}.{}", score.name, score.protocol_id);
                    numbers.extend(score.value.map(|value| (key_of(&name), value)));
                    let spread = key_of(&format!("{name}.spread"));
                    numbers.extend(score.spread.map(|value| (spread, value)));
                }
                numbers
            }
        }
    }

    /// What stands beside its numbers: the environment, protocols, why there is no number.
    pub(super) fn tags(&self) -> Vec<Tag> {
        match self {
            Self::Start {
                number,
                step,
                environment,
            } => start_tags(*number, *step, environment),
            Self::Step { .. } | Self::Picture { .. } => Vec::new(),
            Self::Scores(evaluation) => {
                let mut tags = Vec::new();
                for score in &evaluation.scores {
                    let id = &score.protocol_id;
                    tags.push(tag(format!("protocol.{id}"), &score.protocol.describe()));
                    let remarks = [
                        ("warning", &score.warning),
                        ("failure", &score.failure),
                        ("absent", &score.absent),
                    ];
                    for (kind, text) in remarks.iter().filter(|(_, text)| !text.is_empty()) {
                        tags.push(tag(format!("{kind}.{}.{id}", score.name), text));
                    }
                }
                tags.dedup();
                tags
            }
        }
    }
}

/// A tag that keeps to the server's limits.
pub(super) fn tag(key: impl AsRef<str>, value: &str) -> Tag {
    Tag {
        key: key_of(key.as_ref()),
        value: tag_value(value),
    }
}

/// The first start describes the run; each later one is a tag of its own, as nothing that was said is changed.
fn start_tags(number: usize, step: u64, environment: &Environment) -> Vec<Tag> {
    let Environment {
        histogen,
        commit,
        platform,
        threads,
    } = environment;
    if number > 1 {
        let place = format!(
            "after step {step}; histogen {histogen}, commit {commit}, {platform}, {threads} threads"
        );
        return vec![tag(format!("resume.{}", number - 1), &place)];
    }
    let mut tags = vec![
        tag("histogen.version", histogen),
        tag("histogen.platform", platform),
        tag("histogen.threads", &threads.to_string()),
    ];
    if !commit.is_empty() {
        tags.push(tag("histogen.commit", commit));
        tags.push(tag(
            "mlflow.source.git.commit",
            commit.trim_end_matches('+'),
        ));
    }
    tags
}
