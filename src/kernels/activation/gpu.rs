//! Activation functions on a GPU: one kernel forward, one backward.

use burn::backend::Cube;
use burn_cubecl::cubecl::{self, prelude::*};
use burn_cubecl::tensor::CubeTensor;

use super::Activation;
use super::extension::{Activate, PullBack};
use crate::kernels::gpu::{empty_like, in_one_order, of_each};

/// Which function a kernel is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::kernels) enum Function {
    Identity,
    /// With a factor below zero; 0 is ReLU.
    Leaky,
    Silu,
    Softplus,
    Tanh,
}

impl Activation {
    /// The function, and its factor below zero.
    pub(in crate::kernels) fn on_gpu(self) -> (Function, f32) {
        match self {
            Self::Identity => (Function::Identity, 1.0),
            Self::Relu => (Function::Leaky, 0.0),
            Self::LeakyRelu(leak) => (Function::Leaky, leak),
            Self::Silu => (Function::Silu, 1.0),
            Self::Softplus => (Function::Softplus, 1.0),
            Self::Tanh => (Function::Tanh, 1.0),
        }
    }
}

impl Activate for Cube {
    fn activate(input: CubeTensor, activation: Activation) -> CubeTensor {
        let [input] = in_one_order([input]);
        let (output, (function, leak)) = (empty_like(&input), activation.on_gpu());
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let client = input.client.clone();
        let to = output.clone().into_tensor_arg();
        forward::launch(
            &client,
            cubes,
            dimension,
            input.into_tensor_arg(),
            to,
            leak,
            function,
        );
        output
    }

    fn activation_slope(input: CubeTensor, activation: Activation) -> CubeTensor {
        let [input] = in_one_order([input]);
        let (output, (function, leak)) = (empty_like(&input), activation.on_gpu());
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let client = input.client.clone();
        let to = output.clone().into_tensor_arg();
        derivative::launch(
            &client,
            cubes,
            dimension,
            input.into_tensor_arg(),
            to,
            leak,
            function,
        );
        output
    }
}

impl PullBack for Cube {
    fn pull_back(input: CubeTensor, gradient: CubeTensor, activation: Activation) -> CubeTensor {
        let [input, gradient] = in_one_order([input, gradient]);
        let (output, (function, leak)) = (empty_like(&input), activation.on_gpu());
        let (cubes, dimension) = of_each(&input, input.meta.num_elements());
        let client = input.client.clone();
        let [input, gradient] = [input, gradient].map(CubeTensor::into_tensor_arg);
        let to = output.clone().into_tensor_arg();
        backward::launch(
            &client, cubes, dimension, input, gradient, to, leak, function,
        );
        output
    }
}

#[cube(launch)]
fn forward(
    input: &Tensor<f32>,
    output: &mut Tensor<f32>,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    output[place] = apply(input[place], leak, function);
}

#[cube(launch)]
fn derivative(
    input: &Tensor<f32>,
    output: &mut Tensor<f32>,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    output[place] = slope(input[place], leak, function);
}

#[cube(launch)]
fn backward(
    input: &Tensor<f32>,
    gradient: &Tensor<f32>,
    output: &mut Tensor<f32>,
    leak: f32,
    #[comptime] function: Function,
) {
    let place = ABSOLUTE_POS;
    if place >= output.len() {
        terminate!();
    }
    output[place] = gradient[place] * slope(input[place], leak, function);
}

/// The function of a number.
#[cube]
pub(in crate::kernels) fn apply(x: f32, leak: f32, #[comptime] function: Function) -> f32 {
    let mut y = x;
    if comptime!(function == Function::Leaky) {
        if x <= 0.0 {
            y = leak * x;
        }
    }
    if comptime!(function == Function::Silu) {
        y = x / (1.0 + (-x).exp());
    }
    if comptime!(function == Function::Softplus) {
        y = (-x.abs()).exp().log1p();
        if x > 0.0 {
            y += x;
        }
    }
    if comptime!(function == Function::Tanh) {
        y = x.tanh();
    }
    y
}

/// Its derivative; at a kink that of the side below zero.
#[cube]
pub(in crate::kernels) fn slope(x: f32, leak: f32, #[comptime] function: Function) -> f32 {
    let mut slope = 1.0f32;
    if comptime!(function == Function::Leaky) {
        if x <= 0.0 {
            slope = leak;
        }
    }
    if comptime!(function == Function::Silu) {
        let gate = sigmoid(x);
        slope = gate * (1.0 + x * (1.0 - gate));
    }
    if comptime!(function == Function::Softplus) {
        slope = sigmoid(x);
    }
    if comptime!(function == Function::Tanh) {
        let y = x.tanh();
        slope = 1.0 - y * y;
    }
    slope
}

#[cube]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
