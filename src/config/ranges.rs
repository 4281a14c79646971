//! The range of every number of an experiment. A number without one fails a test.
//!
//! The upper ends of counts and sizes are far beyond what anybody computes: they catch a slip of the keyboard before it asks
//! for more memory than there is.

use std::ops::Bound::{Excluded, Included};

use super::{
    BackboneConfig, Bcr, Config, EvaluationConfig, LoggingConfig, MixtureConfig, OptimiserConfig,
    PriorConfig, Range, Section, TrackingConfig, TrainingConfig, Truncation, Zcr,
};
use crate::classifier::{ClassicAugmentation, ClassifierConfig, DownstreamConfig, LowDataConfig};
use crate::data::{Augmentation, DataConfig, PhantomConfig};
use crate::device::Compute;
use crate::features::{FeatureConfig, PerceptualConfig};
use crate::metrics::{MetricSettings, PathSettings};
use crate::nn::vgg::LAYERS;
use crate::reward::{RewardConfig, SnnConfig, StageConfig};
use crate::translation::{Adversary, Pretraining, TranslationConfig, TranslatorTrainingConfig};

/// Largest number of images, patches, pairs or paths.
const MANY: f64 = 1e8;
/// Largest number of steps.
const STEPS: f64 = 1e9;
/// Largest number of passes.
const EPOCHS: f64 = 1e6;
/// Largest number of images in a step.
const BATCH: f64 = 65_536.0;
/// Largest number of feature maps.
const WIDTH: f64 = 4096.0;
/// Largest height and width of an image that a network sees.
const SIZE: f64 = 4096.0;
/// A day.
const SECONDS: f64 = 86_400.0;
/// Why the numbers of layers end where they do.
const CONVOLUTIONS: &str = "VGG-16 has 13 convolutions: set 1 to 13";

