//! `histogen cell`: one process of an experiment that has many.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::report::Tables;
use super::reporter::Terminal;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Cell;
use crate::error::{Result, refuse};
use crate::experiment::{self, CellState, Role};
use crate::shutdown;
use crate::submission::{Submission, end_with_parent};

/// How long what another machine wrote may stay unseen on a network disk.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn run(arguments: &Cell) -> Outcome {
    if arguments.with_parent {
        end_with_parent()?;
    }
    let submission = Submission::enter(&arguments.submission, &mut Terminal::new())?;
    match arguments.index {
        Some(index) => train(arguments, submission, index),
        None => report(&submission),
    }
}

/// Trains and measures the cell `index`.
fn train(arguments: &Cell, submission: Submission, index: usize) -> Outcome {
    let cell = submission.cell(index)?.clone();
    // Which of several devices is no part of the execution's name.
    let frozen = submission.config.clone();
    let mut config = frozen.clone();
    if let Some(device) = arguments.device {
        let kind = config.compute.device.kind;
        if device.kind != kind {
            return Err(refuse(
                format!("`{device}` is no device of the kind that the submission computes on"),
                format!("that is `{}`", kind.name()),
            ));
        }
        config.compute.device = device;
    }
    let workspace = submission.workspace();
    let reports = workspace.report(&config.name);
    during(Role::Cell, &frozen, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, false);
        if let Some(needs) = cell.needs {
            let needs = submission.cell(needs)?;
            await_done(|| submission.state(needs))?;
        }
        if is_job() {
            let restart = std::env::var("SLURM_RESTART_COUNT").ok();
            let restart = restart.and_then(|count| count.parse().ok());
            submission.check_progress(&cell, restart.unwrap_or(0))?;
        }
        let (asked, store) = (&submission.about.asked, submission.store);
        let complete =
            experiment::run_cell(&config, asked, &cell, store, &workspace, &mut reporter)?;
        Ok(Answer::of(complete))
    })
}

/// Makes the tables of what all cells left.
fn report(submission: &Submission) -> Outcome {
    let (config, workspace) = (&submission.config, submission.workspace());
    let reports = workspace.report(&config.name);
    during(Role::Reports, config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, false);
        let asked = &submission.about.asked;
        submission.upload_runs(execution)?;
        let outcome = experiment::collect(config, asked, &workspace, &mut reporter)?;
        Ok(Answer::of(Tables::new(false).print(outcome)?))
    })
}

/// Whether this process is one of a Slurm job.
fn is_job() -> bool {
    std::env::var_os("SLURM_JOB_ID").is_some()
}

/// Waits until what a cell needs is seen done: in a job it was, before the cell began. Elsewhere there is nothing to wait for.
fn await_done(state: impl Fn() -> Result<CellState>) -> Result<()> {
    let start = Instant::now();
    while is_job() && state()? != CellState::Done && start.elapsed() < PATIENCE {
        shutdown::check()?;
        sleep(Duration::from_secs(2));
    }
    Ok(())
}
