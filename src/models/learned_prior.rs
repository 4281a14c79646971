//! Priors that learn: a mixture that moves with the generator, and a threshold of truncation that is searched for.

use anyhow::Context;
use burn::module::{Module, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use burn_optim::GradientsParams;
use faer::MatRef;

use super::player::Player;
use super::prior::{Factors, Mixture, Prior};
use super::round::{DiscriminatorNetwork, GeneratorNetwork};
use super::terms::class_cross_entropy;
use super::{Blueprint, StepScalars};
use crate::config::{LatentPrior, TAU, Truncation, TruncationLaw};
use crate::device::values;
use crate::error::Result;
use crate::nn::parameters::{Parameters, set_buffer};
use crate::nn::record::{EachPart, NetworkPart};
use crate::random::Random;

/// Where the latent vectors of a training come from.
pub(super) struct LatentSource {
    /// The prior; as it was before any learning, where it learns.
    prior: Prior,
    learned: Learned,
}

/// What of a prior learns.
enum Learned {
    Nothing,
    /// Means and factors, by the generator's loss.
    Mixture(Box<Player<LearnedMixture>>),
    /// The threshold, by the class loss of generated images.
    Threshold {
        threshold: Threshold,
        rate: f64,
    },
}

impl LatentSource {
    /// That of a run.
    pub(super) fn new(blueprint: &Blueprint<'_>) -> Self {
        let run = blueprint.run;
        let dimension = run.backbone.latent;
        let prior = Prior::new(&run.prior, dimension, Random::new(run.seed));
        let learned = match (&run.prior, prior.mixture()) {
            (LatentPrior::Mixture(config), Some(mixture)) if config.learned => {
                let network =
                    LearnedMixture::new(&blueprint.parameters("prior"), mixture, dimension);
                let mut player = Player::new(network, run, ["prior.bpk", "prior_optimiser.bpk"]);
                if run.backbone.ema_decay > 0.0 {
                    player = player.with_average(run.backbone.ema_decay, "prior_average.bpk");
                }
                Learned::Mixture(Box::new(player))
            }
            (LatentPrior::Truncated(Truncation { tau, rate, .. }), _) if *rate > 0.0 => {
                Learned::Threshold {
                    threshold: Threshold::new(*tau, &blueprint.parameters("prior")),
                    rate: *rate,
                }
            }
            _ => Learned::Nothing,
        };
        Self { prior, learned }
    }

    /// Length of a latent vector.
    pub(super) fn dimension(&self) -> usize {
        self.prior.dimension()
    }

    /// The prior as it is now; of a mixture whose weights are averaged, the average.
    pub(super) fn prior(&self) -> Result<Prior> {
        Ok(match &self.learned {
            Learned::Nothing => self.prior.clone(),
            Learned::Mixture(player) => {
                let mixture = player.drawn_from().values()?;
                self.prior.clone().with_mixture(mixture)
            }
            Learned::Threshold { threshold, .. } => {
                let prior = self.prior.clone();
                prior.truncated(TruncationLaw::Clip, threshold.value()?)
            }
        })
    }

    /// The latent vectors of a training step, [count, dimension], with their gradient by what learns of a mixture.
    pub(super) fn draw(&self, count: usize, random: Random, device: &Device) -> Result<Tensor<2>> {
        let mut stream = random.stream("latents");
        let shape = [count, self.dimension()];
        let on_device =
            |numbers: Vec<f32>| Tensor::<2>::from_data(TensorData::new(numbers, shape), device);
        Ok(match &self.learned {
            Learned::Mixture(player) => {
                let (noise, components) = self.prior.draw_parts(count, &mut stream);
                player.network.latents(on_device(noise), &components)
            }
            Learned::Nothing => on_device(self.prior.draw(count, &mut stream)),
            Learned::Threshold { .. } => on_device(self.prior()?.draw(count, &mut stream)),
        })
    }

    /// Moves a mixture down the gradient of the generator's loss, and tells where it stands.
    pub(super) fn learn(
        &mut self,
        gradients: &mut Gradients,
        random: Random,
    ) -> Result<StepScalars> {
        let Learned::Mixture(player) = &mut self.learned else {
            return Ok(StepScalars::default());
        };
        let own = GradientsParams::from_module(gradients, &player.network);
        player.step(own, random);
        let dimension = self.prior.dimension();
        let before = self.prior.mixture().context("the prior is a mixture")?;
        let now = player.network.values()?;
        let mut scalars = StepScalars::of("prior_drift", drift(before, &now, dimension));
        scalars.push("prior_log_det", log_determinant(&now, dimension));
        Ok(scalars)
    }

    /// Moves a threshold that is searched for one step down the class loss of images that the players of this step make
    /// from the step's noise, and tells where any threshold stands.
    pub(super) fn search<G: GeneratorNetwork, D: DiscriminatorNetwork>(
        &mut self,
        players: Option<(&Player<G>, &Player<D>)>,
        classes: &[usize],
        random: Random,
        device: &Device,
    ) -> Result<StepScalars> {
        if let (Learned::Threshold { threshold, rate }, Some((generator, discriminator))) =
            (&mut self.learned, players)
        {
            let noise = random
                .stream("latents")
                .normals(classes.len() * self.prior.dimension());
            let shape = [classes.len(), self.prior.dimension()];
            let tau = threshold.value()? as f32;
            let slope = slope_by_threshold(tau, &noise, shape, device, |latents| {
                let images = generator.constant().forward_training(latents, classes);
                class_cross_entropy(&discriminator.constant().assess(images), classes)
            })?;
            threshold.set((f64::from(tau) - *rate * slope).max(LEAST_TAU));
        }
        let tau = self.prior()?.tau();
        Ok(tau.map_or_else(StepScalars::default, |tau| StepScalars::of("tau", tau)))
    }

    /// Shows `each` what learns.
    pub(super) fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        match &mut self.learned {
            Learned::Nothing => Ok(()),
            Learned::Mixture(player) => player.parts(each),
            Learned::Threshold { threshold, .. } => each("prior.bpk", &mut NetworkPart(threshold)),
        }
    }
}

