//! The step on a GPU: one kernel of CubeCL, launched once for a parameter.

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::Average;
use crate::kernels::gpu::{empty_like, in_one_order, of_each};

impl Average for Cube {
    fn moving_average(average: CubeTensor, target: CubeTensor, parts: [f32; 2]) -> CubeTensor {
        let inputs = in_one_order([average, target]);
        let client = inputs[0].client.clone();
        let (cubes, dimension) = of_each(&inputs[0], inputs[0].meta.num_elements());
        let output = empty_like(&inputs[0]);
        let [average, target] = inputs.map(CubeTensor::into_tensor_arg);
        let to = output.clone().into_tensor_arg();
        kernel::launch(
            &client, cubes, dimension, average, target, to, parts[0], parts[1],
        );
        output
    }
}

/// A step of one number; see [`super::follow`].
#[cube(launch)]
fn kernel(
    average: &Tensor<f32>,
    target: &Tensor<f32>,
    to: &mut Tensor<f32>,
    kept: f32,
    added: f32,
) {
    let place = ABSOLUTE_POS;
    if place >= to.len() {
        terminate!();
    }
    to[place] = average[place] * kept + target[place] * added;
}
