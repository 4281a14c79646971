//! The sections of an experiment and their defaults.

use std::collections::BTreeMap;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use toml::Table;

use super::{Bcr, OptimiserConfig, PriorConfig, Zcr};
use crate::classifier::{DownstreamConfig, LowDataConfig};
use crate::data::{DataConfig, TrainingImages};
use crate::device::Compute;
use crate::error::{Result, refuse};
use crate::features::{FeatureConfig, PerceptualConfig};
use crate::metrics::{MetricSettings, PathSettings};
use crate::nn::conv::Upsampling;
use crate::reward::{RewardConfig, SnnConfig};
use crate::translation::TranslationConfig;

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names the folder under `reports/`.
    pub name: String,
    /// What the experiment asks, in a sentence.
    pub question: String,
    /// Name of the profile that was laid over the experiment.
    pub profile: String,
    /// Seeds to train every system with.
    pub seeds: Vec<u64>,
    /// What is trained, in the order of the table's rows.
    pub systems: Vec<System>,
    /// The images.
    pub data: DataConfig,
    /// How long, and in what batches.
    pub training: TrainingConfig,
    /// The networks that all adversarial systems share.
    pub backbone: BackboneConfig,
    /// The optimiser that all systems share, or where each takes its own from.
    pub optimiser: OptimiserConfig,
    /// What latent vectors of adversarial systems are drawn from.
    pub prior: PriorConfig,
    /// Balanced consistency regularisation of adversarial systems.
    pub bcr: Bcr,
    /// Latent consistency regularisation of adversarial systems.
    pub zcr: Zcr,
    /// The external reward of `rl-eo`.
    pub reward: RewardConfig,
    /// The MFT-SNN that gives it.
    pub snn: SnnConfig,
    /// What is measured, on what.
    pub evaluation: EvaluationConfig,
    /// The downstream classification task.
    pub downstream: DownstreamConfig,
    /// Classification from few images.
    pub low_data: LowDataConfig,
    /// Paired models: pretraining without labels, and what it is worth.
    pub translation: TranslationConfig,
    /// What is written during training.
    pub logging: LoggingConfig,
    /// The tracking server that runs are uploaded to.
    pub tracking: TrackingConfig,
    /// What computes all of it.
    pub compute: Compute,
    /// Each model's own settings, by model.
    pub models: BTreeMap<String, Table>,
    /// Each sampler's settings, by sampler.
    pub samplers: BTreeMap<String, Table>,
}

/// One row of a table: a model, and what it changes in the experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// Label of the row.
    pub name: String,
    /// The model; the label if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Settings of this row alone, nested as in the experiment file.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub set: Table,
    /// The sampler that draws this row's images, in an experiment whose rows are samplers; such a row may set `samplers`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sampler: String,
    /// A row above that this one equals by construction: it is shown with that row's numbers and not trained again.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub same_as: String,
    /// Why it does, for the caption: a clause.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub because: String,
}

impl System {
    /// The registry's name of the model.
    pub fn model(&self) -> &str {
        if self.model.is_empty() {
            &self.name
        } else {
            &self.model
        }
    }
}

/// How long, and in what batches. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct TrainingConfig {
    /// Real images per step.
    pub batch: usize,
    /// Passes over the training split.
    pub epochs: usize,
    /// Steps instead of epochs; 0 leaves it to `epochs`.
    pub steps: usize,
    /// Training images, as many of each class; 0 takes the whole training split. Those of fewer are among those of more, in an
    /// order of the seed.
    #[serde(default)]
    pub images: usize,
    /// Fraction of `images` that is kept for validation and not trained on: by slide.
    #[serde(default)]
    pub validation: f64,
    /// Turns and mirrors real images at random, each as one of the eight symmetries of the square. All systems of a seed see the same.
    pub symmetries: bool,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            batch: 128,
            epochs: 200,
            steps: 0,
            images: 0,
            validation: 0.0,
            symmetries: false,
        }
    }
}

impl TrainingConfig {
    /// The images that are trained on, where they are not the whole training split.
    ///
    /// # Errors
    /// Refuses a fraction for validation of no number of images.
    pub fn subset(&self) -> Result<Option<TrainingImages>> {
        match self.images {
            0 if self.validation > 0.0 => Err(refuse(
                "`training.validation` keeps some of `training.images` for validation, and that is 0 (all)",
                "set `training.images`, or leave out `training.validation`",
            )),
            0 => Ok(None),
            count => Ok(Some(TrainingImages {
                count,
                validation: self.validation,
            })),
        }
    }
}

