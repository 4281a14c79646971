//! The settings of the MFT-SNN. Defaults: sections 3.2.1 and 3.3.1 of arXiv 2409.20340.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::data::{Augmentation, PairLevel, PatchStore, SimilarPair, Split};
use crate::device::{Compute, DeviceKind, Precision};
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::vgg::{LAYERS, halvings};

/// What the encoder starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderStart {
    /// The weights of VGG-16 in the file `snn.weights`.
    Vgg16,
    /// Random weights of a fixed seed. Not what the paper does: every caption says so.
    None,
}

/// The two stages of the training, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Whole slides.
    Slides,
    /// Patches.
    Patches,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct StageConfig {
    /// Passes; 0 leaves the stage out.
    pub epochs: usize,
    /// Pairs in a pass; 0 takes as many as there are training images.
    pub pairs: usize,
    /// How many convolutions of the encoder learn, counted from its last; the others are frozen. (The decoder always
    /// learns, as there are no pretrained weights for it.)
    pub layers: usize,
}

/// The settings of the MFT-SNN.
///
/// "The last 12 layers" are counted over the encoder's 13 convolutions. Counted over an autoencoder's 26 they would all be
/// the decoder's, and the similarity, which only the encoder makes, would never be trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct SnnConfig {
    /// Seed of the decoder, the pairs and the views.
    pub seed: u64,
    /// What the encoder starts from: `vgg16` or `none`.
    pub pretrained: EncoderStart,
    /// The weights of `vgg16`: torchvision's file, or safetensors with its names.
    pub weights: PathBuf,
    /// Convolutions of VGG-16 in the encoder, 1 to 13.
    pub encoder_layers: usize,
    /// Feature maps of the decoder before the image; 64 mirrors the encoder.
    pub decoder_width: usize,
    /// Height and width at which patches are looked at; they are averaged down to it.
    pub image_size: usize,
    /// Height and width to which whole slides are brought.
    pub slide_size: usize,
    /// Pairs in a step.
    pub batch: usize,
    /// Distance beyond which dissimilar pairs are left alone. The paper gives none; 1 is a cosine of 0.5.
    pub margin: f64,
    /// Learning rate of Adam on the contrastive loss.
    pub contrastive_rate: f64,
    /// Learning rate of Adagrad on the reconstruction error; 0 leaves reconstruction out.
    pub reconstruction_rate: f64,
    /// What a similar pair of patches is: `augmented-view` or `same-slide`. (Of whole slides always `augmented-view`.)
    pub similar: SimilarPair,
    /// The levels of dissimilarity: `other-slide`, `other-class`.
    pub dissimilar: Vec<PairLevel>,
    /// How views differ from their image.
    pub augmentation: Augmentation,
    /// Whole slides.
    pub stage1: StageConfig,
    /// Patches.
    pub stage2: StageConfig,
    /// Held-out pairs of each level in an evaluation. Changes no weight.
    pub evaluation_pairs: usize,
}

impl Default for SnnConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            pretrained: EncoderStart::Vgg16,
            weights: PathBuf::new(),
            encoder_layers: LAYERS,
            decoder_width: 64,
            image_size: 64,
            slide_size: 224,
            batch: 32,
            margin: 1.0,
            contrastive_rate: 5e-4,
            reconstruction_rate: 1e-3,
            similar: SimilarPair::AugmentedView,
            dissimilar: vec![PairLevel::OtherSlide, PairLevel::OtherClass],
            augmentation: Augmentation::default(),
            stage1: StageConfig {
                epochs: 10,
                pairs: 0,
                layers: 12,
            },
            stage2: StageConfig {
                epochs: 8,
                pairs: 60_000,
                layers: 3,
            },
            evaluation_pairs: 1000,
        }
    }
}

impl SnnConfig {
    /// Refuses what is in range and does not fit together; `size` is that of the patches.
    pub fn check(&self, size: usize) -> Result<()> {
        let layers = self.encoder_layers;
        for (name, stage) in [("stage1", &self.stage1), ("stage2", &self.stage2)] {
            if stage.layers > layers {
                return Err(refuse(
                    format!(
                        "`snn.{name}.layers` is {}, the encoder has {layers}",
                        stage.layers
                    ),
                    format!("set 1 to {layers}, or another `snn.encoder_layers`"),
                ));
            }
        }
        let divisor = 1 << halvings(layers);
        if !size.is_multiple_of(self.image_size) {
            return Err(refuse(
                format!(
                    "`snn.image_size` is {}, which does not divide patches of {size}",
                    self.image_size
                ),
                format!("set {size}, or a half or a quarter of it"),
            ));
        }
        for (name, value) in [
            ("image_size", self.image_size),
            ("slide_size", self.slide_size),
        ] {
            if value % divisor != 0 {
                return Err(refuse(
                    format!(
                        "`snn.{name}` is {value}, which {layers} convolutions cannot halve evenly"
                    ),
                    format!("set a multiple of {divisor}"),
                ));
            }
        }
        match (self.pretrained, self.weights.as_os_str().is_empty()) {
            (EncoderStart::Vgg16, true) => Err(refuse(
                "`snn.pretrained` is `vgg16`, and no weights file is given",
                "give one with `--set snn.weights=FILE` (torchvision's `vgg16` file or safetensors with its names), or \
                 start from random weights with `--set snn.pretrained=none`",
            )),
            (EncoderStart::None, false) => Err(refuse(
                "`snn.weights` is given, but `snn.pretrained` is `none`",
                "add `--set snn.pretrained=vgg16`, or leave the weights out",
            )),
            _ => Ok(()),
        }
    }

