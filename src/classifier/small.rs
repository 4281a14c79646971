//! A small convolutional network that CPUs train in seconds: the body of DCGAN's discriminator (Radford et al. 2016) with global
//! average pooling. Four 4 x 4 convolutions that halve the image, batch normalisation after each, ReLU, a mean over all places,
//! and one fully connected layer. It has no pretrained weights and always trains whole.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Body, Learner, Network};
use crate::nn::activation::Activation::Relu;
use crate::nn::conv::{Conv2d, WeightInit, Window};
use crate::nn::linear::Linear;
use crate::nn::norm::BatchNorm;
use crate::nn::parameters::Parameters;
use crate::nn::pool::global_average_pool;

/// Feature maps of the convolutions.
const WIDTHS: [usize; 4] = [16, 32, 64, 128];

/// The entry of the registry.
pub(super) const SMALL: Network = Network {
    name: "small-cnn",
    about: "four convolutions, trained from nothing: for CPUs",
    smallest: 16,
    takes_width: false,
    layers: None,
    weights: |_| Ok(String::new()),
    build: |blueprint| {
        let parameters = Parameters::new("classifier", blueprint.random, blueprint.device);
        let task = blueprint.task;
        let network = SmallCnn::new(&parameters, task.channels, task.classes);
        Ok(Box::new(Learner::new(network, task, blueprint.device)))
    },
};

/// The network.
#[derive(Module, Debug)]
struct SmallCnn {
    convolutions: Vec<Conv2d>,
    norms: Vec<BatchNorm>,
    head: Linear,
}

impl SmallCnn {
    fn new(parameters: &Parameters, channels: usize, classes: usize) -> Self {
        let inputs = [channels].into_iter().chain(WIDTHS);
        let layers = inputs.zip(WIDTHS).enumerate();
        let (convolutions, norms) = layers
            .map(|(place, (from, to))| {
                let part = &parameters.within(format!("convolutions.{place}"));
                let norm = &parameters.within(format!("norms.{place}"));
                let conv = Conv2d::new(part, from, to, Window::HALVE, WeightInit::He, false);
                (conv, BatchNorm::new(norm, to, 0.0))
            })
            .unzip();
        let head = &parameters.within("head");
        Self {
            convolutions,
            norms,
            head: Linear::new(head, WIDTHS[3], classes, WeightInit::Glorot),
        }
    }
}

impl Body for SmallCnn {
    fn forward_training(&mut self, images: Tensor<4>) -> Tensor<2> {
        let mut maps = images;
        for (conv, norm) in self.convolutions.iter().zip(&mut self.norms) {
            maps = norm.forward_training(conv.forward(maps), Relu);
        }
        self.head.forward(global_average_pool(maps))
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.features(images))
    }

    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let layers = self.convolutions.iter().zip(&self.norms);
        let maps = layers.fold(images, |maps, (conv, norm)| {
            norm.forward(conv.forward(maps), Relu)
        });
        global_average_pool(maps)
    }
}