/// Means and factors of a mixture that learn.
#[derive(Module, Debug)]
struct LearnedMixture {
    /// mu_k, [components, dimension].
    means: Param<Tensor<2>>,
    /// A_k, [components, dimension, dimension].
    factors: Param<Tensor<3>>,
}

impl LearnedMixture {
    /// One that starts from `mixture`.
    fn new(parameters: &Parameters, mixture: &Mixture, dimension: usize) -> Self {
        let components = mixture.means.len() / dimension;
        let factors = match &mixture.factors {
            Factors::Matrices(matrices) => matrices.clone(),
            Factors::Deviation(deviation) => (0..components * dimension * dimension)
                .map(|at| {
                    let on_diagonal = (at % (dimension * dimension)).is_multiple_of(dimension + 1);
                    if on_diagonal { *deviation } else { 0.0 }
                })
                .collect(),
        };
        let shape = [components, dimension, dimension];
        Self {
            means: parameters.given("means", [components, dimension], mixture.means.clone()),
            factors: parameters.given("factors", shape, factors),
        }
    }

    /// A_k e + mu_k: noise [n, dimension] and a component each to latent vectors [n, dimension].
    fn latents(&self, noise: Tensor<2>, components: &[usize]) -> Tensor<2> {
        let indices: Vec<i64> = components
            .iter()
            .map(|&component| component as i64)
            .collect();
        let indices = TensorData::new(indices, [components.len()]);
        let indices = Tensor::<1, Int>::from_data(indices, &noise.device());
        let factors = self.factors.val().select(0, indices.clone()); // [n, d, d]
        let means = self.means.val().select(0, indices); // [n, d]
        let noise: Tensor<3> = noise.unsqueeze_dim(2); // [n, d, 1]
        means + factors.matmul(noise).squeeze_dim::<2>(2)
    }

    /// The same in plain numbers.
    fn values(&self) -> Result<Mixture> {
        Ok(Mixture {
            means: values(self.means.val())?,
            factors: Factors::Matrices(values(self.factors.val())?),
        })
    }
}

/// The mean distance of a mixture's means from where they started.
fn drift(before: &Mixture, now: &Mixture, dimension: usize) -> f64 {
    let pairs = before
        .means
        .chunks_exact(dimension)
        .zip(now.means.chunks_exact(dimension));
    let distances = pairs.map(|(before, now)| {
        let squared = before
            .iter()
            .zip(now)
            .map(|(a, b)| f64::from(a - b).powi(2));
        squared.sum::<f64>().sqrt()
    });
    distances.sum::<f64>() / (now.means.len() / dimension) as f64
}

/// The mean of log |det A_k|. Of a singular matrix it is that of the least positive number, so that it stays finite.
fn log_determinant(mixture: &Mixture, dimension: usize) -> f64 {
    let Factors::Matrices(matrices) = &mixture.factors else {
        unreachable!("a mixture that learns has matrices");
    };
    let logs = matrices.chunks_exact(dimension * dimension).map(|matrix| {
        let matrix: Vec<f64> = matrix.iter().copied().map(f64::from).collect();
        let matrix = MatRef::from_row_major_slice(&matrix, dimension, dimension);
        let determinant = matrix.partial_piv_lu();
        let diagonal = determinant.U().diagonal().column_vector();
        let logs = (0..dimension).map(|at| diagonal[at].abs().max(f64::MIN_POSITIVE).ln());
        logs.sum::<f64>()
    });
    logs.sum::<f64>() / (mixture.means.len() / dimension) as f64
}

/// What a threshold that is searched for does not fall below.
const LEAST_TAU: f64 = match TAU.bounds.0 {
    std::ops::Bound::Included(least) => least,
    _ => 0.0,
};

/// A threshold of truncation, as the state of a training.
#[derive(Module, Debug)]
struct Threshold {
    tau: Param<Tensor<1>>,
}

impl Threshold {
    fn new(tau: f64, parameters: &Parameters) -> Self {
        let tau = parameters.constant("tau", [1], tau as f32);
        Self {
            tau: tau.set_require_grad(false),
        }
    }

