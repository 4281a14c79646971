//! The systems under comparison, behind one trait. Adding one is one new file and one line in [`MODELS`].

mod adversarial;
pub mod coupling;
mod dcgan;
mod ddpm;
mod improved_dcgan;
pub mod loss;
mod lsgan;
mod rl_eo;
mod sngan;
mod wgan_gp;

pub use wgan_gp::gradient_penalty;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use toml::Table;

use crate::config::{Optimiser, RunConfig};
use crate::data::Batch;
use crate::error::{Result, refuse, unknown_name};
use crate::images::Images;
use crate::nn::dcgan::halvings;
use crate::random::Random;

/// Named numbers of one step: losses, rewards, penalties. What is told of one class has its name behind a dot.
pub type Scalars = Vec<(Cow<'static, str>, f64)>;

/// A system that learns to make images.
pub trait GenerativeModel: Send {
    /// One optimisation step on a batch of real images. All randomness comes from `random`, which stands at the number
    /// of the step, so a resumed run needs no other state.
    ///
    /// Returns named scalars (losses, reward, …), all of them finite while training is sound.
    fn step(&mut self, batch: &Batch, random: Random) -> Result<Scalars>;

    /// One image per seed, values in [-1, 1]. A seed gives the same image whatever the batch.
    fn sample(&self, seeds: &[u64]) -> Result<Images>;

    /// The latent space, for models that decode one: path length and interpolation need it.
    fn latents(&self) -> Option<&dyn Latents> {
        None
    }

    /// Writes weights, averages and optimiser moments into an existing folder.
    fn save(&self, folder: &Path) -> Result<()>;

    /// Reads what [`Self::save`] wrote: the next step is the one that would have followed.
    fn load(&mut self, folder: &Path) -> Result<()>;
}

/// A latent space that decodes to images.
pub trait Latents {
    /// Length of a latent vector; its prior is N(0, 1) in every entry.
    fn dimension(&self) -> usize;

    /// `count` x `dimension` latent values to `count` images.
    fn decode(&self, latents: &[f32]) -> Result<Images>;
}

/// What a model is built from.
pub struct Blueprint<'a> {
    /// The run's configuration.
    pub run: &'a RunConfig,
    /// Folder of the files of judges, see [`crate::snn::judge_file`].
    pub judges: &'a Path,
    /// Where its tensors live.
    pub device: &'a Device,
}

impl Blueprint<'_> {
    /// The streams of the run's seed.
    pub fn random(&self) -> Random {
        Random::new(self.run.seed)
    }
}

/// One entry of the registry.
pub struct Model {
    /// The name on the command line and in tables.
    pub name: &'static str,
    /// Where it is from.
    pub paper: &'static str,
    /// Its paper's optimiser, for `optimiser.protocol = "canonical"`.
    pub canonical: Optimiser,
    /// The models whose settings it reads, its own among them.
    pub reads: &'static [&'static str],
    /// Whether it reads the `reward` section.
    pub rewarded: bool,
    /// Its own settings and their defaults (its paper's).
    pub settings: fn() -> Table,
    /// Builds it untrained.
    pub build: fn(&Blueprint<'_>) -> Result<Box<dyn GenerativeModel>>,
}

/// All systems, in the order of the paper's Table 1.
pub const MODELS: &[&Model] = &[
    &dcgan::MODEL,
    &improved_dcgan::MODEL,
    &sngan::MODEL,
    &wgan_gp::MODEL,
    &lsgan::MODEL,
    &ddpm::MODEL,
    &rl_eo::MODEL,
];

/// The registry's entry for `name`.
pub fn find(name: &str) -> Result<&'static Model> {
    let names = MODELS.iter().map(|model| model.name);
    MODELS
        .iter()
        .find(|model| model.name == name)
        .copied()
        .ok_or_else(|| unknown_name("model", name, names))
}

/// Every model's own settings with their defaults, by model: the `models` section of a configuration.
pub fn settings() -> BTreeMap<String, Table> {
    MODELS
        .iter()
        .map(|model| (model.name.to_owned(), (model.settings)()))
        .collect()
}

/// The untrained model of a run. `judges` is the folder of the files of judges; they are read at the first step.
///
/// Fails for an unknown model and for settings that no network can have.
pub fn build(run: &RunConfig, judges: &Path, device: &Device) -> Result<Box<dyn GenerativeModel>> {
    let model = find(&run.model)?;
    let positive = |key: &str, value: usize| match value {
        0 => Err(refuse(format!("`{key}` is 0"), "set at least 1")),
        _ => Ok(()),
    };
    positive("training.batch", run.batch)?;
    positive("backbone.latent", run.backbone.latent)?;
    positive("backbone.generator_width", run.backbone.generator_width)?;
    positive("backbone.critic_width", run.backbone.critic_width)?;
    positive("optimiser.critic_steps", run.optimiser.critic_steps)?;
    if !(0.0..=1.0).contains(&run.optimiser.decay_from) {
        return Err(refuse(
            format!("`optimiser.decay_from` is {}", run.optimiser.decay_from),
            "set a share of the training, from 0 to 1; 1 keeps the learning rate",
        ));
    }
    if halvings(run.image_size).is_none() {
        return Err(refuse(
            format!(
                "patches of {0} x {0} do not fit the networks",
                run.image_size
            ),
            "set `data.patch_size` to 16, 32, 64 or 128",
        ));
    }
    (model.build)(&Blueprint {
        run,
        judges,
        device,
    })
}

/// A model's settings struct as the table that a configuration holds.
fn table<T: serde::Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are plain values with string keys")
}
