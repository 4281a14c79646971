//! The baseline of arXiv 2201.09120 (Dravid et al. 2022): the body of the class-conditional critics with the class head alone, so
//! that what a critic learns of classes is compared with what the same layers learn without a generator.
//!
//! What differs from the paper, as in the critics here: the body is DCGAN's, as deep as the image asks for, without batch
//! normalisation; the paper's goes on to 3 x 3 places.

use burn::module::Module;
use burn::tensor::Tensor;

use super::{Body, Learner, Network};
use crate::error::refuse;
use crate::nn::conv::{Conv2d, WeightInit};
use crate::nn::dcgan::{
    CRITIC_ACTIVATION, Critic, CriticNorm, ImageShape, Pyramid, WEIGHT_DEVIATION,
};
use crate::nn::linear::Linear;
use crate::nn::parameters::Parameters;

/// The entry of the registry.
pub(crate) const AC_BODY: Network = Network {
    name: "ac-body",
    about: "the body of class-conditional critics with the class head alone (Dravid et al. 2022)",
    smallest: 8,
    takes_width: true,
    layers: None,
    weights: |_| Ok(String::new()),
    build: |blueprint| {
        let task = blueprint.task;
        if Pyramid::of(task.size).is_none() {
            return Err(refuse(
                format!(
                    "the network `ac-body` sees images of 4 to 7 times a power of two, these are {0} x {0}",
                    task.size
                ),
                "set `data.patch_size` for example to 28, 32 or 64",
            ));
        }
        let parameters = Parameters::new("classifier", blueprint.random, blueprint.device);
        let image = ImageShape {
            size: task.size,
            channels: task.channels,
        };
        let network = AcBody::new(&parameters, image, blueprint.width, task.classes);
        Ok(Box::new(Learner::new(network, task, blueprint.device)))
    },
};

/// The network.
#[derive(Module, Debug)]
struct AcBody {
    convolutions: Vec<Conv2d>,
    head: Linear,
}

impl AcBody {
    fn new(parameters: &Parameters, image: ImageShape, width: usize, classes: usize) -> Self {
        let critic = Critic::new(parameters, image, width, CriticNorm::None);
        let head = &parameters.within("class_head");
        let init = WeightInit::Normal(WEIGHT_DEVIATION);
        Self {
            head: Linear::new(head, critic.feature_count(), classes, init),
            convolutions: critic.convolutions,
        }
    }
}

impl Body for AcBody {
    fn forward_training(&mut self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.head.forward(self.features(images))
    }

    fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let maps = self.convolutions.iter().fold(images, |maps, convolution| {
            CRITIC_ACTIVATION.forward(convolution.forward(maps))
        });
        maps.flatten(1, 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::random::Random;

    fn body(size: usize, width: usize) -> AcBody {
        let device = cpu();
        let parameters = Parameters::new("classifier", Random::new(0), &device);
        let image = ImageShape { size, channels: 1 };
        AcBody::new(&parameters, image, width, 10)
    }

    /// The paper's CNN at 28 x 28 has 2,671,370 parameters: 2,623,488 of three convolutions, 1,792 of batch normalisation, 46,090 of
    /// the class head on 3 x 3 places. Ours of three halvings has the same convolutions, 896 biases, and a head on 4 x 4 places.
    #[test]
    fn it_has_the_paper_s_convolutions_and_no_source_head() {
        assert_eq!(2_623_488 + 1_792 + 46_090, 2_671_370);
        let three = body(32, 128);
        let weights = |body: &AcBody| -> usize {
            let each = body
                .convolutions
                .iter()
                .map(|convolution| convolution.weight.dims());
            each.map(|dims| dims.iter().product::<usize>()).sum()
        };
        assert_eq!(weights(&three), 2_623_488);
        assert_eq!(three.num_params(), 2_623_488 + 896 + 8192 * 10 + 10);
        // At 28 x 28 our pyramid stops after two halvings, at 7 x 7 places.
        let two = body(28, 128);
        assert_eq!(weights(&two), 2_048 + 524_288);
        assert_eq!(two.num_params(), 2_048 + 524_288 + 384 + 12_544 * 10 + 10);
    }
}
