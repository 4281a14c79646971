//! Networks that say how different two images look: what path lengths are measured by.

use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::grey_remark;
use crate::device::{DeviceKind, batches};
use crate::error::{Result, refuse, unknown_name};
use crate::images::Images;
use crate::nn::lpips::Lpips;

/// The names of perceptual distances.
pub const PERCEPTUAL_DISTANCES: [&str; 2] = ["vgg16-random", "lpips"];
/// Images per forward pass: bounds memory, changes no number.
const BATCH: usize = 16;

/// Which perceptual distance, and with which weights: `evaluation.perceptual` of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct PerceptualConfig {
    /// `lpips` (version 0.1, VGG-16), or `vgg16-random`: the same with a random network and all channels alike.
    pub distance: String,
    /// File of the VGG-16 (PyTorch or safetensors), for `lpips`.
    pub weights: PathBuf,
    /// File of the weights of its channels, for `lpips`.
    pub heads: PathBuf,
}

impl Default for PerceptualConfig {
    fn default() -> Self {
        Self {
            distance: "vgg16-random".into(),
            weights: PathBuf::new(),
            heads: PathBuf::new(),
        }
    }
}

/// A perceptual distance: the squared distance of two embedded images.
pub trait PerceptualDistance {
    /// The distance in a few words, for protocols and captions.
    fn describe(&self) -> String;

    /// The distance and what it does to images of `channels` channels that are not RGB.
    fn describe_for(&self, channels: usize) -> String {
        self.describe() + grey_remark(channels)
    }

    /// A hash of its weights, or of what stands in their place.
    fn hash(&self) -> String;

    /// One vector an image; grey is repeated as RGB. An image's vector does not depend on the images beside it.
    fn embed(&self, images: &Images) -> Result<Vec<Vec<f64>>>;
}

/// The perceptual distance that `config` names.
///
/// # Errors
/// Fails for an unknown name and for weights that are missing or do not fit: there is no fallback.
pub fn load_perceptual(
    config: &PerceptualConfig,
    device: &Device,
) -> Result<Box<dyn PerceptualDistance>> {
    let device = device.clone().without_autodiff();
    let (name, (network, hash)) = match config.distance.as_str() {
        "vgg16-random" => (
            "LPIPS on vgg16-random (random weights, all channels alike)",
            Lpips::random(&device)?,
        ),
        "lpips" => {
            for (key, file) in [("weights", &config.weights), ("heads", &config.heads)] {
                if file.as_os_str().is_empty() {
                    return Err(refuse(
                        format!("`lpips` needs a file: `evaluation.perceptual.{key}` is empty"),
                        "set it to the VGG-16 (`weights`) and the channel weights of LPIPS v0.1 (`heads`), or take \
                         `--set evaluation.perceptual.distance=vgg16-random`",
                    ));
                }
            }
            (
                "LPIPS v0.1 (VGG-16)",
                Lpips::from_files(&config.weights, &config.heads, &device)?,
            )
        }
        other => {
            return Err(unknown_name(
                "perceptual distance",
                other,
                PERCEPTUAL_DISTANCES,
            ));
        }
    };
    Ok(Box::new(LpipsDistance {
        name,
        network,
        device,
        hash,
    }))
}

struct LpipsDistance {
    name: &'static str,
    network: Lpips,
    device: Device,
    hash: String,
}

impl PerceptualDistance for LpipsDistance {
    fn describe(&self) -> String {
        format!("{}{}", self.name, DeviceKind::of(&self.device).remark())
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn embed(&self, images: &Images) -> Result<Vec<Vec<f64>>> {
        if images.size < 16 {
            return Err(refuse(
                format!("LPIPS cannot see images of {0} x {0}", images.size),
                "take images of at least 16 x 16",
            ));
        }
        let mut embedded = Vec::with_capacity(images.count);
        for images in batches(images, BATCH, &self.device) {
            embedded.extend(self.network.embed(images)?);
        }
        Ok(embedded)
    }
}
