//! A fully connected layer.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::conv::WeightInit;
use super::parameters::Parameters;
use crate::device::Precision;

/// x W' + b, with the weight stored as PyTorch stores it.
#[derive(Module, Debug)]
pub struct Linear {
    /// [outputs, inputs]
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`
    pub bias: Param<Tensor<1>>,
    /// What it multiplies in.
    #[module(skip)]
    precision: Precision,
}

impl Linear {
    /// From `inputs` to `outputs` features.
    pub fn new(parameters: &Parameters, inputs: usize, outputs: usize, init: WeightInit) -> Self {
        Self {
            weight: init.weight(parameters, [outputs, inputs], inputs, outputs),
            bias: parameters.constant("bias", [outputs], 0.0),
            precision: parameters.precision(),
        }
    }

    /// [n, inputs] -> [n, outputs]
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [input, weight] = [input, self.weight.val()].map(|factor| self.precision.lower(factor));
        let product = self.precision.raise(input.matmul(weight.transpose()));
        product + self.bias.val().unsqueeze_dim(0)
    }
}
