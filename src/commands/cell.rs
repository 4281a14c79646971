//! `histogen cell`: one process of an experiment that has many.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::report::print;
use super::reporter::Terminal;
use super::tracking::{Part, Tracking};
use super::{Answer, Outcome};
use crate::cli::Cell;
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::experiment::{self, CellState};
use crate::shutdown;
use crate::submission::{Submission, end_with_parent};

/// How long what another machine wrote may stay unseen on a network disk.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn run(arguments: &Cell) -> Outcome {
    if arguments.with_parent {
        end_with_parent()?;
    }
    let submission = Submission::enter(&arguments.submission)?;
    let workspace = submission.workspace();
    let reports = workspace.report(&submission.config.name);
    let Some(index) = arguments.index else {
        return Tracking::during_part(
            Part::Reports,
            &submission.config,
            &workspace,
            &reports,
            |tracking| {
                let mut reporter = Terminal::tracked(tracking, false);
                let asked = &submission.about.asked;
                let outcome =
                    experiment::collect(&submission.config, asked, &workspace, &mut reporter)?;
                print(&outcome);
                Ok(Answer::of(outcome.complete))
            },
        );
    };
    let cell = submission.cell(index)?;
    // Which of several devices is no part of the execution's name.
    let mut config: Config = submission.config.clone();
    if let Some(device) = arguments.device {
        if device.kind != config.compute.device.kind {
            return Err(refuse(
                format!(
                    "`--device {device}` is of another kind than `compute.device` of the submission"
                ),
                format!("it is `{}`", config.compute.device.kind.name()),
            ));
        }
        config.compute.device = device;
    }
    Tracking::during_part(
        Part::Cell,
        &submission.config,
        &workspace,
        &reports,
        |tracking| {
            let mut reporter = Terminal::tracked(tracking, false);
            let store = experiment::patches(&config, &workspace, &mut reporter)?;
            if let Some(needs) = cell.needs {
                let needs = submission.cell(needs)?;
                await_done(|| experiment::cell_state(&config, needs, &store, &workspace))?;
            }
            if let Ok(restart) = std::env::var("SLURM_RESTART_COUNT") {
                submission.check_progress(cell, restart.parse().unwrap_or(0), &store)?;
            } else if std::env::var_os("SLURM_JOB_ID").is_some() {
                submission.check_progress(cell, 0, &store)?;
            }
            let asked = &submission.about.asked;
            let complete = experiment::run_cell(&config, asked, cell, &workspace, &mut reporter)?;
            Ok(Answer::of(complete))
        },
    )
}

/// Waits until what a cell needs is seen done: in a job it was, before the cell began. Elsewhere there is nothing to wait for.
fn await_done(state: impl Fn() -> Result<CellState>) -> Result<()> {
    let start = Instant::now();
    let is_job = std::env::var_os("SLURM_JOB_ID").is_some();
    while is_job && state()? != CellState::Done && start.elapsed() < PATIENCE {
        shutdown::check()?;
        sleep(Duration::from_secs(2));
    }
    Ok(())
}
