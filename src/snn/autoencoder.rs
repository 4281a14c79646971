//! The network of the MFT-SNN: the convolutions of VGG-16 and their mirror image (arXiv 2409.20340, section 2.1.1).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::settings::{Pretrained, SnnConfig};
use crate::error::Result;
use crate::nn::parameters::Parameters;
use crate::nn::vgg::Vgg16;
use crate::nn::vgg_decoder::VggDecoder;
use crate::random::Random;

/// The mean squared difference of images from what was made of them, over all pixels and channels.
///
/// The mean of each image comes first: Burn adds up four million numbers or more in an order that depends on the threads.
pub fn mean_squared_error(images: Tensor<4>, again: Tensor<4>) -> Tensor<1> {
    let squares: Tensor<2> = (again - images).powf_scalar(2.0).flatten(1, 3);
    squares.mean_dim(1).mean()
}

/// An encoder whose spatial mean is the embedding, and a decoder that makes the image again.
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// The first convolutions of VGG-16.
    pub encoder: Vgg16,
    /// Their mirror image. It has no pretrained weights anywhere and so learns in both stages.
    pub decoder: VggDecoder,
}

impl Autoencoder {
    /// The network before its first stage: the encoder with the weights that `config` names, the decoder with random ones.
    ///
    /// Fails if the weights cannot be read or do not fit.
    pub fn new(config: &SnnConfig, device: &Device) -> Result<Self> {
        let layers = config.encoder_layers;
        let encoder = match config.pretrained {
            Pretrained::None => Vgg16::random(layers, device),
            Pretrained::Vgg16 => Vgg16::from_file(layers, &config.weights, device)?.0,
        };
        Ok(Self::around(encoder, config, device))
    }

    /// The same with the encoder of a file that [`super::Trainer`] wrote.
    pub fn with_encoder(path: &Path, config: &SnnConfig, device: &Device) -> Result<Self> {
        let (encoder, _) = Vgg16::from_file(config.encoder_layers, path, device)?;
        Ok(Self::around(encoder, config, device))
    }

    fn around(encoder: Vgg16, config: &SnnConfig, device: &Device) -> Self {
        let parameters = Parameters::new("decoder", Random::new(config.seed), device);
        Self {
            decoder: VggDecoder::new(&parameters, encoder.layers(), config.decoder_width),
            encoder,
        }
    }

    /// [n, 3, h, w] in [-1, 1] -> [n, d], all >= 0.
    pub fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        self.encoder.embed(images)
    }

    /// [n, 3, h, w] in [-1, 1] -> the same shape in (-1, 1).
    pub fn reconstruct(&self, images: Tensor<4>) -> Tensor<4> {
        self.decoder.forward(self.encoder.forward(images))
    }
}
