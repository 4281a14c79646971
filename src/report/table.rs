//! Tables of results: models by scores, for a terminal, Markdown, CSV, JSON, LaTeX and HTML.
//!
//! A column holds numbers of one protocol only; a table refuses to mix them, unless its rows differ by their protocols and show them. The best model of a column is marked where seeds
//! say that it is (`notes.rs`); reference rows (the real images against themselves, an untrained generator) stand below a rule
//! and do not compete, and neither do published numbers. A cell without a number says why.

mod formats;
mod html;
mod json;
mod latex;
mod notes;

pub(super) use html::Links;
pub(super) use latex::latex_text;
pub(super) use notes::paired;

use crate::error::{Result, refuse};
use crate::metrics::Direction;

/// What stands for a protocol where a number is taken from a paper.
const PUBLISHED: &str = "published";

/// A table of rows by columns, with a caption and notes.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the table shows, in a few words.
    pub title: String,
    /// What the table shows, in one or two sentences that a paper can print; empty where the title says it all.
    pub caption: String,
    /// What a row is: the heading of the first column.
    pub subject: String,
    /// Short notes, which stand under the table before those it makes itself.
    pub notes: Vec<String>,
    /// How its numbers came about, all of it, a paragraph each: for an appendix.
    pub protocol: Vec<String>,
    /// The row that statistics compare the others with; that of the paper's tables if none.
    pub baseline: Option<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
    /// Whether each row has a protocol of its own, which it shows.
    protocols_by_row: bool,
}

/// A column of a table, after the first one, which names the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Which way its numbers get better; none where they do not compete.
    pub direction: Option<Direction>,
    /// What stands above it and its neighbours of the same group; empty for a column of its own.
    pub group: String,
    /// The id of the protocol of all its numbers; set by the first one.
    protocol: Option<String>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about: a model.
    pub name: String,
    /// Whether it is there for reference and does not compete.
    pub reference: bool,
    /// One cell for each column.
    pub cells: Vec<TableCell>,
}

/// What is known about one row in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum TableCell {
    /// Words.
    Text(String),
    /// A number that we measured.
    Number {
        /// The mean over seeds.
        mean: f64,
        /// The standard deviation over seeds; none for one seed.
        spread: Option<f64>,
        /// The 95 % t interval of the mean; none for one seed.
        interval: Option<(f64, f64)>,
        /// Of one seed: an interval of its measurement, and what it is; see [`crate::metrics::MetricSettings::bootstrap`].
        over_images: Option<((f64, f64), String)>,
        /// How many seeds.
        n: usize,
        /// The number of each seed, in the order of the seeds.
        values: Vec<f64>,
        /// The seeds of the trainings; empty where nothing was trained.
        seeds: Vec<u64>,
        /// How many decimal places to show.
        digits: usize,
        /// The id of its protocol; empty for a setting that a training found.
        protocol: String,
    },
    /// A number that is no measurement itself: a count, a cost, a statistic.
    Derived {
        /// The number, for sorting and in files.
        value: f64,
        /// What is shown of it.
        shown: String,
    },
    /// A number of a paper.
    Published {
        /// The number.
        value: f64,
        /// The number as it is printed there.
        printed: String,
    },
    /// A number that could not be had, and why.
    Failed(String),
    /// A number that is not there yet, and why: a training runs, was interrupted, or has not begun.
    Unfinished(String),
    /// A number that there cannot be, and why.
    Absent(String),
    /// Nothing was measured.
    Missing,
}

impl Column {
    /// A column under `title` whose best number, if a direction is given, is marked.
    pub fn new(title: impl Into<String>, direction: Option<Direction>) -> Self {
        Self {
            title: title.into(),
            direction,
            group: String::new(),
            protocol: None,
        }
    }

    /// The column in the group `group`.
    pub fn in_group(self, group: &str) -> Self {
        Self {
            group: group.to_owned(),
            ..self
        }
    }

    /// Its heading where a table has one line of headings.
    fn full_title(&self) -> String {
        if self.group.is_empty() {
            self.title.clone()
        } else {
            format!("{} ({})", self.title, self.group)
        }
    }

