//! One run of an experiment, trained or found trained, and the images that its model makes.

use std::cell::RefCell;
use std::fs;
use std::path::Path;

use burn::tensor::Device;

use super::kept_discriminator::kept_discriminator;
use super::{
    Context, Evaluator, Reporter, RewardModels, TrainingEnd, TrainingInfo, held_out, run_config,
};
use crate::config::{Config, EvaluationConfig, RunConfig, System};
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::images::Pixels;
use crate::models::{self, GenerativeModel};
use crate::run::{self, Identity, Run, RunState, find_checkpoint, unreadable};
use crate::samplers::Acceptance;
use crate::samples::{self, Plan};
use crate::shutdown;
use crate::tracker::{self, Ending, Event, Ledger};
use crate::train;
use crate::workspace::{Workspace, config_file, ledger, reward_models};

/// Trains one system of an experiment with one seed, or finds it trained. None if its training diverged, which `reporter` is
/// told.
///
/// # Errors
/// Fails where the patches, the reward model or the run's folder cannot be had, and if a signal stops the training.
pub fn train(
    config: &Config,
    system: &System,
    seed: u64,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Option<Run>> {
    let context = Context::open(config, workspace, reporter)?;
    let mut reward_models = RewardModels::new(&context);
    let run = run_config(config, system, seed, &context.store, &mut |config| {
        reward_models.of(config, reporter)
    })?;
    let label = Label::only(format!("{} seed {seed}", system.name));
    let trained = train_run(&context, &run, &label, reporter)?;
    Ok(trained.map(|(run, _)| run))
}

/// What people are told of a training among those of an experiment.
pub(super) struct Label {
    /// What is trained.
    pub(super) text: String,
    /// Which of how many, counted from 1.
    pub(super) number: usize,
    pub(super) count: usize,
}

impl Label {
    /// A training that is the only one.
    pub(super) fn only(text: String) -> Self {
        Self {
            text,
            number: 1,
            count: 1,
        }
    }
}

/// Trains one run, or finds it trained. None if it diverged, which `reporter` is told.
pub(super) fn train_run(
    context: &Context<'_>,
    run: &RunConfig,
    label: &Label,
    reporter: &mut dyn Reporter,
) -> Result<Option<(Run, Box<dyn GenerativeModel>)>> {
    let config = context.config;
    let mut run = Run::open(&context.workspace.runs(), run)?;
    let model = unless_diverged(&mut run, label, reporter, |run, reporter| {
        let reporter = RefCell::new(reporter);
        let mut evaluator = None;
        let mut measure = |model: &dyn GenerativeModel| {
            let evaluator = match &mut evaluator {
                Some(evaluator) => evaluator,
                empty => empty.insert(best_by(context)?),
            };
            let EvaluationConfig { images, seed, .. } = config.evaluation;
            let drawn = draw(context, model, images, &mut |_| {})?;
            let mut scores = evaluator.measure_once(&drawn.pixels)?;
            for score in &mut scores {
                score.warn(&drawn.note);
            }
            reporter.borrow_mut().scores(&scores);
            let step = 0; // the loop knows it
            Ok(tracker::Evaluation::unkept(step, seed, scores))
        };
        train::train(
            run,
            &context.store,
            &config.logging,
            &context.samplers,
            &context.device,
            &mut measure,
            &mut |state| {
                let step = state.step as u64;
                reporter.borrow_mut().step(step, "", state.scalars);
            },
        )
    })?;
    Ok(model.map(|model| (run, model)))
}

/// Trains and tells `reporter`; none if the training diverged, of which it is told too.
pub(super) fn unless_diverged<C: Identity, T>(
    run: &mut Run<C>,
    label: &Label,
    reporter: &mut dyn Reporter,
    train: impl FnOnce(&mut Run<C>, &mut dyn Reporter) -> Result<T>,
) -> Result<Option<T>> {
    match told(run, label, reporter, train) {
        Ok(trained) => Ok(Some(trained)),
        Err(error) if has_diverged(run.path())? => {
            reporter.failure(&error);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Tells `reporter` of a training from before its first step until its end, whatever ends it.
pub(super) fn told<C: Identity, T>(
    run: &mut Run<C>,
    label: &Label,
    reporter: &mut dyn Reporter,
    train: impl FnOnce(&mut Run<C>, &mut dyn Reporter) -> Result<T>,
) -> Result<T> {
    reporter.training(&TrainingInfo {
        label: &label.text,
        number: label.number,
        count: label.count,
        steps: run.config.steps(),
        device: run.config.device(),
        folder: run.path(),
        events: run.ledger.events(),
    })?;
    for notice in run.notices() {
        reporter.note(&format!("note: {notice}"));
    }
    let was_finished = run.is_finished();
    let trained = train(run, reporter);
    reporter.training_end(match &trained {
        Ok(_) if was_finished => TrainingEnd::Found,
        Ok(_) => TrainingEnd::Finished,
        Err(_) => TrainingEnd::Failed,
    });
    let trained = trained?;
    shutdown::check()?; // a signal that came through whoever watched
    Ok(trained)
}

/// What measures during training the score by which a checkpoint is the best, as tables do after it.
fn best_by(context: &Context<'_>) -> Result<Evaluator> {
    let evaluation = &context.config.evaluation;
    let (reference, _) = held_out(evaluation, &context.store)?;
    let names = [run::BEST_BY.to_owned()];
    let evaluator = Evaluator::new(
        evaluation,
        &names,
        &reference.name,
        &reference.images,
        &context.device,
        &context.workspace.features(),
    )?;
    Ok(evaluator.with_samplers(&context.samplers))
}

/// Whether the last training of the run in `folder` ended because it diverged.
fn has_diverged(folder: &Path) -> Result<bool> {
    let state = run::state(folder)?;
    Ok(matches!(state, RunState::Ended { ending, .. } if ending == Ending::Diverged))
}

/// Leaves a ledger in `folder` that says why there is no training.
pub(super) fn never_began(folder: &Path, reason: &str) -> Result<()> {
    Ledger::open(&ledger(folder))?.append(Event::End {
        step: 0,
        ending: Ending::Failed,
        reason: reason.to_owned(),
        seconds: 0.0,
        peak_megabytes: None,
        gigaflop: None,
    })
}

/// Images that were drawn.
pub(super) struct Drawn {
    pub(super) pixels: Pixels,
    /// What a reader of their numbers must know of how they were drawn; empty if nothing.
    pub(super) note: String,
    /// How many proposals were accepted, where some are refused.
    pub(super) acceptance: Option<Acceptance>,
}

impl Drawn {
    /// Images that no sampler drew.
    pub(super) fn plain(pixels: Pixels) -> Self {
        Self {
            pixels,
            note: String::new(),
            acceptance: None,
        }
    }
}

/// The first `count` of the images that an evaluation measures. `progress` gets how many are drawn.
pub(super) fn draw(
    context: &Context<'_>,
    model: &dyn GenerativeModel,
    count: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Drawn> {
    let (store, seed) = (&context.store, context.config.evaluation.seed);
    let kept = kept_discriminator(context, model)?;
    let classes = store.classes().len();
    let sampler = context.samplers.of(model, classes, kept.as_deref())?;
    let plan = Plan::of(store, Split::Test, count, seed);
    let pixels = samples::draw(sampler.as_ref(), &plan, progress)?;
    Ok(Drawn {
        pixels,
        note: sampler.note(),
        acceptance: sampler.acceptance(),
    })
}

/// The configuration of the run in `folder`, and the model in its checkpoint of `step`, or in its newest.
///
/// # Errors
/// Refuses a folder that is no run, a run without that checkpoint, and a checkpoint that is damaged.
pub fn load_model(
    folder: &Path,
    step: Option<u64>,
    device: &Device,
) -> Result<(RunConfig, Box<dyn GenerativeModel>)> {
    let not_a_run = |reason: String| {
        refuse(
            format!("`{}` is not a run: {reason}", folder.display()),
            "`histogen list runs` shows the runs there are",
        )
    };
    let text =
        fs::read_to_string(config_file(folder)).map_err(|error| not_a_run(error.to_string()))?;
    let config = models::read_run(&text).map_err(|error| not_a_run(error.message().to_owned()))?;
    let Some((_, checkpoint)) = find_checkpoint(folder, &config, step)? else {
        return Err(refuse(
            format!("run `{}` has no checkpoint yet", folder.display()),
            "let it train further",
        ));
    };
    let runs = folder.parent().unwrap_or(Path::new("."));
    let mut model = models::build(&config, &reward_models(runs), device)?;
    models::load(model.as_mut(), &checkpoint).map_err(|error| unreadable(&checkpoint, &error))?;
    Ok((config, model))
}
