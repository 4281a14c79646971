//! The mirror image of VGG-16's convolutions: from the last one's output back to an image. With the encoder it makes the
//! autoencoder of arXiv 2409.20340, section 2.1.1, which names no architecture of the decoder; this one is the encoder
//! read backwards, with nearest doubling where the encoder halves.

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

use super::activation::Activation;
use super::conv::{Conv2d, WeightInit, Window};
use super::parameters::Parameters;
use super::vgg::{CHANNELS, POOLED};

/// As many convolutions as the encoder has, with ReLU between them.
#[derive(Module, Debug)]
pub struct VggDecoder {
    convolutions: Vec<Conv2d>,
}

impl VggDecoder {
    /// The decoder of the first `layers` convolutions of VGG-16. `width` is the number of feature maps before the image: 64
    /// mirrors the encoder, less makes every layer narrower in proportion.
    pub fn new(parameters: &Parameters, layers: usize, width: usize) -> Self {
        let narrowed = |channels: usize| (channels * width).div_ceil(CHANNELS[0]);
        let mut inputs = CHANNELS[layers - 1];
        let convolutions = (0..layers)
            .rev()
            .map(|mirrored| {
                let outputs = match mirrored {
                    0 => 3,
                    _ => narrowed(CHANNELS[mirrored - 1]),
                };
                let part = &parameters.within(format!("mirror.{mirrored}"));
                let conv = Conv2d::new(part, inputs, outputs, Window::SAME, WeightInit::He, true);
                inputs = outputs;
                conv
            })
            .collect();
        Self { convolutions }
    }

    /// [n, channels, h', w'] from the encoder -> [n, 3, h, w] in (-1, 1).
    ///
    /// The maps are first divided by each image's root mean square: trained encoders give values in the hundreds, at
    /// which an untrained decoder would be saturated and learn nothing.
    pub fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let [images, channels, height, width] = maps.dims();
        let squares = maps.clone().powf_scalar(2.0);
        let mean: Tensor<2> = squares
            .reshape([images, channels * height * width])
            .mean_dim(1);
        let mut maps = maps / mean.add_scalar(1e-6).sqrt().reshape([images, 1, 1, 1]);
        let layers = self.convolutions.len();
        for (place, conv) in self.convolutions.iter().enumerate() {
            maps = conv.forward(maps);
            let mirrored = layers - 1 - place;
            if mirrored > 0 {
                maps = Activation::Relu.forward(maps);
            }
            if POOLED.contains(&mirrored) {
                let options = InterpolateOptions::new(InterpolateMode::Nearest);
                maps = interpolate(maps, options.with_scale_factor([2.0; 2]));
            }
        }
        Activation::Tanh.forward(maps)
    }
}
