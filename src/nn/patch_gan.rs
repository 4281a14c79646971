//! The discriminator of Pix2Pix: a logit for each patch of a pair of images.
//!
//! Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, 2017 (arXiv 1611.07004), appendix
//! 6.1.2: 4 x 4 convolutions, the first `layers` of them at every second place, LeakyReLU 0.2, no normalisation in the first layer.
//! With instance normalisation, so that the score of a pair depends on itself alone. "70" is the receptive field of three layers, no
//! size of an image.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::LeakyRelu;
use super::conv::{Conv2d, WeightInit, Window};
use super::norm::instance_norm;
use super::parameters::Parameters;

/// Standard deviation of first weights.
const DEVIATION: f32 = 0.02;
/// The slope below zero.
const LEAK: f32 = 0.2;

/// The network.
#[derive(Module, Debug)]
pub struct PatchGan {
    convolutions: Vec<Conv2d>,
}

impl PatchGan {
    /// A discriminator of images with `channels` channels, input and target together, with `width` feature maps in its first layer.
    pub fn new(parameters: &Parameters, channels: usize, width: usize, layers: usize) -> Self {
        let windows = Self::windows(layers);
        let last = windows.len() - 1;
        let outputs = |layer: usize| match layer {
            layer if layer == last => 1,
            layer => width << layer.min(3),
        };
        let convolutions = windows.into_iter().enumerate().map(|(layer, window)| {
            let inputs = match layer {
                0 => channels,
                layer => outputs(layer - 1),
            };
            let part = &parameters.within(format!("convolutions.{layer}"));
            let init = WeightInit::Normal(DEVIATION);
            Conv2d::new(part, inputs, outputs(layer), window, init, true)
        });
        Self {
            convolutions: convolutions.collect(),
        }
    }

    /// The windows of its convolutions.
    pub fn windows(layers: usize) -> Vec<Window> {
        let every = Window {
            stride: 1,
            ..Window::HALVE
        };
        let mut windows = vec![Window::HALVE; layers];
        windows.extend([every, every]);
        windows
    }

    /// Height and width of the map of logits of images of `size` x `size`; none where they are too small.
    pub fn output_size(layers: usize, size: usize) -> Option<usize> {
        Self::windows(layers).iter().try_fold(size, |size, window| {
            let size = (size + 2 * window.padding).checked_sub(window.kernel)? / window.stride + 1;
            (size > 0).then_some(size)
        })
    }

    /// [n, channels, h, w] -> logits [n, 1, h', w'], one a patch
    pub fn forward(&self, pairs: Tensor<4>) -> Tensor<4> {
        let last = self.convolutions.len() - 1;
        let mut maps = pairs;
        for (layer, conv) in self.convolutions.iter().enumerate() {
            maps = conv.forward(maps);
            maps = match layer {
                0 => LeakyRelu(LEAK).forward(maps),
                layer if layer == last => maps,
                _ => instance_norm(maps, LeakyRelu(LEAK)),
            };
        }
        maps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::random::Random;

    fn network(channels: usize) -> PatchGan {
        let parameters = Parameters::new("patch-gan", Random::new(0), &cpu());
        PatchGan::new(&parameters, channels, 64, 3)
    }

    #[test]
    fn it_has_the_published_parameters_and_receptive_fields() {
        assert_eq!(network(6).num_params(), 2_767_809);
        // With batch normalisation a layer has a scale and a shift in place of a bias.
        let normalised = 128 + 256 + 512;
        assert_eq!(network(6).num_params() + normalised, 2_768_705);
        assert_eq!(network(2).num_params() + normalised, 2_764_609);
        let fields =
            [1, 2, 3, 4, 5].map(|layers| Window::receptive_field(&PatchGan::windows(layers)));
        assert_eq!(fields, [16, 34, 70, 142, 286]);
    }

    #[test]
    fn its_map_of_logits_has_the_published_sizes() {
        let sizes = |layers| [28, 32, 64, 128, 256].map(|size| PatchGan::output_size(layers, size));
        assert_eq!(sizes(3), [1, 2, 6, 14, 30].map(Some));
        assert_eq!(sizes(2), [5, 6, 14, 30, 62].map(Some));
        assert_eq!(sizes(1), [12, 14, 30, 62, 126].map(Some));
        assert_eq!(PatchGan::output_size(4, 32), None);
        assert!(PatchGan::output_size(4, 64).is_some());
        let parameters = Parameters::new("patch-gan", Random::new(0), &cpu());
        let small = PatchGan::new(&parameters, 6, 4, 2);
        let logits = small.forward(Tensor::zeros([1, 6, 28, 28], &cpu()));
        assert_eq!(logits.dims(), [1, 1, 5, 5]);
    }
}
