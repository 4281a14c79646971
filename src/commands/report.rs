//! `histogen report`: the tables of an experiment again, from its ledgers alone.

use super::output::show;
use super::{Answer, Outcome};
use crate::cli::Report;
use crate::error::Result;
use crate::experiment;
use crate::report::Table;
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Report) -> Outcome {
    let workspace = Workspace::new(&arguments.out);
    let mut tables = Tables::new(arguments.json);
    tables.print(experiment::render_again(&arguments.experiment, &workspace)?)?;
    tables.end()?;
    Ok(Answer::Yes)
}

/// Prints the tables of a command: each when it is there or, as JSON, all of them at its end.
pub(super) struct Tables {
    /// None where they are printed at once.
    kept: Option<Vec<Table>>,
}

impl Tables {
    pub(super) fn new(json: bool) -> Self {
        let kept = json.then(Vec::new);
        Self { kept }
    }

    /// Prints the tables of an experiment, and says what was written. Returns whether all of it is complete.
    pub(super) fn print(&mut self, outcome: experiment::Outcome) -> Result<bool> {
        for rendered in outcome.tables {
            match &mut self.kept {
                Some(kept) => kept.push(rendered.table),
                None => show(false, &rendered.table, |table| Ok(table.terminal()))?,
            }
            for path in &rendered.files {
                eprintln!("wrote `{}`", path.display());
            }
        }
        for path in &outcome.files {
            eprintln!("wrote `{}`", path.display());
        }
        for (title, reason) in &outcome.absent {
            eprintln!("not drawn: {title}: {reason}");
        }
        Ok(outcome.complete)
    }

    /// Prints what was kept for the end.
    pub(super) fn end(self) -> Result<()> {
        match self.kept {
            Some(kept) => show(true, &kept, |_| Ok("")),
            None => Ok(()),
        }
    }
}
