//! The losses of paired models, each a mean over images. Reductions are per image first, so that they do not depend on threads.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax, softmax};
use serde::{Deserialize, Serialize};

/// The loss of a mask against the one that it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MaskLoss {
    /// The mean over pixels of -log of the probability of their class.
    CrossEntropy,
    /// 1 minus the soft Dice coefficient 2 sum(p y) / (sum(p) + sum(y)), sums over the pixels of an image, a mean over the classes
    /// but the background that the image has.
    Dice,
}

impl MaskLoss {
    /// Logits [n, classes, h, w] against `targets`, of the same shape, 1 at the class of a pixel and 0 elsewhere -> `[1]`.
    pub fn of(self, logits: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
        let [images, classes, height, width] = logits.dims();
        match self {
            Self::CrossEntropy => {
                let likelihoods: Tensor<4> = log_softmax(logits, 1) * targets;
                let sums: Tensor<2> = likelihoods
                    .reshape([images, classes * height * width])
                    .sum_dim(1);
                sums.mean().div_scalar(-((height * width) as f64))
            }
            Self::Dice => {
                let flat = |maps: Tensor<4>| -> Tensor<3> {
                    maps.reshape([images, classes, height * width])
                };
                // Without the background: [n, classes - 1, pixels].
                let foreground = |maps: Tensor<4>| flat(maps).narrow(1, 1, classes - 1);
                let (p, y) = (foreground(softmax(logits, 1)), foreground(targets));
                let sum = |maps: Tensor<3>| -> Tensor<2> { maps.sum_dim(2).squeeze_dim(2) };
                let (both, of_target) = (sum(p.clone() * y.clone()), sum(y));
                let dice = both.mul_scalar(2.0) / (sum(p) + of_target.clone()).add_scalar(1e-12);
                // A class that an image has not has no gradient, and counts nothing.
                let present = of_target.greater_elem(0.0).float();
                let losses = (dice.neg().add_scalar(1.0) * present.clone()).sum();
                losses / present.sum().clamp_min(1.0)
            }
        }
    }
}

/// The mean absolute difference of images.
pub(super) fn l1(outputs: Tensor<4>, targets: Tensor<4>) -> Tensor<1> {
    mean((outputs - targets).abs())
}

/// The discriminator's loss of Pix2Pix, from logits of patches of real and of translated pairs: half of the cross-entropy of both.
pub(super) fn patch_discriminator(real: Tensor<4>, translated: Tensor<4>) -> Tensor<1> {
    (mean(log_sigmoid(real)) + mean(log_sigmoid(translated.neg()))).mul_scalar(-0.5)
}

/// The adversarial loss of the generator, from logits of patches of translated pairs (non-saturating).
pub(super) fn patch_generator(translated: Tensor<4>) -> Tensor<1> {
    mean(log_sigmoid(translated)).neg()
}

/// The mean over images of the mean over all that an image has.
fn mean(maps: Tensor<4>) -> Tensor<1> {
    let [images, channels, height, width] = maps.dims();
    let means: Tensor<2> = maps
        .reshape([images, channels * height * width])
        .mean_dim(1);
    means.mean()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use crate::device::{cpu, number};

    fn maps<const N: usize>(values: [f32; N], shape: [usize; 4]) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &cpu())
    }

    fn close(found: &Tensor<1>, expected: f64) {
        let found = number(found);
        assert!(
            (found - expected).abs() < 1e-6,
            "{found}, expected {expected}"
        );
    }

    /// Logits of two classes whose second has the probability `p`.
    fn logits(p: [f32; 4]) -> Tensor<4> {
        let of = |p: f32| (p / (1.0 - p)).ln();
        let [a, b, c, d] = p.map(of);
        maps([0.0, 0.0, 0.0, 0.0, a, b, c, d], [1, 2, 2, 2])
    }

    fn mask(y: [f32; 4]) -> Tensor<4> {
        let [a, b, c, d] = y;
        let [e, f, g, h] = y.map(|y| 1.0 - y);
        maps([e, f, g, h, a, b, c, d], [1, 2, 2, 2])
    }

    #[test]
    fn losses_have_their_closed_form_values() {
        let zero = || maps([0.0; 4], [1, 1, 2, 2]);
        close(&patch_discriminator(zero(), zero()), std::f64::consts::LN_2);
        close(&patch_generator(zero()), std::f64::consts::LN_2);
        close(&l1(maps([0.1; 4], [1, 1, 2, 2]), zero()), 0.1);
        let (p, y) = ([0.8, 0.6, 0.2, 0.1], [1.0, 1.0, 0.0, 0.0]);
        close(
            &MaskLoss::Dice.of(logits(p), mask(y)),
            1.0 - 0.756_756_756_8,
        );
        let expected = -(0.8f64.ln() + 0.6f64.ln() + 0.8f64.ln() + 0.9f64.ln()) / 4.0;
        close(&MaskLoss::CrossEntropy.of(logits(p), mask(y)), expected);
        // Undecided between two classes.
        close(
            &MaskLoss::CrossEntropy.of(logits([0.5; 4]), mask(y)),
            std::f64::consts::LN_2,
        );
    }

    #[test]
    fn an_image_without_the_class_counts_nothing_in_dice() {
        let empty = mask([0.0; 4]);
        close(&MaskLoss::Dice.of(logits([0.3; 4]), empty.clone()), 0.0);
        let (p, y) = ([0.8, 0.6, 0.2, 0.1], [1.0, 1.0, 0.0, 0.0]);
        let two = Tensor::cat(vec![logits(p), logits([0.3; 4])], 0);
        let both = Tensor::cat(vec![mask(y), empty], 0);
        close(&MaskLoss::Dice.of(two, both), 1.0 - 0.756_756_756_8);
    }
}
