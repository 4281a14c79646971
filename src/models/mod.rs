//! The systems under comparison, behind one trait. Adding one is one new file and one line in [`MODELS`].
//!
//! An adversarial system is a composition: two [`Player`](player::Player)s, a [`Prior`], a
//! [`Game`](game::Game) and [`Term`](terms::Term)s make a [`Gan`](gan::Gan), whose step is [`gan::gan_step`].

mod ac_gan;
mod class_networks;
mod cn_lsgan;
mod dcgan;
mod ddpm;
pub mod diffusion;
mod draws;
pub mod game;
pub mod gan;
mod gm_gan;
mod improved_dcgan;
mod kept_discriminator;
mod learned_prior;
pub mod loss;
mod lsgan;
pub mod networks;
pub mod player;
pub mod prior;
mod rl_eo;
pub mod round;
mod scalars;
mod sngan;
pub mod terms;
mod wac_gan_gp;
mod wgan;
mod wgan_gp;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use toml::Table;

use crate::config::{
    Alias, LatentPrior, MixtureMeans, Optimiser, PriorKind, RunConfig, Section, Truncation,
    TruncationLaw,
};
use crate::data::Batch;
use crate::device::values;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::parameters::Parameters;
use crate::nn::plain_generator::PlainGenerator;
use crate::nn::record::{EachPart, load_parts, save_parts};
use crate::random::Random;
use crate::registry::{Named, Registry};

pub use draws::Draws;
pub use kept_discriminator::KeptDiscriminator;
pub use scalars::{Scalar, Scalars, StepScalars, read_all};

use diffusion::Denoiser;
use prior::Prior;

/// A system that learns to make images.
pub trait GenerativeModel: Send {
    /// One optimisation step on a batch of real images. All randomness comes from `random`, which stands at the number
    /// of the step, so a resumed run needs no other state.
    ///
    /// Returns named scalars (losses, reward, …), all of them finite while training is sound.
    ///
    /// # Errors
    /// A reward model's file is missing or altered; the device lost a tensor.
    fn step(&mut self, batch: &Batch, random: Random) -> Result<StepScalars>;

    /// One image per entry of `draws`, values in [-1, 1], as the model's paper draws them. An entry gives the same image
    /// whatever the batch.
    ///
    /// # Errors
    /// A signal asked the program to stop; the device lost a tensor.
    fn sample(&self, draws: &Draws<'_>) -> Result<Images>;

    /// Shows `each` all that the next step depends on, network by network, with the name of its file in a checkpoint.
    ///
    /// # Errors
    /// Those of `each`.
    fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()>;

    /// The latent space, for a model that decodes one: path length, interpolation and truncation need it.
    fn latents(&self) -> Option<&dyn Latents> {
        None
    }

    /// The discriminator, for a model with one whose opinion of an image does not depend on the images beside it: rejection
    /// and accuracy need it.
    fn discriminator(&self) -> Option<&dyn Discriminator> {
        None
    }

    /// A copy of the discriminator to be trained further while the generator stands still, for a model with one: rejection needs
    /// it.
    fn keep_training(&self) -> Option<Box<dyn KeptDiscriminator>> {
        None
    }

    /// The noise prediction, for a diffusion model: its samplers need it.
    fn denoiser(&self) -> Option<&dyn Denoiser> {
        None
    }
}

/// A latent space that decodes to images.
pub trait Latents {
    /// The distribution that latent vectors are drawn from.
    ///
    /// # Errors
    /// The device lost a tensor of one that learns.
    fn prior(&self) -> Result<Prior>;

    /// How many classes images are made of; 0 for a model that is told none.
    fn classes(&self) -> usize {
        0
    }

    /// Latent vectors, `count` x the prior's dimension, and a class for each (empty for a task without) to `count` images.
    ///
    /// # Errors
    /// The device lost a tensor.
    fn decode(&self, latents: &[f32], classes: &[usize]) -> Result<Images>;

    /// The numbers of what decodes, for other frameworks, if it is made of layers that these have.
    fn plain_generator(&self) -> Option<Result<PlainGenerator>> {
        None
    }
}

/// A discriminator of images.
pub trait Discriminator {
    /// What it says of each image.
    ///
    /// # Errors
    /// The device lost a tensor.
    fn assess(&self, images: &Images) -> Result<Assessment>;

    /// log p_real(x) / p_generated(x) of an image with this score, if the game's scores tell it.
    fn log_ratio(&self, score: f64) -> Option<f64>;
}

/// What a discriminator says of images.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// A logit or an unbounded score an image, higher for real ones.
    pub scores: Vec<f32>,
    /// Logits of the classes, images x classes, of a discriminator that classifies.
    pub classes: Option<Vec<f32>>,
}

