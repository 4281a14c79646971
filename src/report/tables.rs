//! The tables of the paper, from an experiment's ledgers.

mod appendix;

use std::path::{Path, PathBuf};

use super::claims::baseline;
use super::sentences::last_notes;
use super::statistics::statistics;
use super::{
    ABLATION, Column, Published, Record, Row, RowRecord, RunOutcome, Summary, Table, TableCell,
};
use crate::error::{Result, unknown_name};
use crate::files::write_whole;
use crate::metrics;

/// One table of the paper.
pub struct TableDefinition {
    /// The name on the command line and in file names.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its caption, a sentence or two; empty where the title says it all.
    pub caption: &'static str,
    /// The scores it shows, by name.
    pub scores: &'static [&'static str],
    /// The scores it shows if any row has them.
    pub optional: &'static [&'static str],
    /// What a reader must know about its scores, a note; empty if nothing.
    pub remark: &'static str,
}

impl TableDefinition {
    /// A table whose scores are not those of the paper's tables, with the caption `caption`.
    pub(super) const fn of_its_own(
        name: &'static str,
        title: &'static str,
        caption: &'static str,
    ) -> Self {
        Self {
            name,
            title,
            caption,
            scores: &[],
            optional: &[],
            remark: "",
        }
    }

    /// All scores it may show.
    pub fn all_scores(&self) -> impl Iterator<Item = &'static str> {
        self.scores.iter().chain(self.optional).copied()
    }
}

/// The tables that can be rendered.
pub const TABLES: &[TableDefinition] = &[
    TableDefinition {
        name: "table1",
        title: "Table 1: FID",
        caption: "Fréchet distance (FID) between the features of generated and of held-out real patches, all systems trained alike.",
        scores: &["fid"],
        optional: &[],
        remark: "",
    },
    TableDefinition {
        name: "table2",
        title: "Table 2: perceptual path length",
        caption: "Perceptual path length of the generators, all systems trained alike.",
        scores: &["ppl", "ppl-path"],
        optional: &[],
        remark: "A short path alone is no merit: a generator that always shows one image has length 0, and an untrained \
                 one comes close to that. The paper does not define its PPL; ppl is StyleGAN's, ppl-path what the paper \
                 says in words.",
    },
    TableDefinition {
        name: "table3",
        title: "Table 3: KID",
        caption: "Kernel distance (KID) between the features of generated and of held-out real patches, all systems trained alike.",
        scores: &["kid"],
        optional: &[],
        remark: "",
    },
    TableDefinition {
        name: "table4",
        title: "Table 4: precision, recall, F1",
        caption: "Precision, recall and F1 of generated against held-out real patches, all systems trained alike; density, coverage and what is no copy of a training patch beside them.",
        scores: &["precision", "recall", "f1", "density", "coverage"],
        optional: &["authpct"],
        remark: "",
    },
];

/// The heading above the columns of the paper's numbers.
pub(super) const PUBLISHED: &str = "published";

/// The table called `name`.
pub fn find(name: &str) -> Result<&'static TableDefinition> {
    let names = TABLES.iter().map(|table| table.name);
    TABLES
        .iter()
        .find(|table| table.name == name)
        .ok_or_else(|| unknown_name("table", name, names))
}

