//! What an experiment is: defaults < experiment file < profile < environment < `--set`.
//!
//! Every layer is checked key by key against the defaults before it is merged, so a mistyped key is refused with the name
//! that was probably meant, and never ignored. What determines the weights of a run is narrowed to a [`RunConfig`],
//! whose hash names the run.

use std::collections::BTreeMap;

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::data::DataConfig;
use crate::device::{Compute, Kind, Precision};
use crate::digest::sha256;
use crate::error::{Result, nearest, refuse};
use crate::features::{FeatureConfig, PerceptualConfig};
use crate::metrics::{MetricSettings, PathSettings};
use crate::snn::{Reward, RewardConfig, SnnConfig};

/// A whole experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub training: Training,
    /// The networks that all adversarial systems share.
    pub backbone: Backbone,
    /// The optimiser that all systems share, or where each takes its own from.
    pub optimiser: OptimiserConfig,
    /// The external reward of `rl-eo`.
    pub reward: RewardConfig,
    /// The MFT-SNN that gives it.
    pub snn: SnnConfig,
    /// What is measured, on what.
    pub evaluation: Evaluation,
    /// What is written during training.
    pub logging: Logging,
    /// The tracking server that runs are uploaded to.
    pub tracking: Tracking,
    /// What computes all of it.
    pub compute: Compute,
    /// Each model's own settings, by model.
    pub models: BTreeMap<String, Table>,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Real images per step.
    pub batch: usize,
    /// Passes over the training split.
    pub epochs: usize,
    /// Steps instead of epochs; 0 leaves it to `epochs`.
    pub steps: usize,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            batch: 128,
            epochs: 200,
            steps: 0,
        }
    }
}

/// The networks that all adversarial systems share. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backbone {
    /// Length of a latent vector.
    pub latent: usize,
    /// Feature maps of the generator's last hidden layer.
    pub generator_width: usize,
    /// Feature maps of the critic's first layer.
    pub critic_width: usize,
}

impl Default for Backbone {
    fn default() -> Self {
        Self {
            latent: 100,
            generator_width: 64,
            critic_width: 64,
        }
    }
}

/// Whose optimiser settings are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserProtocol {
    /// The numbers of this section, for every system (arXiv 2409.20340, section 5).
    Identical,
    /// Each model's own paper's; the numbers of this section are not used.
    Canonical,
}

/// The optimiser of an experiment. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimiserConfig {
    /// `identical` or `canonical`.
    pub protocol: OptimiserProtocol,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Share of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let Optimiser {
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            critic_steps,
        } = Optimiser::DCGAN;
        Self {
            protocol: OptimiserProtocol::Identical,
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            critic_steps,
        }
    }
}

impl OptimiserConfig {
    /// The numbers of this section, as a run has them.
    pub fn shared(&self) -> Optimiser {
        Optimiser {
            learning_rate: self.learning_rate,
            decay_from: self.decay_from,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            critic_steps: self.critic_steps,
        }
    }
}

/// The numbers one run's optimiser works with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Share of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Optimiser {
    /// Radford et al. 2016, section 4.
    pub const DCGAN: Self = Self {
        learning_rate: 2e-4,
        decay_from: 1.0,
        beta1: 0.5,
        beta2: 0.999,
        epsilon: 1e-8,
        critic_steps: 1,
    };

    /// The learning rate of step `step`, counted from 0, of `steps` in all. It is never 0 at a step that is taken.
    pub fn learning_rate_at(&self, step: u64, steps: usize) -> f64 {
        let (step, steps) = (step as f64, steps as f64);
        let first = self.decay_from * steps;
        if self.decay_from >= 1.0 || step <= first {
            self.learning_rate
        } else {
            self.learning_rate * (steps - step) / (steps - first)
        }
    }
}

/// What is measured, on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Generated images, and as many real ones.
    pub images: usize,
    /// Seed of the generated images and of the draw of real ones.
    pub seed: u64,
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

