//! The step on a GPU: one kernel of CubeCL for some parameters.

use std::cell::RefCell;
use std::thread::LocalKey;

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::{Adam, AdamStep};
use crate::kernels::gpu::{UNITS, empty_like, in_one_order};
use crate::kernels::together::gpu::{Step, Tensors, Waiting, enter, place_in};

thread_local! {
    static WAITING: Waiting<AdamStep, 5> = const { RefCell::new(Vec::new()) };
}

impl Adam for Cube {
    fn adam(
        weight: CubeTensor,
        gradient: CubeTensor,
        first: CubeTensor,
        second: CubeTensor,
        step: AdamStep,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [weight, gradient, first, second] = in_one_order([weight, gradient, first, second]);
        // Both moments are written to where they lie.
        let [first, second] = [first, second].map(unshared);
        let to = empty_like(&weight);
        let result = (to.clone(), first.clone(), second.clone());
        enter(step, [weight, gradient, first, second, to]);
        result
    }
}

/// The tensor, or a copy if others hold it, as the checkpoint that is being written.
fn unshared(tensor: CubeTensor) -> CubeTensor {
    if tensor.can_mut() {
        tensor
    } else {
        tensor.copy()
    }
}

impl Step<5> for AdamStep {
    fn waiting() -> &'static LocalKey<Waiting<Self, 5>> {
        &WAITING
    }

    fn launch(self, client: &Client, (cubes, dimension): (CubeCount, CubeDim), of: [Tensors; 5]) {
        let [weights, gradients, firsts, seconds, to] = of;
        let Self {
            decays: [first_decay, second_decay],
            correction,
            epsilon,
            rate,
            bound,
        } = self;
        kernel::launch(
            client,
            cubes,
            dimension,
            weights,
            gradients,
            firsts,
            seconds,
            to,
            first_decay,
            second_decay,
            correction,
            epsilon,
            rate,
            bound,
        );
    }
}

/// A step of one number; see [`super::step_of`].
#[cube(launch)]
fn kernel(
    weights: &Sequence<OwnedTensor<f32>>,
    gradients: &Sequence<OwnedTensor<f32>>,
    firsts: &mut Sequence<OwnedTensor<f32>>,
    seconds: &mut Sequence<OwnedTensor<f32>>,
    to: &mut Sequence<OwnedTensor<f32>>,
    first_decay: f32,
    second_decay: f32,
    correction: f32,
    epsilon: f32,
    rate: f32,
    bound: f32,
) {
    let mut cube = 0usize.runtime();
    #[unroll]
    for parameter in 0..weights.len() {
        let weight = weights.index(parameter);
        let first = firsts.index_mut(parameter);
        let second = seconds.index_mut(parameter);
        let place = place_in(cube, weight.len());
        if place < weight.len() {
            let mut slope = gradients.index(parameter)[place];
            if slope > bound {
                slope = bound;
            }
            if slope < -bound {
                slope = -bound;
            }
            let mean = first[place] * first_decay + slope * (1.0 - first_decay);
            let square = second[place] * second_decay + slope * slope * (1.0 - second_decay);
            first[place] = mean;
            second[place] = square;
            let direction = mean * correction / (square.sqrt() + epsilon);
            to.index_mut(parameter)[place] = weight[place] - direction * rate;
        }
        cube += weight.len().div_ceil(UNITS);
    }
}
