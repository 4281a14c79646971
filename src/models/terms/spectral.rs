//! Spectral normalisation as a rule of the training (Miyato et al. 2018, Algorithm 1).

use super::Term;
use crate::nn::dcgan::Critic;

/// Power iterations on every weight before each step of the discriminator, whose layers divide by the estimate.
#[derive(Clone, Copy, Debug)]
pub struct SpectralNormalisation {
    /// Iterations per step (the paper: 1).
    pub power_iterations: usize,
}

impl<G> Term<G, Critic> for SpectralNormalisation {
    fn constrain(&mut self, network: &mut Critic) {
        for _ in 0..self.power_iterations {
            network.power_iterate();
        }
    }
}
