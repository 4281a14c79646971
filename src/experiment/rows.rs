//! The rows of an experiment: what frames them, and each system trained and measured with each seed.

use std::path::PathBuf;

use super::best::BestAndLast;
use super::measure::Evaluators;
use super::pictures::Pictures;
use super::plan::PlannedRow;
use super::training::{Drawn, Label, draw, never_began, train_run};
use super::{Context, Reporter, Runs};
use crate::config::{RunConfig, System};
use crate::error::Result;
use crate::images::Pixels;
use crate::models::{self, GenerativeModel};
use crate::report::RowRecord;
use crate::run::{self, Run, RunState};
use crate::tracker::{Ending, Ledger};
use crate::workspace::ledger;

/// Label of the row that measures real images against real images.
const REAL: &str = "real (floor)";
/// Label of the row that measures an untrained generator.
const UNTRAINED: &str = "untrained (ceiling)";

/// The rows of an experiment as they will be, before any of them is trained: those that frame the others, then a row for each
/// that is planned.
pub(super) fn records(context: &Context<'_>, planned: &[PlannedRow<'_>]) -> Vec<RowRecord> {
    let workspace = context.workspace;
    let row = |name: &str, reference: bool, folders: Vec<PathBuf>| RowRecord {
        name: name.to_owned(),
        reference,
        ledgers: folders
            .iter()
            .map(|folder| workspace.relative_ledger(folder))
            .collect(),
    };
    let mut rows = vec![row(REAL, true, vec![real_folder(context)])];
    if let Some(first) = planned.iter().find_map(|row| row.runs.first()) {
        rows.push(row(UNTRAINED, true, vec![untrained_folder(context, first)]));
    }
    for PlannedRow {
        system,
        runs,
        failure,
    } in planned
    {
        let failed = failure.as_ref().map(|_| failed_folder(context, system));
        let runs = runs.iter().map(|run| Run::folder(&workspace.runs(), run));
        let mut made = row(
            &system.name,
            false,
            failed.into_iter().chain(runs).collect(),
        );
        if let Some(other) = rows.iter().find(|other| other.name == system.same_as) {
            made.ledgers.clone_from(&other.ledgers);
        }
        rows.push(made);
    }
    rows
}

fn real_folder(context: &Context<'_>) -> PathBuf {
    let key = &context.store.content_hash()[..12];
    context.workspace.reference("real", key)
}

fn untrained_folder(context: &Context<'_>, run: &RunConfig) -> PathBuf {
    context.workspace.reference("untrained", &run.hash())
}

fn failed_folder(context: &Context<'_>, system: &System) -> PathBuf {
    let name = &context.config.name;
    context.workspace.failed(name, &system.name)
}

/// Whether `run` is trained.
fn is_trained(context: &Context<'_>, run: &RunConfig) -> Result<bool> {
    let state = run::state(&Run::folder(&context.workspace.runs(), run))?;
    Ok(matches!(state, RunState::Ended { ending, .. } if ending == Ending::Finished))
}

/// What makes the rows of one experiment.
pub(super) struct Rows<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) evaluators: &'a Evaluators,
    pub(super) best_and_last: Option<BestAndLast<'a>>,
    pub(super) runs: Runs,
    /// How many runs there are, and how many are trained and measured.
    pub(super) count: usize,
    pub(super) done: usize,
}

impl Rows<'_> {
    /// One half of the held-out patches against the other: what a perfect system would score.
    pub(super) fn real(&self, floor: &Pixels, reporter: &mut dyn Reporter) -> Result<()> {
        let mut ledger = Ledger::open(&ledger(&real_folder(self.context)))?;
        let draw = |_: &mut dyn Reporter| Ok(Drawn::plain(floor.clone()));
        self.evaluators
            .measure(&mut ledger, 0, None, draw, reporter)?;
        Ok(())
    }

    /// The generator of `run` before training.
    pub(super) fn untrained(&self, run: &RunConfig, reporter: &mut dyn Reporter) -> Result<()> {
        let Context {
            workspace, device, ..
        } = self.context;
        let mut ledger = Ledger::open(&ledger(&untrained_folder(self.context, run)))?;
        let model = models::build(run, &workspace.reward_models(), device)?;
        let model = model.as_ref();
        let draw = |reporter: &mut dyn Reporter| self.draw(model, UNTRAINED, UNTRAINED, reporter);
        self.evaluators
            .measure(&mut ledger, 0, Some(model), draw, reporter)?;
        Ok(())
    }

    /// One system with every seed. Returns whether every training came to its end.
    pub(super) fn system(
        &mut self,
        planned: &PlannedRow<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<bool> {
        let system = planned.system;
        let mut complete = true;
        if let Some(reason) = &planned.failure {
            // Its ledger says why it could not be trained.
            let folder = failed_folder(self.context, system);
            never_began(&folder, reason)?;
            complete = false;
        }
        for run in &planned.runs {
            let (number, count) = (self.done + 1, self.count);
            let label = Label {
                text: format!("[{number}/{count}] {} seed {}", system.name, run.seed),
                number,
                count,
            };
            complete &= if self.runs == Runs::Trained || is_trained(self.context, run)? {
                self.train_and_measure(system, run, &label, reporter)?
            } else {
                reporter.note(&format!("{}: not trained", label.text));
                false
            };
            self.done += 1;
            reporter.runs_done(self.done, count);
        }
        Ok(complete)
    }

    /// Trains and measures one system with one seed. A training that diverges leaves its row without a number; returns
    /// whether there is one.
    pub(super) fn train_and_measure(
        &self,
        system: &System,
        run: &RunConfig,
        label: &Label,
        reporter: &mut dyn Reporter,
    ) -> Result<bool> {
        let Some((mut run, model)) = train_run(self.context, run, label, reporter)? else {
            return Ok(false);
        };
        let (step, model) = (run.config.steps as u64, model.as_ref());
        let row = format!("{} seed {}", system.name, run.config.seed);
        let draw_now = |reporter: &mut dyn Reporter| self.draw(model, &label.text, &row, reporter);
        let drawn =
            self.evaluators
                .measure(&mut run.ledger, step, Some(model), draw_now, reporter)?;
        if let Some(best_and_last) = &self.best_and_last {
            best_and_last.measure(&run, model, drawn.as_ref())?;
        }
        let pictures = Pictures {
            context: self.context,
            row: &system.name,
            seed: run.config.seed,
            model,
            reward: run.config.reward.as_ref(),
            drawn: drawn.as_ref(),
        };
        pictures.make(self.evaluators.memorisation.as_ref())?;
        Ok(true)
    }

    /// The images of `model` that are measured; what is to know of them is said of `row`.
    fn draw(
        &self,
        model: &dyn GenerativeModel,
        label: &str,
        row: &str,
        reporter: &mut dyn Reporter,
    ) -> Result<Drawn> {
        let count = self.context.config.evaluation.images;
        let name = format!("{label}: drawing");
        reporter.phase(&name, 0, count);
        let mut drawn = draw(self.context, model, count, &mut |done| {
            reporter.phase(&name, done, count);
        })?;
        reporter.phase_end(&format!("{count} images"));
        if !drawn.note.is_empty() {
            drawn.note = format!("{row}: {}", drawn.note);
            reporter.note(&drawn.note);
        }
        Ok(drawn)
    }
}
