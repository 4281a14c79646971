//! The training of every model. It knows none by name.

use std::path::Path;
use std::thread;

use burn::tensor::Device;

use crate::config::{LoggingConfig, RunConfig};
use crate::data::{Batches, Loader, PatchStore, Split};
use crate::device::DeviceKind;
use crate::error::Result;
use crate::images::{Images, write_png};
use crate::models::{self, GenerativeModel, Scalars, StepScalars};
use crate::random::Random;
use crate::run::{Diverged, Run, Training, conduct, is_due};
use crate::samplers::Samplers;
use crate::samples::{self, Plan};
use crate::tracker::{Evaluation, Event};
use crate::workspace::reward_models;

/// Steps whose numbers are read in one wait on a GPU, which would stand idle while the host tells it the next step.
const READ_EVERY: u64 = 25;

/// Where a training stands.
pub struct Progress<'a> {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The numbers of the last step.
    pub scalars: &'a Scalars,
}

/// Measures a model on its way: its scores, FID among them.
pub type Measure<'a> = dyn FnMut(&dyn GenerativeModel) -> Result<Evaluation> + 'a;

/// Trains `run` to its last step, from its newest checkpoint if it has one, and returns the model.
///
/// Sample grids on the way are drawn by those of `samplers` that need nothing trained. `measure` is asked every `logging.evaluate_every` steps. A finished run
/// is only loaded.
///
/// # Errors
/// Fails if a loss is no longer finite, the critic is dead or the samples are all one image (the run is then closed as
/// `diverged`), if a signal stops it (`killed`), if the store has fewer training patches than a batch, or if something
/// cannot be written (`failed`).
pub fn train(
    run: &mut Run,
    store: &PatchStore,
    logging: &LoggingConfig,
    samplers: &Samplers,
    device: &Device,
    measure: &mut Measure<'_>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Box<dyn GenerativeModel>> {
    let random = Random::new(run.config.seed);
    let reward_models = reward_models(run.path().parent().unwrap_or(Path::new("")));
    let mut model = models::build(&run.config, &reward_models, device)?;
    let images = match &run.config.training_images {
        Some(images) => images.of(store, run.config.seed)?.training,
        None => store.indices(Split::Train),
    };
    let mut batches = Batches::new(images, run.config.batch, random)?;
    if run.config.symmetries {
        batches = batches.with_symmetries();
    }
    let first = run
        .load_checkpoint(|folder| models::load(model.as_mut(), folder))?
        .unwrap_or(0);
    if run.is_finished() {
        return Ok(model);
    }
    let steps = run.config.steps;
    let read_every = match DeviceKind::of(device) {
        DeviceKind::Cpu => 1,
        DeviceKind::Wgpu | DeviceKind::Cuda => READ_EVERY,
    };
    thread::scope(|scope| {
        let mut training = ModelTraining {
            model,
            batches: Loader::start(scope, store, batches, steps as u64),
            random,
            store,
            logging,
            samplers,
            steps,
            first: first + 1,
            read_every,
            measure,
            progress,
        };
        conduct(run, first, logging, &mut training)?;
        Ok(training.model)
    })
}

struct ModelTraining<'a> {
    model: Box<dyn GenerativeModel>,
    batches: Loader<'a>,
    random: Random,
    store: &'a PatchStore,
    logging: &'a LoggingConfig,
    samplers: &'a Samplers,
    steps: usize,
    /// The first step of this process.
    first: u64,
    /// Steps whose numbers are read in one wait.
    read_every: u64,
    measure: &'a mut Measure<'a>,
    progress: &'a mut dyn FnMut(Progress<'_>),
}

