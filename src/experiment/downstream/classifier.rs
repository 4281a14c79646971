//! The training of one classifier: a run as every training is.
//!
//! By `run::conduct`, and not by burn-train's `SupervisedTraining`: that writes three files an epoch from three threads, with no
//! manifest that says whether they are whole and belong together; what its early stopping and its best checkpoint know is in no
//! checkpoint, so a resumed training ends elsewhere; and a signal or a loss that is not finite in the middle of an epoch finds no
//! state to be closed with.

use std::path::Path;

use super::set::{Set, augmented};
use crate::classifier::{
    Classifier, ClassifierConfig, ClassifierRunConfig, NETWORKS, build, largest,
};
use crate::error::Result;
use crate::experiment::training::{Label, unless_diverged};
use crate::experiment::{Context, Reporter};
use crate::models::{Scalars, StepScalars};
use crate::nn::record::{load_parts, save_parts};
use crate::random::Random;
use crate::run::{Run, Training, conduct};
use crate::tracker::Event;

/// Images that are validated at a time.
const BLOCK: usize = 256;
/// The number of a step that says which weights are the best, where a pass ends.
const VALIDATION_LOSS: &str = "validation_loss";
/// A probability that is 0 in f32 is not the end of the world.
const LEAST: f64 = 1e-12;

/// A classifier and its run.
pub(in crate::experiment) struct Trained {
    pub(in crate::experiment) run: Run<ClassifierRunConfig>,
    /// With the weights that are tested.
    pub(in crate::experiment) network: Box<dyn Classifier>,
}

/// What determines the classifier that is trained on `set` with `seed`. `weights` is the SHA-256 of its pretrained weights.
pub(in crate::experiment) fn run_config(
    context: &Context<'_>,
    seed: u64,
    weights: &str,
    set: &Set<'_>,
) -> Result<ClassifierRunConfig> {
    let (store, config) = (&context.store, context.config);
    let network = NETWORKS.find(&config.downstream.classifier.network)?;
    let mut run = ClassifierRunConfig {
        seed,
        steps: 0,
        image_size: store.patch_size(),
        channels: store.channels(),
        classes: store.classes().to_vec(),
        weights: weights.to_owned(),
        width: network.takes_width.then_some(config.backbone.critic_width),
        device: config.compute.device.kind,
        precision: config.compute.device.kind.single_precision(),
        settings: ClassifierConfig {
            weights: std::path::PathBuf::new(),
            ..config.downstream.classifier.clone()
        },
        training_set: set.about.clone(),
    };
    run.steps = run.settings.epochs as u64 * run.steps_per_epoch();
    Ok(run)
}

/// Trains a classifier or finds it trained. None if it diverged, which `reporter` is told.
///
/// # Errors
/// Fails where a run cannot be opened or read, and if a signal stops the training.
pub(in crate::experiment) fn train_classifier(
    context: &Context<'_>,
    config: &ClassifierRunConfig,
    set: &Set<'_>,
    label: &Label,
    reporter: &mut dyn Reporter,
) -> Result<Option<Trained>> {
    let mut run = Run::open(&context.workspace.runs(), config)?;
    let network = unless_diverged(&mut run, label, reporter, |run, reporter| {
        train(context, run, set, &mut |step, scalars| {
            reporter.step(step, "", scalars);
        })
    })?;
    Ok(network.map(|network| Trained { run, network }))
}

fn train(
    context: &Context<'_>,
    run: &mut Run<ClassifierRunConfig>,
    set: &Set<'_>,
    tell: &mut dyn FnMut(u64, &Scalars),
) -> Result<Box<dyn Classifier>> {
    let random = Random::new(run.config.seed);
    let settings = &context.config.downstream.classifier;
    let width = context.config.backbone.critic_width;
    let mut network = build(settings, &run.config.task(), width, random, &context.device)?;
    let first = run
        .load_checkpoint(|folder| load_parts(folder, |each| network.parts(each)))?
        .unwrap_or(0);
    let mut training = ClassifierTraining {
        network,
        set,
        random,
        config: run.config.clone(),
        best: Best::of(run.ledger.events(), first, run.config.steps_per_epoch()),
        tell,
    };
    if !run.is_finished() {
        conduct(run, first, &context.config.logging, &mut training)?;
    }
    let mut network = training.network;
    if run.config.settings.keep_best {
        network.take_best();
    }
    Ok(network)
}

/// Which pass had the lowest validation loss so far, and how many passes there were.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Best {
    loss: f64,
    epoch: u64,
    passes: u64,
}

impl Best {
    const NONE: Self = Self {
        loss: f64::INFINITY,
        epoch: 0,
        passes: 0,
    };

