//! The games that a generator and a discriminator play: a pair of losses each.

use burn::tensor::Tensor;

use super::{StepScalars, loss};

/// The losses of an adversarial game, of scores `[n]` that the discriminator gives images.
pub trait Game: Send {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// The discriminator's loss on scores of real images.
    fn real(&self, scores: Tensor<1>) -> Tensor<1>;

    /// The discriminator's loss on scores of generated images.
    fn generated(&self, scores: Tensor<1>) -> Tensor<1>;

    /// The discriminator's whole loss: the sum of both.
    fn discriminator(&self, real: Tensor<1>, generated: Tensor<1>) -> Tensor<1> {
        self.real(real) + self.generated(generated)
    }

    /// The generator's loss, of the scores of its images.
    fn generator(&self, scores: Tensor<1>) -> Tensor<1>;

    /// The discriminator's loss on generated images with a target in [0, 1] per image, `[n]`; none for a game without
    /// targets.
    fn soft_labels(&self, scores: Tensor<1>, targets: Tensor<1>) -> Option<Tensor<1>> {
        let _ = (scores, targets);
        None
    }

    /// log p_real(x) / p_generated(x) of an image with this score, by the best discriminator there is; none where a score
    /// says nothing of it.
    fn log_ratio(&self, score: f64) -> Option<f64> {
        let _ = score;
        None
    }

    /// What else the discriminator's loss `loss` tells, for the ledger.
    fn scalars(&self, loss: &Tensor<1>) -> StepScalars {
        let _ = loss;
        StepScalars::default()
    }
}

/// Binary cross-entropy of logits, with the non-saturating loss of the generator (Goodfellow et al. 2014; equations 1 to 3 of arXiv
/// 2409.20340).
#[derive(Clone, Copy, Debug)]
pub struct CrossEntropy {
    /// The target of real images, in (0, 1]: 1, or less for one-sided label smoothing. Generated images have 0.
    pub real_label: f64,
}

impl Default for CrossEntropy {
    fn default() -> Self {
        Self { real_label: 1.0 }
    }
}

impl Game for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn real(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::cross_entropy(scores, self.real_label)
    }

    fn generated(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::cross_entropy(scores, 0.0)
    }

    fn generator(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::non_saturating_generator(scores)
    }

    fn soft_labels(&self, scores: Tensor<1>, targets: Tensor<1>) -> Option<Tensor<1>> {
        Some(loss::cross_entropy_each(scores, targets))
    }

    /// The best D has sigmoid(score) = l p_real / (p_real + p_generated) with l the target of real images; at l = 1 the
    /// score itself is the log ratio. Infinite where D is surer than smoothed targets allow.
    fn log_ratio(&self, score: f64) -> Option<f64> {
        let probability = 1.0 / (1.0 + (-score).exp());
        if self.real_label >= 1.0 {
            return Some(score);
        }
        let rest = self.real_label - probability;
        Some(if rest > 0.0 {
            (probability / rest).ln()
        } else {
            f64::INFINITY
        })
    }
}

/// The hinge (Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17).
#[derive(Clone, Copy, Debug)]
pub struct Hinge;

impl Game for Hinge {
    fn name(&self) -> &'static str {
        "hinge"
    }

    fn real(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::hinge_real(scores)
    }

    fn generated(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::hinge_generated(scores)
    }

    fn generator(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::wasserstein_generator(scores)
    }
}

/// The dual form of the Wasserstein-1 distance (Arjovsky et al. 2017).
#[derive(Clone, Copy, Debug)]
pub struct Wasserstein;

impl Game for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }

    fn real(&self, scores: Tensor<1>) -> Tensor<1> {
        scores.mean().neg()
    }

    fn generated(&self, scores: Tensor<1>) -> Tensor<1> {
        scores.mean()
    }

    // A difference, so that gradients are summed in one order whatever stands beside it.
    fn discriminator(&self, real: Tensor<1>, generated: Tensor<1>) -> Tensor<1> {
        loss::wasserstein_critic(real, generated)
    }

    fn generator(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::wasserstein_generator(scores)
    }

    fn scalars(&self, loss: &Tensor<1>) -> StepScalars {
        StepScalars::of("wasserstein_estimate", &loss.clone().neg())
    }
}

