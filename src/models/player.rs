//! One network that learns: what a system with several of them, or with one, is put together from.

use std::borrow::Cow;

use burn::module::Module;
use burn::tensor::Tensor;
use burn_optim::grad_clipping::GradientClipping;
use burn_optim::{GradientsParams, ModuleOptimizer, RmsPropConfig};

use super::Scalar;
use crate::config::{Method, Optimiser, RunConfig};
use crate::error::Result;
use crate::kernels::together;
use crate::nn::adam::adam;
use crate::nn::ema;
use crate::nn::record::{EachPart, NetworkPart};
use crate::random::Random;

/// A network with its optimiser, learning rate schedule and files.
pub struct Player<N> {
    /// The network as it is now.
    pub network: N,
    /// What takes the steps.
    moments: ModuleOptimizer,
    optimiser: Optimiser,
    /// Steps of the whole training.
    steps: usize,
    /// Names of the files of the network and of the optimiser's moments in a checkpoint.
    files: [&'static str; 2],
    average: Option<Average<N>>,
}

/// A moving average of a network's weights over its steps.
struct Average<N> {
    network: N,
    /// What its decay rises to.
    decay: f64,
    file: &'static str,
}

impl<N: Module> Player<N> {
    /// `network` under the optimiser settings of `run`, kept in `files` (network, optimiser) of a checkpoint.
    pub fn new(network: N, run: &RunConfig, files: [&'static str; 2]) -> Self {
        Self {
            network,
            moments: method(&run.optimiser, None),
            optimiser: run.optimiser,
            steps: run.steps,
            files,
            average: None,
        }
    }

    /// The same with a moving average of the network's weights and running statistics, kept in `file` of a checkpoint, that
    /// images are drawn from. Its decay starts low and rises to `decay`, min(decay, (1 + n) / (10 + n)) after n steps of the
    /// training, so that short trainings are not judged by their first weights.
    #[must_use]
    pub fn with_average(mut self, decay: f64, file: &'static str) -> Self {
        let network = self.network.valid();
        self.average = Some(Average {
            network,
            decay,
            file,
        });
        self
    }

    /// The same with every entry of every gradient clipped to [-`bound`, `bound`].
    #[must_use]
    pub fn with_gradient_clipping(mut self, bound: f64) -> Self {
        self.moments = method(&self.optimiser, Some(bound));
        self
    }

    /// A copy that learns on by itself with the same optimiser, from no moments and at a constant rate, kept in `files`.
    #[must_use]
    pub fn copy(&self, files: [&'static str; 2]) -> Self {
        let optimiser = Optimiser {
            decay_from: 1.0,
            ..self.optimiser
        };
        Self {
            network: self.network.clone(),
            moments: method(&optimiser, None),
            optimiser,
            steps: self.steps,
            files,
            average: None,
        }
    }

    /// The network with its weights as constants: what is computed by it has no gradient by them.
    pub fn constant(&self) -> N {
        self.network.clone().no_grad()
    }

    /// The network that images are drawn from, without automatic differentiation: the average of its weights, if there is one.
    pub fn drawn_from(&self) -> Cow<'_, N> {
        match &self.average {
            Some(average) => Cow::Borrowed(&average.network),
            None => Cow::Owned(self.network.valid()),
        }
    }

    /// The gradient of `loss` by the network's weights.
    pub fn gradients(&self, loss: &Tensor<1>) -> GradientsParams {
        GradientsParams::from_grads(loss.backward(), &self.network)
    }

    /// One step of the optimiser with the learning rate of the step at which `random` stands.
    pub fn step(&mut self, gradients: GradientsParams, random: Random) {
        let rate = self
            .optimiser
            .learning_rate_at(random.position(), self.steps);
        self.network = together(|| self.moments.step(rate, self.network.clone(), gradients));
        if let Some(average) = &mut self.average {
            let steps = random.position() as f64;
            let decay = average.decay.min((1.0 + steps) / (10.0 + steps));
            average.network = ema::follow(average.network.clone(), &self.network, decay);
        }
    }

    /// One step down the gradient of `loss`, whose value is returned.
    pub fn minimise(&mut self, loss: &Tensor<1>, random: Random) -> Scalar {
        let value = Scalar::from(loss);
        let gradients = self.gradients(loss);
        self.step(gradients, random);
        value
    }

    /// Shows `each` the network, the optimiser's moments, and the average if there is one.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn parts(&mut self, each: &mut EachPart<'_>) -> Result<()> {
        let [network, optimiser] = self.files;
        each(network, &mut NetworkPart(&mut self.network))?;
        each(optimiser, &mut self.moments)?;
        match &mut self.average {
            Some(average) => each(average.file, &mut NetworkPart(&mut average.network)),
            None => Ok(()),
        }
    }
}

/// Adam or RMSprop with a run's settings, of gradients with every entry clipped to [-`clipping`, `clipping`], if it is given.
fn method(optimiser: &Optimiser, clipping: Option<f64>) -> ModuleOptimizer {
    match optimiser.method {
        Method::Adam => {
            let decays = [optimiser.beta1, optimiser.beta2];
            adam(decays, optimiser.epsilon, clipping)
        }
        Method::RmsProp => {
            // Burn's own defaults are another momentum and epsilon than PyTorch's.
            let moments = RmsPropConfig::new()
                .with_alpha(optimiser.alpha as f32)
                .with_momentum(0.0)
                .with_epsilon(optimiser.epsilon as f32)
                .init();
            match clipping {
                Some(bound) => moments.with_grad_clipping(GradientClipping::Value(bound as f32)),
                None => moments,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::Tensor;

    use super::*;
    use crate::device::{cpu, values};
    use crate::nn::parameters::Parameters;

    #[derive(Module, Debug)]
    struct Number {
        x: Param<Tensor<1>>,
    }

    /// PyTorch's RMSprop under a constant gradient g: v = 1 - 0.99^n times g^2, so the n-th step is 1 / sqrt(1 - 0.99^n) rates.
    #[test]
    fn rmsprop_takes_the_steps_of_pytorch() {
        let optimiser = Optimiser {
            method: Method::RmsProp,
            ..Optimiser::DCGAN
        };
        let parameters = Parameters::new("number", Random::new(0), &cpu());
        let x = parameters.constant("x", [1], 0.0);
        let (mut number, mut moments) = (Number { x }, method(&optimiser, None));
        let mut at = 0.0;
        for expected in [10.0, 7.0888, 5.8025] {
            let loss = number.x.val().mul_scalar(3.0);
            let gradients = GradientsParams::from_grads(loss.backward(), &number);
            number = moments.step(0.001, number, gradients);
            let now = f64::from(values(number.x.val()).unwrap()[0]);
            let taken = (at - now) / 0.001;
            assert!(
                (taken - expected).abs() < 1e-3,
                "{taken}, expected {expected}"
            );
            at = now;
        }
    }
}
