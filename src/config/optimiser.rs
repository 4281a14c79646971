//! The optimiser that all systems share, and its learning rate.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// Whose optimiser settings are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserProtocol {
    /// The settings of this section, for every system (arXiv 2409.20340, section 5).
    Identical,
    /// Each model's own paper's; the settings of this section are not used.
    Canonical,
}

/// How an optimiser turns gradients into steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Adam (Kingma and Ba 2015).
    #[default]
    Adam,
    /// RMSprop as PyTorch has it, without momentum: the gradient over the root of its mean square plus epsilon.
    RmsProp,
}

impl Method {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde asks for"
    )]
    fn is_adam(&self) -> bool {
        *self == Self::Adam
    }
}

/// Decay of RMSprop's mean square as PyTorch has it.
const ALPHA: f64 = 0.99;

fn alpha() -> f64 {
    ALPHA
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde asks for"
)]
fn is_default_alpha(alpha: &f64) -> bool {
    *alpha == ALPHA
}

/// The optimiser of an experiment. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct OptimiserConfig {
    /// `identical`: the settings of this section, for every system; `canonical`: each model's own paper's.
    pub protocol: OptimiserProtocol,
    /// `adam` or `rmsprop`.
    pub method: Method,
    /// Learning rate.
    pub learning_rate: f64,
    /// Fraction of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment, or of RMSprop's mean square.
    pub epsilon: f64,
    /// Decay of RMSprop's mean square.
    pub alpha: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let Optimiser {
            method,
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            alpha,
            critic_steps,
        } = Optimiser::DCGAN;
        Self {
            protocol: OptimiserProtocol::Identical,
            method,
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            alpha,
            critic_steps,
        }
    }
}

impl OptimiserConfig {
    /// The settings of this section, as a run has them.
    pub fn shared(&self) -> Optimiser {
        Optimiser {
            method: self.method,
            learning_rate: self.learning_rate,
            decay_from: self.decay_from,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            alpha: match self.method {
                Method::Adam => ALPHA, // which has none, and no other name for it
                Method::RmsProp => self.alpha,
            },
            critic_steps: self.critic_steps,
        }
    }
}

/// The numbers one run's optimiser works with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// How gradients become steps.
    #[serde(default, skip_serializing_if = "Method::is_adam")]
    pub method: Method,
    /// Learning rate.
    pub learning_rate: f64,
    /// Fraction of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment, or of RMSprop's mean square.
    pub epsilon: f64,
    /// Decay of RMSprop's mean square.
    #[serde(default = "alpha", skip_serializing_if = "is_default_alpha")]
    pub alpha: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Optimiser {
    /// Radford et al. 2016, section 4.
    pub const DCGAN: Self = Self {
        method: Method::Adam,
        learning_rate: 2e-4,
        decay_from: 1.0,
        beta1: 0.5,
        beta2: 0.999,
        epsilon: 1e-8,
        alpha: ALPHA,
        critic_steps: 1,
    };

    /// The learning rate of step `step`, counted from 0, of `steps` in all. It is never 0 at a step that is taken.
    pub fn learning_rate_at(&self, step: u64, steps: usize) -> f64 {
        let (step, steps) = (step as f64, steps as f64);
        let first = self.decay_from * steps;
        if self.decay_from >= 1.0 || step <= first {
            self.learning_rate
        } else {
            self.learning_rate * (steps - step) / (steps - first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_falls_linearly_after_a_fraction_of_the_training() {
        let rate = |decay_from, step| {
            let optimiser = Optimiser {
                decay_from,
                ..Optimiser::DCGAN
            };
            optimiser.learning_rate_at(step, 100) / optimiser.learning_rate
        };
        for (decay_from, step, expected) in [
            (1.0, 99, 1.0),
            (0.0, 0, 1.0),
            (0.0, 25, 0.75),
            (0.0, 99, 0.01),
            (0.5, 50, 1.0),
            (0.5, 75, 0.5),
            (0.5, 99, 0.02),
        ] {
            let found: f64 = rate(decay_from, step);
            assert!(
                (found - expected).abs() < 1e-12,
                "{decay_from} {step}: {found}"
            );
        }
    }
}
