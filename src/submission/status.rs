//! How a submitted experiment stands: ledgers first, then what the scheduler says.

use std::fmt;

use serde::Serialize;

use super::{Queued, Submission};
use crate::error::Result;
use crate::experiment::CellState;

/// How a cell stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CellStatus {
    /// Its index; none for the report.
    pub index: Option<usize>,
    /// What it is of.
    pub cell: String,
    /// What its ledger says.
    pub state: String,
    /// What the scheduler says; empty where it knows nothing of it.
    pub queue: String,
}

impl fmt::Display for CellStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = self
            .index
            .map_or_else(|| "-".to_owned(), |index| index.to_string());
        let line = format!(
            "{index:>4}  {:32}  {:40}  {}",
            self.cell, self.state, self.queue
        );
        out.write_str(line.trim_end())
    }
}

impl Submission {
    /// How every cell stands, and last the report, if it is in `queue`.
    ///
    /// # Errors
    /// Fails if a ledger cannot be read.
    pub fn status(&self, queue: &[Queued]) -> Result<Vec<CellStatus>> {
        let in_words =
            |queued: &Queued| format!("{} ({}, job {})", queued.state, queued.why, queued.job);
        let mut status = Vec::new();
        for (cell, state) in self.cells.iter().zip(self.states()?) {
            let mut of_it = queue
                .iter()
                .filter(|queued| self.cell_of(queued) == Some(cell.index));
            let queue = of_it.next().map(in_words).unwrap_or_default();
            let state = match state {
                CellState::Done => "done".to_owned(),
                CellState::Diverged(how) => how,
                CellState::Unmeasured => "trained, not measured".to_owned(),
                CellState::Waits => "not begun: its reward model is not trained".to_owned(),
                CellState::Open(state) => state.to_string(),
            };
            status.push(CellStatus {
                index: Some(cell.index),
                cell: cell.label(),
                state,
                queue,
            });
        }
        for report in queue.iter().filter(|queued| self.cell_of(queued).is_none()) {
            status.push(CellStatus {
                index: None,
                cell: "report".to_owned(),
                state: String::new(),
                queue: in_words(report),
            });
        }
        Ok(status)
    }
}
