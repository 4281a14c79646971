//! The generator of Pix2Pix: a U-Net of 4 x 4 convolutions that halve the image down to one place and double it again.
//!
//! Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, 2017 (arXiv 1611.07004), appendix
//! 6.1.1: LeakyReLU 0.2 on the way down, ReLU on the way up, skips by concatenation, no normalisation in the first layer, in the
//! innermost one on the way down and in the last. What differs: 1. Instance normalisation without scale and shift in place of batch
//! normalisation, so that an image depends on itself alone. 2. Dropout, the noise of the paper's generator, is on in training alone.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::{Identity, LeakyRelu, Relu};
use super::conv::{Conv2d, ConvTranspose2d, WeightInit, Window};
use super::dropout::Dropout;
use super::norm::instance_norm;
use super::parameters::Parameters;
use crate::kernels::concatenate;

/// Standard deviation of first weights.
const DEVIATION: f32 = 0.02;
/// The slope below zero on the way down.
const LEAK: f32 = 0.2;
/// The most halvings of the paper's generator: of 256 x 256 to one place.
const MOST: usize = 8;
/// Layers on the way up, counted from the innermost, that have dropout.
const DROPPED: usize = 3;

/// The network.
#[derive(Module, Debug)]
pub struct Pix2PixUnet {
    down: Vec<Conv2d>,
    up: Vec<ConvTranspose2d>,
}

impl Pix2PixUnet {
    /// Halvings of images of `size` x `size`: as many as divide it, at most eight.
    pub fn levels(size: usize) -> usize {
        (size.trailing_zeros() as usize).min(MOST)
    }

    /// A network of `levels` halvings from `channels` to `outputs` channels with `width` feature maps in its first layer.
    pub fn new(
        parameters: &Parameters,
        [channels, outputs]: [usize; 2],
        width: usize,
        levels: usize,
    ) -> Self {
        let maps = |level: usize| width << level.min(3);
        let init = WeightInit::Normal(DEVIATION);
        let down = (0..levels).map(|level| {
            let inputs = if level == 0 {
                channels
            } else {
                maps(level - 1)
            };
            let part = &parameters.within(format!("down.{level}"));
            Conv2d::new(part, inputs, maps(level), Window::HALVE, init, true)
        });
        let up = (0..levels).rev().map(|level| {
            // All but the innermost read the maps of the way down beside their own.
            let sides = if level + 1 == levels { 1 } else { 2 };
            let to = if level == 0 { outputs } else { maps(level - 1) };
            let part = &parameters.within(format!("up.{level}"));
            ConvTranspose2d::new(part, sides * maps(level), to, Window::HALVE, init, true)
        });
        Self {
            down: down.collect(),
            up: up.collect(),
        }
    }

    /// Its halvings.
    pub fn depth(&self) -> usize {
        self.down.len()
    }

    /// [n, channels, h, w] -> [n, outputs, h, w], before the last activation function; with dropout where some is given.
    pub fn forward(&self, images: Tensor<4>, dropout: Option<Dropout>) -> Tensor<4> {
        let innermost = self.down.len() - 1;
        let mut skips: Vec<Tensor<4>> = Vec::new();
        let mut maps = images;
        for (level, conv) in self.down.iter().enumerate() {
            if level > 0 {
                maps = LeakyRelu(LEAK).forward(maps);
            }
            maps = conv.forward(maps);
            if level > 0 && level < innermost {
                maps = instance_norm(maps, Identity);
            }
            skips.push(maps.clone());
        }
        skips.pop();
        for (place, conv) in self.up.iter().enumerate() {
            maps = conv.forward(Relu.forward(maps));
            let Some(skip) = skips.pop() else { break };
            maps = instance_norm(maps, Identity);
            if let Some(dropout) = dropout.filter(|_| place < DROPPED) {
                maps = dropout.forward(maps, place);
            }
            maps = concatenate(vec![skip, maps]);
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::random::Random;

    #[test]
    fn it_has_the_published_parameters() {
        let parameters = Parameters::new("unet", Random::new(0), &cpu());
        let published = [
            (32, 16_659_075),
            (64, 29_244_035),
            (128, 41_828_995),
            (256, 54_413_955),
        ];
        for (size, expected) in published {
            let levels = Pix2PixUnet::levels(size);
            let network = Pix2PixUnet::new(&parameters, [3, 3], 64, levels);
            // Published with batch normalisation: no bias but the last layer's, and a scale and a shift for each normalised map.
            let maps = |level: usize| 64 << level.min(3);
            let down: usize = (0..levels).map(maps).sum();
            let up: usize = (0..levels - 1).map(maps).sum();
            let normalised: usize = (1..levels - 1).map(maps).sum::<usize>() + up;
            assert_eq!(network.num_params() - down - up + 2 * normalised, expected);
        }
    }

    #[test]
    fn its_way_down_sees_the_published_fields() {
        let field = |levels| Window::receptive_field(&vec![Window::HALVE; levels]);
        let fields = [1, 2, 3, 4, 5, 6, 7, 8].map(field);
        assert_eq!(fields, [4, 10, 22, 46, 94, 190, 382, 766]);
    }
}
