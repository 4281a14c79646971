//! What metrics compare: feature vectors of images, by an extractor that is named in every caption.
//!
//! Adding an extractor is one new file and one line in [`EXTRACTORS`].

mod batches;
mod cache;
mod copies;
mod file;
mod inception;
mod matrix;
mod perceptual;
mod pixels;
pub mod resize;
mod statistics;
mod tensor_file;
mod vgg16;
mod vit;

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::device::DeviceKind;
use crate::error::Result;
use crate::images::{GREY, Pixels};
use crate::registry::{Named, Registry};

pub use cache::{cached, extract_cached};
pub use copies::Copies;
pub use file::{FeatureFile, is_safetensors};
pub use matrix::Features;
pub use perceptual::{PERCEPTUAL_DISTANCES, PerceptualConfig, PerceptualDistance, load_perceptual};
pub use statistics::{Fitted, Statistics, check_target, write_statistics};
pub(crate) use vgg16::embed_in_batches;
pub(crate) use vit::CLIP_NAME;
pub use vit::architecture as vit_architecture;

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
    /// The extractor in a few words, for protocols and captions: name, layer, pooling.
    fn describe(&self) -> String;

    /// The SHA-256 of its weights, or what stands in their place.
    fn hash(&self) -> String;

    /// How an image is brought to the size that the extractor takes.
    fn resize(&self) -> &'static str;

    /// One row of features per image; grey is repeated as RGB.
    fn extract(&self, images: &Pixels) -> Result<Features>;

    /// The extractor and what it does to images of `channels` channels that are not RGB.
    fn describe_for(&self, channels: usize) -> String {
        self.describe() + grey_remark(channels)
    }
}

/// What is said of images of `channels` channels after the name of a network that was made for RGB.
fn grey_remark(channels: usize) -> &'static str {
    match channels {
        GREY => ", grey repeated as RGB",
        _ => "",
    }
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

impl Named for ExtractorEntry {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// All extractors.
pub static EXTRACTORS: Registry<ExtractorEntry> = Registry::new(
    "feature extractor",
    &[
        &vgg16::RANDOM,
        &vgg16::PRETRAINED,
        &inception::INCEPTION,
        &inception::PYTORCH,
        &inception::CLEAN,
        &inception::SPATIAL,
        &pixels::PIXELS,
        &vit::DINOV2_VITS14.entry,
        &vit::DINOV2_VITB14.entry,
        &vit::DINOV2_VITL14.entry,
        &vit::DINOV2_VITG14.entry,
        &vit::DINOV2_VITS14_REG.entry,
        &vit::DINOV2_VITB14_REG.entry,
        &vit::DINOV2_VITL14_REG.entry,
        &vit::DINOV2_VITG14_REG.entry,
        &vit::PHIKON.entry,
        &vit::PHIKON_V2.entry,
        &vit::UNI.entry,
        &vit::HIBOU_B.entry,
        &vit::H_OPTIMUS_0.entry,
        &vit::VIRCHOW2.entry,
        &vit::CLIP_VITL14_336.entry,
    ],
);

/// The extractor that `config` names.
///
/// # Errors
/// Fails for an unknown name and for weights that are missing or do not fit: there is no fallback.
pub fn load(config: &FeatureConfig, device: &Device) -> Result<Box<dyn Extractor>> {
    let entry = EXTRACTORS.find(&config.extractor)?;
    let extractor = (entry.load)(config, device)?;
    Ok(match DeviceKind::of(device) {
        DeviceKind::Cpu => extractor,
        kind => Box::new(Elsewhere { extractor, kind }),
    })
}

/// An extractor on another device than the CPU. Its features differ by how that rounds, so it says where it ran.
struct Elsewhere {
    extractor: Box<dyn Extractor>,
    kind: DeviceKind,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device;

    /// `count` images of `size` x `size` x `channels`.
    fn images(count: usize, size: usize, channels: usize) -> Pixels {
        let length = count * size * size * channels;
        let bytes = (0..length).map(|place| (place * place / 7 % 251) as u8);
        Pixels::new(count, size, channels, bytes.collect())
    }

    #[test]
    fn extractors_without_files_see_small_and_large_images_or_say_which_they_see() {
        for name in ["vgg16-random", "pixels"] {
            let config = FeatureConfig {
                extractor: name.to_owned(),
                ..FeatureConfig::default()
            };
            let extractor = load(&config, &device::cpu()).unwrap();
            for size in [16, 28, 32, 64, 96, 128, 256] {
                let found = extractor.extract(&images(2, size, 3));
                if name == "pixels" && size == 28 {
                    assert_eq!(
                        found.unwrap_err().to_string(),
                        "`pixels` cannot average images of 28 x 28 down to 16 x 16"
                    );
                    continue;
                }
                let found = found.unwrap();
                assert!(found.row(0) != found.row(1), "{name} at {size}");
                assert!(found.values.iter().all(|value| value.is_finite()));
            }
        }
    }

    #[test]
    fn grey_is_seen_as_rgb_and_the_description_says_so() {
        for name in ["vgg16-random", "pixels"] {
            let config = FeatureConfig {
                extractor: name.to_owned(),
                ..FeatureConfig::default()
            };
            let extractor = load(&config, &device::cpu()).unwrap();
            let grey = images(3, 32, 1);
            let found = extractor.extract(&grey).unwrap();
            assert_eq!(found, extractor.extract(&grey.to_rgb()).unwrap(), "{name}");
            assert_eq!(extractor.describe_for(3), extractor.describe());
            let described = extractor.describe_for(1);
            assert_eq!(described, extractor.describe() + ", grey repeated as RGB");
        }
    }

    #[test]
    fn perceptual_distances_see_small_large_and_grey_images() {
        let distance = load_perceptual(&PerceptualConfig::default(), &device::cpu()).unwrap();
        for size in [16, 28, 256] {
            let grey = images(2, size, 1);
            let found = distance.embed(&grey.to_images()).unwrap();
            assert_ne!(found[0], found[1], "{size}");
            assert_eq!(found, distance.embed(&grey.to_rgb().to_images()).unwrap());
        }
        assert_eq!(
            distance.describe_for(1),
            distance.describe() + ", grey repeated as RGB"
        );
    }
}
