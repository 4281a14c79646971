//! The rows of an experiment: what frames them, and each system trained and measured with each seed.

use image::RgbImage;

use super::measure::Evaluators;
use super::plan::PlannedRow;
use super::training::{Drawn, Label, draw, train_run};
use super::{Context, Reporter};
use crate::config::{RunConfig, System};
use crate::error::Result;
use crate::images::{Pixels, write_png};
use crate::models::{self, GenerativeModel};
use crate::report::RowRecord;
use crate::run::Run;
use crate::tracker::{Ending, Event, Ledger};
use crate::workspace::ledger;

/// Label of the row that measures real images against real images.
const REAL: &str = "real (floor)";
/// Label of the row that measures an untrained generator.
const UNTRAINED: &str = "untrained (ceiling)";
/// How many images are shown with the training patches nearest to them.
const SHOWN_NEIGHBOURS: usize = 16;

/// What makes the rows of one experiment.
pub(super) struct Rows<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) evaluators: &'a Evaluators,
    /// How many runs there are, and how many are trained and measured.
    pub(super) count: usize,
    pub(super) done: usize,
}

impl Rows<'_> {
    /// One half of the held-out patches against the other: what a perfect system would score.
    pub(super) fn real(&self, floor: &Pixels, reporter: &mut dyn Reporter) -> Result<RowRecord> {
        let key = &self.context.store.content_hash()[..12];
        let folder = self.context.workspace.reference("real", key);
        let mut ledger = Ledger::open(&ledger(&folder))?;
        self.evaluators.measure(
            &mut ledger,
            0,
            None,
            |_| Ok(Drawn::plain(floor.clone())),
            reporter,
        )?;
        Ok(RowRecord {
            name: REAL.to_owned(),
            reference: true,
            ledgers: vec![self.context.workspace.relative_ledger(&folder)],
        })
    }

    /// The generator of `run` before training.
    pub(super) fn untrained(
        &self,
        run: &RunConfig,
        reporter: &mut dyn Reporter,
    ) -> Result<RowRecord> {
        let workspace = self.context.workspace;
        let folder = workspace.reference("untrained", &run.hash());
        let mut ledger = Ledger::open(&ledger(&folder))?;
        let model = models::build(run, &workspace.reward_models(), &self.context.device)?;
        let model = model.as_ref();
        let draw = |reporter: &mut dyn Reporter| self.draw(model, UNTRAINED, UNTRAINED, reporter);
        self.evaluators
            .measure(&mut ledger, 0, Some(model), draw, reporter)?;
        Ok(RowRecord {
            name: UNTRAINED.to_owned(),
            reference: true,
            ledgers: vec![workspace.relative_ledger(&folder)],
        })
    }

    /// One system with every seed. Returns its row, and whether every training came to its end.
    pub(super) fn system(
        &mut self,
        planned: &PlannedRow<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<(RowRecord, bool)> {
        let (system, workspace) = (planned.system, self.context.workspace);
        let (mut ledgers, mut complete) = (Vec::new(), true);
        if let Some(reason) = &planned.failure {
            // Its ledger says why it could not be trained.
            let folder = workspace.failed(&self.context.config.name, &system.name);
            Ledger::open(&ledger(&folder))?.append(Event::End {
                step: 0,
                ending: Ending::Failed,
                reason: reason.clone(),
                seconds: 0.0,
                peak_megabytes: None,
            })?;
            ledgers.push(workspace.relative_ledger(&folder));
            complete = false;
        }
        for run in &planned.runs {
            let (number, count) = (self.done + 1, self.count);
            let label = Label {
                text: format!("[{number}/{count}] {} seed {}", system.name, run.seed),
                number,
                count,
            };
            complete &= self.train_and_measure(system, run, &label, reporter)?;
            self.done += 1;
            reporter.runs_done(self.done, count);
            ledgers.push(workspace.relative_ledger(&Run::folder(&workspace.runs(), run)));
        }
        let row = RowRecord {
            name: system.name.clone(),
            reference: false,
            ledgers,
        };
        Ok((row, complete))
    }

    /// Trains and measures one system with one seed. A training that diverges leaves its row without a number; returns
    /// whether there is one.
    fn train_and_measure(
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
        self.pictures(system, &run.config, model, drawn.as_ref())?;
        Ok(true)
    }

    /// Pictures of the first images that are measured, and of the training patches nearest to them. `drawn` are the images
    /// where they were just drawn; where they were not, only pictures that are missing are made.
    fn pictures(
        &self,
        system: &System,
        run: &RunConfig,
        model: &dyn GenerativeModel,
        drawn: Option<&Pixels>,
    ) -> Result<()> {
        let Context {
            config, workspace, ..
        } = self.context;
        let first = |count: usize| {
            if let Some(pixels) = drawn {
                return Ok(self::first(pixels, count));
            }
            let count = count.min(config.evaluation.images);
            let drawn = draw(self.context, model, count, &mut |_| {})?;
            Ok::<_, anyhow::Error>(drawn.pixels)
        };
        let due = |detail: &str| {
            let detail = format!("-s{}{detail}", run.seed);
            let path = workspace.picture(&config.name, &system.name, &detail);
            (drawn.is_some() || !path.exists()).then_some(path)
        };
        if let Some(path) = due("") {
            write_png(&grid(&first(config.logging.grid_images)?), &path)?;
        }
        if let Some(memorisation) = &self.evaluators.memorisation
            && let Some(path) = due("-nearest")
        {
            let samples = first(SHOWN_NEIGHBOURS)?;
            let nearest = memorisation.evaluator.closest(&samples)?;
            let nearest = memorisation.trained_on.images.select(&nearest);
            let both = above(&samples, &nearest);
            write_png(&both.grid(SHOWN_NEIGHBOURS, 1), &path)?;
        }
        Ok(())
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

/// The first `count` images, or all.
pub(super) fn first(pixels: &Pixels, count: usize) -> Pixels {
    pixels.select(&(0..count.min(pixels.count)).collect::<Vec<_>>())
}

/// The images in about as many rows as columns.
pub(super) fn grid(pixels: &Pixels) -> RgbImage {
    let columns = (pixels.count as f64).sqrt().ceil() as usize;
    pixels.grid(columns, 1)
}

/// The images of both, those of `upper` first.
fn above(upper: &Pixels, lower: &Pixels) -> Pixels {
    let bytes = [upper.bytes.as_slice(), &lower.bytes].concat();
    Pixels::new(upper.count + lower.count, upper.size, upper.channels, bytes)
}
