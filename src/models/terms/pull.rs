//! The generator's term of CN-LSGAN (Nie et al. 2021, Complexity, 6664530): generated images near real ones.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Addend, Term};
use crate::error::Result;
use crate::models::StepScalars;
use crate::models::round::Round;

/// Which real images a generated one is pulled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pairing {
    /// The i-th generated image to the i-th real one of the batch.
    Batch,
    /// Each to all real ones of the batch alike.
    None,
}

/// `weight` times the mean over pixels of (G(z) - x)^2. As z and x are independent its minimum is the mean image, in either
/// pairing; in expectation both are equal.
#[derive(Clone, Copy, Debug)]
pub struct Pull {
    /// Lambda 2 in the paper.
    pub weight: f64,
    /// Which z goes with which x.
    pub pairing: Pairing,
}

impl<G, D> Term<G, D> for Pull {
    fn generator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let pull = pull(round.generated.clone(), round.real.clone(), self.pairing);
        Ok(Addend {
            scalars: StepScalars::of("pull", &pull),
            loss: Some(pull.mul_scalar(self.weight)),
            constant: 0.0,
        })
    }
}

/// The mean over pixels and pairs of (G(z) - x)^2.
fn pull(generated: Tensor<4>, real: Tensor<4>, pairing: Pairing) -> Tensor<1> {
    match pairing {
        Pairing::Batch => mean_squared_difference(generated, real),
        Pairing::None => {
            // (G - x)^2 averaged over x is (G - mean)^2 plus the variance of x.
            let mean = real.clone().mean_dim(0);
            let of = |images: Tensor<4>| {
                let shape = images.dims();
                mean_squared_difference(images, mean.clone().expand(shape))
            };
            of(generated) + of(real)
        }
    }
}

/// The mean over all entries of the squared difference.
pub(super) fn mean_squared_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<1> {
    let difference = a - b;
    (difference.clone() * difference).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{cpu, number, values};

    fn images(values: [f32; 2]) -> Tensor<4> {
        Tensor::from_data([[[[values[0]]]], [[[values[1]]]]], &cpu())
    }

    #[test]
    fn the_pull_of_a_constant_is_least_at_the_mean_image() {
        for pairing in [Pairing::Batch, Pairing::None] {
            let of = |constant| number(&pull(images([constant; 2]), images([0.0, 2.0]), pairing));
            assert!((of(1.0) - 1.0).abs() < 1e-7, "{pairing:?}");
            assert!(of(0.9) > 1.0 && of(1.1) > 1.0, "{pairing:?}");
        }
        // All four pairs: 9, 1, 0, 4.
        let all = number(&pull(images([3.0, 0.0]), images([0.0, 2.0]), Pairing::None));
        assert!((all - 3.5).abs() < 1e-6, "{all}");
    }

    #[test]
    fn its_gradient_is_the_finite_difference() {
        for pairing in [Pairing::Batch, Pairing::None] {
            let generated = images([0.3, -0.7]).require_grad();
            let loss = pull(generated.clone(), images([0.5, 0.9]), pairing);
            let slopes = values(generated.grad(&loss.backward()).unwrap()).unwrap();
            let at = |first: f32| number(&pull(images([first, -0.7]), images([0.5, 0.9]), pairing));
            let difference = (at(0.31) - at(0.29)) / 0.02;
            assert!(
                (f64::from(slopes[0]) - difference).abs() < 1e-5,
                "{pairing:?}"
            );
        }
    }
}
