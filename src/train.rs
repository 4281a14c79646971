//! The training loop: one function for every model. It knows none by name.

use std::path::Path;

use burn::tensor::Device;

use crate::config::Logging;
use crate::data::{Batches, PatchStore, Split};
use crate::error::Result;
use crate::models::{self, Batch, GenerativeModel, Scalars};
use crate::random::Random;
use crate::run::{Account, Run, is_due, judges};
use crate::samples;
use crate::tracker::Event;

/// Where a training stands.
pub struct Progress<'a> {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub steps: usize,
    /// The numbers of the last step.
    pub scalars: &'a Scalars,
}

/// Trains `run` to its last step, from its newest checkpoint if it has one, and returns the model.
///
/// A finished run is only loaded. Fails if a loss is no longer finite (the run is then closed as `diverged`), if the store
/// has fewer training patches than a batch, or if something cannot be written.
pub fn train(
    run: &mut Run,
    store: &PatchStore,
    logging: &Logging,
    device: &Device,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Box<dyn GenerativeModel>> {
    let steps = run.config.steps as u64;
    let random = Random::new(run.config.seed);
    let judges = judges(run.path().parent().unwrap_or(Path::new("")));
    let mut model = models::build(&run.config, &judges, device)?;
    let mut batches = Batches::new(store.indices(Split::Train), run.config.batch, random)?;
    let first = run
        .load_checkpoint(|folder| model.load(folder))?
        .unwrap_or(0);
    if run.is_finished() {
        return Ok(model);
    }
    let account = Account::open(run, first)?;
    for position in first..steps {
        let patches = batches.at(position);
        let images = store.read(&patches).to_images();
        let scalars = model.step(&Batch { images, patches }, random.at(position))?;
        let step = position + 1;
        let advice = "lower `optimiser.learning_rate`, or look at the losses in its `ledger.jsonl`";
        account.step(run, step, &scalars, advice)?;
        progress(Progress {
            step: step as usize,
            steps: steps as usize,
            scalars: &scalars,
        });
        if is_due(step, steps, logging.samples_every) {
            draw_grid(run, model.as_ref(), step, logging.grid_images)?;
        }
        if is_due(step, steps, logging.checkpoint_every) {
            run.write_checkpoint(step, |folder| model.save(folder))?;
        }
    }
    account.close(run)?;
    Ok(model)
}

/// Draws the same seeds at every logged step, so that the pictures show one set of images as it changes.
fn draw_grid(run: &mut Run, model: &dyn GenerativeModel, step: u64, count: usize) -> Result<()> {
    let pixels = samples::draw(model, count, 0, &mut |_| {})?;
    let file = format!("samples/step-{step:06}.png");
    let columns = (count as f64).sqrt().ceil() as usize;
    pixels.grid(columns, 1).save(run.path().join(&file))?;
    run.ledger.append(Event::Samples { step, file })
}
