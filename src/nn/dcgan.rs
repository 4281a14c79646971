//! The backbone all adversarial systems share: the generator and the critic of DCGAN.
//!
//! Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks, 2016 (arXiv 1511.06434), section 3: strided convolutions, batch normalisation, ReLU in the generator with
//! tanh at its end, LeakyReLU 0.2 in the critic, weights from N(0, 0.02). The number of halvings follows from the size of
//! the images: four for 64 x 64 (the paper's), three for 32 x 32, two for 16 x 16.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::{self, LeakyRelu, Relu, Tanh};
use super::conv::{Conv2d, ConvTranspose2d, WeightInit, Window};
use super::norm::BatchNorm;
use super::parameters::Parameters;

/// All weights start from N(0, 0.02^2) (Radford et al. 2016, section 4).
pub const WEIGHT_DEVIATION: f32 = 0.02;
/// The critic's activation (Radford et al. 2016, section 4).
pub const CRITIC_ACTIVATION: Activation = LeakyRelu(0.2);
/// Height and width of the smallest feature map.
const SEED_SIZE: usize = 4;

/// How often an image of `size` x `size` is halved on its way to 4 x 4.
///
/// `None` where `size` is not 4 times a power of two, at least 8.
pub fn halvings(size: usize) -> Option<usize> {
    let ratio = size / SEED_SIZE;
    let fits = size.is_multiple_of(SEED_SIZE) && ratio.is_power_of_two() && ratio >= 2;
    fits.then(|| ratio.ilog2() as usize)
}

/// Latent vectors to images.
#[derive(Module, Debug)]
pub struct Generator {
    project: ConvTranspose2d,
    project_norm: BatchNorm,
    doublings: Vec<ConvTranspose2d>,
    norms: Vec<BatchNorm>,
    to_image: ConvTranspose2d,
}

impl Generator {
    /// For images of `size` x `size` from `latent` numbers; `width` feature maps at half the image's size, twice as many
    /// at each smaller one.
    pub fn new(parameters: &Parameters, size: usize, latent: usize, width: usize) -> Self {
        let levels = halvings(size).expect("the size was checked when the configuration was read");
        let init = WeightInit::Normal(WEIGHT_DEVIATION);
        let channels = |level: usize| width << (levels - 1 - level);
        let project = &parameters.within("project");
        let (doublings, norms) = (1..levels)
            .map(|level| {
                let part = &parameters.within(format!("doublings.{}", level - 1));
                let norm = &parameters.within(format!("norms.{}", level - 1));
                let (from, to) = (channels(level - 1), channels(level));
                let conv = ConvTranspose2d::new(part, from, to, Window::HALVE, init, false);
                (conv, BatchNorm::new(norm, to, WEIGHT_DEVIATION))
            })
            .unzip();
        let to_image = &parameters.within("to_image");
        let norm = &parameters.within("project_norm");
        let window = Window::whole(SEED_SIZE);
        Self {
            project: ConvTranspose2d::new(project, latent, channels(0), window, init, false),
            project_norm: BatchNorm::new(norm, channels(0), WEIGHT_DEVIATION),
            doublings,
            norms,
            to_image: ConvTranspose2d::new(to_image, width, 3, Window::HALVE, init, false),
        }
    }

    /// [n, latent] -> [n, 3, size, size] in (-1, 1), normalising by the batch and updating the running statistics.
    pub fn forward_training(&mut self, latents: Tensor<2>) -> Tensor<4> {
        let [images, latent] = latents.dims();
        let mut maps = self
            .project
            .forward(latents.reshape([images, latent, 1, 1]));
        maps = self.project_norm.forward_training(maps, Relu);
        for (doubling, norm) in self.doublings.iter().zip(&mut self.norms) {
            maps = norm.forward_training(doubling.forward(maps), Relu);
        }
        Tanh.forward(self.to_image.forward(maps))
    }

    /// [n, latent] -> [n, 3, size, size] in (-1, 1), by the running statistics: an image does not depend on its batch.
    pub fn forward(&self, latents: Tensor<2>) -> Tensor<4> {
        let [images, latent] = latents.dims();
        let mut maps = self
            .project
            .forward(latents.reshape([images, latent, 1, 1]));
        maps = self.project_norm.forward(maps, Relu);
        for (doubling, norm) in self.doublings.iter().zip(&self.norms) {
            maps = norm.forward(doubling.forward(maps), Relu);
        }
        Tanh.forward(self.to_image.forward(maps))
    }
}