/// Renders one table of an experiment from what its ledgers say ([`RunOutcome::of_rows`]).
///
/// # Errors
/// Fails if two numbers of a column were measured under different protocols.
pub fn render(
    definition: &TableDefinition,
    record: &Record,
    results: &[Vec<RunOutcome>],
) -> Result<Table> {
    // What was measured, and what the paper prints.
    let table = match definition.name {
        name if name == ABLATION.name => record.name.as_str(), // each experiment's own
        name => name,
    };
    let published = Published::of(table);
    let number = |row: &RowRecord, score: &str| {
        published
            .lookup(table, &row.name, score)
            .map(|number| TableCell::Published {
                value: number.value,
                printed: number.printed.clone(),
            })
    };
    // Which scores have a column.
    let measured = |score: &&&str| {
        let mut outcomes = results.iter().flatten();
        outcomes.any(|outcome| outcome.score(score).is_some())
    };
    let optional = definition.optional.iter().filter(measured);
    let scores: Vec<&str> = definition.scores.iter().chain(optional).copied().collect();
    let with_published: Vec<&str> = scores
        .iter()
        .filter(|score| record.rows.iter().any(|row| number(row, score).is_some()))
        .copied()
        .collect();

    // The columns, and how many digits each shows.
    let mut columns = Vec::new();
    let mut digits = Vec::new();
    for score in &scores {
        let known = metrics::definition(score).expect("tables show known scores");
        columns.push(Column::new(known.title, Some(known.direction)));
        // Of the models: an untrained generator may be far off.
        let models = results
            .iter()
            .flatten()
            .filter(|outcome| !outcome.reference);
        let largest = models
            .filter_map(|outcome| outcome.score(score)?.value)
            .fold(0.0f64, |largest, value| largest.max(value.abs()));
        digits.push(decimal_places(largest, 4));
    }
    for score in &with_published {
        let known = metrics::definition(score).expect("tables show known scores");
        columns.push(Column::new(known.title, None).in_group(PUBLISHED));
    }
    // The rows, with what must be said of their numbers.
    let mut table = Table::new(definition.title, "system", columns);
    let mut protocols: Vec<(String, String)> = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    for (row, outcomes) in record.rows.iter().zip(results) {
        let mut cells = Vec::new();
        for (score, digits) in scores.iter().zip(&digits) {
            for found in outcomes.iter().filter_map(|outcome| outcome.score(score)) {
                if protocols.iter().all(|(id, _)| *id != found.protocol_id) {
                    protocols.push((found.protocol_id.clone(), found.protocol.describe()));
                }
                if !found.warning.is_empty() && !warnings.contains(&found.warning) {
                    warnings.push(found.warning.clone());
                }
            }
            cells.push(cell(outcomes, score, *digits)?);
        }
        cells.extend(
            with_published
                .iter()
                .map(|score| number(row, score).unwrap_or(TableCell::Missing)),
        );
        table.push(Row {
            name: row.name.clone(),
            reference: row.reference,
            cells,
        })?;
    }
    // The notes, and what stands in the appendix.
    let mut outcomes = results.iter().flatten();
    let is_measured =
        outcomes.any(|outcome| scores.iter().any(|score| outcome.score(score).is_some()));
    let published = (!with_published.is_empty()).then_some(&published);
    definition.caption.clone_into(&mut table.caption);
    table.notes = notes(definition, record, is_measured, &warnings, published);
    table.protocol.clone_from(&record.facts);
    let sentences = protocols.into_iter().map(|(_, sentence)| sentence);
    table.protocol.extend(sentences);
    table.protocol.extend(published.map(Published::describe));
    Ok(table)
}

/// What a reader must know about a table; `published` are the paper's numbers if it shows any.
fn notes(
    definition: &TableDefinition,
    record: &Record,
    is_measured: bool,
    warnings: &[String],
    published: Option<&Published>,
) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    if !is_measured {
        notes.push("None of it was measured in this experiment.".to_owned());
    }
    notes.extend(
        warnings
            .iter()
            .map(|warning| format!("Warning: {warning}.")),
    );
    if !definition.remark.is_empty() {
        notes.push(definition.remark.to_owned());
    }
    notes.extend_from_slice(&record.notes);
    notes.extend(last_notes(definition, published));
    notes
}