/// The probabilities that the class head of a model's discriminator gives each image, images x classes, in f64; none for a model
/// without a class head.
///
/// # Errors
/// The device lost a tensor.
pub fn class_probabilities(
    model: &dyn GenerativeModel,
    images: &Images,
) -> Result<Option<Vec<f64>>> {
    let Some(discriminator) = model.discriminator() else {
        return Ok(None);
    };
    let logits = discriminator.assess(images)?.classes;
    Ok(logits.map(|logits| {
        let classes = logits.len() / images.count.max(1);
        let rows = logits.chunks_exact(classes.max(1));
        rows.flat_map(softmax).collect()
    }))
}

/// exp(x) over its sum, without overflow.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits
        .iter()
        .map(|&logit| (f64::from(logit) - f64::from(largest)).exp())
        .collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// What a model is built from.
pub struct Blueprint<'a> {
    /// The run's configuration.
    pub run: &'a RunConfig,
    /// Folder of the files of reward models, see [`crate::reward::reward_model_file`].
    pub reward_models: &'a Path,
    /// Where its tensors live.
    pub device: &'a Device,
}

impl Blueprint<'_> {
    /// The first parameters of the network called `name`, of the run's seed.
    pub fn parameters(&self, name: &str) -> Parameters {
        Parameters::new(name, Random::new(self.run.seed), self.device)
            .with_precision(self.run.precision)
    }
}

/// What a model cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// At least two classes of patches.
    pub classes: bool,
    /// An input beside every patch.
    pub input: bool,
    /// The `reward` section, and a reward model.
    pub reward: bool,
}

impl Needs {
    /// Images alone.
    pub const NOTHING: Self = Self {
        classes: false,
        input: false,
        reward: false,
    };
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
    /// What it cannot do without.
    pub needs: Needs,
    /// Refuses a run that it has no network for: the size of its images, settings that contradict one another.
    pub fits: fn(&RunConfig) -> Result<()>,
    /// Its own settings and their defaults (its paper's).
    pub settings: fn() -> Table,
    /// What they are, and the ranges of the numbers among them.
    pub section: Section,
    /// The kind of its paper's prior, for an adversarial system: it takes `prior`, `bcr` and `zcr`. None for other models.
    pub prior: Option<PriorKind>,
    /// Settings of it that have another name now. Runs of earlier versions have them under the old one, and are found.
    pub renamed: &'static [Alias],
    /// Builds it untrained.
    pub build: fn(&Blueprint<'_>) -> Result<Box<dyn GenerativeModel>>,
}

impl Model {
    /// What a row is where its file says nothing else; name, paper and `build` are always its own.
    pub const DEFAULT: Self = Self {
        name: "",
        paper: "",
        canonical: Optimiser::DCGAN,
        reads: &[],
        needs: Needs::NOTHING,
        fits: |_| Ok(()),
        settings: Table::new,
        section: Section::EMPTY,
        prior: None,
        renamed: &[],
        build: |blueprint| anyhow::bail!("`{}` says not how it is built", blueprint.run.model),
    };

