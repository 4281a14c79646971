//! The training of one paired model: a run as every training is.

use std::path::Path;

use super::measure::Measure;
use super::pairs::TrainingPairs;
use crate::error::Result;
use crate::experiment::training::{Label, unless_diverged};
use crate::experiment::{Context, Reporter};
use crate::files::write_whole;
use crate::images::write_png;
use crate::models::{Scalars, StepScalars};
use crate::nn::record::{load_parts, save_parts};
use crate::random::Random;
use crate::run::{Run, Training, conduct, is_due};
use crate::tracker::{self, Event};
use crate::translation::{NamedTensor, Translator, TranslatorRunConfig, build};

/// What a network took over from another run: beside its configuration.
const START: &str = "start.toml";

/// A paired model and its run.
pub(super) struct Trained {
    pub(super) run: Run<TranslatorRunConfig>,
    pub(super) model: Box<dyn Translator>,
}

/// A run that others start from.
#[derive(Clone)]
pub(super) struct Source {
    /// Its folder's name.
    pub(super) run: String,
    /// Its network.
    pub(super) tensors: Vec<NamedTensor>,
}

/// Trains a paired model or finds it trained, and measures it. None if it diverged, which `reporter` is told.
///
/// # Errors
/// Refuses settings and a start that do not fit; fails where a run cannot be opened or read, and if a signal stops the training.
pub(super) fn train_translator(
    context: &Context<'_>,
    config: &TranslatorRunConfig,
    measure: &Measure<'_>,
    source: Option<&Source>,
    label: &Label,
    reporter: &mut dyn Reporter,
) -> Result<Option<Trained>> {
    let mut run = Run::open(&context.workspace.runs(), config)?;
    let trained = unless_diverged(&mut run, label, reporter, |run, reporter| {
        train(context, run, measure, source, reporter)
    })?;
    let Some(model) = trained else {
        return Ok(None);
    };
    measure.last(&mut run, model.as_ref(), reporter)?;
    Ok(Some(Trained { run, model }))
}

fn train(
    context: &Context<'_>,
    run: &mut Run<TranslatorRunConfig>,
    measure: &Measure<'_>,
    source: Option<&Source>,
    reporter: &mut dyn Reporter,
) -> Result<Box<dyn Translator>> {
    let config = run.config.clone();
    let mut model = build(&config, &context.device)?;
    let first = run.load_checkpoint(|folder| load_parts(folder, |each| model.parts(each)))?;
    if let (None, Some(source)) = (first, source) {
        // The last layer of the pretraining makes images.
        let report = model.start_from(&source.tensors, config.task.has_masks())?;
        reporter.note(&report.sentence(&source.run));
        let text = toml::to_string(&report).expect("a report has string keys only");
        write_whole(&run.path().join(START), text.as_bytes())?;
    }
    if run.is_finished() {
        return Ok(model);
    }
    let mut training = TranslatorTraining {
        model,
        pairs: TrainingPairs::new(
            &context.store,
            config.task,
            &config.corruptions,
            config.patches,
            config.batch,
            config.seed,
        ),
        measure,
        random: Random::new(config.seed),
        reporter,
    };
    conduct(
        run,
        first.unwrap_or(0),
        &context.config.logging,
        &mut training,
    )?;
    Ok(training.model)
}

struct TranslatorTraining<'a> {
    model: Box<dyn Translator>,
    pairs: TrainingPairs<'a>,
    measure: &'a Measure<'a>,
    random: Random,
    reporter: &'a mut dyn Reporter,
}

impl Training<TranslatorRunConfig> for TranslatorTraining<'_> {
    fn step(&mut self, position: u64) -> Result<StepScalars> {
        let pairs = self.pairs.at(position)?;
        let scalars = self.model.step(&pairs, self.random.at(position))?;
        let named = scalars.into_iter();
        let named: Scalars = named.map(|(name, value)| (name.into(), value)).collect();
        Ok(named.into())
    }

    fn tell(&mut self, step: u64, scalars: &Scalars) {
        self.reporter.step(step, "", scalars);
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        save_parts(folder, |each| self.model.parts(each))
    }

    /// A point of the learning curve, and in the end a picture.
    fn look(&mut self, run: &mut Run<TranslatorRunConfig>, step: u64) -> Result<()> {
        let steps = run.config.steps;
        let every = self.measure.every();
        let has = |run: &Run<TranslatorRunConfig>, is_it: &dyn Fn(&Event) -> bool| {
            run.ledger.events().iter().any(is_it)
        };
        let is_measured =
            |event: &Event| matches!(event, Event::Evaluation(found) if found.step == step);
        if step < steps && is_due(step, steps, every) && !has(run, &is_measured) {
            let scores = self.measure.of(self.model.as_ref(), false)?;
            run.ledger
                .append(Event::Evaluation(tracker::Evaluation::unkept(
                    step,
                    run.config.seed,
                    scores,
                )))?;
        }
        let is_drawn = |event: &Event| matches!(event, Event::Samples { .. });
        if step == steps && !has(run, &is_drawn) {
            let file = format!("samples/step-{step:06}.png");
            let picture = self.measure.picture(self.model.as_ref())?;
            write_png(&picture, &run.path().join(&file))?;
            run.ledger.append(Event::Samples { step, file })?;
        }
        Ok(())
    }

    fn advice(&self) -> &'static str {
        "lower `translation.training.learning_rate` or that of `translation.pretraining.training`"
    }
}