impl Training<RunConfig> for ModelTraining<'_> {
    fn step(&mut self, position: u64) -> Result<StepScalars> {
        let batch = self.batches.at(position)?;
        self.model.step(&batch, self.random.at(position))
    }

    fn tell(&mut self, step: u64, scalars: &Scalars) {
        (self.progress)(Progress {
            step: step as usize,
            steps: self.steps,
            scalars,
        });
    }

    fn is_read_at(&self, step: u64) -> bool {
        // The first step of a process compiles kernels: who watches is told when that is over.
        step == self.first
            || step.is_multiple_of(self.read_every)
            || self.is_grid_due(step)
            || self.is_measuring_due(step)
    }

    fn save(&mut self, folder: &Path) -> Result<()> {
        models::save(self.model.as_mut(), folder)
    }

    fn look(&mut self, run: &mut Run, step: u64) -> Result<()> {
        let has = |run: &Run, is_it: &dyn Fn(&Event) -> bool| run.ledger.events().iter().any(is_it);
        let is_drawn =
            |event: &Event| matches!(event, Event::Samples { step: drawn, .. } if *drawn == step);
        if self.is_grid_due(step) && !has(run, &is_drawn) {
            self.draw_grid(run, step)?;
        }
        let is_measured =
            |event: &Event| matches!(event, Event::Evaluation(found) if found.step == step);
        if self.is_measuring_due(step) && !has(run, &is_measured) {
            let evaluation = (self.measure)(self.model.as_ref())?;
            run.ledger
                .append(Event::Evaluation(Evaluation { step, ..evaluation }))?;
        }
        Ok(())
    }

    fn advice(&self) -> &'static str {
        "lower `optimiser.learning_rate`, or look at the losses in its `ledger.jsonl`"
    }
}

impl ModelTraining<'_> {
    fn is_grid_due(&self, step: u64) -> bool {
        is_due(step, self.steps as u64, self.logging.samples_every)
    }

    fn is_measuring_due(&self, step: u64) -> bool {
        let every = self.logging.evaluate_every;
        every > 0 && is_due(step, self.steps as u64, every)
    }

    /// Draws the same seeds at every logged step, so that the pictures show one set of images as it changes.
    fn draw_grid(&self, run: &mut Run, step: u64) -> Result<()> {
        let classes = self.store.classes().len();
        let samplers = self.samplers.without_training();
        let sampler = samplers.of(self.model.as_ref(), classes, None)?;
        let plan = Plan::of(self.store, Split::Test, self.logging.grid_images, 0);
        let images = samples::draw_values(sampler.as_ref(), &plan)?;
        check_variety(&images, step)?;
        let pixels = images.quantise();
        let file = format!("samples/step-{step:06}.png");
        let columns = (pixels.count as f64).sqrt().ceil() as usize;
        write_png(&pixels.grid(columns, 1), &run.path().join(&file))?;
        run.ledger.append(Event::Samples { step, file })
    }
}

/// Fails with [`Diverged`] where samples are not finite or have no variance: all of them one image, to the last bit.
///
/// A generator that is only close to that is left to the metrics: after a few steps every generator is.
fn check_variety(images: &Images, step: u64) -> Result<()> {
    let length = images.channels * images.size * images.size;
    let first = &images.values[..length.min(images.values.len())];
    let problem = if images.values.iter().any(|value| !value.is_finite()) {
        "the samples are not finite"
    } else if images.count > 1
        && images
            .values
            .chunks_exact(length)
            .all(|image| image == first)
    {
        "the samples have no variance, all are one image"
    } else {
        return Ok(());
    };
    Err(Diverged {
        step,
        culprit: format!("{problem} at step {step}"),
        advice: "lower `optimiser.learning_rate`, or look at its `samples`".to_owned(),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_are_one_image_or_not_finite_are_a_divergence() {
        let images = |values: [f32; 2]| {
            let values = values.into_iter().flat_map(|value| vec![value; 12]);
            Images::new(2, 3, 2, values.collect())
        };
        let culprit = |images: &Images| check_variety(images, 7).map_err(|error| error.to_string());
        assert_eq!(culprit(&images([0.5, 0.500_000_1])), Ok(()));
        assert_eq!(
            culprit(&images([0.5, 0.5])).unwrap_err(),
            "the samples have no variance, all are one image at step 7"
        );
        assert_eq!(
            culprit(&images([0.5, f32::NAN])).unwrap_err(),
            "the samples are not finite at step 7"
        );
        let one = Images::new(1, 3, 2, vec![0.5; 12]);
        assert_eq!(culprit(&one), Ok(()), "one image tells nothing of variance");
    }
}
