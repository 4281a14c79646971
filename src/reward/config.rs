//! The external reward of `rl-eo`: its settings, and its reward model.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::snn::SnnRunConfig;

/// Where the reward enters the training of `rl-eo`. Only the first form is printed in the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coupling {
    /// Equation 5 as printed: subtracted from the critic's reported loss. It has no gradient.
    Literal,
    /// The critic as a policy: minus w mean(D(G(z_i)) s_i) in the critic's loss.
    ExpectedReward,
    /// Generated sample i has the target w s_i instead of 0.
    SoftLabel,
    /// The critic's loss times 1 - reward.
    LossScale,
    /// Minus w mean(s_i) in the generator's loss, with its gradient. The paper argues against it (section 2.3.1).
    Generator,
}

/// Which reward model says how similar two images are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The MFT-SNN after both stages.
    MftSnn,
    /// The MFT-SNN trained on whole slides only.
    #[serde(rename = "stage-1")]
    Stage1,
    /// The MFT-SNN trained on patches only.
    #[serde(rename = "stage-2")]
    Stage2,
    /// VGG-16 with the weights of `snn.weights`, untouched.
    Vgg16,
    /// VGG-16 with random weights of a fixed seed.
    Untrained,
    /// The pixels themselves.
    Pixels,
    /// A random number for each pair, whatever it shows.
    Random,
}

impl Source {
    /// Every source with its name and what it is.
    pub const ALL: [(Self, &'static str, &'static str); 7] = [
        (Self::MftSnn, "mft-snn", "the MFT-SNN after both stages"),
        (
            Self::Stage1,
            "stage-1",
            "the MFT-SNN trained on whole slides only",
        ),
        (
            Self::Stage2,
            "stage-2",
            "the MFT-SNN trained on patches only",
        ),
        (
            Self::Vgg16,
            "vgg16",
            "VGG-16 with the weights of `snn.weights`, untouched",
        ),
        (
            Self::Untrained,
            "untrained",
            "VGG-16 with random weights of a fixed seed",
        ),
        (Self::Pixels, "pixels", "the pixels themselves"),
        (
            Self::Random,
            "random",
            "a random number for each pair, whatever it shows",
        ),
    ];

    /// Whether it is an MFT-SNN, which has to be trained first.
    pub fn is_trained(self) -> bool {
        matches!(self, Self::MftSnn | Self::Stage1 | Self::Stage2)
    }
}

/// The settings of the reward: `weight` * mean(similarity), equation 4 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct RewardConfig {
    /// w of equation 4.
    pub weight: f64,
    /// Where the reward enters.
    pub coupling: Coupling,
    /// The reward model.
    pub source: Source,
    /// Folder of an MFT-SNN to take, as `snn train` prints it; empty trains one on the data of the run, or finds it.
    pub snn: PathBuf,
    /// Steps from one reward to the next for `literal`, which trains the same whatever the reward is. Every other
    /// coupling takes it in each step.
    pub every: u64,
}

impl Default for RewardConfig {
    fn default() -> Self {
        Self {
            weight: 0.3,
            coupling: Coupling::Literal,
            source: Source::MftSnn,
            snn: PathBuf::new(),
            every: 1,
        }
    }
}

/// Everything that determines what a reward model says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewardModelConfig {
    /// Which one.
    pub source: Source,
    /// Convolutions of VGG-16, for one that is a network; otherwise 0.
    pub layers: usize,
    /// Height and width at which images are looked at.
    pub image_size: usize,
    /// SHA-256 of the file of its weights; empty if it has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights: String,
    /// How a trained one was trained, and on what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snn: Option<SnnRunConfig>,
}

impl RewardModelConfig {
    /// The reward model in words, for the caption of a run on the patches with content hash `data`.
    pub fn describe(&self, data: &str) -> String {
        let (_, name, about) = Source::ALL
            .into_iter()
            .find(|(source, _, _)| *source == self.source)
            .expect("every source is listed");
        match &self.snn {
            Some(snn) => {
                let remark = if self.is_of_other_data(data) {
                    ": other data than that of the run"
                } else {
                    ""
                };
                format!("{about} (`{name}`: {}{remark})", snn.describe())
            }
            None if self.layers > 0 => format!(
                "{about} (`{name}`: {} convolutions at {} x {} pixels)",
                self.layers, self.image_size, self.image_size
            ),
            None => format!("{about} (`{name}`)"),
        }
    }

    /// Whether it was trained, and on another store than that whose hash is `data`.
    pub fn is_of_other_data(&self, data: &str) -> bool {
        self.snn.as_ref().is_some_and(|snn| snn.data.hash != data)
    }
}

/// The reward of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// w of equation 4.
    pub weight: f64,
    /// Where the reward enters.
    pub coupling: Coupling,
    /// Steps from one reward to the next.
    pub every: u64,
    /// The reward model. (Its key is older than its name.)
    #[serde(rename = "judge")]
    pub model: RewardModelConfig,
}

impl Reward {
    /// The reward that `config` describes, given by `model`.
    pub fn new(config: &RewardConfig, model: RewardModelConfig) -> Self {
        Self {
            weight: config.weight,
            coupling: config.coupling,
            every: match config.coupling {
                Coupling::Literal => config.every,
                _ => 1,
            },
            model,
        }
    }
}