/// Writes a table into `folder` as Markdown, CSV, LaTeX and HTML, its statistics where it has any, and how its numbers came
/// about. Returns the paths.
///
/// # Errors
/// Fails if a file cannot be written.
pub fn write(definition: &TableDefinition, table: &Table, folder: &Path) -> Result<Vec<PathBuf>> {
    let name = definition.name;
    let mut files = vec![
        (format!("{name}.md"), table.markdown()),
        (format!("{name}.csv"), table.csv()?),
        (format!("{name}.tex"), table.latex(&format!("tab:{name}"))),
        (format!("{name}.html"), table.html() + &table.notes_html()),
    ];
    if !table.protocol.is_empty() {
        files.push((format!("{name}-protocol.md"), appendix::markdown(table)));
        files.push((format!("{name}-protocol.tex"), appendix::latex(table)));
    }
    let statistics = statistics(table, table.baseline().unwrap_or(&baseline()))?;
    if !statistics.is_empty() {
        let markdown: Vec<String> = statistics.iter().map(Table::markdown).collect();
        let html = statistics
            .iter()
            .map(|table| table.html() + &table.notes_html());
        let latex = statistics
            .iter()
            .zip(1..)
            .map(|(table, number)| table.latex(&format!("tab:{name}-statistics-{number}")));
        let latex: Vec<String> = latex.collect();
        files.push((format!("{name}-statistics.md"), markdown.join("\n")));
        files.push((format!("{name}-statistics.tex"), latex.join("\n")));
        files.push((format!("{name}-statistics.html"), html.collect()));
    }
    files
        .into_iter()
        .map(|(file, text)| {
            let path = folder.join(file);
            write_whole(&path, text.as_bytes())?;
            Ok(path)
        })
        .collect()
}

/// Digits after the point that show `largest`, the largest number of a column, with so many significant ones; 8 at most.
pub(super) fn decimal_places(largest: f64, significant: i32) -> usize {
    if largest <= 0.0 {
        return (significant - 1).max(0) as usize;
    }
    (significant - 1 - largest.log10().floor() as i32).clamp(0, 8) as usize
}

/// The cell of one score over the seeds of a row. One seed that failed fails the cell: a mean over the rest would hide it.
pub(super) fn cell(outcomes: &[RunOutcome], score: &str, digits: usize) -> Result<TableCell> {
    let incomplete = || {
        outcomes
            .iter()
            .filter(|outcome| !outcome.state.is_complete())
    };
    if incomplete().next().is_some() {
        let reasons = incomplete().map(|outcome| of_seed(outcome, &outcome.state.to_string()));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let is_open = incomplete().any(|outcome| outcome.state.is_open());
        let kind = if is_open {
            TableCell::Unfinished
        } else {
            TableCell::Failed
        };
        return Ok(kind(reasons));
    }
    let (mut values, mut seeds) = (Vec::new(), Vec::new());
    let mut protocol = String::new();
    let mut over_images = None;
    for outcome in outcomes {
        match outcome.score(score) {
            None => return Ok(TableCell::Missing),
            Some(found) if !found.absent.is_empty() => {
                return Ok(TableCell::Absent(found.absent.clone()));
            }
            Some(found) => match found.value {
                None => return Ok(TableCell::Failed(found.failure.clone())),
                Some(value) if protocol.is_empty() || protocol == found.protocol_id => {
                    values.push(value);
                    seeds.extend(outcome.seed);
                    protocol.clone_from(&found.protocol_id);
                    over_images = found.interval.map(|ends| (ends, found.interval_of.clone()));
                }
                Some(_) => {
                    return Ok(TableCell::Failed(
                        "its seeds were measured under different protocols".into(),
                    ));
                }
            },
        }
    }
    let summary = Summary::of(&values)?;
    Ok(TableCell::Number {
        mean: summary.mean,
        spread: summary.deviation,
        interval: summary.interval,
        over_images: over_images.filter(|_| summary.count == 1),
        n: summary.count,
        values,
        seeds,
        digits,
        protocol,
    })
}

/// A sentence on one of several seeds.
fn of_seed(outcome: &RunOutcome, sentence: &str) -> String {
    match outcome.seed {
        Some(seed) => format!("seed {seed} {sentence}"),
        None => sentence.to_owned(),
    }
}
