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

/// The optimiser of an experiment. Defaults: section 3.3.2 of arXiv 2409.20340.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct OptimiserConfig {
    /// `identical`: the settings of this section, for every system; `canonical`: each model's own paper's.
    pub protocol: OptimiserProtocol,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Fraction of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let Optimiser {
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            critic_steps,
        } = Optimiser::DCGAN;
        Self {
            protocol: OptimiserProtocol::Identical,
            learning_rate,
            decay_from,
            beta1,
            beta2,
            epsilon,
            critic_steps,
        }
    }
}

impl OptimiserConfig {
    /// The settings of this section, as a run has them.
    pub fn shared(&self) -> Optimiser {
        Optimiser {
            learning_rate: self.learning_rate,
            decay_from: self.decay_from,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            critic_steps: self.critic_steps,
        }
    }
}

/// The numbers one run's optimiser works with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Fraction of the training after which the learning rate falls, linearly, to 0 at its end; 1 for a constant one.
    pub decay_from: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of Adam's second moment.
    pub epsilon: f64,
    /// Critic steps for one generator step.
    pub critic_steps: usize,
}

impl Optimiser {
    /// Radford et al. 2016, section 4.
    pub const DCGAN: Self = Self {
        learning_rate: 2e-4,
        decay_from: 1.0,
        beta1: 0.5,
        beta2: 0.999,
        epsilon: 1e-8,
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
