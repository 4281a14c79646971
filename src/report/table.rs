//! Tables of results: models by scores, for a terminal, Markdown, CSV and LaTeX.
//!
//! A column holds numbers of one protocol only; a table refuses to mix them. The best model of a column is marked,
//! where reference rows (the real images against themselves, an untrained generator) stand below a rule and do not
//! compete. A cell without a number says why.

mod formats;

use std::fmt::Write;

use crate::error::{Result, refuse};
use crate::metrics::Direction;

/// What stands for a protocol where a number is taken from a paper.
const PUBLISHED: &str = "published";

/// A table of rows by columns, with a title and lines of caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the table shows.
    pub title: String,
    /// What a row is: the heading of the first column.
    pub subject: String,
    /// Lines under the table, before the notes it makes itself.
    pub caption: Vec<String>,
    columns: Vec<Column>,
    rows: Vec<Row>,
}

/// A column of a table, after the first one, which names the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its heading.
    pub title: String,
    /// Which way its numbers get better; none where they do not compete.
    pub direction: Option<Direction>,
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
    pub cells: Vec<Cell>,
}

/// What is known about one row in one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
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
        /// How many seeds.
        n: usize,
        /// The number of each seed, in the order of the seeds.
        values: Vec<f64>,
        /// The seeds of the trainings; empty where nothing was trained.
        seeds: Vec<u64>,
        /// How many decimal places to show.
        digits: usize,
        /// The id of its protocol.
        protocol: String,
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
            protocol: None,
        }
    }

    /// The id of the protocol of its numbers, `published` for those of a paper; none before the first number.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
}

impl Cell {
    /// The number that competes in its column.
    fn value(&self) -> Option<f64> {
        match self {
            Self::Number { mean, .. } => Some(*mean),
            Self::Published { value, .. } => Some(*value),
            _ => None,
        }
    }

    fn protocol(&self) -> Option<&str> {
        match self {
            Self::Number { protocol, .. } => Some(protocol),
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
            subject: subject.into(),
            caption: Vec::new(),
            columns,
            rows: Vec::new(),
        }
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
            if let Some(protocol) = cell.protocol() {
                column.protocol = Some(protocol.to_owned());
            }
        }
        self.rows.push(row);
        Ok(())
    }

    /// Whether a column is aligned as numbers: it has no words.
    fn is_numeric(&self, index: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row.cells[index]);
        !cells.any(|cell| matches!(cell, Cell::Text(_)))
    }

    /// All headings, those of competing columns with the mark of their direction.
    fn headings(&self, lower: &str, higher: &str) -> Vec<String> {
        let heading = |column: &Column| {
            let mark = match column.direction {
                Some(Direction::Lower) => lower,
                Some(Direction::Higher) => higher,
                None => "",
            };
            format!("{}{mark}", column.title)
        };
        std::iter::once(self.subject.clone())
            .chain(self.columns.iter().map(heading))
            .collect()
    }

    /// The rows as text, models first; `mark` is given each text and, in columns where one is marked, whether it is
    /// the best.
    fn lines(&self, mark: impl Fn(String, Option<bool>) -> String) -> Vec<Line> {
        let best: Vec<Option<f64>> = (0..self.columns.len())
            .map(|index| self.best(index))
            .collect();
        let reasons = self.reasons();
        let line = |row: &Row| Line {
            name: row.name.clone(),
            reference: row.reference,
            cells: row
                .cells
                .iter()
                .zip(&best)
                .map(|(cell, best)| {
                    let is_best = best.map(|best| !row.reference && cell.value() == Some(best));
                    mark(shown(cell, &reasons), is_best)
                })
                .collect(),
        };
        self.in_order().map(line).collect()
    }

    /// Why cells have no number, each reason once.
    fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for cell in self.in_order().flat_map(|row| &row.cells) {
            if let Cell::Failed(reason) | Cell::Unfinished(reason) | Cell::Absent(reason) = cell
                && !reasons.contains(&reason.as_str())
            {
                reasons.push(reason);
            }
        }
        reasons
    }

    /// Models, then reference rows.
    fn in_order(&self) -> impl Iterator<Item = &Row> {
        let of_kind = |reference| {
            self.rows
                .iter()
                .filter(move |row| row.reference == reference)
        };
        of_kind(false).chain(of_kind(true))
    }

    /// The best number of the models in a column, where they have at least two different ones.
    fn best(&self, index: usize) -> Option<f64> {
        let direction = self.columns[index].direction?;
        let models = self.rows.iter().filter(|row| !row.reference);
        let values = || models.clone().filter_map(|row| row.cells[index].value());
        let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
        let best = match direction {
            Direction::Lower => least,
            Direction::Higher => most,
        };
        (least < most).then_some(best)
    }

    /// The caption, then what a reader needs to know about the numbers; `mark` says how the best are marked.
    fn notes(&self, mark: &str) -> Vec<String> {
        let mut notes = self.caption.clone();
        // Of the models: what they are compared with is measured once.
        let models = || self.rows.iter().filter(|row| !row.reference);
        let seeds = || {
            let cells = models().flat_map(|row| &row.cells);
            cells.filter_map(|cell| match cell {
                Cell::Number { n, .. } => Some(*n),
                _ => None,
            })
        };
        if let (Some(least), Some(most)) = (seeds().min(), seeds().max()) {
            notes.push(match (least, most) {
                (_, 1) => "One seed: no spread.".to_owned(),
                _ if least == most => format!("Mean ± standard deviation over {most} seeds."),
                _ => format!("Mean ± standard deviation over {least} to {most} seeds."),
            });
        }
        if (0..self.columns.len()).any(|index| self.best(index).is_some()) {
            notes.push(format!("Best model {mark}."));
        }
        let mut protocols = String::new();
        for column in &self.columns {
            if let Some(protocol) = column.protocol() {
                let separator = if protocols.is_empty() { "" } else { ", " };
                let _ = write!(protocols, "{separator}{} {protocol}", column.title);
            }
        }
        if !protocols.is_empty() {
            notes.push(format!("Protocols: {protocols}."));
        }
        let reasons = self.reasons().into_iter().zip(1..);
        notes.extend(reasons.map(|(reason, number)| format!("[{number}] {reason}.")));
        notes
    }
}

/// A row as text.
struct Line {
    name: String,
    reference: bool,
    cells: Vec<String>,
}

/// What a cell shows; one that gives a reason has its number, and the reason stands in the notes.
fn shown(cell: &Cell, reasons: &[&str]) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number {
            mean,
            spread,
            digits,
            ..
        } => match spread {
            Some(spread) => format!("{mean:.digits$} ± {spread:.digits$}"),
            None => format!("{mean:.digits$}"),
        },
        Cell::Published { printed, .. } => printed.clone(),
        Cell::Failed(reason) => format!("failed{}", note(reason, reasons)),
        Cell::Unfinished(reason) => format!("unfinished{}", note(reason, reasons)),
        Cell::Absent(reason) => format!("-{}", note(reason, reasons)),
        Cell::Missing => "-".to_owned(),
    }
}

/// The number of a reason in the notes.
fn note(reason: &str, reasons: &[&str]) -> String {
    let number = reasons.iter().position(|known| *known == reason);
    number.map_or_else(String::new, |place| format!(" [{}]", place + 1))
}

#[cfg(test)]
mod tests;