impl Default for Evaluation {
    fn default() -> Self {
        Self {
            images: 10_000,
            seed: 0,
            features: FeatureConfig::default(),
            metrics: MetricSettings::default(),
            perceptual: PerceptualConfig::default(),
            path_length: PathSettings::default(),
            training_images: 10_000,
        }
    }
}

/// What is written during training; nothing here changes a weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logging {
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

impl Default for Logging {
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tracking {
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

impl Default for Tracking {
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

/// Everything that determines the weights of one run, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The registry's name of the model.
    pub model: String,
    /// The training seed.
    pub seed: u64,
    /// Content hash of the patch store.
    pub data_hash: String,
    /// Height and width of the patches.
    pub image_size: usize,
    /// Optimisation steps.
    pub steps: usize,
    /// Real images per step.
    pub batch: usize,
    /// The kind of device: each rounds in its own way.
    pub device: Kind,
    /// The numbers it computes in.
    pub precision: Precision,
    /// The shared networks.
    pub backbone: Backbone,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// The reward, for a model that reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward: Option<Reward>,
    /// Settings of the models whose settings this model reads, by model.
    pub models: BTreeMap<String, Table>,
}

impl RunConfig {
    /// The settings of `model` as the struct that its file defines.
    pub fn settings<T: for<'de> Deserialize<'de>>(&self, model: &str) -> Result<T> {
        let table = self.models.get(model).cloned().unwrap_or_default();
        T::deserialize(Value::Table(table)).map_err(|error| {
            refuse(
                format!("settings `models.{model}`: {}", error.message()),
                format!(
                    "`histogen list models` shows the settings of `{model}` and their defaults"
                ),
            )
        })
    }

    /// The configuration as TOML, keys sorted.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a run configuration has string keys only")
    }

    /// Twelve hexadecimal digits that name the run: equal settings, equal weights.
    pub fn hash(&self) -> String {
        sha256(self.to_toml())[..12].to_owned()
    }
}

/// One layer of configuration and where it came from.
pub struct Layer {
    /// Named in error messages: a path, `profile quick`, `--set`.
    pub origin: String,
    /// The settings.
    pub table: Table,
}

impl Layer {
    /// Parses TOML text.
    pub fn parse(origin: impl Into<String>, text: &str) -> Result<Self> {
        let origin = origin.into();
        match text.parse::<Table>() {
            Ok(table) => Ok(Self { origin, table }),
            Err(error) => Err(refuse(
                format!(
                    "`{origin}` is not valid TOML: {}",
                    error.to_string().trim_end()
                ),
                "correct the file at that place",
            )),
        }
    }

    /// Reads `key=value` pairs, the key dotted, the value as TOML or, failing that, as text.
    pub fn from_pairs(origin: impl Into<String>, pairs: &[String]) -> Result<Self> {
        let mut table = Table::new();
        for pair in pairs {
            let Some((key, text)) = pair.split_once('=') else {
                return Err(refuse(
                    format!("`{pair}` is not of the form `key=value`"),
                    "for example `--set training.batch=64`",
                ));
            };
            let value = format!("value = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut parsed| parsed.remove("value"))
                .unwrap_or_else(|| Value::String(text.to_owned()));
            insert(&mut table, key.trim(), value);
        }
        Ok(Self {
            origin: origin.into(),
            table,
        })
    }

    /// Reads `HISTOGEN_SECTION__KEY=value` variables: two underscores stand for the dot.
    pub fn from_environment(variables: impl Iterator<Item = (String, String)>) -> Result<Self> {
        let pairs: Vec<String> = variables
            .filter_map(|(name, value)| {
                let key = name.strip_prefix("HISTOGEN_")?;
                key.contains("__")
                    .then(|| format!("{}={value}", key.to_lowercase().replace("__", ".")))
            })
            .collect();
        Self::from_pairs("the environment", &pairs)
    }
}

fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table
                .entry(head)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            } else {
                // A scalar where a section is wanted: replaced, so that the check of types names the key.
                let mut section = Table::new();
                insert(&mut section, rest, value);
                *inner = Value::Table(section);
            }
        }
    }
}

