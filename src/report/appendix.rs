//! What stands below the tables of an experiment and in their appendix.

use super::results::protocol_sentences;
use super::tables::PUBLISHED;
use super::{Column, Outcome, Published, Record, Table, TableDefinition};

/// Gives the tables of an experiment their captions and the sentences of their appendix: data, training, and how the scores of
/// `outcomes` were measured; of those with a column of the group [`PUBLISHED`] what its numbers are.
pub(super) fn explain(
    tables: &mut [(&'static TableDefinition, Table)],
    record: &Record,
    outcomes: &[Vec<Outcome>],
    published: Option<&Published>,
) {
    let scores = outcomes.iter().flatten();
    let protocols = protocol_sentences(scores.flat_map(|outcome| &outcome.scores));
    for (definition, table) in tables {
        definition.caption.clone_into(&mut table.caption);
        let is_published = |column: &Column| column.group == PUBLISHED;
        let published = published.filter(|_| table.columns().iter().any(is_published));
        if let Some(published) = published {
            table.notes.push(format!(
                "Published: {}, other data and another protocol, so not compared.",
                published.source()
            ));
        }
        table.notes.push(format!(
            "Data, training, settings and protocols: `{}-protocol`.",
            definition.name
        ));
        table.protocol.clone_from(&record.facts);
        table.protocol.extend(protocols.iter().cloned());
        table.protocol.extend(published.map(Published::describe));
    }
}
