//! What a table says of itself: which of its models is the best, and the notes under it.

use super::{Row, Table, TableCell, reason};
use crate::metrics::Direction;
use crate::report::statistics::Paired;

/// A note under a table.
pub(super) struct Note {
    /// By what cells refer to it; none for one on the whole table.
    pub(super) number: Option<usize>,
    pub(super) text: String,
}

impl Table {
    /// The model that is the best of a column: the 95 % t interval of its paired difference (same seeds) to every other model
    /// excludes zero. None where seeds do not show that: with one seed, where seeds differ, or while a training is unfinished.
    pub(super) fn best(&self, index: usize) -> Option<&Row> {
        let direction = self.columns[index].direction?;
        let models = || self.rows.iter().filter(|row| !row.reference);
        if models().any(|row| matches!(row.cells[index], TableCell::Unfinished(_))) {
            return None;
        }
        let measured =
            || models().filter(|row| matches!(row.cells[index], TableCell::Number { .. }));
        let value = |row: &&Row| row.cells[index].value().unwrap_or(f64::NAN);
        let compare = |left: &&Row, right: &&Row| value(left).total_cmp(&value(right));
        let candidate = match direction {
            Direction::Lower => measured().min_by(compare),
            Direction::Higher => measured().max_by(compare),
        }?;
        let mut others = measured()
            .filter(|row| !std::ptr::eq(*row, candidate))
            .peekable();
        others.peek()?;
        others
            .all(|other| {
                let paired = paired(&candidate.cells[index], &other.cells[index]);
                paired.is_some_and(|paired| paired.excludes_zero())
            })
            .then_some(candidate)
    }

    /// Why cells have no number, each reason once.
    pub(super) fn reasons(&self) -> Vec<&str> {
        let mut reasons: Vec<&str> = Vec::new();
        for found in self
            .in_order()
            .flat_map(|row| &row.cells)
            .filter_map(reason)
        {
            if !reasons.contains(&found) {
                reasons.push(found);
            }
        }
        reasons
    }

    /// The notes given to it, then what a reader needs to know about its numbers; `mark` says how the best are marked.
    pub(super) fn all_notes(&self, mark: &str) -> Vec<Note> {
        // Of the models: what they are compared with is measured once.
        let models = self.rows.iter().filter(|row| !row.reference);
        let counts = models
            .flat_map(|row| &row.cells)
            .filter_map(|cell| match cell {
                TableCell::Number { n, .. } => Some(*n),
                _ => None,
            });
        let counts: Vec<usize> = counts.collect();
        let competes = self.columns.iter().any(|column| column.direction.is_some());
        let mut notes = Vec::new();
        if let (Some(least), Some(most)) = (counts.iter().min(), counts.iter().max()) {
            notes.push(match (least, most) {
                (_, 1) => "n = 1: one seed, so there is no spread, and none is marked as the best.".to_owned(),
                _ if least == most => {
                    format!("Mean ± standard deviation over {most} seeds (not a confidence interval).")
                }
                _ => format!(
                    "Mean ± standard deviation over {least} to {most} seeds (not a confidence interval); one seed has none."
                ),
            });
            if (0..self.columns.len()).any(|index| self.best(index).is_some()) {
                notes.push(format!(
                    "The best is {mark} where the 95 % interval of its paired difference to every other excludes zero."
                ));
            } else if *most > 1 && competes {
                notes.push(
                    "None is marked as the best: no paired difference to every other has a 95 % interval that excludes zero."
                        .to_owned(),
                );
            }
        }
        notes.extend(self.notes.iter().cloned());
        let protocols = self.columns.iter().filter_map(|column| {
            let protocol = column.protocol().filter(|id| *id != super::PUBLISHED)?;
            Some(format!("{} {protocol}", column.full_title()))
        });
        let protocols: Vec<String> = protocols.collect();
        if !protocols.is_empty() {
            notes.push(format!("Protocols: {}.", protocols.join(", ")));
        }
        let general = notes.into_iter().map(|text| Note { number: None, text });
        let reasons = self.reasons().into_iter().zip(1..);
        let reasons = reasons.map(|(reason, number)| Note {
            number: Some(number),
            text: format!("{reason}."),
        });
        general.chain(reasons).collect()
    }

    /// The same as lines of text.
    pub(super) fn note_lines(&self, mark: &str) -> Vec<String> {
        let line = |note: Note| match note.number {
            Some(number) => format!("[{number}] {}", note.text),
            None => note.text,
        };
        self.all_notes(mark).into_iter().map(line).collect()
    }
}

/// The differences of two cells, seed by seed; none where they are not numbers of the same seeds.
pub(in crate::report) fn paired(left: &TableCell, right: &TableCell) -> Option<Paired> {
    match (left, right) {
        (
            TableCell::Number {
                values: left,
                seeds: of_left,
                ..
            },
            TableCell::Number {
                values: right,
                seeds: of_right,
                ..
            },
        ) if of_left == of_right && of_left.len() == left.len() && left.len() == right.len() => {
            Paired::of(left, right).ok()
        }
        _ => None,
    }
}
