//! The backbone all adversarial systems share: the generator and the critic of DCGAN.
//!
//! Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks, 2016 (arXiv 1511.06434), section 3: strided convolutions, batch normalisation, ReLU in the generator with
//! tanh at its end, LeakyReLU 0.2 in the critic, weights from N(0, 0.02). The smallest feature map and the number of
//! halvings follow from the size of the images: 4 x 4 and four for 64 x 64 (the paper's), 4 x 4 and three for 32 x 32, 7 x 7
//! and two for 28 x 28, 6 x 6 and four for 96 x 96.

use burn::module::Module;
use burn::tensor::Tensor;

use super::activation::Activation::{self, LeakyRelu, Relu, Tanh};
use super::conv::{Conv2d, ConvTranspose2d, Upsampling, WeightInit, Window};
use super::norm::BatchNorm;
use super::parameters::Parameters;
use super::plain_generator::{PlainGenerator, PlainLayer};
use crate::error::Result;

/// All weights start from N(0, 0.02^2) (Radford et al. 2016, section 4).
pub const WEIGHT_DEVIATION: f32 = 0.02;
/// The critic's activation (Radford et al. 2016, section 4).
pub const CRITIC_ACTIVATION: Activation = LeakyRelu(0.2);
/// Heights that the smallest feature map can have.
const SMALLEST: std::ops::RangeInclusive<usize> = 4..=7;

/// How images of one size go through the networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pyramid {
    /// Height and width of the smallest feature map, 4 to 7.
    pub smallest: usize,
    /// How often an image is halved on its way there, at least once.
    pub halvings: usize,
}

impl Pyramid {
    /// That of images of `size` x `size`; `None` where `size` is not 4, 5, 6 or 7 times a power of two, at least 8.
    pub fn of(size: usize) -> Option<Self> {
        let halvings =
            (1..usize::BITS as usize).find(|&halvings| size >> halvings <= *SMALLEST.end())?;
        let smallest = size >> halvings;
        let fits = SMALLEST.contains(&smallest) && smallest << halvings == size;
        fits.then_some(Self { smallest, halvings })
    }
}

/// Height, width and channels of the images that a network makes or sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Height and width, see [`Pyramid::of`].
    pub size: usize,
    /// 1 or 3.
    pub channels: usize,
}

impl ImageShape {
    fn pyramid(self) -> Pyramid {
        Pyramid::of(self.size).expect("the size was checked when the configuration was resolved")
    }
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
    /// For images from `latent` numbers; `width` feature maps at half the image's size, twice as many at each smaller one, each
    /// made twice as large by `upsampling`.
    pub fn new(
        parameters: &Parameters,
        image: ImageShape,
        latent: usize,
        width: usize,
        upsampling: Upsampling,
    ) -> Self {
        let Pyramid {
            smallest,
            halvings: levels,
        } = image.pyramid();
        let init = WeightInit::Normal(WEIGHT_DEVIATION);
        let channels = |level: usize| width << (levels - 1 - level);
        let project = &parameters.within("project");
        let (doublings, norms) = (1..levels)
            .map(|level| {
                let part = &parameters.within(format!("doublings.{}", level - 1));
                let norm = &parameters.within(format!("norms.{}", level - 1));
                let (from, to) = (channels(level - 1), channels(level));
                let conv = ConvTranspose2d::doubling(part, from, to, upsampling, init);
                (conv, BatchNorm::new(norm, to, WEIGHT_DEVIATION))
            })
            .unzip();
        let to_image = &parameters.within("to_image");
        let norm = &parameters.within("project_norm");
        let window = Window::whole(smallest);
        Self {
            project: ConvTranspose2d::new(project, latent, channels(0), window, init, false),
            project_norm: BatchNorm::new(norm, channels(0), WEIGHT_DEVIATION),
            doublings,
            norms,
            to_image: ConvTranspose2d::doubling(to_image, width, image.channels, upsampling, init),
        }
    }

    /// Its numbers, for other frameworks.
    ///
    /// # Errors
    /// The device lost a tensor.
    pub fn plain(&self) -> Result<PlainGenerator> {
        let first = PlainLayer::of(&self.project, Some(&self.project_norm), Relu);
        let doublings = self.doublings.iter().zip(&self.norms);
        let doublings = doublings.map(|(conv, norm)| PlainLayer::of(conv, Some(norm), Relu));
        let last = PlainLayer::of(&self.to_image, None, Tanh);
        let layers = std::iter::once(first).chain(doublings).chain([last]);
        let [latent, ..] = self.project.weight.dims();
        Ok(PlainGenerator {
            latent,
            classes: 0,
            layers: layers.collect::<Result<_>>()?,
        })
    }

