//! The class loss of AC-GAN (Odena et al. 2017, arXiv 1610.09585, equation 2).

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::{Addend, Term};
use crate::error::Result;
use crate::models::StepScalars;
use crate::models::round::{DiscriminatorNetwork, Round, Verdict};

/// `weight` times the cross-entropy of the classes, which both players lower: the discriminator on real images and, where
/// `on_generated`, on generated ones, the generator on its own.
#[derive(Clone, Copy, Debug)]
pub struct ClassLoss {
    /// The weight in both losses; 1 in the paper.
    pub weight: f64,
    /// Whether the discriminator learns classes from generated images too, as in the paper.
    pub on_generated: bool,
}

impl<G, D: DiscriminatorNetwork> Term<G, D> for ClassLoss {
    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let mut loss = class_cross_entropy(round.on_real(), &round.batch.classes);
        let mut scalars = StepScalars::of("class_loss_real", &loss);
        if self.on_generated {
            let on_generated = class_cross_entropy(round.on_generated(), round.classes);
            scalars.push("class_loss_fake", &on_generated);
            loss = loss + on_generated;
        }
        Ok(Addend {
            loss: Some(loss.mul_scalar(self.weight)),
            constant: 0.0,
            scalars,
        })
    }

    fn generator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let loss = class_cross_entropy(round.on_generated(), round.classes);
        Ok(Addend {
            scalars: StepScalars::of("generator_class_loss", &loss),
            loss: Some(loss.mul_scalar(self.weight)),
            constant: 0.0,
        })
    }
}

/// The cross-entropy of a discriminator's logits of the classes and `classes`, a mean over images.
pub fn class_cross_entropy(verdict: &Verdict, classes: &[usize]) -> Tensor<1> {
    let logits = verdict
        .classes
        .clone()
        .expect("a system with a class loss has a discriminator that classifies");
    let indices: Vec<i64> = classes.iter().map(|&class| class as i64).collect();
    let indices = TensorData::new(indices, [classes.len(), 1]);
    let indices = Tensor::<2, Int>::from_data(indices, &logits.device());
    log_softmax(logits, 1).gather(1, indices).mean().neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, number};
    use crate::models::game::{CrossEntropy, Game, Wasserstein};

    fn verdict(logits: &[[f32; 3]]) -> Verdict {
        let flat: Vec<f32> = logits.concat();
        let logits = Tensor::<2>::from_data(TensorData::new(flat, [logits.len(), 3]), &cpu());
        Verdict {
            score: logits.clone().sum_dim(1).squeeze_dim(1),
            classes: Some(logits),
        }
    }

    fn close(found: f64, expected: f64) {
        assert!(
            (found - expected).abs() < 2e-7,
            "{found}, expected {expected}"
        );
    }

    /// Closed forms: log sum exp of the logits minus the logit of the class.
    #[test]
    fn the_class_loss_takes_logits_and_no_probabilities() {
        let of = |class| {
            number(&class_cross_entropy(
                &verdict(&[[2.0, 0.0, -1.0]]),
                &[class],
            ))
        };
        close(of(0), 0.169_846_019_6);
        close(of(1), 2.169_846_019_6);
        close(of(2), 3.169_846_019_6);
        // An untrained head knows nothing, and one that is sure is below the floor of a softmax before the loss.
        close(
            number(&class_cross_entropy(&verdict(&[[0.0; 3]]), &[1])),
            3.0f64.ln(),
        );
        let sure = number(&class_cross_entropy(&verdict(&[[30.0, 0.0, 0.0]]), &[0]));
        assert!(
            sure < 1e-6,
            "{sure}: the floor would be log(e + 2) - 1 = 0.5514"
        );
    }

    #[test]
    fn the_discriminator_s_losses_have_their_closed_forms() {
        let scores = |values: [f32; 2]| Tensor::<1>::from_data(TensorData::from(values), &cpu());
        let (real, fake) = (scores([1.0, -2.0]), scores([0.5, -1.0]));
        let source = CrossEntropy::default().discriminator(real.clone(), fake.clone());
        close(number(&source), 1.863_764_185_1);
        close(number(&Wasserstein.discriminator(real, fake)), 0.25);
        let on_real = class_cross_entropy(&verdict(&[[2.0, 0.0, -1.0]; 2]), &[0, 1]);
        let generated = verdict(&[[0.0; 3], [1.0, 0.0, 0.0]]);
        let on_fake = class_cross_entropy(&generated, &[2, 0]);
        close(number(&on_real), 1.169_846_019_6);
        close(number(&on_fake), 0.825_028_501_3);
        close(number(&(source + on_real + on_fake)), 3.858_638_706_0);
    }
}
