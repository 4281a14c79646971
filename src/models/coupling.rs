//! The losses of `rl-eo`: where its reward enters. `similarity` holds s_i of each pair, `weight` is w of equation 4.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use super::loss;
use crate::snn::Coupling;

/// The critic's loss on generated images with logits `scores`, both `[n]`.
///
/// For `literal` it is that of improved DCGAN: equation 5 subtracts a number that does not depend on the critic, which is
/// left to the report of the loss.
pub fn critic_loss(
    coupling: Coupling,
    scores: Tensor<1>,
    similarity: Tensor<1>,
    weight: f64,
) -> Tensor<1> {
    match coupling {
        Coupling::SoftLabel => loss::cross_entropy_each(scores, similarity.mul_scalar(weight)),
        Coupling::ExpectedReward => {
            let earned = sigmoid(scores.clone()) * similarity;
            loss::cross_entropy(scores, 0.0) - earned.mean().mul_scalar(weight)
        }
        Coupling::Literal | Coupling::LossScale | Coupling::Generator => {
            loss::cross_entropy(scores, 0.0)
        }
    }
}

/// The factor of the critic's whole loss, real and generated: 1 - reward for `loss-scale`, otherwise 1.
pub fn critic_scale(coupling: Coupling, reward: f64) -> f64 {
    match coupling {
        Coupling::LossScale => 1.0 - reward,
        _ => 1.0,
    }
}

/// What `generator` adds to the generator's loss: minus w mean(s_i), with the gradient of the similarity.
pub fn generator_term(similarity: Tensor<1>, weight: f64) -> Tensor<1> {
    similarity.mean().mul_scalar(-weight)
}
