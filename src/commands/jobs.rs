//! `--jobs N`: the cells of an experiment as processes of this machine, and its tables at the end.

use super::progress::duration;
use super::report::Tables;
use super::reporter::Terminal;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Settings;
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::experiment::{self, Asked};
use crate::submission::{Ended, Jobs, Submission};
use crate::workspace::Workspace;

/// The number of trainings at once, where it is not one after the other in this process.
pub(super) fn several(jobs: Option<Jobs>) -> Option<Jobs> {
    jobs.filter(|jobs| !matches!(jobs, Jobs::Count(count) if count.get() == 1))
}

/// What the cells of `config` are run for; refuses an experiment that has none.
pub(super) fn cells<'a>(config: &Config, asked: Option<&'a Asked>) -> Result<&'a Asked> {
    let asked = asked.filter(|_| !config.systems.is_empty());
    asked.ok_or_else(|| {
        refuse(
            format!("the trainings of `{}` depend on one another", config.name),
            "leave `--jobs` out; or submit an experiment with `systems`",
        )
    })
}

pub(super) fn run(
    config: &Config,
    asked: Option<&Asked>,
    jobs: Jobs,
    settings: &Settings,
    tables: &mut Tables,
) -> Outcome {
    let asked = cells(config, asked)?;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    Tracking::during(config, settings, &reports, |tracking| {
        let mut reporter = Terminal::tracked(tracking, false);
        let submission = Submission::new(config, asked.clone(), &workspace, &mut reporter)?.here();
        submission.freeze()?;
        for note in &submission.notes {
            eprintln!("{note}");
        }
        let logs = submission.folder.join("logs");
        let mut begins = |jobs: usize, threads: usize| {
            let (cells, logs) = (submission.cells.len(), logs.display());
            eprintln!(
                "{cells} trainings, {jobs} at once on {threads} threads each; what each says: `{logs}`"
            );
        };
        let complete =
            submission.run_here(jobs, &mut begins, &mut |ended| eprintln!("{}", line(ended)))?;
        tracking.upload_cells(&submission)?;
        let outcome = experiment::collect(config, asked, &workspace, &mut reporter)?;
        let is_whole = tables.print(outcome)?;
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(is_whole && complete))
    })
}

/// How a cell ended, in a line.
fn line(ended: &Ended<'_>) -> String {
    let Ended {
        cell,
        done,
        count,
        time,
        reason,
    } = ended;
    let what = match (reason.as_str(), time) {
        ("", None) => "found done".to_owned(),
        ("", Some(time)) => format!("done in {}", duration(*time)),
        (reason, _) => reason.to_owned(),
    };
    format!("[{done}/{count}] {}: {what}", cell.label())
}