    /// What a ledger says up to `last` steps.
    fn of(events: &[Event], last: u64, steps_per_epoch: u64) -> Self {
        let mut best = Self::NONE;
        for event in events {
            if let Event::Step { step, scalars } = event
                && *step <= last
                && let Some(loss) = scalars.get(VALIDATION_LOSS)
            {
                best.pass(*loss, step / steps_per_epoch);
            }
        }
        best
    }

    /// Pass number `epoch`, counted from 1, has this loss. Returns whether it is the best.
    fn pass(&mut self, loss: f64, epoch: u64) -> bool {
        self.passes = epoch;
        let is_best = loss < self.loss;
        if is_best {
            (self.loss, self.epoch) = (loss, epoch);
        }
        is_best
    }
}

struct ClassifierTraining<'a> {
    network: Box<dyn Classifier>,
    set: &'a Set<'a>,
    random: Random,
    config: ClassifierRunConfig,
    best: Best,
    tell: &'a mut dyn FnMut(u64, &Scalars),
}

impl Training<ClassifierRunConfig> for ClassifierTraining<'_> {
    fn step(&mut self, position: u64) -> Result<StepScalars> {
        let settings = &self.config.settings;
        let steps = self.config.steps_per_epoch();
        let (epoch, within) = (position / steps, position % steps);
        let shows_all = settings.steps_per_epoch == 0;
        let at = [epoch, within];
        let places = self
            .set
            .batch(self.random, position, at, settings.batch, shows_all);
        let (mut images, classes) = self.set.read(&places)?;
        if let Some(augmentation) = &self.config.training_set.augmentation {
            images = augmented(augmentation, &images, self.random, position);
        }
        let rate = settings.learning_rate_at(epoch);
        let step = self.network.step(&images, &classes, rate)?;
        let mut scalars: Scalars = vec![
            ("training_loss".into(), step.loss),
            ("training_accuracy".into(), step.accuracy),
            ("learning_rate".into(), rate),
        ];
        if within + 1 == steps {
            let (loss, accuracy) = self.validate()?;
            if loss.is_finite() && self.best.pass(loss, epoch + 1) {
                self.network.keep();
            }
            scalars.push((VALIDATION_LOSS.into(), loss));
            scalars.push(("validation_accuracy".into(), accuracy));
        }
        Ok(scalars.into())
    }

    fn tell(&mut self, step: u64, scalars: &Scalars) {
        (self.tell)(step, scalars);
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        save_parts(folder, |each| self.network.parts(each))
    }

    fn look(&mut self, _run: &mut Run<ClassifierRunConfig>, _step: u64) -> Result<()> {
        Ok(()) // nothing but numbers
    }

    fn is_over(&self) -> bool {
        let patience = self.config.settings.patience as u64;
        patience > 0 && self.best.passes >= self.best.epoch + patience
    }

    fn advice(&self) -> &'static str {
        "lower `downstream.classifier.learning_rate`"
    }
}

impl ClassifierTraining<'_> {
    /// Cross-entropy and accuracy on the validation images.
    fn validate(&self) -> Result<(f64, f64)> {
        let places = self.set.validation();
        let (mut loss, mut right) = (0.0, 0);
        for block in places.chunks(BLOCK) {
            let (images, classes) = self.set.read(block)?;
            let probabilities = self.network.probabilities(&images)?;
            let count = self.config.classes.len();
            for (row, &class) in probabilities.chunks_exact(count).zip(&classes) {
                // Not `max`, which would hide what is not a number.
                let own = if row[class] < LEAST {
                    LEAST
                } else {
                    row[class]
                };
                loss -= own.ln();
                right += usize::from(largest(row) == class);
            }
        }
        let count = places.len() as f64;
        Ok((loss / count, right as f64 / count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_best_pass_is_read_from_the_ledger_up_to_the_checkpoint() {
        let step = |step: u64, loss: Option<f64>| Event::Step {
            step,
            scalars: loss
                .map(|loss| BTreeMap::from([(VALIDATION_LOSS.to_owned(), loss)]))
                .unwrap_or_default(),
        };
        let events = [
            step(1, None),
            step(2, Some(0.9)),
            step(3, None),
            step(4, Some(0.5)),
            step(6, Some(0.7)),
            step(8, Some(0.5)),
        ];
        let expected = |loss, epoch, passes| Best {
            loss,
            epoch,
            passes,
        };
        assert_eq!(Best::of(&events, 0, 2), Best::NONE);
        assert_eq!(Best::of(&events, 3, 2), expected(0.9, 1, 1));
        assert_eq!(Best::of(&events, 7, 2), expected(0.5, 2, 3));
        assert_eq!(
            Best::of(&events, 8, 2),
            expected(0.5, 2, 4),
            "the first of equal ones"
        );
    }
}