    /// [n, latent] -> [n, channels, size, size] in (-1, 1), normalising by the batch and updating the running statistics.
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

    /// [n, latent] -> [n, channels, size, size] in (-1, 1), by the running statistics: an image does not depend on its batch.
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
    /// The strided convolutions, from the image down to the smallest feature map.
    pub convolutions: Vec<Conv2d>,
    /// Empty, or one per convolution but the first.
    norms: Vec<BatchNorm>,
    /// The last layer, from the smallest feature map to one number.
    pub head: Conv2d,
}

impl Critic {
    /// `width` feature maps after the first halving of the image, twice as many after each further one.
    pub fn new(parameters: &Parameters, image: ImageShape, width: usize, norm: CriticNorm) -> Self {
        let Pyramid {
            smallest,
            halvings: levels,
        } = image.pyramid();
        // A layer as the norm has it.
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
        // From the image down.
        let convolutions = (0..levels)
            .map(|level| {
                let inputs = match level {
                    0 => image.channels,
                    _ => width << (level - 1),
                };
                layer(
                    format!("convolutions.{level}"),
                    inputs,
                    width << level,
                    Window::HALVE,
                )
            })
            .collect();
        // Norms of all layers but the first and the last.
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
            Window::whole(smallest),
        );
        Self {
            convolutions,
            norms,
            head,
        }
    }

    /// [n, channels, size, size] -> `[n]`, normalising by the batch where it normalises.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<1> {
        self.score(self.features(images))
    }

    /// Whether an image's score depends on the images beside it.
    pub fn normalises_by_batch(&self) -> bool {
        !self.norms.is_empty()
    }

    /// The smallest feature maps, before the last layer: [n, channels, size, size] -> [n, c, s, s].
    pub fn features(&self, images: Tensor<4>) -> Tensor<4> {
        down(&self.convolutions, &self.norms, images, |norm, maps| {
            norm.forward_batch(maps, CRITIC_ACTIVATION)
        })
    }

    /// [n, channels, size, size] -> `[n]` as [`Self::forward`] does, and updating running statistics where it normalises.
    pub fn forward_training(&mut self, images: Tensor<4>) -> Tensor<1> {
        let maps = down(&self.convolutions, &mut self.norms, images, |norm, maps| {
            norm.forward_training(maps, CRITIC_ACTIVATION)
        });
        self.score(maps)
    }

    /// [n, channels, size, size] -> `[n]`, normalising by running statistics: a score does not depend on the images beside its own.
    pub fn forward_alone(&self, images: Tensor<4>) -> Tensor<1> {
        let maps = down(&self.convolutions, &self.norms, images, |norm, maps| {
            norm.forward(maps, CRITIC_ACTIVATION)
        });
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

    /// Clips every weight and bias to [-`bound`, `bound`], and the scales and shifts of `normalisation` where asked.
    pub fn clip_weights(&mut self, bound: f64, normalisation: bool) {
        for conv in self.convolutions.iter_mut().chain([&mut self.head]) {
            conv.clip(bound);
        }
        if normalisation {
            self.norms.iter_mut().for_each(|norm| norm.clip(bound));
        }
    }

    /// How many numbers the smallest feature maps of an image are.
    pub fn feature_count(&self) -> usize {
        let [_, channels, height, width] = self.head.weight.dims();
        channels * height * width
    }

    /// The last layer: [n, c, s, s] -> `[n]`.
    pub fn score(&self, maps: Tensor<4>) -> Tensor<1> {
        let images = maps.dims()[0];
        self.head.forward(maps).reshape([images])
    }
}

/// Images down to the smallest feature maps, each layer but the first normalised by its norm where there are any.
fn down<N>(
    convolutions: &[Conv2d],
    norms: impl IntoIterator<Item = N>,
    images: Tensor<4>,
    mut normalise: impl FnMut(N, Tensor<4>) -> Tensor<4>,
) -> Tensor<4> {
    let mut norms = norms.into_iter();
    let mut maps = images;
    for (level, conv) in convolutions.iter().enumerate() {
        maps = conv.forward(maps);
        let norm = if level == 0 { None } else { norms.next() };
        maps = match norm {
            Some(norm) => normalise(norm, maps),
            None => CRITIC_ACTIVATION.forward(maps),
        };
    }
    maps
}
