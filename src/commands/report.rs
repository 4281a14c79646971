//! `histogen report`: the tables of an experiment again, from its ledgers alone.

use super::{Answer, Outcome};
use crate::cli::Report;
use crate::experiment;
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Report) -> Outcome {
    let workspace = Workspace::new(&arguments.out);
    print(&experiment::render_again(
        &arguments.experiment,
        &workspace,
    )?);
    Ok(Answer::Yes)
}

/// Prints the tables of an experiment, and says what was written.
pub(super) fn print(outcome: &experiment::Outcome) {
    for rendered in &outcome.tables {
        println!("{}", rendered.table.terminal());
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
}
