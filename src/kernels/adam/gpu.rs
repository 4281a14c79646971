//! The step on a GPU: one kernel of CubeCL, launched once for a parameter.

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::{Adam, AdamStep};
use crate::kernels::gpu::{empty_like, in_one_order, of_each};

impl Adam for Cube {
    fn adam(
        weight: CubeTensor,
        gradient: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        step: AdamStep,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let inputs = in_one_order([weight, gradient, first, second]);
        let client = inputs[0].client.clone();
        let (cubes, dimension) = of_each(&inputs[0], inputs[0].meta.num_elements());
        // What others still hold, as the checkpoint that is being written, is not written to.
        let outputs = [(); 3].map(|()| empty_like(&inputs[0]));
        let [weight, gradient, first, second] = inputs.map(CubeTensor::into_tensor_arg);
        let [to, first_to, second_to] = outputs.clone().map(CubeTensor::into_tensor_arg);
        let AdamStep {
            decays,
            correction,
            epsilon,
            rate,
            bound,
        } = step;
        kernel::launch(
            &client, cubes, dimension, weight, gradient, first, second, to, first_to, second_to,
            decays[0], decays[1], correction, epsilon, rate, bound,
        );
        let [weight, first, second] = outputs;
        (weight, first, second)
    }
}

/// A step of one number; see [`super::step_of`].
#[cube(launch)]
fn kernel(
    weight: &Tensor<f32>,
    gradient: &Tensor<f32>,
    first: &Tensor<f32>,
    second: &Tensor<f32>,
    weight_to: &mut Tensor<f32>,
    first_to: &mut Tensor<f32>,
    second_to: &mut Tensor<f32>,
    first_decay: f32,
    second_decay: f32,
    correction: f32,
    epsilon: f32,
    rate: f32,
    bound: f32,
) {
    let place = ABSOLUTE_POS;
    if place >= weight_to.len() {
        terminate!();
    }
    let mut slope = gradient[place];
    if slope > bound {
        slope = bound;
    }
    if slope < -bound {
        slope = -bound;
    }
    let mean = first[place] * first_decay + slope * (1.0 - first_decay);
    let square = second[place] * second_decay + slope * slope * (1.0 - second_decay);
    first_to[place] = mean;
    second_to[place] = square;
    weight_to[place] = weight[place] - mean * correction / (square.sqrt() + epsilon) * rate;
}
