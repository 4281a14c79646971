//! What pretraining without labels is worth to paired models: networks that restore corrupted patches, and the same networks
//! fine-tuned on few labelled ones against networks that start from random weights (seed 004, arXiv 2402.18286).
//!
//! Everything of a seed is its own: its draw of labelled patches, its pretraining, its fine-tuning. Rows of one seed see the same
//! labelled patches in the same order. Only training slides are learned from; learning curves and scores are of held-out ones, on
//! which nothing is chosen.

mod measure;
mod pairs;
mod plan;
mod training;

use std::path::PathBuf;

use super::again::keep;
use super::captions::data_caption;
use super::training::{Label, never_began};
use super::{Context, Outcome, Reporter, render_translation};
use crate::config::Config;
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::report::{KindRecord, Record, TranslationRecord, TranslationRow};
use crate::run::Run;
use crate::translation::{Backbone, Start, TranslationTask, TranslatorTrainingConfig, check};
use crate::workspace::Workspace;

use measure::Measure;
use pairs::check_masks;
use plan::{PlannedRow, pretraining, rows, run_config};
use training::{Source, Trained, train_translator};

/// Pretrains and fine-tunes every row with every seed, or finds it trained, measures it, and writes the tables and learning curves.
///
/// # Errors
/// Refuses settings that do not fit the patches or one another, a store without the masks that a task needs or with a class that
/// none shows, and fails where [`super::reproduce`] does.
pub fn reproduce_translation(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    if config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no seeds", config.name),
            "add `seeds = [0]`, or give `--seeds 0`",
        ));
    }
    let context = Context::open(config, workspace, reporter)?;
    let settings = &config.translation;
    let rows = rows(settings, context.store.indices(Split::Train).len())?;
    if settings.task.has_masks() {
        check_masks(&context.store)?;
    }
    // Nothing is trained before it is known that everything fits.
    for row in &rows {
        check(&run_config(&context, row, config.seeds[0], None)?)?;
        if row.start == Start::Pretrained {
            check(&pretraining(&context, &row.backbone, config.seeds[0])?)?;
        }
    }
    let own = match settings.task {
        TranslationTask::Restore => &settings.pretraining.corruptions,
        _ => &settings.corruptions,
    };
    let measure = Measure::open(&context, settings.task, own)?;
    let needs_start = rows.iter().any(|row| row.start == Start::Pretrained);
    let of_pretraining = if needs_start {
        let corruptions = &settings.pretraining.corruptions;
        let task = TranslationTask::Restore;
        Some(Measure::open(&context, task, corruptions)?)
    } else {
        None
    };
    let mut work = Work {
        context: &context,
        measure: &measure,
        of_pretraining: of_pretraining.as_ref(),
        done: 0,
        count: config.seeds.len() * (rows.len() + plan::pretrained(&rows)),
        complete: true,
    };
    let mut ledgers = vec![Vec::new(); rows.len()];
    for &seed in &config.seeds {
        let mut sources: Vec<(Backbone, Option<Source>)> = Vec::new();
        for (row, ledgers) in rows.iter().zip(&mut ledgers) {
            if row.start == Start::Pretrained
                && !sources.iter().any(|(known, _)| *known == row.backbone)
            {
                let source = work.pretrain(&row.backbone, seed, reporter)?;
                sources.push((row.backbone.clone(), source));
            }
            let source = sources.iter().find(|(known, _)| *known == row.backbone);
            let source = source.and_then(|(_, source)| source.as_ref());
            let folder = work.fine_tune(row, seed, source, reporter)?;
            ledgers.push(workspace.relative_ledger(&folder));
        }
    }
    let record = record(&context, &rows, ledgers);
    record.save(workspace.out())?;
    let about = about(config, &rows);
    about.save(workspace.out(), &config.name)?;
    keep(config, workspace)?;
    let complete = work.complete;
    let mut outcome = render_translation(record, &about, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// The trainings of an experiment.
struct Work<'a> {
    context: &'a Context<'a>,
    measure: &'a Measure<'a>,
    /// What measures the pretraining, where rows start from it.
    of_pretraining: Option<&'a Measure<'a>>,
    done: usize,
    count: usize,
    /// Whether every training came to its end.
    complete: bool,
}