/// Least squares with a = 0, b = c = 1 (Mao et al. 2017, equation 9).
#[derive(Clone, Copy, Debug)]
pub struct LeastSquares {
    /// The factor of the squares: 1/2 in the paper.
    pub factor: f64,
}

impl Default for LeastSquares {
    fn default() -> Self {
        Self { factor: 0.5 }
    }
}

impl Game for LeastSquares {
    fn name(&self) -> &'static str {
        "least-squares"
    }

    fn real(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::least_squares(scores, 1.0, self.factor)
    }

    fn generated(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::least_squares(scores, 0.0, self.factor)
    }

    // One mean over the sum of both, not two means.
    fn discriminator(&self, real: Tensor<1>, generated: Tensor<1>) -> Tensor<1> {
        loss::least_squares_critic(real, generated, self.factor)
    }

    fn generator(&self, scores: Tensor<1>) -> Tensor<1> {
        loss::least_squares(scores, 1.0, self.factor)
    }

    /// The best D is p_real / (p_real + p_generated) (Mao et al. 2017, section 3.2).
    fn log_ratio(&self, score: f64) -> Option<f64> {
        let probability = score.clamp(0.0, 1.0);
        Some((probability / (1.0 - probability)).ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, number, values};
    use burn::tensor::TensorData;

    fn games() -> [Box<dyn Game>; 6] {
        [
            Box::new(CrossEntropy::default()),
            Box::new(CrossEntropy { real_label: 0.9 }),
            Box::new(Hinge),
            Box::new(Wasserstein),
            Box::new(LeastSquares::default()),
            Box::new(LeastSquares { factor: 1.0 }),
        ]
    }

    /// The discriminator's loss and its gradients by both scores.
    fn outcome(loss: impl Fn(Tensor<1>, Tensor<1>) -> Tensor<1>) -> (f64, Vec<f32>) {
        let scores = |values: [f32; 3]| {
            Tensor::<1>::from_data(TensorData::from(values), &cpu()).require_grad()
        };
        let (real, generated) = (scores([1.3, -0.5, 0.2]), scores([0.3, -1.4, 0.7]));
        let loss = loss(real.clone(), generated.clone());
        let gradients = loss.backward();
        let slopes = [real, generated].map(|scores| values(scores.grad(&gradients).unwrap()));
        (number(&loss), slopes.map(Result::unwrap).concat())
    }

    use crate::error::Result;

    #[test]
    fn the_whole_loss_is_that_of_real_and_of_generated_images() {
        for game in games() {
            let (whole, slopes) = outcome(|real, fake| game.discriminator(real, fake));
            let (sum, parts) = outcome(|real, fake| game.real(real) + game.generated(fake));
            assert!((whole - sum).abs() < 1e-6, "{}", game.name());
            assert_eq!(slopes, parts, "{}", game.name());
        }
    }

    #[test]
    fn the_log_ratio_is_where_the_loss_of_the_best_discriminator_is_flat() {
        // At a point with densities p and q the loss p real(s) + q generated(s) is least at the best score s; its log
        // ratio must be log(p / q).
        for game in games() {
            for (p, q) in [(0.5, 0.5), (0.8, 0.2), (0.1, 0.9)] {
                let loss = |score: f64| {
                    let score = Tensor::<1>::from_data(TensorData::from([score as f32]), &cpu());
                    p * number(&game.real(score.clone())) + q * number(&game.generated(score))
                };
                let scores = (-4000..4000).map(|step| f64::from(step) / 1000.0);
                let best = scores.min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap();
                let Some(found) = game.log_ratio(best) else {
                    continue;
                };
                let expected: f64 = f64::ln(p / q);
                assert!(
                    (found - expected).abs() < 0.02,
                    "{} at {p}, {q}: {found}, expected {expected}",
                    game.name()
                );
            }
        }
    }

    #[test]
    fn soft_labels_of_zero_are_the_loss_on_generated_images() {
        let scores = Tensor::<1>::from_data(TensorData::from([0.3f32, -1.0]), &cpu());
        let game = CrossEntropy::default();
        let soft = game
            .soft_labels(scores.clone(), scores.zeros_like())
            .unwrap();
        let difference = number(&soft) - number(&game.generated(scores));
        assert!(difference.abs() < 1e-7, "{difference}");
    }
}
