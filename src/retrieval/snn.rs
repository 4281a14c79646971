//! The encoder of an MFT-SNN as a feature extractor: its embedding, whose cosine is the similarity of two images.

use std::path::Path;

use burn::tensor::Device;

use crate::error::{Result, refuse};
use crate::features::{Extractor, Features, embed_in_batches};
use crate::images::Pixels;
use crate::nn::vgg::Vgg16;
use crate::reward::SnnConfig;

/// The embedding of an MFT-SNN (section 2.1 of arXiv 2409.20340) as features.
pub struct SnnExtractor {
    network: Vgg16,
    hash: String,
    /// Height and width at which it looks at images.
    image_size: usize,
    device: Device,
}

impl SnnExtractor {
    /// The encoder in `file`, which was trained with `settings`.
    ///
    /// # Errors
    /// If the file cannot be read or holds another network.
    pub fn load(settings: &SnnConfig, file: &Path, device: &Device) -> Result<Self> {
        let device = device.clone().without_autodiff();
        let (network, hash) = Vgg16::from_file(settings.encoder_layers, file, &device)?;
        Ok(Self {
            network,
            hash,
            image_size: settings.image_size,
            device,
        })
    }
}

impl Extractor for SnnExtractor {
    fn describe(&self) -> String {
        let size = self.image_size;
        format!(
            "MFT-SNN {} ({} convolutions, mean over places, at {size} x {size})",
            &self.hash[..8],
            self.network.layers(),
        )
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn resize(&self) -> &'static str {
        "mean of squares"
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        let size = self.image_size;
        if !images.size.is_multiple_of(size) {
            return Err(refuse(
                format!(
                    "the MFT-SNN looks at images of {size} x {size}, which does not divide {0} x {0}",
                    images.size
                ),
                "take one that was trained on patches of this size",
            ));
        }
        embed_in_batches(&self.network, images, &self.device, |batch| {
            batch.to_rgb().to_images().reduced(batch.size / size)
        })
    }
}
