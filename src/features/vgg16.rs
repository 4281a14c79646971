//! The convolutional part of VGG-16 as a feature extractor: the last convolution's output after ReLU, under
//! global average pooling, 512 numbers an image, at the image's own size.

use burn::tensor::Device;

use super::batches::in_batches;
use super::{Extractor, ExtractorEntry, Features};
use crate::device;
use crate::error::{Result, refuse};
use crate::images::{Images, Pixels};
use crate::nn::vgg::{LAYERS, Vgg16};
use crate::weights::{VGG16, locate};

/// Images of a pass on the CPU: the fastest, changes no number.
const BATCH: usize = 8;

/// The registry's entry of the random network.
pub(super) const RANDOM: ExtractorEntry = ExtractorEntry {
    name: "vgg16-random",
    about: "VGG-16 convolutions with random weights of a fixed seed, global average pooling (512 numbers); needs no file",
    load: |_, device| {
        let device = device.clone().without_autodiff();
        let network = Vgg16::random(LAYERS, &device);
        Ok(Box::new(VggExtractor {
            name: "vgg16-random",
            hash: network.hash()?,
            network,
            device,
        }))
    },
};

/// The registry's entry of the trained network.
pub(super) const PRETRAINED: ExtractorEntry = ExtractorEntry {
    name: "vgg16",
    about: "VGG-16 convolutions trained on ImageNet, global average pooling (512 numbers)",
    load: |config, device| {
        let file = locate(&config.weights, VGG16, "the extractor `vgg16`")?;
        let device = device.clone().without_autodiff();
        let (network, hash) = file.load(|path| Vgg16::from_file(LAYERS, path, &device))?;
        Ok(Box::new(VggExtractor {
            name: "vgg16",
            network,
            device,
            hash,
        }))
    },
};

struct VggExtractor {
    name: &'static str,
    network: Vgg16,
    device: Device,
    hash: String,
}

impl Extractor for VggExtractor {
    fn describe(&self) -> String {
        format!("{} (relu5_3, mean over places)", self.name)
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn resize(&self) -> &'static str {
        "none"
    }

    fn extract(&self, images: &Pixels) -> Result<Features> {
        if images.size < 16 {
            return Err(refuse(
                format!(
                    "`{}` cannot see images of {1} x {1}",
                    self.name, images.size
                ),
                "take images of at least 16 x 16, or the extractor `pixels`",
            ));
        }
        embed_in_batches(&self.network, images, &self.device, |batch| {
            batch.to_images()
        })
    }
}

/// The embeddings of `images` by `network`, each batch as `prepare` makes it; given up where a signal waits.
pub(crate) fn embed_in_batches(
    network: &Vgg16,
    images: &Pixels,
    device: &Device,
    prepare: impl Fn(&Pixels) -> Images + Sync,
) -> Result<Features> {
    in_batches(images, network.dimension(), BATCH, device, |batch| {
        let tensor = device::tensor(&prepare(batch), device);
        device::values(network.embed(tensor))
    })
}
