//! How similar two images are, as a reward model sees them.

use std::path::{Path, PathBuf};

use burn::tensor::module::avg_pool2d;
use burn::tensor::ops::AvgPoolOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::config::{RewardModelConfig, Source};
use super::grad_cam::{SimilarityMaps, similarity_maps};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::nn::vgg::Vgg16;
use crate::random::Random;

/// Something that embeds images; the similarity of two images is the cosine of their embeddings.
pub trait RewardModel: Send {
    /// [n, 3, size, size] in [-1, 1] -> [n, d]. The reward model has no gradient; the images may have one.
    fn embed(&self, images: Tensor<4>) -> Tensor<2>;

    /// The similarity of each pair of embeddings, in [0, 1]: [n, d] and [n, d] -> `[n]`. `random` stands at the number of the
    /// step.
    fn compare(&self, left: Tensor<2>, right: Tensor<2>, random: Random) -> Tensor<1> {
        let _ = random;
        cosine(left, right)
    }
}

/// Cosine of each pair of rows, clamped to [0, 1] as the paper has it (section 2.3): [n, d] and [n, d] -> `[n]`
pub fn cosine(left: Tensor<2>, right: Tensor<2>) -> Tensor<1> {
    // The root is bounded away from zero, where it has no derivative: a row of zeros has cosine 0.
    let square = |rows: Tensor<2>| rows.powf_scalar(2.0).sum_dim(1).clamp_min(1e-12);
    let lengths = (square(left.clone()) * square(right.clone())).sqrt();
    let product = (left * right).sum_dim(1);
    (product / lengths).squeeze_dim::<1>(1).clamp(0.0, 1.0)
}

/// The file in `folder` that holds the weights with this SHA-256.
pub fn reward_model_file(folder: &Path, hash: &str) -> PathBuf {
    folder.join(format!("{hash}.weights"))
}

/// The reward model that `model` describes, for images of `size` x `size`. The file of its weights, if it has any, lies in `folder`
/// under its hash, see [`reward_model_file`].
///
/// # Errors
/// Fails if the images cannot be brought to its size, and if its weights are not there or are others.
pub fn load_reward_model(
    model: &RewardModelConfig,
    size: usize,
    folder: &Path,
    device: &Device,
) -> Result<Box<dyn RewardModel>> {
    if let Some(network) = load_reward_network(model, size, folder, device)? {
        return Ok(Box::new(network));
    }
    let shrink = shrink(model, size)?;
    Ok(match model.source {
        Source::Random => Box::new(RandomModel),
        _ => Box::new(PixelModel { shrink }),
    })
}

/// The same where a network looks at the images; none where none does.
///
/// # Errors
/// As [`load_reward_model`].
pub fn load_reward_network(
    model: &RewardModelConfig,
    size: usize,
    folder: &Path,
    device: &Device,
) -> Result<Option<RewardNetwork>> {
    let shrink = shrink(model, size)?;
    let network = match model.source {
        Source::Pixels | Source::Random => return Ok(None),
        Source::Untrained => Vgg16::random(model.layers, device),
        Source::Vgg16 | Source::MftSnn | Source::Stage1 | Source::Stage2 => {
            let path = reward_model_file(folder, &model.weights);
            let (network, hash) = Vgg16::from_file(model.layers, &path, device)?;
            if hash != model.weights {
                return Err(refuse(
                    format!(
                        "`{}` is not what its name says: its SHA-256 is {hash}",
                        path.display()
                    ),
                    "delete it: it is put there again from the network's own folder",
                ));
            }
            network
        }
    };
    Ok(Some(RewardNetwork { network, shrink }))
}

/// How many times images of `size` x `size` are reduced for `model`.
fn shrink(model: &RewardModelConfig, size: usize) -> Result<usize> {
    if model.image_size == 0 || !size.is_multiple_of(model.image_size) {
        return Err(refuse(
            format!(
                "the reward model looks at images of {0} x {0}, which does not divide patches of {size}",
                model.image_size
            ),
            "take one that was trained on patches of this size",
        ));
    }
    Ok(size / model.image_size)
}

/// Averages squares of `shrink` x `shrink` pixels.
fn reduced(images: Tensor<4>, shrink: usize) -> Tensor<4> {
    match shrink {
        1 => images,
        _ => avg_pool2d(images, AvgPoolOptions::new([shrink; 2])),
    }
}

/// The first convolutions of VGG-16 with global average pooling.
pub struct RewardNetwork {
    network: Vgg16,
    shrink: usize,
}