/// What keeps the critic's activations or weights in bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CriticNorm {
    /// Batch normalisation of all layers but the first and the last; no biases (DCGAN).
    Batch,
    /// None, with biases (WGAN-GP: the penalty is per image, which batch normalisation would break).
    None,
    /// Spectral normalisation of every weight, with biases (SNGAN).
    Spectral,
}

/// Images to one number each: a logit, or a Wasserstein critic's value.
#[derive(Module, Debug)]
pub struct Critic {
    /// The strided convolutions, from the image down to 4 x 4.
    pub convolutions: Vec<Conv2d>,
    /// Empty, or one per convolution but the first.
    norms: Vec<BatchNorm>,
    /// The last layer, from 4 x 4 to one number.
    pub head: Conv2d,
}

impl Critic {
    /// For images of `size` x `size`; `width` feature maps after the first halving, twice as many after each further one.
    pub fn new(parameters: &Parameters, size: usize, width: usize, norm: CriticNorm) -> Self {
        let levels = halvings(size).expect("the size was checked when the configuration was read");
        let layer = |name: String, inputs: usize, outputs: usize, window: Window| {
            let part = &parameters.within(name);
            let init = WeightInit::Normal(WEIGHT_DEVIATION);
            let bias = norm != CriticNorm::Batch;
            let conv = Conv2d::new(part, inputs, outputs, window, init, bias);
            match norm {
                CriticNorm::Spectral => conv.with_spectral_norm(part),
                CriticNorm::Batch | CriticNorm::None => conv,
            }
        };
        let convolutions = (0..levels)
            .map(|level| {
                let inputs = if level == 0 { 3 } else { width << (level - 1) };
                layer(
                    format!("convolutions.{level}"),
                    inputs,
                    width << level,
                    Window::HALVE,
                )
            })
            .collect();
        let normalised = if norm == CriticNorm::Batch {
            1..levels
        } else {
            0..0
        };
        let norms = normalised
            .map(|level| {
                let part = &parameters.within(format!("norms.{}", level - 1));
                BatchNorm::new(part, width << level, WEIGHT_DEVIATION)
            })
            .collect();
        let head = layer(
            "head".into(),
            width << (levels - 1),
            1,
            Window::whole(SEED_SIZE),
        );
        Self {
            convolutions,
            norms,
            head,
        }
    }

    /// [n, 3, size, size] -> `[n]`, normalising by the batch: no system ever needs the critic of a single image.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<1> {
        let mut maps = images;
        for (level, conv) in self.convolutions.iter().enumerate() {
            maps = conv.forward(maps);
            maps = match level.checked_sub(1).and_then(|at| self.norms.get(at)) {
                Some(norm) => norm.forward_batch(maps, CRITIC_ACTIVATION),
                None => CRITIC_ACTIVATION.forward(maps),
            };
        }
        self.score(maps)
    }

    /// The value at `images` and its derivative along `tangents`, both `[n]`, for a critic without batch normalisation.
    ///
    /// Forward-mode differentiation written out: each layer maps (value, tangent). The slope of LeakyReLU is constant
    /// between its kinks, so the tangent's own gradient with respect to the weights is exact.
    pub fn forward_with_tangent(
        &self,
        images: Tensor<4>,
        tangents: Tensor<4>,
    ) -> (Tensor<1>, Tensor<1>) {
        assert!(
            self.norms.is_empty(),
            "the tangent of a batch-normalised critic mixes images"
        );
        let (mut maps, mut slopes) = (images, tangents);
        for conv in &self.convolutions {
            maps = conv.forward(maps);
            slopes = conv.forward_tangent(slopes) * CRITIC_ACTIVATION.slope(maps.clone());
            maps = CRITIC_ACTIVATION.forward(maps);
        }
        let images = maps.dims()[0];
        let value = self.head.forward(maps).reshape([images]);
        let derivative = self.head.forward_tangent(slopes).reshape([images]);
        (value, derivative)
    }

    /// One power iteration on every weight of a spectrally normalised critic.
    pub fn power_iterate(&mut self) {
        for conv in &mut self.convolutions {
            conv.power_iterate();
        }
        self.head.power_iterate();
    }

    fn score(&self, maps: Tensor<4>) -> Tensor<1> {
        let images = maps.dims()[0];
        self.head.forward(maps).reshape([images])
    }
}
