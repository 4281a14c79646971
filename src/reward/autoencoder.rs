//! The network of the MFT-SNN: the convolutions of VGG-16 and their mirror image (arXiv 2409.20340, section 2.1.1).

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::snn::{EncoderStart, SnnConfig};
use crate::error::Result;
use crate::nn::parameters::Parameters;
use crate::nn::record::{EachPart, NetworkPart, Part, load_parts};
use crate::nn::vgg::Vgg16;
use crate::nn::vgg_decoder::VggDecoder;
use crate::random::Random;

/// The file of the encoder in a checkpoint: safetensors with torchvision's names.
pub const ENCODER: &str = "encoder.safetensors";
const DECODER: &str = "decoder.bpk";

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
    /// # Errors
    /// Fails if the weights cannot be read or do not fit.
    pub fn new(config: &SnnConfig, device: &Device) -> Result<Self> {
        let layers = config.encoder_layers;
        let encoder = match config.pretrained {
            EncoderStart::None => Vgg16::random(layers, device),
            EncoderStart::Vgg16 => Vgg16::from_file(layers, &config.weights, device)?.0,
        };
        Ok(Self::around(encoder, config, device))
    }

    /// The network that a checkpoint in `folder` holds.
    ///
    /// # Errors
    /// A file cannot be read, or is of another network.
    pub fn load(folder: &Path, config: &SnnConfig, device: &Device) -> Result<Self> {
        let mut network = Self::empty(config, device);
        load_parts(folder, |each| network.parts("", each))?;
        Ok(network)
    }

    /// A network whose weights are to be loaded.
    pub(super) fn empty(config: &SnnConfig, device: &Device) -> Self {
        let encoder = Vgg16::random(config.encoder_layers, device);
        Self::around(encoder, config, device)
    }

    /// Shows `each` the encoder, whose file names its `provenance`, and the decoder.
    pub(super) fn parts(&mut self, provenance: &str, each: &mut EachPart<'_>) -> Result<()> {
        each(
            ENCODER,
            &mut EncoderPart {
                encoder: &mut self.encoder,
                provenance,
            },
        )?;
        each(DECODER, &mut NetworkPart(&mut self.decoder))
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

/// The encoder as a part of a checkpoint, in a file that other programs read.
struct EncoderPart<'a> {
    encoder: &'a mut Vgg16,
    /// How it was trained, for the file's metadata.
    provenance: &'a str,
}

impl Part for EncoderPart<'_> {
    fn save(&self, path: &Path) -> Result<()> {
        self.encoder
            .save(path, &[("histogen.snn", self.provenance)])
    }

    fn load(&mut self, path: &Path) -> Result<()> {
        let (layers, trainable) = (self.encoder.layers(), self.encoder.trainable());
        let (encoder, _) = Vgg16::from_file(layers, path, &self.encoder.device())?;
        *self.encoder = encoder.with_trainable(trainable);
        Ok(())
    }
}
