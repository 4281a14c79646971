//! `--jobs N`: the cells of an experiment as processes of this machine, and its tables at the end.

use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::report::Tables;
use super::reporter::Terminal;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Settings;
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::experiment::{self, Asked, Cell, Role};
use crate::report::duration;
use crate::submission::{Ended, Jobs, Submission, Watcher};
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
    during(Role::Whole, config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, false);
        let submission = Submission::new(config, asked.clone(), &workspace, &mut reporter)?.here();
        submission.freeze()?;
        for note in &submission.notes {
            eprintln!("{note}");
        }
        let mut lines = ScreenLines {
            submission: &submission,
            screen: MultiProgress::new(),
            bars: BTreeMap::new(),
        };
        let complete = submission.run_here(jobs, &mut lines)?;
        submission.upload_runs(execution)?;
        let outcome = experiment::collect(config, asked, &workspace, &mut reporter)?;
        let is_whole = tables.print(outcome)?;
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(is_whole && complete))
    })
}

/// On a terminal a line for each training that runs, with what it said last; a line that stays for each that ended.
struct ScreenLines<'a> {
    submission: &'a Submission,
    screen: MultiProgress,
    /// By the index of the cell.
    bars: BTreeMap<usize, ProgressBar>,
}

impl Watcher for ScreenLines<'_> {
    fn begins(&mut self, at_once: usize, threads: usize) {
        let cells = self.submission.cells.len();
        let logs = self.submission.folder.join("logs");
        eprintln!(
            "{cells} trainings, {at_once} at once on {threads} threads each; what each says: `{}`",
            logs.display()
        );
    }

    fn says(&mut self, cell: &Cell, line: &str) {
        let bar = self.bars.entry(cell.index).or_insert_with(|| {
            let style = ProgressStyle::with_template("{elapsed} {wide_msg}");
            let bar = ProgressBar::no_length().with_style(style.expect("the template is valid"));
            self.screen.add(bar)
        });
        bar.set_message(line.to_owned());
        bar.tick();
    }

    fn ended(&mut self, ended: &Ended<'_>) {
        if let Some(bar) = self.bars.remove(&ended.cell.index) {
            bar.finish_and_clear();
        }
        self.screen.suspend(|| eprintln!("{}", line(ended)));
    }
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
