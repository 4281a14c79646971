//! What metrics compare: feature vectors of images, by an extractor that is named in every caption.
//!
//! Adding an extractor is one new file and one line in [`EXTRACTORS`].

mod cache;
mod file;
mod inception;
mod layout;
mod matrix;
mod perceptual;
mod pixels;
pub mod resize;
mod vgg16;

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::device::Kind;
use crate::error::{Result, unknown_name};
use crate::images::Pixels;

pub use cache::extract_cached;
pub use file::{FeatureFile, is_feature_file};
pub use matrix::Features;
pub use perceptual::{PERCEPTUAL_DISTANCES, PerceptualConfig, PerceptualDistance, load_perceptual};

/// Which extractor, and with which weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Name of the extractor.
    pub extractor: String,
    /// File of the weights (PyTorch or safetensors), for an extractor that has any; empty takes the known file that
    /// `histogen weights` keeps.
    pub weights: PathBuf,
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            extractor: "vgg16-random".into(),
            weights: PathBuf::new(),
        }
    }
}

/// Maps images to feature vectors. An image's features do not depend on the images beside it.
pub trait Extractor {
    /// The extractor in a few words, for protocols and captions: name, layer, how it sums over places.
    fn describe(&self) -> String;

    /// The SHA-256 of its weights, or what stands in their place.
    fn hash(&self) -> String;

    /// How an image is brought to the size that the extractor takes.
    fn resize(&self) -> &'static str;

    /// One row of features per image.
    fn extract(&self, images: &Pixels) -> Result<Features>;
}

/// One entry of the registry.
pub struct ExtractorEntry {
    /// The name on the command line.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// Loads it.
    pub load: fn(&FeatureConfig, &Device) -> Result<Box<dyn Extractor>>,
}

/// All extractors.
pub const EXTRACTORS: &[&ExtractorEntry] = &[
    &vgg16::RANDOM,
    &vgg16::PRETRAINED,
    &inception::INCEPTION,
    &inception::PYTORCH,
    &inception::CLEAN,
    &pixels::PIXELS,
];

/// The extractor that `config` names.
///
/// Fails for an unknown name and for weights that are missing or do not fit: there is no fallback.
pub fn load(config: &FeatureConfig, device: &Device) -> Result<Box<dyn Extractor>> {
    let names = EXTRACTORS.iter().map(|entry| entry.name);
    let entry = EXTRACTORS
        .iter()
        .find(|entry| entry.name == config.extractor)
        .ok_or_else(|| unknown_name("feature extractor", &config.extractor, names))?;
    let extractor = (entry.load)(config, device)?;
    Ok(match Kind::of(device) {
        Kind::Cpu => extractor,
        kind => Box::new(Elsewhere { extractor, kind }),
    })
}

/// An extractor on another device than the processor. Its features differ by how that rounds, so it says where it ran.
struct Elsewhere {
    extractor: Box<dyn Extractor>,
    kind: Kind,
}

impl Extractor for Elsewhere {
    fn describe(&self) -> String {
        format!("{}{}", self.extractor.describe(), self.kind.remark())
    }

    fn hash(&self) -> String {
        self.extractor.hash()
    }

    fn resize(&self) -> &'static str {
        self.extractor.resize()
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        self.extractor.extract(images)
    }
}
