//! The way back from a number: the runs of each row, what was measured of each, under which protocol, and the commands.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use maud::{Markup, html};

use super::document::prose;
use super::{Again, quoted, row_id};
use crate::metrics;
use crate::report::{Record, RunOutcome};
use crate::tracker::ScoreRecord;
use crate::workspace::config_file;

/// The protocols of a page, by their ids, in the order in which they are met.
pub(super) struct Protocols<'a>(Vec<&'a ScoreRecord>);

impl<'a> Protocols<'a> {
    pub(super) fn of(outcomes: &'a [Vec<RunOutcome>]) -> Self {
        let mut found: Vec<&ScoreRecord> = Vec::new();
        for score in outcomes
            .iter()
            .flatten()
            .flat_map(|outcome| &outcome.scores)
        {
            if found
                .iter()
                .all(|other| other.protocol_id != score.protocol_id)
            {
                found.push(score);
            }
        }
        Self(found)
    }

    /// Where the protocol called `id` stands on the page; none where it is no protocol of ours.
    pub(super) fn id(&self, id: &str) -> Option<String> {
        let place = self.0.iter().position(|score| score.protocol_id == id)?;
        Some(format!("protocol-{}", place + 1))
    }

    fn link(&self, id: &str) -> Markup {
        html! {
            @if let Some(place) = self.id(id) { a.protocol href={ "#" (place) } { (id) } }
            @else { span.protocol { (id) } }
        }
    }

    /// All of them, each with its full text.
    pub(super) fn section(&self) -> Markup {
        html! {
            @if self.0.is_empty() { p { "Nothing was measured." } }
            @for (place, score) in self.0.iter().enumerate() {
                h3 id={ "protocol-" (place + 1) } { "Protocol " code { (score.protocol_id) } }
                p { (prose(&score.protocol.describe())) }
                details {
                    summary { "Every field of protocol " (score.protocol_id) }
                    (fields(score))
                }
            }
        }
    }
}

/// The fields of a protocol, as they are hashed.
fn fields(score: &ScoreRecord) -> Markup {
    let value = serde_json::to_value(&score.protocol).expect("text and numbers are always JSON");
    let fields: BTreeMap<String, serde_json::Value> = value
        .as_object()
        .map(|fields| fields.clone().into_iter().collect())
        .unwrap_or_default();
    html! {
        dl.fields {
            @for (name, value) in &fields {
                dt { (name) }
                dd { @match value.as_str() { Some(text) => (text), None => (value.to_string()) } }
            }
        }
    }
}

/// The runs of every row.
pub(super) fn section(
    record: &Record,
    outcomes: &[Vec<RunOutcome>],
    protocols: &Protocols<'_>,
    again: Option<&Again>,
    out: &Path,
) -> Markup {
    html! {
        @for (row, runs) in record.rows.iter().zip(outcomes) {
            h3 id=[row_id(record, &row.name)] { (row.name) }
            div.scroll tabindex="0" role="region" aria-label={ "Runs of " (row.name) } {
                table.runs {
                    thead { tr { th scope="col" { "Seed" } th scope="col" { "Run" } th scope="col" { "State" }
                        th scope="col" { "Measured, under protocol" } } }
                    tbody { @for run in runs { (line(run, protocols)) } }
                }
            }
            @for run in runs.iter().filter(|run| run.seed.is_some()) {
                (commands(run, again, out))
            }
        }
    }
}

fn line(run: &RunOutcome, protocols: &Protocols<'_>) -> Markup {
    let seed = run
        .seed
        .map_or_else(|| "none".to_owned(), |seed| seed.to_string());
    html! {
        tr {
            td { (seed) }
            td { code { (run.folder.display()) } }
            td { (prose(&run.state.to_string())) }
            td {
                @if run.scores.is_empty() { "nothing" }
                @for score in &run.scores {
                    div.score { (title(score)) " " (value(score)) " " (protocols.link(&score.protocol_id)) }
                }
            }
        }
    }
}

/// The heading of a score.
fn title(score: &ScoreRecord) -> &str {
    metrics::definition(&score.name).map_or(score.name.as_str(), |known| known.title)
}

/// The number with six significant digits, or why there is none.
fn value(score: &ScoreRecord) -> String {
    match score.value {
        Some(0.0) => "0".to_owned(),
        Some(value) => {
            let places = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
            format!("{value:.places$}")
        }
        None if score.failure.is_empty() => format!("none: {}", score.absent),
        None => format!("failed: {}", score.failure),
    }
}

/// What makes the run again, and the settings that determine its weights.
fn commands(run: &RunOutcome, again: Option<&Again>, out: &Path) -> Markup {
    let seed = run.seed.unwrap_or_default();
    let settings = fs::read_to_string(config_file(&out.join(&run.folder)));
    html! {
        details {
            summary { "Settings and command of seed " (seed) }
            @if let Some(training) = again.and_then(|again| again.training.as_ref()) {
                pre { code { (training) " --model " (quoted(&run.row)) " --seed " (seed) } }
            }
            @if let Ok(settings) = settings { pre { code { (settings) } } }
        }
    }
}
