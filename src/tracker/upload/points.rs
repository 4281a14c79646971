//! What a line of a ledger becomes at the server: points of metrics, and tags.

use crate::tracker::mlflow::{KeyValue, key_of};
use crate::tracker::{Environment, Event};

/// The numbers of `event` by their keys at the server. A score's key has the id of its protocol in it.
pub(super) fn numbers(event: &Event) -> Vec<(String, f64)> {
    match event {
        Event::Step { scalars, .. } => scalars
            .iter()
            .map(|(name, value)| (key_of(name), *value))
            .collect(),
        Event::Evaluation(evaluation) => {
            let mut numbers = Vec::new();
            for score in &evaluation.scores {
                let name = format!("{}.{}", score.name, score.protocol_id);
                numbers.extend(score.value.map(|value| (key_of(&name), value)));
                let spread = key_of(&format!("{name}.spread"));
                numbers.extend(score.spread.map(|value| (spread, value)));
            }
            numbers
        }
        Event::Start { .. } | Event::Samples { .. } | Event::End { .. } => Vec::new(),
    }
}

/// What stands beside the numbers of `event`: the environment, protocols, why there is no number. `starts` counts the starts up
/// to it.
pub(super) fn tags(event: &Event, starts: usize) -> Vec<KeyValue> {
    match event {
        Event::Start { step, environment } => start_tags(starts, *step, environment),
        Event::Evaluation(evaluation) => {
            let mut tags = Vec::new();
            for score in &evaluation.scores {
                let id = &score.protocol_id;
                tags.push(KeyValue::tag(
                    &format!("protocol.{id}"),
                    &score.protocol.describe(),
                ));
                let remarks = [
                    ("warning", &score.warning),
                    ("failure", &score.failure),
                    ("absent", &score.absent),
                ];
                for (kind, text) in remarks.iter().filter(|(_, text)| !text.is_empty()) {
                    tags.push(KeyValue::tag(&format!("{kind}.{}.{id}", score.name), text));
                }
            }
            tags.dedup();
            tags
        }
        Event::Step { .. } | Event::Samples { .. } | Event::End { .. } => Vec::new(),
    }
}

/// The first start describes the run; each later one is a tag of its own, as nothing that was said is changed.
fn start_tags(number: usize, step: u64, environment: &Environment) -> Vec<KeyValue> {
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
        return vec![KeyValue::tag(&format!("resume.{}", number - 1), &place)];
    }
    let mut tags = vec![
        KeyValue::tag("histogen.version", histogen),
        KeyValue::tag("histogen.platform", platform),
        KeyValue::tag("histogen.threads", &threads.to_string()),
    ];
    if !commit.is_empty() {
        tags.push(KeyValue::tag("histogen.commit", commit));
        tags.push(KeyValue::tag(
            "mlflow.source.git.commit",
            commit.trim_end_matches('+'),
        ));
    }
    tags
}
