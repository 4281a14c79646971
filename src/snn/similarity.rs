//! The cosine of two embeddings.

use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor};

use super::{RewardConfig, SIMILARITIES};
use crate::error::{Result, unknown_name};
use crate::nn::vgg::Vgg16;

/// A frozen network that embeds images; the similarity of two images is the cosine of their embeddings.
pub trait Similarity: Send {
    /// [n, 3, size, size] in [-1, 1] -> [n, d]. The network has no gradient; the images may have one.
    fn embed(&self, images: Tensor<4>) -> Tensor<2>;
}

/// Cosine of each pair of rows, clamped to [0, 1] as the paper has it (section 2.3): [n, d] and [n, d] -> `[n]`
pub fn cosine(left: Tensor<2>, right: Tensor<2>) -> Tensor<1> {
    let length = |rows: Tensor<2>| rows.powf_scalar(2.0).sum_dim(1).sqrt();
    let lengths = (length(left.clone()) * length(right.clone())).clamp_min(1e-12);
    let product = (left * right).sum_dim(1);
    (product / lengths).squeeze_dim::<1>(1).clamp(0.0, 1.0)
}

/// The first convolutions of VGG-16, averaged over places.
pub(super) struct VggSimilarity {
    network: Vgg16,
    shrink: usize,
}

impl VggSimilarity {
    pub(super) fn new(config: &RewardConfig, shrink: usize, device: &Device) -> Result<Self> {
        let network = match config.similarity.as_str() {
            "vgg16-random" => Vgg16::random(config.layers, device),
            "vgg16" => Vgg16::from_file(config.layers, &config.weights, device)?.0,
            name => {
                return Err(unknown_name(
                    "similarity",
                    name,
                    SIMILARITIES.iter().copied(),
                ));
            }
        };
        Ok(Self { network, shrink })
    }
}

impl Similarity for VggSimilarity {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        if self.shrink == 1 {
            return self.network.embed(images);
        }
        let window = AvgPoolOptions::new([self.shrink; 2]);
        self.network.embed(avg_pool2d(images, window))
    }
}