impl Work<'_> {
    fn label(&self, text: String) -> Label {
        Label {
            text,
            number: self.done + 1,
            count: self.count,
        }
    }

    /// The pretrained network of a backbone; none if its training diverged.
    fn pretrain(
        &mut self,
        backbone: &Backbone,
        seed: u64,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<Source>> {
        let Some(measure) = self.of_pretraining else {
            return Ok(None);
        };
        let config = pretraining(self.context, backbone, seed)?;
        let label = self.label(format!("pretraining of {} seed {seed}", backbone.label()));
        let trained = train_translator(self.context, &config, measure, None, &label, reporter)?;
        self.done += 1;
        reporter.runs_done(self.done, self.count);
        let Some(Trained { run, model }) = trained else {
            return Ok(None);
        };
        let name = run.path().file_name().unwrap_or_default();
        Ok(Some(Source {
            run: name.to_string_lossy().into_owned(),
            tensors: model.tensors()?,
        }))
    }

    /// One row with one seed. Returns its folder.
    fn fine_tune(
        &mut self,
        row: &PlannedRow,
        seed: u64,
        source: Option<&Source>,
        reporter: &mut dyn Reporter,
    ) -> Result<PathBuf> {
        let source = source.filter(|_| row.start == Start::Pretrained);
        let folder = if row.start == Start::Pretrained && source.is_none() {
            self.complete = false;
            self.without_start(row, seed)?
        } else {
            let config = run_config(self.context, row, seed, source)?;
            let folder = Run::folder(&self.context.workspace.runs(), &config);
            let label = self.label(format!("{} seed {seed}", row.name));
            let (context, measure) = (self.context, self.measure);
            let trained = train_translator(context, &config, measure, source, &label, reporter)?;
            self.complete &= trained.is_some();
            folder
        };
        self.done += 1;
        reporter.runs_done(self.done, self.count);
        Ok(folder)
    }

    /// The ledger that says why there is nothing to start from.
    fn without_start(&self, row: &PlannedRow, seed: u64) -> Result<PathBuf> {
        let (workspace, config) = (self.context.workspace, self.context.config);
        let folder = workspace.failed(&config.name, &format!("{} seed {seed}", row.name));
        never_began(&folder, "the pretraining diverged")?;
        Ok(folder)
    }
}

fn record(context: &Context<'_>, rows: &[PlannedRow], ledgers: Vec<Vec<PathBuf>>) -> Record {
    let config = context.config;
    let facts = vec![data_caption(&context.store), sizes(config), caption(config)];
    let names = rows.iter().map(|row| row.name.clone());
    Record::new(config, facts, names.zip(ledgers))
}

/// Profile, seeds and patches in words.
fn sizes(config: &Config) -> String {
    let (size, reduction) = (config.data.patch_size, config.data.reduction);
    let slides = match reduction {
        1 => "slides as they are".to_owned(),
        reduction => format!("slides made {reduction} times smaller"),
    };
    format!(
        "Profile {}, seeds {:?}; patches of {size} x {size} pixels of {slides}.",
        config.profile, config.seeds
    )
}

/// Task and training in words.
fn caption(config: &Config) -> String {
    let settings = &config.translation;
    let words = |training: &TranslatorTrainingConfig| {
        format!(
            "{} steps of batch {}, Adam with learning rate {} and beta1 {}",
            training.steps, training.batch, training.learning_rate, training.beta1
        )
    };
    let adversary = &settings.pretraining.adversary;
    let game = match adversary.layers {
        0 => "L1 alone".to_owned(),
        layers => format!(
            "{} L1 + the game of Pix2Pix with a PatchGAN of {layers} layers (width {})",
            adversary.l1_weight, adversary.width
        ),
    };
    let pretraining = format!(
        "Pretraining: corrupted patches are restored, {}, {game}.",
        words(&settings.pretraining.training)
    );
    if settings.task == TranslationTask::Restore {
        return pretraining;
    }
    format!(
        "Task `{}`: {}, everything learns. {pretraining}",
        settings.task.name(),
        words(&settings.training)
    )
}

fn about(config: &Config, rows: &[PlannedRow]) -> TranslationRecord {
    let settings = &config.translation;
    TranslationRecord {
        task: settings.task.name().to_owned(),
        score: settings.task.main_score().to_owned(),
        rows: rows
            .iter()
            .map(|row| TranslationRow {
                row: row.name.clone(),
                backbone: row.backbone.label(),
                patches: row.patches,
                start: row.start.name().to_owned(),
            })
            .collect(),
    }
}
