//! The settings of the downstream classification task, and what names the run of a classifier. Defaults: section 5.0.2 of arXiv
//! 2409.20340.

use std::path::PathBuf;

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::ClassifierTask;
use crate::data::Augmentation;
use crate::device::{DeviceKind, Precision};
use crate::digest::sha256;

/// What a network starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassifierStart {
    /// The weights that torchvision trained on ImageNet.
    ImageNet,
    /// Random weights of the run's seed.
    None,
}

/// A classifier and its training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierConfig {
    /// The network: one of `histogen list networks`.
    pub network: String,
    /// What it starts from: `imagenet` or `none`.
    pub pretrained: ClassifierStart,
    /// Its pretrained weights: torchvision's file, or safetensors with its names; empty takes the one that `histogen weights` keeps.
    pub weights: PathBuf,
    /// How many layers of a residual network learn, counted from its last; the others are frozen. (What follows always learns.)
    pub trainable_layers: usize,
    /// Units of the fully connected layer between a residual network and its classes.
    pub hidden: usize,
    /// Passes over the training images.
    pub epochs: usize,
    /// Steps of a pass; 0 shows every image once. With a number, training sets of any size get the same steps, and a curve over
    /// their size shows what the images are worth and not how long was trained.
    pub steps_per_epoch: usize,
    /// Images in a step.
    pub batch: usize,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Passes after which the learning rate is multiplied by `decay`, and again after as many (PyTorch's `StepLR`).
    pub decay_every: usize,
    /// What it is multiplied by.
    pub decay: f64,
    /// Fraction of the training images that are kept for validation: real ones by slide, generated ones by seed.
    pub validation: f64,
    /// Measures the weights of the pass with the lowest validation loss instead of those of the last.
    pub keep_best: bool,
    /// Ends the training after so many passes without a lower validation loss; 0 never does.
    pub patience: usize,
}

impl Default for ClassifierConfig {
    fn default() -> Self {
        Self {
            network: "resnet-152".to_owned(),
            pretrained: ClassifierStart::ImageNet,
            weights: PathBuf::new(),
            trainable_layers: 16,
            hidden: 1024,
            epochs: 10,
            steps_per_epoch: 0,
            batch: 32,
            learning_rate: 1e-5,
            decay_every: 7,
            decay: 0.1,
            validation: 0.3,
            keep_best: true,
            patience: 0,
        }
    }
}

impl ClassifierConfig {
    /// The learning rate of pass `epoch`, counted from 0.
    pub fn learning_rate_at(&self, epoch: u64) -> f64 {
        let falls = epoch / self.decay_every as u64;
        self.learning_rate * self.decay.powi(falls as i32)
    }
}

/// How far classic augmentation changes a training image, besides one of the eight symmetries of the square.
///
/// The paper has none. The amounts are ours: a colour jitter that leaves tissue looking like tissue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct ClassicAugmentation {
    /// RGB in [0, 1] is multiplied by a factor from [1 - `brightness`, 1 + `brightness`].
    pub brightness: f64,
    /// The distance from the image's mean luminance is multiplied by a factor from [1 - `contrast`, 1 + `contrast`].
    pub contrast: f64,
}

impl Default for ClassicAugmentation {
    fn default() -> Self {
        Self {
            brightness: 0.2,
            contrast: 0.2,
        }
    }
}

impl ClassicAugmentation {
    /// The views of images that it draws.
    pub fn views(&self) -> Augmentation {
        Augmentation {
            brightness: self.brightness,
            contrast: self.contrast,
            noise: 0.0,
        }
    }
}

/// The downstream classification task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct DownstreamConfig {
    /// The model that makes the generated images; one is trained for each class, or one of all classes if it is told them.
    pub model: String,
    /// Real training patches of each class; 0 takes as many as the smallest class has.
    pub real_patches: usize,
    /// Generated images of each class; 0 takes as many as there are real patches.
    pub generated_images: usize,
    /// Real patches of each class at the points of the curve, besides all of them; empty draws none.
    pub curve: Vec<usize>,
    /// The classifier.
    pub classifier: ClassifierConfig,
    /// Classic augmentation.
    pub augmentation: ClassicAugmentation,
}

/// Images of one kind in a training set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImagesOf {
    /// The content hash of the patch store they lie in.
    pub hash: String,
    /// How many of each class, those for validation among them.
    pub per_class: usize,
}

/// What a classifier is trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSet {
    /// Images that it learns from.
    pub training: usize,
    /// Images that it is validated on.
    pub validation: usize,
    /// Real patches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<ImagesOf>,
    /// Generated images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<ImagesOf>,
    /// Classic augmentation of the images that it learns from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<ClassicAugmentation>,
}

/// Everything that determines the weights of one classifier, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierRunConfig {
    /// The training seed.
    pub seed: u64,
    /// Optimisation steps.
    pub steps: u64,
    /// Height and width of the images.
    pub image_size: usize,
    /// Channels of the images.
    pub channels: usize,
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// The SHA-256 of the pretrained weights; empty where there are none.
    pub weights: String,
    /// Feature maps of the first layer, of a network that takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// The kind of device: each rounds in its own way.
    pub device: DeviceKind,
    /// f32, whatever the systems whose images it sees compute in.
    pub precision: Precision,
    /// The settings; the path of the weights is left out.
    pub settings: ClassifierConfig,
    /// What it is trained on.
    pub training_set: TrainingSet,
}

impl ClassifierRunConfig {
    /// What it tells apart.
    pub fn task(&self) -> ClassifierTask {
        ClassifierTask {
            size: self.image_size,
            channels: self.channels,
            classes: self.classes.len(),
        }
    }

    /// Steps of a pass.
    pub fn steps_per_epoch(&self) -> u64 {
        steps_per_epoch(&self.settings, self.training_set.training)
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

/// Steps of a pass over `images`: the last one may have fewer images than a batch, as PyTorch's `DataLoader` does it.
pub(super) fn steps_per_epoch(settings: &ClassifierConfig, images: usize) -> u64 {
    match settings.steps_per_epoch {
        0 => images.div_ceil(settings.batch) as u64,
        steps => steps as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_in_steps_as_pytorchs() {
        let settings = ClassifierConfig::default();
        let rates: Vec<f64> = [0, 6, 7, 13, 14]
            .into_iter()
            .map(|epoch| settings.learning_rate_at(epoch))
            .collect();
        for (found, expected) in rates.iter().zip([1e-5, 1e-5, 1e-6, 1e-6, 1e-7]) {
            assert!(
                (found / expected - 1.0).abs() < 1e-12,
                "{found}, {expected}"
            );
        }
    }

    #[test]
    fn a_pass_shows_every_image_once_unless_it_has_a_number_of_steps() {
        let settings = ClassifierConfig::default();
        assert_eq!(steps_per_epoch(&settings, 64), 2);
        assert_eq!(steps_per_epoch(&settings, 65), 3);
        assert_eq!(steps_per_epoch(&settings, 3), 1);
        let fixed = ClassifierConfig {
            steps_per_epoch: 12,
            ..settings
        };
        assert_eq!(steps_per_epoch(&fixed, 3), 12);
    }
}
