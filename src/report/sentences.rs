//! The sentences of tables: captions, the notes below them, what their appendix says.

use std::time::Duration;

use super::tables::PUBLISHED;
use super::{Column, Published, Record, RunOutcome, Table, TableDefinition};
use crate::tracker::ScoreRecord;

/// A time in words: seconds below two minutes, minutes above.
pub fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        format!(
            "{:.0} min {:02.0} s",
            (seconds / 60.0).floor(),
            (seconds % 60.0).floor()
        )
    }
}

/// How `scores` were measured, each protocol in a sentence of its own.
pub(super) fn protocol_sentences<'a>(
    scores: impl IntoIterator<Item = &'a ScoreRecord>,
) -> Vec<String> {
    let mut sentences: Vec<String> = Vec::new();
    for score in scores {
        let sentence = score.protocol.describe();
        if !sentences.contains(&sentence) {
            sentences.push(sentence);
        }
    }
    sentences
}

/// The last notes below a table: whose numbers stand beside ours, if any do, and where the appendix is.
pub(super) fn last_notes(
    definition: &TableDefinition,
    published: Option<&Published>,
) -> impl Iterator<Item = String> {
    let published = published.map(|published| {
        let source = published.source();
        format!("Published: {source}, other data and another protocol, so not compared.")
    });
    let name = definition.name;
    let appendix = format!("Data, training, settings and protocols: `{name}-protocol`.");
    published.into_iter().chain([appendix])
}

/// Gives the tables of an experiment their captions and the sentences of their appendix: data, training, and how the scores of
/// `outcomes` were measured; of those with a column of the group [`PUBLISHED`] what its numbers are.
pub(super) fn explain(
    tables: &mut [(&'static TableDefinition, Table)],
    record: &Record,
    outcomes: &[Vec<RunOutcome>],
    published: Option<&Published>,
) {
    let scores = outcomes.iter().flatten();
    let protocols = protocol_sentences(scores.flat_map(|outcome| &outcome.scores));
    for (definition, table) in tables {
        definition.caption.clone_into(&mut table.caption);
        let is_published = |column: &Column| column.group == PUBLISHED;
        let published = published.filter(|_| table.columns().iter().any(is_published));
        table.notes.extend(last_notes(definition, published));
        table.protocol.clone_from(&record.facts);
        table.protocol.extend(protocols.iter().cloned());
        table.protocol.extend(published.map(Published::describe));
    }
}