    fn value(&self) -> Result<f64> {
        Ok(f64::from(values(self.tau.val())?[0]))
    }

    fn set(&mut self, tau: f64) {
        let value = self.tau.val().full_like(tau);
        set_buffer(&mut self.tau, value);
    }
}

/// The derivative by tau of `loss` of the clipped latent vectors sgn(z) min(|z|, tau), z = `noise` of `shape`: the sum of
/// dloss/dz_i sgn(z_i) over the entries beyond tau (arXiv 2201.09120, equations 4 and 6).
fn slope_by_threshold(
    tau: f32,
    noise: &[f32],
    shape: [usize; 2],
    device: &Device,
    loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> Result<f64> {
    let clipped: Vec<f32> = noise.iter().map(|z| z.clamp(-tau, tau)).collect();
    let latents = Tensor::<2>::from_data(TensorData::new(clipped, shape), device).require_grad();
    let slopes = latents
        .grad(&loss(latents.clone()).backward())
        .context("the class loss depends on the latent vectors")?;
    let of_entries = noise.iter().zip(values(slopes)?);
    let beyond = of_entries.filter(|(z, _)| z.abs() > tau);
    Ok(beyond
        .map(|(z, slope)| f64::from(z.signum()) * f64::from(slope))
        .sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MixtureConfig;
    use crate::device::{cpu, number};

    fn mixture() -> LearnedMixture {
        let config = MixtureConfig {
            components: 3,
            sigma: 0.5,
            ..MixtureConfig::default()
        };
        let mixture = Mixture::new(&config, 4, Random::new(0));
        let parameters = Parameters::new("prior", Random::new(0), &cpu());
        LearnedMixture::new(&parameters, &mixture, 4)
    }

    #[test]
    fn a_learned_mixture_starts_as_the_static_one_and_draws_what_its_numbers_draw() {
        let learned = mixture();
        let prior = Prior::normal(4).with_mixture(learned.values().unwrap());
        let (noise, components) = prior.draw_parts(6, &mut Random::new(1).stream("test"));
        let noise = Tensor::<2>::from_data(TensorData::new(noise, [6, 4]), &cpu());
        let found = values(learned.latents(noise, &components)).unwrap();
        let expected = prior.draw(6, &mut Random::new(1).stream("test"));
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found}, expected {expected}"
            );
        }
        let log_det = log_determinant(&learned.values().unwrap(), 4);
        assert!((log_det - 4.0 * 0.5f64.ln()).abs() < 1e-12, "{log_det}");
        assert!(drift(&learned.values().unwrap(), &learned.values().unwrap(), 4).abs() < 1e-12);
    }

    /// dz/dmu_k is the identity and dz/dA_k = outer(., e), for the vectors of component k.
    #[test]
    fn the_gradient_by_means_and_factors_is_that_of_the_formula() {
        let learned = mixture();
        let noise = Random::new(2).stream("test").normals(20);
        let weights = Random::new(3).stream("test").normals(20);
        let components = [0, 2, 0, 1, 2];
        let on_device = |numbers: &[f32]| {
            Tensor::<2>::from_data(TensorData::new(numbers.to_vec(), [5, 4]), &cpu())
        };
        let loss = (learned.latents(on_device(&noise), &components) * on_device(&weights)).sum();
        let gradients = loss.backward();
        let of_means = values(learned.means.val().grad(&gradients).unwrap()).unwrap();
        let of_factors = values(learned.factors.val().grad(&gradients).unwrap()).unwrap();
        for component in 0..3 {
            for row in 0..4 {
                let members = || (0..5).filter(|&at| components[at] == component);
                let mean: f32 = members().map(|at| weights[at * 4 + row]).sum();
                assert!((of_means[component * 4 + row] - mean).abs() < 1e-5);
                for column in 0..4 {
                    let product = |at: usize| weights[at * 4 + row] * noise[at * 4 + column];
                    let factor: f32 = members().map(product).sum();
                    let found = of_factors[(component * 4 + row) * 4 + column];
                    assert!((found - factor).abs() < 1e-5, "{found}, expected {factor}");
                }
            }
        }
    }

    #[test]
    fn the_slope_by_tau_is_the_finite_difference() {
        let noise = Random::new(5).stream("test").normals(40);
        let loss = |latents: Tensor<2>| (latents.clone() * latents.sin()).mean();
        let at = |tau: f32| {
            let clipped: Vec<f32> = noise.iter().map(|z| z.clamp(-tau, tau)).collect();
            let latents = Tensor::<2>::from_data(TensorData::new(clipped, [10, 4]), &cpu());
            number(&loss(latents))
        };
        let slope = slope_by_threshold(0.8, &noise, [10, 4], &cpu(), loss).unwrap();
        let difference = (at(0.801) - at(0.799)) / 0.002;
        assert!(
            (slope - difference).abs() < 1e-3,
            "{slope}, expected {difference}"
        );
        assert!(slope > 0.01, "{slope}");
    }
}
