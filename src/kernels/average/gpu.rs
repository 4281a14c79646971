//! The step on a GPU: one kernel of CubeCL for some parameters.

use std::cell::RefCell;
use std::thread::LocalKey;

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::Average;
use crate::kernels::gpu::{UNITS, empty_like, in_one_order};
use crate::kernels::together::gpu::{Step, Tensors, Waiting, enter, place_in};

thread_local! {
    static WAITING: Waiting<Parts, 3> = const { RefCell::new(Vec::new()) };
}

/// What is kept of an average, and what is added of its target.
#[derive(Clone, Copy, PartialEq)]
struct Parts([f32; 2]);

impl Average for Cube {
    fn moving_average(average: CubeTensor, target: CubeTensor, parts: [f32; 2]) -> CubeTensor {
        let [target, average] = in_one_order([target, average]);
        let to = empty_like(&average);
        enter(Parts(parts), [average, target, to.clone()]);
        to
    }
}

impl Step<3> for Parts {
    fn waiting() -> &'static LocalKey<Waiting<Self, 3>> {
        &WAITING
    }

    fn launch(self, client: &Client, (cubes, dimension): (CubeCount, CubeDim), of: [Tensors; 3]) {
        let ([averages, targets, to], Self([kept, added])) = (of, self);
        kernel::launch(client, cubes, dimension, averages, targets, to, kept, added);
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
