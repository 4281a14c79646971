//! Activation functions.
//!
//! In f32 they are kernels of this module's own, forward and backward in one pass each: on the CPU in vectors of the widest kind it
//! has. In other numbers they are Burn's. Normalisation takes one along ([`super::batch_norm`]), which saves a pass.

mod extension;
mod function;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
pub(in crate::kernels) mod gpu;
#[cfg(test)]
mod tests;

use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, log_sigmoid, relu, sigmoid, silu};

use self::extension::{activate, slope};
pub(in crate::kernels) use self::function::exponential;
use super::is_f32;

/// A function of one number, applied to each entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// x above zero, and this much of it below (Maas et al. 2013).
    LeakyRelu(f32),
    /// x / (1 + exp(-x)) (Hendrycks and Gimpel 2016; also called swish).
    Silu,
    /// log(1 + exp(x)) (Dugas et al. 2001).
    Softplus,
    /// The hyperbolic tangent.
    Tanh,
}

impl Activation {
    /// The function of each entry.
    pub fn forward<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Identity => input,
            _ if is_f32(&input) => activate(input, self),
            Self::Relu => relu(input),
            Self::LeakyRelu(leak) => leaky_relu(input, f64::from(leak)),
            Self::Silu => silu(input),
            Self::Softplus => log_sigmoid(input.neg()).neg(),
            Self::Tanh => input.tanh(),
        }
    }

    /// The derivative at each entry, as a constant: no gradient flows through it. At the kink of a ReLU it is that of
    /// the side below zero.
    pub fn slope<const D: usize>(self, input: Tensor<D>) -> Tensor<D> {
        let input = input.detach();
        if is_f32(&input) {
            return slope(input, self);
        }
        let below = |leak: f32| {
            let ones = input.ones_like();
            ones.mask_fill(input.clone().lower_equal_elem(0.0), leak)
        };
        match self {
            Self::Identity => input.ones_like(),
            Self::Relu => below(0.0),
            Self::LeakyRelu(leak) => below(leak),
            Self::Silu => {
                let gate = sigmoid(input.clone());
                gate.clone() * (input * (gate.neg() + 1.0) + 1.0)
            }
            Self::Softplus => sigmoid(input),
            Self::Tanh => input.tanh().square().neg() + 1.0,
        }
    }
}
