//! Adam, as Burn has it and with its record, in one pass over the numbers.

use burn::tensor::{Device, Tensor};
use burn_optim::{
    AdamConfig, AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer,
};

use crate::kernels::adam::{self, AdamStep};

/// Adam with these decays of the moments and this epsilon, for a whole module; every entry of a gradient is clipped to
/// [-`clipping`, `clipping`], if it is given.
pub fn adam([beta1, beta2]: [f64; 2], epsilon: f64, clipping: Option<f64>) -> ModuleOptimizer {
    let [beta1, beta2, epsilon] = [beta1, beta2, epsilon].map(|number| number as f32);
    let config = AdamConfig::new()
        .with_beta_1(beta1)
        .with_beta_2(beta2)
        .with_epsilon(epsilon);
    ModuleOptimizer::from(Adam {
        burn: config.build(),
        decays: [beta1, beta2],
        epsilon,
        clipping: clipping.map(|bound| bound as f32),
    })
}

#[derive(Clone)]
struct Adam {
    /// Takes the first step of each parameter, which makes its moments, and every step of numbers that are not f32.
    burn: burn_optim::Adam,
    decays: [f32; 2],
    epsilon: f32,
    clipping: Option<f32>,
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let state = match state {
            Some(state) if adam::takes(&weight) => state.momentum,
            state => {
                let gradient = match self.clipping {
                    Some(bound) => gradient.clamp(-bound, bound),
                    None => gradient,
                };
                return self.burn.step(rate, weight, gradient, state);
            }
        };
        let time = state.time + 1;
        let left = self.decays.map(|decay| 1.0 - decay.powi(time as i32));
        let step = AdamStep {
            decays: self.decays,
            correction: left[1].sqrt() / left[0],
            epsilon: self.epsilon * left[1].sqrt(),
            rate: rate as f32,
            bound: self.clipping.unwrap_or(f32::INFINITY),
        };
        let moments = [state.moment_1, state.moment_2];
        let (weight, [first, second]) = adam::adam(weight, gradient, moments, step);
        let momentum = AdaptiveMomentumState::new(time, first, second);
        (weight, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        burn_optim::Adam::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{Module, Param};
    use burn_optim::GradientsParams;
    use burn_optim::grad_clipping::GradientClipping;

    use super::*;
    use crate::device::{cpu, values};
    use crate::nn::parameters::Parameters;
    use crate::random::Random;

    #[derive(Module, Debug)]
    struct Weights {
        matrix: Param<Tensor<2>>,
        bias: Param<Tensor<1>>,
    }

    #[test]
    fn one_pass_has_the_bits_of_burns_operations() {
        let start = || {
            let parameters = Parameters::new("weights", Random::new(0), &cpu());
            Weights {
                matrix: parameters.normal("matrix", [300, 130], 0.0, 0.5),
                bias: parameters.normal("bias", [130], 0.0, 0.5),
            }
        };
        let trained = |mut moments: ModuleOptimizer| {
            let mut weights = start();
            for step in 0..4 {
                // The transpose is a view of the numbers: gradients are not always contiguous.
                let scale = 1.0 + f64::from(step);
                let product = weights.matrix.val().transpose().powf_scalar(3.0).sum_dim(1);
                let loss = (product.squeeze_dim::<1>(1) * weights.bias.val()).sum() * scale;
                let gradients = GradientsParams::from_grads(loss.backward(), &weights);
                weights = moments.step(1e-3, weights, gradients);
            }
            [
                values(weights.matrix.val()).unwrap(),
                values(weights.bias.val()).unwrap(),
            ]
        };
        let burns = AdamConfig::new().with_beta_1(0.5).with_epsilon(1e-8);
        let found = trained(adam([0.5, 0.999], 1e-8, None));
        assert_eq!(found, trained(burns.init()));
        assert_ne!(found[0], values(start().matrix.val()).unwrap());
        // Half of the gradient's entries or so lie beyond the bound.
        let clipping = GradientClipping::Value(0.1);
        let clipped = trained(adam([0.5, 0.999], 1e-8, Some(0.1)));
        assert_eq!(clipped, trained(burns.init().with_grad_clipping(clipping)));
        assert_ne!(clipped, found);
    }
}
