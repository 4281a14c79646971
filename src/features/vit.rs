//! Vision transformers that others published as feature extractors: DINOv2's, and those of pathology.
//!
//! Each sees images as it was published with: its resize to 224 x 224 pixels (CLIP's 336 x 336), and its mean and deviation of
//! channels. A Fréchet distance of `dinov2-vitl14` is the FD of Stein et al. 2023 (arXiv 2306.04675), whose
//! code prepares images like this.

mod models;

use burn::tensor::{Device, Tensor, TensorData};

use super::batches::in_batches;
use super::resize::Resize;
use super::{Extractor, ExtractorEntry, FeatureConfig, Features};
use crate::device;
use crate::error::{Result, refuse};
use crate::images::Pixels;
use crate::nn::vit::{Naming, Output, Vit, VitConfig};
use crate::weights::{KnownFile, Located, OwnFile, locate, locate_own};

pub(crate) use self::models::CLIP_NAME;
pub use self::models::architecture;
pub(super) use self::models::*;

/// Images of a pass on the CPU: the fastest, changes no number.
const BATCH: usize = 2;

/// A published network.
pub(super) struct VitModel {
    pub(super) entry: ExtractorEntry,
    config: VitConfig,
    /// What its files may call the tensors.
    namings: &'static [Naming],
    resize: Resize,
    /// Of channels in [0, 1].
    mean: [f32; 3],
    deviation: [f32; 3],
    file: Source,
}

/// Where its weights are from.
#[derive(Clone, Copy)]
enum Source {
    /// A known file.
    Known(KnownFile),
    /// The user's own copy.
    Own(OwnFile),
}

struct VitExtractor {
    model: &'static VitModel,
    network: Vit,
    device: Device,
    hash: String,
}

/// Loads the network that `config` names.
fn load(config: &FeatureConfig, device: &Device) -> Result<Box<dyn Extractor>> {
    let named = |model: &&&VitModel| model.entry.name == config.extractor;
    let model = *MODELS.iter().find(named).expect("its entry was found");
    let what = format!("the extractor `{}`", model.entry.name);
    let file: Located = match model.file {
        Source::Known(known) => locate(&config.weights, known, &what)?,
        Source::Own(own) => locate_own(&config.weights, own, &what)?,
    };
    let device = device.clone().without_autodiff();
    let (network, hash) =
        file.load(|path| Vit::from_file(path, model.config, model.namings, &device))?;
    Ok(Box::new(VitExtractor {
        model,
        network,
        device,
        hash,
    }))
}

impl Extractor for VitExtractor {
    fn describe(&self) -> String {
        let VitModel {
            entry,
            config,
            mean,
            deviation,
            ..
        } = self.model;
        let output = match config.output {
            Output::Class => "class token",
            Output::Projected(_) => "projected class token",
            Output::ClassAndMean => "class token and mean of patches",
        };
        format!(
            "{} ({output}, {1} x {1}, mean {mean:?}, deviation {deviation:?})",
            entry.name, config.size
        )
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn resize(&self) -> &'static str {
        self.model.resize.describe()
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        let VitModel { entry, config, .. } = self.model;
        if images.size < config.patch {
            return Err(refuse(
                format!(
                    "`{}` cannot see images of {1} x {1}",
                    entry.name, images.size
                ),
                format!(
                    "take images of at least {0} x {0}, or the extractor `pixels`",
                    config.patch
                ),
            ));
        }
        in_batches(
            &images.to_rgb(),
            config.features(),
            BATCH,
            &self.device,
            |batch| {
                let planes = self.model.prepare(batch);
                let shape = [batch.count, 3, config.size, config.size];
                let tensor = Tensor::from_data(TensorData::new(planes, shape), &self.device);
                device::values(self.network.features(tensor))
            },
        )
    }
}

impl VitModel {
    /// RGB images as the network sees them: [n, 3, size, size].
    fn prepare(&self, images: &Pixels) -> Vec<f32> {
        let size = self.config.size;
        let mut planes = self.resize.apply(images, size);
        for (plane, values) in planes.chunks_exact_mut(size * size).enumerate() {
            let (mean, deviation) = (self.mean[plane % 3], self.deviation[plane % 3]);
            for value in values {
                *value = (*value / 255.0 - mean) / deviation;
            }
        }
        planes
    }
}