impl Config {
    /// The defaults: the paper's protocol for no system, with the models' own settings as `models` has them.
    pub fn defaults(models: BTreeMap<String, Table>) -> Self {
        Self {
            name: "experiment".into(),
            question: String::new(),
            profile: String::new(),
            seeds: vec![0],
            systems: Vec::new(),
            data: DataConfig::default(),
            training: Training::default(),
            backbone: Backbone::default(),
            optimiser: OptimiserConfig::default(),
            reward: RewardConfig::default(),
            snn: SnnConfig::default(),
            evaluation: Evaluation::default(),
            logging: Logging::default(),
            tracking: Tracking::default(),
            compute: Compute::default(),
            models,
        }
    }

    /// Lays `layers` over `self`, later ones winning. Refuses unknown keys and values of the wrong type.
    pub fn overlay(&self, layers: &[Layer]) -> Result<Self> {
        let defaults = Table::try_from(self).expect("a configuration has string keys only");
        let mut figment = Figment::from(Serialized::defaults(self));
        for layer in layers {
            check_keys(&layer.table, &defaults, "", &layer.origin)?;
            let text = toml::to_string(&layer.table).expect("a parsed table can be written");
            figment = figment.merge(Toml::string(&text));
        }
        let config: Self = figment.extract().map_err(|error| {
            let key = error.path.join(".");
            let origins: Vec<&str> = layers.iter().map(|layer| layer.origin.as_str()).collect();
            refuse(
                format!("`{key}` (from {}): {}", origins.join(", "), error.kind),
                "`histogen train --dry-run` prints every setting and its value",
            )
        })?;
        for system in &config.systems {
            let origin = format!("system `{}`", system.name);
            check_keys(&system.set, &defaults, "", &origin)?;
        }
        Ok(config)
    }

    /// The experiment as one of its systems sees it.
    pub fn for_system(&self, system: &System) -> Result<Self> {
        self.overlay(&[Layer {
            origin: format!("system `{}`", system.name),
            table: system.set.clone(),
        }])
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has string keys only")
    }
}

/// Refuses the first key of `given` that `known` lacks. What stands inside an array is checked when it is read.
fn check_keys(given: &Table, known: &Table, path: &str, origin: &str) -> Result<()> {
    for (key, value) in given {
        let full = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match (value, known.get(key)) {
            (Value::Table(given), Some(Value::Table(known))) => {
                check_keys(given, known, &full, origin)?;
            }
            (_, Some(_)) => {}
            (_, None) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let hint = match nearest(key, &names) {
                    Some(name) if path.is_empty() => format!("did you mean `{name}`?"),
                    Some(name) => format!("did you mean `{path}.{name}`?"),
                    None => format!("known here: {}", names.join(", ")),
                };
                return Err(refuse(format!("unknown key `{full}` in {origin}"), hint));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_linearly_from_its_share_of_the_training_on() {
        let rate = |decay_from, step| {
            let optimiser = Optimiser {
                decay_from,
                ..Optimiser::DCGAN
            };
            optimiser.learning_rate_at(step, 100) / optimiser.learning_rate
        };
        for (decay_from, step, expected) in [
            (1.0, 99, 1.0),
            (0.0, 0, 1.0),
            (0.0, 25, 0.75),
            (0.0, 99, 0.01),
            (0.5, 50, 1.0),
            (0.5, 75, 0.5),
            (0.5, 99, 0.02),
        ] {
            let found: f64 = rate(decay_from, step);
            assert!(
                (found - expected).abs() < 1e-12,
                "{decay_from} {step}: {found}"
            );
        }
    }
}
