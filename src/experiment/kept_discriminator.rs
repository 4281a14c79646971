//! Discriminators that are trained further for rejection sampling (arXiv 1810.06758, `KeepTraining`). Like every training each is a
//! run: a folder named by its configuration, a ledger, checkpoints to go on from.

use std::path::Path;

use serde::Serialize;

use super::Context;
use crate::data::{Batches, PatchStore, Split};
use crate::device::{DeviceKind, Precision};
use crate::digest::sha256;
use crate::error::Result;
use crate::models::{Draws, GenerativeModel, KeptDiscriminator, Latents, Scalars, StepScalars};
use crate::nn::record::{load_parts, save_parts};
use crate::random::Random;
use crate::run::{Identity, Run, Training, conduct};

/// Most images of each side in a step.
const BATCH: usize = 64;

/// Everything that determines the weights of one discriminator that was trained further.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct KeptConfig {
    /// SHA-256 of the weights that it starts from, of the generator beside it and of the settings of both.
    start: String,
    /// Content hash of the patch store.
    data_hash: String,
    /// Images of each side in a step.
    batch: usize,
    steps: u64,
    device: DeviceKind,
    precision: Precision,
}

impl Identity for KeptConfig {
    fn name(&self) -> String {
        format!("discriminator-{}", &sha256(self.to_toml())[..12])
    }

    fn to_toml(&self) -> String {
        toml::to_string(self).expect("plain values")
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn device(&self) -> DeviceKind {
        self.device
    }
}

/// The copy of the discriminator of `model` that its sampler asks for, trained on the training patches or found trained; none
/// where the sampler asks for none.
///
/// # Errors
/// Fails where the run's folder cannot be had, and if a signal stops the training.
pub(super) fn kept_discriminator(
    context: &Context<'_>,
    model: &dyn GenerativeModel,
) -> Result<Option<Box<dyn KeptDiscriminator>>> {
    let steps = context.samplers.keep_training(model);
    let Some(mut kept) = model.keep_training().filter(|_| steps > 0) else {
        return Ok(None);
    };
    let (config, store) = (context.config, &context.store);
    let indices = store.indices(Split::Train);
    let batch = indices.len().min(BATCH);
    let random = Random::new(config.evaluation.seed);
    let run_config = KeptConfig {
        start: start(model, kept.as_mut(), random)?,
        data_hash: store.content_hash().to_owned(),
        batch,
        steps,
        device: config.compute.device.kind,
        precision: config.compute.precision(),
    };
    let mut run = Run::open(&context.workspace.discriminators(), &run_config)?;
    let first = run.load_checkpoint(|folder| load_parts(folder, |each| kept.parts(each)))?;
    if run.is_finished() {
        return Ok(Some(kept));
    }
    let batches = Batches::new(indices, batch, random)?;
    let mut training = KeepTraining {
        model,
        kept,
        store,
        batches,
        random,
    };
    conduct(&mut run, first.unwrap_or(0), &config.logging, &mut training)?;
    Ok(Some(training.kept))
}

/// What tells one state of a model from all others: its discriminator's weights and some of its images.
fn start(
    model: &dyn GenerativeModel,
    kept: &mut dyn KeptDiscriminator,
    random: Random,
) -> Result<String> {
    let folder = tempfile::tempdir()?;
    save_parts(folder.path(), |each| kept.parts(each))?;
    let mut parts: Vec<_> = folder
        .path()
        .read_dir()?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    parts.sort();
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(std::fs::read(part)?);
    }
    let classes = model.latents().map_or(0, Latents::classes);
    let seeds: Vec<u64> = (0..16).map(|index| seed(random, index, 0)).collect();
    let classes: Vec<usize> = (0..seeds.len())
        .map(|index| index % classes.max(1))
        .collect();
    let images = model.sample(&Draws {
        seeds: &seeds,
        classes: &classes,
        inputs: None,
    })?;
    bytes.extend(images.values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(sha256(bytes))
}

/// The seed of the generated image `place` in the step at `position`.
fn seed(random: Random, place: u64, position: u64) -> u64 {
    let mut stream = random.at(position).stream(&format!("kept/{place}"));
    (stream.uniform() * 2f64.powi(53)) as u64
}

struct KeepTraining<'a> {
    model: &'a dyn GenerativeModel,
    kept: Box<dyn KeptDiscriminator>,
    store: &'a PatchStore,
    batches: Batches,
    random: Random,
}

impl Training<KeptConfig> for KeepTraining<'_> {
    fn step(&mut self, position: u64) -> Result<StepScalars> {
        let patches = self.batches.at(position);
        let real = self.store.read(&patches)?.to_images();
        // As many generated images, of the same classes.
        let classes = self.store.class_indices();
        let classes: Vec<usize> = patches.iter().map(|&patch| classes[patch]).collect();
        let places = 0..patches.len() as u64;
        let seeds: Vec<u64> = places
            .map(|place| seed(self.random, place, position))
            .collect();
        let generated = self.model.sample(&Draws {
            seeds: &seeds,
            classes: &classes,
            inputs: None,
        })?;
        self.kept.step(&real, &generated, self.random.at(position))
    }

    fn tell(&mut self, _step: u64, _scalars: &Scalars) {}

    fn save(&mut self, folder: &Path) -> Result<()> {
        save_parts(folder, |each| self.kept.parts(each))
    }

    fn look(&mut self, _run: &mut Run<KeptConfig>, _step: u64) -> Result<()> {
        Ok(()) // nothing but numbers
    }

    fn advice(&self) -> &'static str {
        "lower `samplers.rejection.steps`, or look at the discriminator's loss in the run itself"
    }
}