/// The networks that all adversarial systems share. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct BackboneConfig {
    /// Length of a latent vector.
    pub latent: usize,
    /// Feature maps of the generator's last hidden layer.
    pub generator_width: usize,
    /// Feature maps of the critic's first layer.
    pub critic_width: usize,
    /// Decay of the moving average of the generator's weights that images are drawn from; 0 draws them from the weights
    /// themselves.
    #[serde(default)]
    pub ema_decay: f64,
    /// How the generator makes feature maps twice as large: `transposed` (a transposed convolution, DCGAN's) or `nearest`
    /// (nearest-neighbour upsampling and a 3 x 3 convolution).
    #[serde(default)]
    pub upsampling: Upsampling,
}

impl Default for BackboneConfig {
    fn default() -> Self {
        Self {
            latent: 100,
            generator_width: 64,
            critic_width: 64,
            ema_decay: 0.0,
            upsampling: Upsampling::Transposed,
        }
    }
}

/// What is measured, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Generated images, and as many real ones.
    pub images: usize,
    /// Seed of the generated images and of the draw of real ones.
    pub seed: u64,
    /// How models are drawn from: each by the first of these samplers that fits it, or else plainly.
    pub samplers: Vec<String>,
    /// The feature extractor.
    pub features: FeatureConfig,
    /// Settings of the metrics.
    pub metrics: MetricSettings,
    /// The perceptual distance of path lengths.
    pub perceptual: PerceptualConfig,
    /// Settings of path lengths.
    pub path_length: PathSettings,
    /// The most training patches that generated images are compared with, to see whether they were memorised; 0 leaves it
    /// out.
    pub training_images: usize,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            images: 10_000,
            seed: 0,
            samplers: Vec::new(),
            features: FeatureConfig::default(),
            metrics: MetricSettings::default(),
            perceptual: PerceptualConfig::default(),
            path_length: PathSettings::default(),
            training_images: 10_000,
        }
    }
}

/// What is written during training; nothing here changes a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct LoggingConfig {
    /// Steps between sample grids; 0 draws one at the end alone.
    pub samples_every: usize,
    /// Images in a sample grid.
    pub grid_images: usize,
    /// Steps between checkpoints; 0 writes one at the end alone.
    pub checkpoint_every: usize,
    /// Steps between measurements of FID on held-out patches (as many as `evaluation.images`), the last step among them; 0
    /// for never. Where there are any, the checkpoint with the lowest is kept too.
    pub evaluate_every: usize,
    /// How many checkpoints are kept, the newest; at least 1.
    pub checkpoints_kept: usize,
    /// After how many steps with one and the same critic's loss the critic counts as dead, and the run as diverged; 0 for
    /// never.
    pub dead_critic_steps: usize,
}

impl Default for LoggingConfig {
    fn default() -> Self {
        Self {
            samples_every: 1000,
            grid_images: 64,
            checkpoint_every: 1000,
            evaluate_every: 0,
            checkpoints_kept: 2,
            dead_critic_steps: 500,
        }
    }
}

/// The tracking server that runs are uploaded to; nothing here changes a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct TrackingConfig {
    /// Address of an MLflow server, without user or password; that of `MLFLOW_TRACKING_URI` if empty.
    pub uri: String,
    /// The experiment there; the name of this one if empty.
    pub experiment: String,
    /// Longest wait for an answer, in seconds.
    pub timeout_seconds: f64,
    /// Longest wait at the end of a command for what is not uploaded, in seconds.
    pub wait_seconds: f64,
    /// Seconds between two looks at processor, memory, disk and network; 0 leaves them out.
    pub system_seconds: f64,
}

impl Default for TrackingConfig {
    fn default() -> Self {
        Self {
            uri: String::new(),
            experiment: String::new(),
            timeout_seconds: 15.0,
            wait_seconds: 5.0,
            system_seconds: 10.0,
        }
    }
}

impl Config {
    /// The defaults: the paper's protocol for no system, with the models' and the samplers' own settings as `models` and
    /// `samplers` have them.
    pub fn defaults(models: BTreeMap<String, Table>, samplers: BTreeMap<String, Table>) -> Self {
        Self {
            name: "experiment".into(),
            question: String::new(),
            profile: String::new(),
            seeds: vec![0],
            systems: Vec::new(),
            data: DataConfig::default(),
            training: TrainingConfig::default(),
            backbone: BackboneConfig::default(),
            optimiser: OptimiserConfig::default(),
            prior: PriorConfig::default(),
            bcr: Bcr::default(),
            zcr: Zcr::default(),
            reward: RewardConfig::default(),
            snn: SnnConfig::default(),
            evaluation: EvaluationConfig::default(),
            downstream: DownstreamConfig::default(),
            low_data: LowDataConfig::default(),
            translation: TranslationConfig::default(),
            logging: LoggingConfig::default(),
            tracking: TrackingConfig::default(),
            compute: Compute::default(),
            models,
            samplers,
        }
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has string keys only")
    }
}
