//! Self-attention over the places of a feature map (Wang et al. 2018; as in the U-Net of Ho et al. 2020).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

use super::activation::Activation;
use super::conv::{Conv2d, WeightInit, Window};
use super::norm::GroupNorm;
use super::parameters::Parameters;
use crate::device::Precision;
use crate::kernels::{maps_of, places_of};

/// One head of attention with a residual connection.
#[derive(Module, Debug)]
pub struct Attention {
    norm: GroupNorm,
    query: Conv2d,
    key: Conv2d,
    value: Conv2d,
    project: Conv2d,
    /// What it multiplies in.
    #[module(skip)]
    precision: Precision,
}

impl Attention {
    /// Over maps of `channels` channels; it starts as the identity.
    pub fn new(parameters: &Parameters, channels: usize) -> Self {
        let layer = |name: &str, init: WeightInit| {
            let part = &parameters.within(name);
            Conv2d::new(part, channels, channels, Window::POINT, init, true)
        };
        Self {
            norm: GroupNorm::new(&parameters.within("norm"), channels),
            query: layer("query", WeightInit::Glorot),
            key: layer("key", WeightInit::Glorot),
            value: layer("value", WeightInit::Glorot),
            project: layer("project", WeightInit::Zero),
            precision: parameters.precision(),
        }
    }

    /// [n, channels, h, w] -> the same
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let [_, channels, height, _] = input.dims();
        let normalised = self.norm.forward(input.clone(), Activation::Identity);
        let query = places_of(self.query.forward(normalised.clone()));
        let key = places_of(self.key.forward(normalised.clone()));
        let value = places_of(self.value.forward(normalised));
        let scale = (channels as f64).sqrt().recip();
        let product = |[a, b]: [Tensor<3>; 2]| {
            let [a, b] = [a, b].map(|factor| self.precision.lower(factor));
            self.precision.raise(a.matmul(b))
        };
        let weights = softmax(product([query, key.swap_dims(1, 2)]).mul_scalar(scale), 2);
        let mixed = maps_of(product([weights, value]), height);
        input + self.project.forward(mixed)
    }
}