    /// The arrow of its direction, with a space before it; empty where its numbers do not compete.
    fn arrow(&self) -> &'static str {
        match self.direction {
            Some(Direction::Lower) => " ↓",
            Some(Direction::Higher) => " ↑",
            None => "",
        }
    }

    /// The id of the protocol of its numbers, `published` for those of a paper; none before the first number.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl TableCell {
    /// Its number: of one that we measured the mean.
    pub fn value(&self) -> Option<f64> {
        match self {
            Self::Number { mean, .. } => Some(*mean),
            Self::Derived { value, .. } | Self::Published { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// What files say of it beside its number; empty where the number is all.
    fn note(&self) -> String {
        match self {
            Self::Number { .. } => String::new(),
            Self::Derived { shown, .. } => format!("shown as {shown}"),
            Self::Published { printed, .. } => format!("printed {printed}"),
            Self::Text(text) => text.clone(),
            Self::Failed(reason) => format!("failed: {reason}"),
            Self::Unfinished(reason) => format!("unfinished: {reason}"),
            Self::Absent(reason) => format!("none: {reason}"),
            Self::Missing => "missing".to_owned(),
        }
    }

    fn protocol(&self) -> Option<&str> {
        match self {
            // Of what is no measurement of images there is none.
            Self::Number { protocol, .. } => Some(protocol.as_str()).filter(|id| !id.is_empty()),
            Self::Published { .. } => Some(PUBLISHED),
            _ => None,
        }
    }
}

impl Table {
    /// A table without rows; `subject` heads the column of their names.
    pub fn new(title: impl Into<String>, subject: impl Into<String>, columns: Vec<Column>) -> Self {
        Self {
            title: title.into(),
            caption: String::new(),
            subject: subject.into(),
            notes: Vec::new(),
            protocol: Vec::new(),
            baseline: None,
            columns,
            rows: Vec::new(),
            protocols_by_row: false,
        }
    }

    /// The same for rows that differ by their protocols and show them: a column may then mix them, and none of its numbers competes.
    #[must_use]
    pub fn with_protocols_by_row(mut self) -> Self {
        self.protocols_by_row = true;
        for column in &mut self.columns {
            column.direction = None;
        }
        self
    }

    /// The row that statistics compare the others with, if it has one of its own.
    pub(super) fn baseline(&self) -> Option<&str> {
        self.baseline.as_deref()
    }

    /// The columns after the first.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The rows in the order they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds a row, which must have one cell for each column.
    ///
    /// Refuses a number that is not finite, and one whose protocol is not that of the numbers above it. The table is
    /// then as it was.
    pub fn push(&mut self, row: Row) -> Result<()> {
        let (name, width) = (&row.name, self.columns.len());
        assert_eq!(row.cells.len(), width, "cells of row `{name}`");
        for (column, cell) in self.columns.iter().zip(&row.cells) {
            if let Some(value) = cell.value().filter(|value| !value.is_finite()) {
                return Err(refuse(
                    format!("row `{name}` has {value} in column `{}`", column.title),
                    "show it as failed, with the reason",
                ));
            }
            if let (Some(other), Some(own)) = (column.protocol(), cell.protocol())
                && other != own
                && !self.protocols_by_row
            {
                return Err(refuse(
                    format!(
                        "column `{}` would mix protocols: row `{name}` is measured under `{own}`, the rows above \
                         under `{other}`",
                        column.title
                    ),
                    "evaluate them under one protocol, or give each protocol a column of its own",
                ));
            }
        }
        for (column, cell) in self.columns.iter_mut().zip(&row.cells) {
            if let Some(protocol) = cell.protocol().filter(|_| !self.protocols_by_row) {
                column.protocol = Some(protocol.to_owned());
            }
        }
        self.rows.push(row);
        Ok(())
    }

    /// Whether a column is aligned as numbers: it has no words.
    fn is_numeric(&self, index: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row.cells[index]);
        !cells.any(|cell| matches!(cell, TableCell::Text(_)))
    }

    /// All headings in one line.
    fn headings(&self) -> Vec<String> {
        let columns = self.columns.iter();
        let titles = columns.map(|column| column.full_title() + column.arrow());
        std::iter::once(self.subject.clone())
            .chain(titles)
            .collect()
    }

    /// The groups of columns from the left, each with the number of its columns.
    fn groups(&self) -> Vec<(&str, usize)> {
        let same = |left: &Column, right: &Column| left.group == right.group;
        let runs = self.columns.chunk_by(same);
        runs.map(|run| (run[0].group.as_str(), run.len())).collect()
    }

    /// Models, then reference rows.
    fn in_order(&self) -> impl Iterator<Item = &Row> {
        let of_kind = |reference| {
            let rows = self.rows.iter();
            rows.filter(move |row| row.reference == reference)
        };
        of_kind(false).chain(of_kind(true))
    }

    /// How many rows compete.
    fn models(&self) -> usize {
        self.rows.iter().filter(|row| !row.reference).count()
    }

    /// The rows as text, models first.
    fn lines(&self) -> Vec<Line<'_>> {
        let best: Vec<Option<&Row>> = (0..self.columns.len()).map(|at| self.best(at)).collect();
        let reasons = self.reasons();
        let entry = |row: &Row, index: usize| Entry {
            text: shown(&row.cells[index]),
            note: reason(&row.cells[index]).and_then(|reason| {
                let place = reasons.iter().position(|known| *known == reason);
                place.map(|place| place + 1)
            }),
            is_best: best[index].is_some_and(|best| std::ptr::eq(best, row)),
        };
        let line = |row| Line {
            row,
            entries: (0..self.columns.len())
                .map(|index| entry(row, index))
                .collect(),
        };
        self.in_order().map(line).collect()
    }
}

/// A row as text.
struct Line<'a> {
    row: &'a Row,
    entries: Vec<Entry>,
}

/// A cell as text.
struct Entry {
    text: String,
    /// The number of the note that says why it has no number.
    note: Option<usize>,
    /// Whether it is the best of its column.
    is_best: bool,
}

impl Entry {
    /// Its text with the number of its note in brackets.
    fn with_note(&self) -> String {
        match self.note {
            Some(number) => format!("{} [{number}]", self.text),
            None => self.text.clone(),
        }
    }
}

/// Why a cell has no number.
fn reason(cell: &TableCell) -> Option<&str> {
    match cell {
        TableCell::Failed(reason) | TableCell::Unfinished(reason) | TableCell::Absent(reason) => {
            Some(reason)
        }
        _ => None,
    }
}

/// What a cell shows.
fn shown(cell: &TableCell) -> String {
    match cell {
        TableCell::Text(text) | TableCell::Derived { shown: text, .. } => text.clone(),
        TableCell::Number {
            mean,
            spread,
            digits,
            ..
        } => match spread {
            Some(spread) => format!("{mean:.digits$} ± {spread:.digits$}"),
            None => format!("{mean:.digits$}"),
        },
        TableCell::Published { printed, .. } => printed.clone(),
        TableCell::Failed(_) => "failed".to_owned(),
        TableCell::Unfinished(_) => "unfinished".to_owned(),
        TableCell::Absent(_) | TableCell::Missing => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests;