    /// The same for an adversarial system on the backbone that all share, built as a [`Gan`](gan::Gan).
    pub const ADVERSARIAL: Self = Self {
        fits: networks::fits_backbone,
        prior: Some(PriorKind::Normal),
        ..Self::DEFAULT
    };
}

impl Named for Model {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// All systems: those of the paper's Table 1 in its order, then those of related papers.
pub static MODELS: Registry<Model> = Registry::new(
    "model",
    &[
        &dcgan::MODEL,
        &improved_dcgan::MODEL,
        &sngan::MODEL,
        &wgan_gp::MODEL,
        &lsgan::MODEL,
        &ddpm::MODEL,
        &rl_eo::MODEL,
        &wgan::MODEL,
        &cn_lsgan::MODEL,
        &gm_gan::MODEL,
        &ac_gan::MODEL,
        &wac_gan_gp::MODEL,
    ],
);

/// Every model's own settings with their defaults, by model: the `models` section of a configuration.
pub fn settings() -> BTreeMap<String, Table> {
    let models = MODELS.all().into_iter();
    models
        .map(|model| (model.name.to_owned(), (model.settings)()))
        .collect()
}

/// The configuration of a run that [`RunConfig::to_toml`] wrote, in this version of the program or an earlier one.
///
/// # Errors
/// The text is not a run's configuration.
pub fn read_run(text: &str) -> std::result::Result<RunConfig, toml::de::Error> {
    let mut table: Table = text.parse()?;
    forget_renamed(&mut table);
    table.try_into()
}

/// Removes settings that have left runs since an earlier version wrote `run`.
pub fn forget_renamed(run: &mut Table) {
    for alias in MODELS.all().iter().flat_map(|model| model.renamed) {
        alias.take(run);
    }
}

/// Refuses a run whose model lacks something it needs, or has no network for it.
///
/// # Errors
/// The model is unknown, needs what the run's patches do not have, or does not fit.
pub fn check(run: &RunConfig) -> Result<()> {
    let model = MODELS.find(&run.model)?;
    if model.needs.classes && run.classes.len() < 2 {
        return Err(refuse(
            format!(
                "`{}` needs patches of two classes or more, there are {}",
                model.name,
                run.classes.len()
            ),
            "give a folder with a subfolder for each class, and leave `data.classes` empty",
        ));
    }
    if model.needs.input && run.input.is_none() {
        return Err(refuse(
            format!(
                "`{}` needs an input beside every patch, and the patch store has none",
                model.name
            ),
            "give a patch store with `inputs.npy`",
        ));
    }
    if run.bcr.as_ref().is_some_and(|bcr| bcr.classes) && !model.needs.classes {
        return Err(refuse(
            format!(
                "`bcr.classes` compares the logits of classes, and `{}` has none",
                model.name
            ),
            "take a model with classes, or set `bcr.classes` to false",
        ));
    }
    check_prior(run, model)?;
    (model.fits)(run)
}

/// Refuses a prior that the model or its latent vectors cannot have.
fn check_prior(run: &RunConfig, model: &Model) -> Result<()> {
    match &run.prior {
        LatentPrior::Truncated(Truncation { law, rate, .. }) if *rate > 0.0 => {
            if *law != TruncationLaw::Clip {
                return Err(refuse(
                    "`prior.truncated.rate` searches for tau, and only entries that are clipped have a gradient by it",
                    "set `prior.truncated.law` to `clip`, or the rate to 0",
                ));
            }
            if !model.needs.classes {
                return Err(refuse(
                    format!(
                        "`prior.truncated.rate` searches for tau by the class loss of generated images, and `{}` has no classes",
                        model.name
                    ),
                    "take a model with classes, or set the rate to 0",
                ));
            }
        }
        LatentPrior::Mixture(mixture)
            if mixture.means == MixtureMeans::Circle && run.backbone.latent < 2 =>
        {
            return Err(refuse(
                "a circle of means needs latent vectors of two entries or more, `backbone.latent` is 1",
                "raise `backbone.latent`, or set `prior.mixture.means` to `uniform`",
            ));
        }
        _ => {}
    }
    Ok(())
}

/// The untrained model of a run. `reward_models` is the folder of their files; they are read at the first step.
///
/// # Errors
/// Those of [`check`].
pub fn build(
    run: &RunConfig,
    reward_models: &Path,
    device: &Device,
) -> Result<Box<dyn GenerativeModel>> {
    check(run)?;
    let model = MODELS.find(&run.model)?;
    (model.build)(&Blueprint {
        run,
        reward_models,
        device,
    })
}

/// Writes a model into an existing folder, a file a part.
///
/// # Errors
/// A file cannot be written.
pub fn save(model: &mut dyn GenerativeModel, folder: &Path) -> Result<()> {
    save_parts(folder, |each| model.parts(each))
}

/// Takes the state that [`save`] wrote into `folder`: the next step is the one that would have followed.
///
/// # Errors
/// A file cannot be read, or is of another network.
pub fn load(model: &mut dyn GenerativeModel, folder: &Path) -> Result<()> {
    load_parts(folder, |each| model.parts(each))
}

/// A model's settings struct as the table that a configuration holds.
pub fn table<T: serde::Serialize>(settings: &T) -> Table {
    Table::try_from(settings).expect("settings are plain values with string keys")
}

/// A tensor [n, channels, size, size] as images.
///
/// # Errors
/// The device lost it.
pub fn to_images(tensor: Tensor<4>) -> Result<Images> {
    let [count, channels, size, _] = tensor.dims();
    Ok(Images::new(count, channels, size, values(tensor)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_classes_are_the_softmax_of_the_logits() {
        // -log of them is the class loss: 0.169846..., 2.169846..., 3.169846....
        let found = softmax(&[2.0, 0.0, -1.0]);
        for (found, loss) in
            found
                .iter()
                .zip([0.169_846_019_6f64, 2.169_846_019_6, 3.169_846_019_6])
        {
            assert!((found.ln() + loss).abs() < 1e-9, "{found}");
        }
        // The largest logits of f32 overflow nothing.
        assert_eq!(softmax(&[f32::MAX, -f32::MAX]), [1.0, 0.0]);
    }
}
