//! The step on a GPU: one kernel of CubeCL for some parameters.

use std::cell::RefCell;
use std::thread::LocalKey;

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::Average;
use crate::kernels::gpu::{UNITS, empty_like, in_one_order};
use crate::kernels::together::gpu::{Step, Waiting, enter, place_in};

thread_local! {
    static WAITING: Waiting<Parameter> = const { RefCell::new(Vec::new()) };
}

/// A parameter, and what becomes of its average.
struct Parameter {
    average: CubeTensor,
    target: CubeTensor,
    to: CubeTensor,
    parts: [f32; 2],
}

impl Average for Cube {
    fn moving_average(average: CubeTensor, target: CubeTensor, parts: [f32; 2]) -> CubeTensor {
        let [target, average] = in_one_order([target, average]);
        let to = empty_like(&average);
        let parameter = Parameter {
            average,
            target,
            to: to.clone(),
            parts,
        };
        enter(parameter);
        to
    }
}

impl Step for Parameter {
    const BUFFERS: usize = 3;

    fn waiting() -> &'static LocalKey<Waiting<Self>> {
        &WAITING
    }

    fn parameter(&self) -> &CubeTensor {
        &self.average
    }

    fn goes_with(&self, other: &Self) -> bool {
        let bits = |step: &Self| step.parts.map(f32::to_bits);
        bits(self) == bits(other) && self.average.device == other.average.device
    }

    fn launch(steps: Vec<Self>, (cubes, dimension): (CubeCount, CubeDim)) {
        let client = steps[0].average.client.clone();
        let [kept, added] = steps[0].parts;
        let mut arguments = [(); 3].map(|()| SequenceArg::new());
        for step in steps {
            let tensors = [step.average, step.target, step.to];
            for (argument, tensor) in arguments.iter_mut().zip(tensors) {
                argument.push(tensor.into_tensor_arg());
            }
        }
        let [averages, targets, to] = arguments;
        kernel::launch(
            &client, cubes, dimension, averages, targets, to, kept, added,
        );
    }
}

/// A step of one number; see [`super::follow`].
#[cube(launch)]
fn kernel(
    averages: &Sequence<OwnedTensor<f32>>,
    targets: &Sequence<OwnedTensor<f32>>,
    to: &mut Sequence<OwnedTensor<f32>>,
    kept: f32,
    added: f32,
) {
    let mut cube = 0usize.runtime();
    #[unroll]
    for parameter in 0..averages.len() {
        let average = averages.index(parameter);
        let place = place_in(cube, average.len());
        if place < average.len() {
            let target = targets.index(parameter)[place];
            to.index_mut(parameter)[place] = average[place] * kept + target * added;
        }
        cube += average.len().div_ceil(UNITS);
    }
}
