//! The table of an experiment whose rows are samplers of the same runs. A row is measured under a protocol of its own, which names the
//! sampler and stands in the row; no row is marked as the best.

use super::sentences::{last_notes, protocol_sentences};
use super::tables::{PUBLISHED, cell, decimal_places};
use super::{Column, Published, Record, Row, RunOutcome, Table, TableCell, TableDefinition};
use crate::error::Result;
use crate::metrics;

/// Fraction of the proposals that were accepted.
pub const ACCEPTANCE: &str = "acceptance_rate";
/// Fraction of the images for which no proposal was.
pub const FALLBACKS: &str = "fallback_rate";

/// What it shows.
pub const SAMPLED: TableDefinition = TableDefinition {
    name: "samplers",
    title: "Samplers",
    caption: "The same trained models, drawn from in several ways.",
    scores: &["fid", "precision", "recall"],
    optional: &[],
    remark: "Each row has a protocol of its own, since its sampler is part of it: that the rows differ is the question, and none is marked as \
             the best. An accepted image of a rejecting sampler costs as many as one over the acceptance rate.",
};

/// Renders the table from what the ledgers say.
///
/// # Errors
/// Fails where the seeds of one row were measured under different protocols.
pub fn sampled_table(record: &Record, outcomes: &[Vec<RunOutcome>]) -> Result<Table> {
    let published = Published::of(&record.name);
    let number = |row: &str, score: &str| {
        let found = published.lookup(&record.name, row, score);
        found.map_or(TableCell::Missing, |number| TableCell::Published {
            value: number.value,
            printed: number.printed.clone(),
        })
    };
    let definition = |score: &str| metrics::definition(score).expect("tables show known scores");
    let scores = SAMPLED.scores;
    let mut columns = vec![Column::new("protocol", None)];
    columns.extend(
        scores
            .iter()
            .map(|score| Column::new(definition(score).title, None)),
    );
    columns.push(Column::new("accepted (%)", None));
    columns.push(Column::new("none accepted (%)", None));
    let of_paper = scores.iter().map(|score| definition(score).title);
    columns.extend(of_paper.map(|title| Column::new(title, None).in_group(PUBLISHED)));
    let mut table = Table::new(&record.question, "sampler", columns).with_protocols_by_row();
    for (row, outcomes) in record.rows.iter().zip(outcomes) {
        let protocol = outcomes.iter().find_map(|outcome| outcome.score(scores[0]));
        let mut cells = vec![match protocol {
            Some(score) => TableCell::Text(score.protocol_id.clone()),
            None => TableCell::Missing,
        }];
        for score in scores {
            let values = outcomes
                .iter()
                .filter_map(|outcome| outcome.score(score)?.value);
            let largest = values.fold(0.0, f64::max);
            cells.push(cell(outcomes, score, decimal_places(largest, 4))?);
        }
        for score in [ACCEPTANCE, FALLBACKS] {
            cells.push(super::downstream::percent(cell(outcomes, score, 1)?));
        }
        cells.extend(scores.iter().map(|score| number(&row.name, score)));
        table.push(Row {
            name: row.name.clone(),
            reference: false,
            cells,
        })?;
    }
    SAMPLED.caption.clone_into(&mut table.caption);
    table.notes.push(SAMPLED.remark.to_owned());
    table.notes.extend(record.notes.iter().cloned());
    table.notes.extend(last_notes(&SAMPLED, Some(&published)));
    table.protocol.clone_from(&record.facts);
    for (row, outcomes) in record.rows.iter().zip(outcomes) {
        let found = outcomes.iter().flat_map(|outcome| &outcome.scores);
        let shown = found.filter(|score| scores.contains(&score.name.as_str()));
        let sentences = protocol_sentences(shown);
        if !sentences.is_empty() {
            table
                .protocol
                .push(format!("{}: {}", row.name, sentences.join(" ")));
        }
    }
    table.protocol.push(published.describe());
    Ok(table)
}
