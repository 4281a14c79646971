//! Classifiers of patches: one that is trained on generated images shows what those are good for.
//!
//! A [`Network`] is an entry of the registry [`NETWORKS`]: adding one is one new file and one line. [`Learner`] is one step of
//! the training of any of them, [`ClassifierRunConfig`] what names a run, and [`Predictions`] the scores of a trained one.
//! The loop over the steps is `experiment::downstream`, which also writes the ledger.

mod ac_body;
mod centres;
mod config;
mod learner;
mod low_data;
mod resnet;
mod scores;
mod small;

use std::path::Path;

use burn::tensor::Device;

use crate::error::{Result, refuse};
use crate::random::Random;
use crate::registry::{Named, Registry};

pub(crate) use ac_body::AC_BODY;
pub use centres::{CentreDistance, centre_distance};
pub use config::{
    ClassicAugmentation, ClassifierConfig, ClassifierRunConfig, ClassifierStart, DownstreamConfig,
    ImagesOf, TrainingSet,
};
pub(crate) use learner::largest;
pub use learner::{Body, Classifier, Learner, LearnerStep};
pub use low_data::LowDataConfig;
pub use scores::{BINS, Calibration, Predictions, REDRAWN};

/// What a classifier is asked to tell apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassifierTask {
    /// Height and width of the images in pixels.
    pub size: usize,
    /// Channels of the images: 3 (RGB) or 1 (grey).
    pub channels: usize,
    /// How many classes.
    pub classes: usize,
}

/// What a network is built from.
pub struct Blueprint<'a> {
    /// The settings.
    pub settings: &'a ClassifierConfig,
    /// What it shall tell apart.
    pub task: &'a ClassifierTask,
    /// Feature maps of the first layer, for a network that takes them ([`Network::takes_width`]).
    pub width: usize,
    /// Draws the first weights of what is not pretrained.
    pub random: Random,
    /// Where its tensors live.
    pub device: &'a Device,
}

/// A network that tells classes apart: an entry of the registry.
pub struct Network {
    /// The name in settings.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Smallest height and width of its images.
    pub smallest: usize,
    /// Whether it is as wide as the discriminators are (`backbone.critic_width`).
    pub takes_width: bool,
    /// Its layers, of which `trainable_layers` are counted; none for a network that always trains whole.
    pub layers: Option<usize>,
    /// The SHA-256 of its pretrained weights, empty where it starts from random ones; refuses a file that is not theirs.
    pub weights: fn(&ClassifierConfig) -> Result<String>,
    /// Builds it untrained.
    pub build: fn(&Blueprint<'_>) -> Result<Box<dyn Classifier>>,
}

impl Named for Network {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// All networks.
pub static NETWORKS: Registry<Network> = Registry::new(
    "network",
    &[
        &small::SMALL,
        &ac_body::AC_BODY,
        &resnet::RESNET_18,
        &resnet::RESNET_50,
        &resnet::RESNET_152,
    ],
);

/// The untrained classifier of `settings`; `width` is `backbone.critic_width`, for a network that takes it.
///
/// # Errors
/// Refuses an unknown network, a task that it has no layers for, and weights that are not its own.
pub fn build(
    settings: &ClassifierConfig,
    task: &ClassifierTask,
    width: usize,
    random: Random,
    device: &Device,
) -> Result<Box<dyn Classifier>> {
    check(settings, task)?;
    (NETWORKS.find(&settings.network)?.build)(&Blueprint {
        settings,
        task,
        width,
        random,
        device,
    })
}

/// Refuses settings that do not fit the task or one another.
///
/// # Errors
/// As [`build`], but that no file is read.
fn check(settings: &ClassifierConfig, task: &ClassifierTask) -> Result<()> {
    let network = NETWORKS.find(&settings.network)?;
    let name = network.name;
    if task.classes < 2 {
        return Err(refuse(
            format!(
                "a classifier tells classes apart, and there are patches of {} class",
                task.classes
            ),
            "give a folder with a subfolder for each class, and leave `data.classes` empty",
        ));
    }
    if task.size < network.smallest {
        let (size, least) = (task.size, network.smallest);
        return Err(refuse(
            format!(
                "the network `{name}` sees images of {least} x {least} or more, these are {size} x {size}"
            ),
            format!(
                "set `data.patch_size` to {least} or more, or take another `downstream.classifier.network`"
            ),
        ));
    }
    let is_pretrained = settings.pretrained == ClassifierStart::ImageNet;
    if network.layers.is_none() && is_pretrained {
        return Err(refuse(
            format!("there are no pretrained weights for the network `{name}`"),
            "set `downstream.classifier.pretrained` to `none`, or take a network that has some (`histogen list networks`)",
        ));
    }
    if !is_pretrained && !settings.weights.as_os_str().is_empty() {
        return Err(refuse(
            "`downstream.classifier.weights` is given, but `downstream.classifier.pretrained` is `none`",
            "add `--set downstream.classifier.pretrained=imagenet`, or leave the weights out",
        ));
    }
    match network.layers {
        Some(layers) if settings.trainable_layers > layers => Err(refuse(
            format!(
                "`downstream.classifier.trainable_layers` is {}, the network `{name}` has {layers}",
                settings.trainable_layers
            ),
            format!("set 0 to {layers}"),
        )),
        _ => Ok(()),
    }
}

/// The SHA-256 of the file at `path`, as the names of runs have it.
fn hash_of(path: &Path) -> Result<String> {
    Ok(crate::nn::weights::Weights::read(path)?.hash().to_owned())
}
