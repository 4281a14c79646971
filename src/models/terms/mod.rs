//! Addends of the losses of a GAN, and rules for its weights.

mod class_loss;
mod clipping;
mod consistency;
mod penalty;
mod pull;
mod reward;
mod spectral;

use burn::tensor::Tensor;

use super::StepScalars;
use super::round::Round;
use crate::error::Result;

pub use class_loss::{ClassLoss, class_cross_entropy};
pub use clipping::{ClipWhen, WeightClipping};
pub use consistency::{BalancedConsistency, LatentConsistency};
pub use penalty::{GradientPenalty, TangentNetwork, gradient_penalty};
pub use pull::{Pairing, Pull};
pub use reward::{RewardTerm, expected_reward, generator_reward, soft_labels};
pub use spectral::SpectralNormalisation;

/// What a [`Term`] adds to a player's loss.
#[derive(Debug, Default)]
pub struct Addend {
    /// With its gradient.
    pub loss: Option<Tensor<1>>,
    /// A constant of the reported loss, which has no gradient.
    pub constant: f64,
    /// Its values under their names in the ledger.
    pub scalars: StepScalars,
}

/// An addend of the losses of a GAN with a generator `G` and a discriminator `D`, or a rule for the discriminator's weights.
pub trait Term<G, D>: Send {
    /// Imposes its rule on the weights, before each step of the discriminator.
    fn constrain(&mut self, network: &mut D) {
        let _ = network;
    }

    /// Imposes its rule on the weights, after each step of the discriminator.
    fn constrain_after(&mut self, network: &mut D) {
        let _ = network;
    }

    /// Looks at the images of a step before either player moves, for what its other methods share. Returns numbers for the
    /// ledger.
    ///
    /// # Errors
    /// What it needs cannot be had.
    fn prepare(&mut self, round: &Round<'_, G, D>) -> Result<StepScalars> {
        let _ = round;
        Ok(StepScalars::default())
    }

    /// Its part of the discriminator's loss.
    ///
    /// # Errors
    /// It cannot be computed.
    fn discriminator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let _ = round;
        Ok(Addend::default())
    }

    /// Its part of the generator's loss.
    ///
    /// # Errors
    /// It cannot be computed.
    fn generator(&self, round: &Round<'_, G, D>) -> Result<Addend> {
        let _ = round;
        Ok(Addend::default())
    }

    /// Soft labels of the generated images, `[n]` in [0, 1], in place of the game's one label.
    fn targets(&self) -> Option<Tensor<1>> {
        None
    }

    /// A factor of the discriminator's whole loss.
    fn scale(&self) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests;