    /// The settings of one stage.
    pub fn stage(&self, stage: Stage) -> &StageConfig {
        match stage {
            Stage::Slides => &self.stage1,
            Stage::Patches => &self.stage2,
        }
    }

    /// The patches of `store` at `indices` as the network looks at them: averaged down to `image_size`.
    ///
    /// # Errors
    /// If the store can no longer be read.
    pub fn view(&self, store: &PatchStore, indices: &[usize]) -> Result<Images> {
        let patches = store.read(indices)?.to_images();
        let factor = patches.size / self.image_size;
        Ok(patches.reduced(factor))
    }

    /// The encoder's weights in words.
    pub fn describe_start(&self, weights: &str) -> String {
        match self.pretrained {
            EncoderStart::Vgg16 => format!("the weights of VGG-16 in a file ({})", &weights[..8]),
            EncoderStart::None => "random weights (`pretrained = \"none\"`)".to_owned(),
        }
    }
}

/// What an MFT-SNN was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedOn {
    /// Name of the patch store.
    pub name: String,
    /// Its content hash.
    pub hash: String,
    /// Its classes.
    pub classes: Vec<String>,
    /// Height and width of its patches.
    pub patch_size: usize,
}

impl TrainedOn {
    /// What training on `store` is.
    pub fn of(store: &PatchStore) -> Self {
        Self {
            name: store.name().to_owned(),
            hash: store.content_hash().to_owned(),
            classes: store.classes().to_vec(),
            patch_size: store.patch_size(),
        }
    }
}

/// Everything that determines the weights of one MFT-SNN, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnnRunConfig {
    /// SHA-256 of the weights file that the encoder starts from; empty for random weights.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub weights: String,
    /// Steps of the two stages.
    pub steps: [u64; 2],
    /// The kind of device.
    pub device: DeviceKind,
    /// That of f32 on the device, whatever the systems that it judges compute in.
    pub precision: Precision,
    /// The images.
    pub data: TrainedOn,
    /// The settings, without those that change no weight.
    pub settings: SnnConfig,
}

impl SnnRunConfig {
    /// The configuration of the MFT-SNN that `settings` and the training split of `store` give on `compute`.
    ///
    /// # Errors
    /// Refuses settings that do not fit together and a weights file that cannot be read.
    pub fn new(settings: &SnnConfig, store: &PatchStore, compute: &Compute) -> Result<Self> {
        settings.check(store.patch_size())?;
        let weights = match settings.pretrained {
            EncoderStart::None => String::new(),
            EncoderStart::Vgg16 => {
                let path = &settings.weights;
                sha256(std::fs::read(path).map_err(|error| {
                    refuse(
                        format!("cannot read the weights file `{}`: {error}", path.display()),
                        "give `snn.weights` the path of torchvision's `vgg16` file, or of safetensors with its names",
                    )
                })?)
            }
        };
        let steps = |stage: &StageConfig, images: usize| {
            let pairs = if stage.pairs == 0 {
                images
            } else {
                stage.pairs
            };
            (stage.epochs * (pairs / settings.batch).max(1)) as u64
        };
        let slides = store.slides(Split::Train).len();
        let patches = store.indices(Split::Train).len();
        let mut kept = settings.clone();
        kept.weights = PathBuf::new();
        kept.evaluation_pairs = SnnConfig::default().evaluation_pairs;
        Ok(Self {
            weights,
            steps: [
                steps(&settings.stage1, slides),
                steps(&settings.stage2, patches),
            ],
            device: compute.device.kind,
            precision: compute.device.kind.single_precision(),
            data: TrainedOn::of(store),
            settings: kept,
        })
    }

    /// The configuration as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration has string keys only")
    }

    /// Twelve hexadecimal digits that name the network: equal settings, equal weights.
    pub fn hash(&self) -> String {
        sha256(self.to_toml())[..12].to_owned()
    }

    /// The stage of a step, counted from 0 over both, and how many steps of it are done before.
    pub fn stage_at(&self, step: u64) -> (Stage, u64) {
        match step.checked_sub(self.steps[0]) {
            None => (Stage::Slides, step),
            Some(within) => (Stage::Patches, within),
        }
    }

    /// The training in a sentence, for captions.
    pub fn describe(&self) -> String {
        let settings = &self.settings;
        let stage = |steps: u64, stage: &StageConfig, images: &str| match steps {
            0 => format!("no stage on {images}"),
            _ => format!(
                "{steps} steps on {images} (last {} convolutions)",
                stage.layers
            ),
        };
        format!(
            "{} of VGG-16's convolutions at {} x {} pixels, from {}; {}, then {}; batch {}, seed {}; trained on {} ({})",
            settings.encoder_layers,
            settings.image_size,
            settings.image_size,
            settings.describe_start(&self.weights),
            stage(self.steps[0], &settings.stage1, "whole slides"),
            stage(self.steps[1], &settings.stage2, "patches"),
            settings.batch,
            settings.seed,
            self.data.name,
            &self.data.hash[..8.min(self.data.hash.len())],
        )
    }
}