impl RewardNetwork {
    /// Where the similarity of each pair of `left` and `right`, [n, 3, size, size], comes from.
    ///
    /// # Errors
    /// If the device lost a tensor.
    pub fn similarity_maps(
        &self,
        left: &Images,
        right: &Images,
        device: &Device,
    ) -> Result<Vec<SimilarityMaps>> {
        let seen = [left, right].map(|images| images.clone().reduced(self.shrink));
        similarity_maps(&self.network, &seen[0], &seen[1], left.size, device)
    }
}

impl RewardModel for RewardNetwork {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        self.network.embed(reduced(images, self.shrink))
    }
}

/// RGB in [0, 1], pixel by pixel.
struct PixelModel {
    shrink: usize,
}

impl RewardModel for PixelModel {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        let pixels = reduced(images, self.shrink).add_scalar(1.0).div_scalar(2.0);
        pixels.flatten(1, 3)
    }
}

/// No reward model at all: uniform numbers from [0, 1).
struct RandomModel;

impl RewardModel for RandomModel {
    fn embed(&self, images: Tensor<4>) -> Tensor<2> {
        Tensor::zeros([images.dims()[0], 1], &images.device())
    }

    fn compare(&self, left: Tensor<2>, _right: Tensor<2>, random: Random) -> Tensor<1> {
        let count = left.dims()[0];
        let mut stream = random.stream("random similarity");
        let numbers: Vec<f32> = (0..count).map(|_| stream.uniform() as f32).collect();
        Tensor::from_data(TensorData::new(numbers, [count]), &left.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, values};

    fn images(count: usize, size: usize) -> Tensor<4> {
        let values = Random::new(1)
            .stream("images")
            .normals(count * 3 * size * size);
        let values = values
            .into_iter()
            .map(|value| value.clamp(-1.0, 1.0))
            .collect();
        Tensor::from_data(
            TensorData::new::<f32, _>(values, [count, 3, size, size]),
            &cpu(),
        )
    }

    fn of(source: Source, image_size: usize) -> Box<dyn RewardModel> {
        let description = RewardModelConfig {
            source,
            layers: 2,
            image_size,
            weights: String::new(),
            snn: None,
        };
        load_reward_model(&description, 16, Path::new("nowhere"), &cpu()).unwrap()
    }

    #[test]
    fn an_image_is_like_itself_and_less_like_another() {
        let pictures = images(4, 16);
        for source in [Source::Untrained, Source::Pixels] {
            let model = of(source, 8);
            let embeddings = model.embed(pictures.clone());
            let turned = embeddings.clone().flip([0]);
            let same = model.compare(embeddings.clone(), embeddings.clone(), Random::new(0));
            let other = model.compare(embeddings, turned, Random::new(0));
            for (same, other) in values(same).unwrap().iter().zip(values(other).unwrap()) {
                assert!((same - 1.0).abs() < 1e-5, "{source:?}: {same}");
                assert!((0.0..0.9999).contains(&other), "{source:?}: {other}");
            }
        }
    }

    #[test]
    fn a_random_similarity_depends_on_the_step_alone() {
        let model = of(Source::Random, 16);
        let at = |position| {
            let embeddings = model.embed(images(5, 16));
            values(model.compare(embeddings.clone(), embeddings, Random::new(2).at(position)))
                .unwrap()
        };
        assert_eq!(at(3), at(3));
        assert_ne!(at(3), at(4));
        assert!(at(3).iter().all(|value| (0.0..1.0).contains(value)));
    }

    #[test]
    fn rows_of_zeros_have_cosine_zero_and_a_finite_gradient() {
        let zeros = Tensor::<2>::zeros([2, 3], &cpu()).require_grad();
        let similarity = cosine(zeros.clone(), Tensor::ones([2, 3], &cpu()));
        assert_eq!(values(similarity.clone()).unwrap(), [0.0, 0.0]);
        let gradients = similarity.sum().backward();
        let slopes = values(zeros.grad(&gradients).unwrap()).unwrap();
        assert!(slopes.iter().all(|slope| slope.is_finite()), "{slopes:?}");
    }

    #[test]
    fn a_size_that_does_not_divide_the_patches_is_refused() {
        let description = RewardModelConfig {
            source: Source::Pixels,
            layers: 0,
            image_size: 12,
            weights: String::new(),
            snn: None,
        };
        let error = load_reward_model(&description, 16, Path::new("nowhere"), &cpu())
            .err()
            .unwrap();
        assert!(
            error.to_string().contains("does not divide patches of 16"),
            "{error}"
        );
    }
}