/// Every section by its path: at the top first, then in the order of [`Config`].
pub(super) const SECTIONS: &[(&str, Section)] = &[
    (
        "",
        Section::of::<Config>(&[Range::at_least("seeds", "", 0.0)]),
    ),
    (
        "data",
        Section::of::<DataConfig>(&[
            Range::between("patch_size", "pixels", 1.0, SIZE),
            Range::between("channels", "", 1.0, 3.0).hint("set 1 (grey) or 3 (RGB)"),
            Range::between("stride", "pixels", 1.0, BATCH),
            Range::between("reduction", "", 1.0, 64.0).hint("set 1 to keep the slides as they are"),
            Range::between("minimum_tissue", "fraction", 0.0, 1.0)
                .hint("set it between 0 (keep every patch) and 1 (only patches full of tissue)"),
            Range::between("tissue_threshold", "of saturation", 0.0, 255.0)
                .hint("set 0 to find one for each slide, or for example 8 as CLAM does"),
            Range::new("held_out", "fraction", (Included(0.0), Excluded(1.0)))
                .hint("set it for example to 0.3, or to 0 for a store without a test split"),
            Range::between("patches_per_class", "patches", 0.0, MANY),
            Range::between("whole_slides", "pixels", 0.0, SIZE)
                .hint("set 224 as in the paper, or 0 to keep none"),
            Range::between("region_overlap", "fraction", 0.0, 1.0)
                .hint("set 0 for the class of a patch's centre, or a fraction above 0.5"),
            Range::between("level", "", 0.0, 64.0).hint("set 0 for full resolution"),
            Range::between("micrometres_per_pixel", "micrometres", 0.0, 1000.0)
                .hint("set 0 for the resolution of the slides, or for example 0.5"),
            Range::between("maximum_patches", "patches", 0.0, MANY),
            Range::at_least("seed", "", 0.0),
        ]),
    ),
    (
        "data.phantom",
        Section::of::<PhantomConfig>(&[
            Range::between("slides_per_class", "slides", 2.0, 100_000.0)
                .hint("a class needs a slide to train on and one to test on: set at least 2"),
            Range::between("slide_size", "pixels", 1.0, 65_536.0),
        ]),
    ),
    (
        "training",
        Section::of::<TrainingConfig>(&[
            Range::between("batch", "images", 1.0, BATCH),
            Range::between("epochs", "passes", 1.0, EPOCHS),
            Range::between("steps", "steps", 0.0, STEPS),
            Range::between("images", "images", 0.0, MANY),
            Range::new("validation", "fraction", (Included(0.0), Excluded(1.0)))
                .hint("set 0 to train on all of `training.images`, or for example 0.2"),
        ]),
    ),
    (
        "backbone",
        Section::of::<BackboneConfig>(&[
            Range::between("latent", "numbers", 1.0, 65_536.0),
            Range::between("generator_width", "feature maps", 1.0, WIDTH),
            Range::between("critic_width", "feature maps", 1.0, WIDTH),
            Range::new("ema_decay", "", (Included(0.0), Excluded(1.0)))
                .hint("set 0 for no average, or for example 0.999"),
        ]),
    ),
    (
        "optimiser",
        Section::of::<OptimiserConfig>(&[
            Range::above("learning_rate", "", 0.0),
            Range::between("decay_from", "fraction", 0.0, 1.0)
                .hint("set a fraction of the training, from 0 to 1; 1 keeps the learning rate"),
            Range::new("alpha", "", (Included(0.0), Excluded(1.0))),
            Range::new("beta1", "", (Included(0.0), Excluded(1.0))),
            Range::new("beta2", "", (Included(0.0), Excluded(1.0))),
            Range::new("epsilon", "", (Excluded(0.0), Included(1.0))),
            Range::between("critic_steps", "steps", 1.0, 10_000.0),
        ]),
    ),
    ("prior", Section::of::<PriorConfig>(&[])),
    (
        "prior.truncated",
        Section::of::<Truncation>(&[
            TAU,
            Range::between("rate", "", 0.0, 1000.0).hint("set 0 to keep tau as it is"),
        ]),
    ),
    (
        "prior.mixture",
        Section::of::<MixtureConfig>(&[
            Range::between("components", "distributions", 1.0, 1000.0),
            Range::between("spread", "", 0.0, 1000.0),
            Range::new("sigma", "", (Excluded(0.0), Included(1000.0))),
        ]),
    ),
    (
        "bcr",
        Section::of::<Bcr>(&[
            Range::at_least("real", "", 0.0),
            Range::at_least("fake", "", 0.0),
        ]),
    ),
    (
        "zcr",
        Section::of::<Zcr>(&[
            Range::at_least("discriminator", "", 0.0),
            Range::at_least("generator", "", 0.0),
            Range::at_least("sigma", "", 0.0),
        ]),
    ),
    (
        "reward",
        Section::of::<RewardConfig>(&[
            Range::at_least("weight", "", 0.0).hint("the paper's is 0.3, and 0 is no reward"),
            Range::between("every", "steps", 1.0, STEPS),
        ]),
    ),
    (
        "snn",
        Section::of::<SnnConfig>(&[
            Range::at_least("seed", "", 0.0),
            Range::between("encoder_layers", "convolutions", 1.0, LAYERS as f64).hint(CONVOLUTIONS),
            Range::between("decoder_width", "feature maps", 1.0, WIDTH),
            Range::between("image_size", "pixels", 1.0, SIZE),
            Range::between("slide_size", "pixels", 1.0, SIZE),
            Range::between("batch", "pairs", 1.0, BATCH),
            Range::above("margin", "", 0.0),
            Range::above("contrastive_rate", "", 0.0),
            Range::at_least("reconstruction_rate", "", 0.0),
            Range::between("evaluation_pairs", "pairs", 1.0, MANY),
        ]),
    ),
    (
        "snn.augmentation",
        Section::of::<Augmentation>(&[
            Range::between("brightness", "fraction", 0.0, 1.0),
            Range::between("contrast", "fraction", 0.0, 1.0),
            Range::between("noise", "of RGB in [0, 1]", 0.0, 1.0),
        ]),
    ),
    ("snn.stage1", STAGE),
    ("snn.stage2", STAGE),
    (
        "evaluation",
        Section::of::<EvaluationConfig>(&[
            Range::between("images", "images", 1.0, MANY),
            Range::at_least("seed", "", 0.0),
            Range::between("training_images", "patches", 0.0, MANY),
        ]),
    ),
    ("evaluation.features", Section::of::<FeatureConfig>(&[])),
    (
        "evaluation.metrics",
        Section::of::<MetricSettings>(&[
            Range::between("kid_subsets", "subsets", 1.0, EPOCHS),
            Range::between("kid_subset_size", "images", 2.0, MANY),
            Range::between("precision_neighbours", "neighbours", 1.0, MANY),
            Range::between("density_neighbours", "neighbours", 1.0, MANY),
            Range::between("bootstrap", "draws", 0.0, EPOCHS),
            Range::at_least("seed", "", 0.0),
        ]),
    ),
    (
        "evaluation.perceptual",
        Section::of::<PerceptualConfig>(&[]),
    ),
    (
        "evaluation.path_length",
        Section::of::<PathSettings>(&[
            Range::between("samples", "pairs", 1.0, MANY),
            Range::new("epsilon", "fraction", (Excluded(0.0), Included(1.0)))
                .hint("set it above 0 and to at most 1, for example to 1e-4"),
            Range::between("paths", "paths", 1.0, MANY),
            Range::between("steps", "steps", 1.0, EPOCHS),
            Range::at_least("seed", "", 0.0),
        ]),
    ),
    (
        "downstream",
        Section::of::<DownstreamConfig>(&[
            Range::between("real_patches", "patches", 0.0, MANY),
            Range::between("generated_images", "images", 0.0, MANY),
        ]),
    ),
    (
        "downstream.classifier",
        Section::of::<ClassifierConfig>(&[
            Range::between("trainable_layers", "layers", 0.0, 151.0),
            Range::between("hidden", "units", 1.0, 65_536.0),
            Range::between("epochs", "passes", 1.0, EPOCHS),
            Range::between("steps_per_epoch", "steps", 0.0, STEPS),
            Range::between("batch", "images", 2.0, BATCH)
                .hint("batch normalisation needs two images: set at least 2"),
            Range::above("learning_rate", "", 0.0),
            Range::between("decay_every", "passes", 1.0, EPOCHS),
            Range::new("decay", "", (Excluded(0.0), Included(1.0))),
            Range::new("validation", "fraction", (Excluded(0.0), Excluded(1.0)))
                .hint("both sides need images: the paper's is 0.3"),
            Range::between("patience", "passes", 0.0, EPOCHS),
        ]),
    ),
    (
        "downstream.augmentation",
        Section::of::<ClassicAugmentation>(&[
            Range::between("brightness", "fraction", 0.0, 1.0),
            Range::between("contrast", "fraction", 0.0, 1.0),
        ]),
    ),
    (
        "low_data",
        Section::of::<LowDataConfig>(&[Range::between(
            "shifted_noise",
            "of RGB in [0, 1]",
            0.0,
            1.0,
        )]),
    ),
    (
        "translation",
        Section::of::<TranslationConfig>(&[
            Range::between("patches", "patches", 0.0, MANY).hint("set 0 for all training patches"),
            Range::between("evaluate_every", "steps", 0.0, STEPS),
            Range::between("evaluation_patches", "patches", 1.0, MANY),
        ]),
    ),
    ("translation.training", TRANSLATOR),
    (
        "translation.pretraining",
        Section::of::<Pretraining>(&[Range::between("patches", "patches", 0.0, MANY)]),
    ),
    ("translation.pretraining.training", TRANSLATOR),
    (
        "translation.pretraining.adversary",
        Section::of::<Adversary>(&[
            Range::between("layers", "layers", 0.0, 4.0)
                .hint("set 1 to 4, or 0 for no discriminator"),
            Range::between("width", "feature maps", 1.0, WIDTH),
            Range::at_least("l1_weight", "", 0.0),
        ]),
    ),
    (
        "logging",
        Section::of::<LoggingConfig>(&[
            Range::between("samples_every", "steps", 0.0, STEPS),
            Range::between("grid_images", "images", 1.0, 65_536.0),
            Range::between("checkpoint_every", "steps", 0.0, STEPS),
            Range::between("evaluate_every", "steps", 0.0, STEPS),
            Range::between("checkpoints_kept", "checkpoints", 1.0, STEPS)
                .hint("keep at least 1: a run is found trained by its last checkpoint"),
            Range::between("dead_critic_steps", "steps", 0.0, STEPS),
        ]),
    ),
    (
        "tracking",
        Section::of::<TrackingConfig>(&[
            Range::new(
                "timeout_seconds",
                "seconds",
                (Excluded(0.0), Included(SECONDS)),
            ),
            Range::between("wait_seconds", "seconds", 0.0, SECONDS),
            Range::between("system_seconds", "seconds", 0.0, SECONDS),
        ]),
    ),
    ("compute", Section::of::<Compute>(&[])),
];

/// The threshold of a truncation. Below its least value almost no draw is kept.
pub const TAU: Range = Range::between("tau", "", 0.01, 100.0)
    .hint("set it above 0, for example to 1; large values truncate nothing");

/// The training of a paired model.
const TRANSLATOR: Section = Section::of::<TranslatorTrainingConfig>(&[
    Range::between("steps", "steps", 1.0, STEPS),
    Range::between("batch", "images", 1.0, BATCH),
    Range::above("learning_rate", "", 0.0),
    Range::new("beta1", "", (Included(0.0), Excluded(1.0))),
    Range::new("dropout", "fraction", (Included(0.0), Excluded(1.0))),
]);

/// A stage of the MFT-SNN.
const STAGE: Section = Section::of::<StageConfig>(&[
    Range::between("epochs", "passes", 0.0, EPOCHS),
    Range::between("pairs", "pairs", 0.0, MANY),
    Range::between("layers", "convolutions", 1.0, LAYERS as f64).hint(CONVOLUTIONS),
]);
