//! Layers of vision transformers that are only run, never trained: linear maps, normalisation of tokens, attention.
//!
//! In f32 on the CPU, without automatic differentiation, by kernels of this module's own; elsewhere by Burn's. An image is
//! a block of work: what it becomes has the same bits whatever its batch and the number of threads, and attention needs no
//! more memory than the weights of one head of one image for each thread.

mod attention;
mod linear;
mod rows;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::{gelu, sigmoid, silu, softmax};

use self::linear::Sizes;
use super::flex::{Primitive, entries, is_ours, tensor};

/// What follows a linear map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// Nothing.
    Nothing,
    /// x Phi(x), Phi the distribution function of the normal distribution (Hendrycks and Gimpel 2016), not its
    /// approximation by a hyperbolic tangent.
    Gelu,
    /// x / (1 + exp(-1.702 x)): the GELU of CLIP (Radford et al. 2021).
    QuickGelu,
    /// Of outputs (a, b) the product a / (1 + exp(-a)) b, half as many (SwiGLU, Shazeer 2020, arXiv 2002.05202).
    SwiGlu,
}

impl Follow {
    /// How many of `outputs` numbers are left.
    fn kept(self, outputs: usize) -> usize {
        if self == Self::SwiGlu {
            outputs / 2
        } else {
            outputs
        }
    }
}

/// The operations of a back end.
#[backend_extension(Flex)]
trait Transformer: Backend {
    /// follow(x W + b).
    fn linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        follow: Follow,
    ) -> FloatTensor<Self>;

    /// y + x W + b.
    fn linear_onto(
        onto: FloatTensor<Self>,
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// Layer normalisation.
    fn normalise(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;

    /// Attention of several heads.
    fn attend(packed: FloatTensor<Self>, heads: usize) -> FloatTensor<Self>;
}

impl Transformer for Flex {
    fn linear(input: Primitive, weight: Primitive, bias: Primitive, follow: Follow) -> Primitive {
        let [images, rows, inputs] = dims(&input);
        let [input, weight, bias] = [input, weight, bias].map(|tensor| tensor.to_contiguous());
        let sizes = Sizes {
            rows,
            inputs,
            outputs: entries(&bias).len(),
        };
        let output = linear::linear(
            sizes,
            entries(&input),
            entries(&weight),
            entries(&bias),
            follow,
        );
        tensor(output, [images, rows, follow.kept(sizes.outputs)])
    }

    fn linear_onto(
        onto: Primitive,
        input: Primitive,
        weight: Primitive,
        bias: Primitive,
    ) -> Primitive {
        let [images, rows, inputs] = dims(&input);
        let [onto, input] = [onto, input].map(|tensor| tensor.to_contiguous());
        let [weight, bias] = [weight, bias].map(|tensor| tensor.to_contiguous());
        let sizes = Sizes {
            rows,
            inputs,
            outputs: entries(&bias).len(),
        };
        let output = linear::linear_onto(
            sizes,
            entries(&onto),
            entries(&input),
            entries(&weight),
            entries(&bias),
        );
        tensor(output, [images, rows, sizes.outputs])
    }

    fn normalise(input: Primitive, gamma: Primitive, beta: Primitive, epsilon: f32) -> Primitive {
        let shape = dims(&input);
        let [input, gamma, beta] = [input, gamma, beta].map(|tensor| tensor.to_contiguous());
        let output = rows::normalise(entries(&input), entries(&gamma), entries(&beta), epsilon);
        tensor(output, shape)
    }

    fn attend(packed: Primitive, heads: usize) -> Primitive {
        let [images, tokens, width] = dims(&packed);
        let packed = packed.to_contiguous();
        let output = attention::attend(entries(&packed), [tokens, width / 3, heads]);
        tensor(output, [images, tokens, width / 3])
    }
}

fn dims(tensor: &Primitive) -> [usize; 3] {
    tensor.layout().shape().dims()
}

/// Whether this module's kernels, which have no gradient, can be used on `input`.
fn on_cpu(input: &Tensor<3>) -> bool {
    is_ours(input) && !input.device().is_autodiff()
}

/// follow(x W + b) of every token: [n, tokens, inputs] -> [n, tokens, outputs], of [`Follow::SwiGlu`] half as many.
///
/// The weight is [inputs, outputs], the transposed of PyTorch's; the bias `[outputs]`.
pub fn linear(input: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, follow: Follow) -> Tensor<3> {
    if !on_cpu(&input) {
        let product = input.matmul(weight.unsqueeze());
        let output = product + bias.unsqueeze();
        let half = output.dims()[2] / 2;
        return match follow {
            Follow::Nothing => output,
            Follow::Gelu => gelu(output),
            Follow::QuickGelu => output.clone() * sigmoid(output.mul_scalar(rows::QUICK)),
            Follow::SwiGlu => {
                silu(output.clone().narrow(2, 0, half)) * output.narrow(2, half, half)
            }
        };
    }
    Tensor::from_dispatch(Dispatch::linear(
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        follow,
    ))
}

/// y + x W + b of every token: y [n, tokens, outputs], x [n, tokens, inputs] -> [n, tokens, outputs]; else as [`linear`].
pub fn linear_onto(
    onto: Tensor<3>,
    input: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
) -> Tensor<3> {
    if !on_cpu(&input) {
        return onto + input.matmul(weight.unsqueeze()) + bias.unsqueeze();
    }
    Tensor::from_dispatch(Dispatch::linear_onto(
        onto.into_dispatch(),
        input.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    ))
}

/// gamma (x - mean) / sqrt(variance + epsilon) + beta over the features of every token (Ba et al. 2016, arXiv 1607.06450),
/// with the biased variance: [n, tokens, features] -> the same; gamma and beta `[features]`.
pub fn layer_norm(input: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f32) -> Tensor<3> {
    if !on_cpu(&input) {
        let centred = input.clone() - input.mean_dim(2);
        let variance = centred.clone().square().mean_dim(2);
        let normalised = centred / (variance + epsilon).sqrt();
        return normalised * gamma.unsqueeze() + beta.unsqueeze();
    }
    Tensor::from_dispatch(Dispatch::normalise(
        input.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        epsilon,
    ))
}

/// softmax(Q K' / sqrt(d)) V of every head (Vaswani et al. 2017, eq. 1): [n, tokens, 3 width] -> [n, tokens, width].
///
/// A token has its query, its key and its value one after the other, each of them head by head with d = width / heads
/// numbers a head; so has the output.
pub fn attention(packed: Tensor<3>, heads: usize) -> Tensor<3> {
    if on_cpu(&packed) {
        return Tensor::from_dispatch(Dispatch::attend(packed.into_dispatch(), heads));
    }
    let [images, tokens, width] = packed.dims();
    let (width, size) = (width / 3, width / 3 / heads);
    let part = |number: usize| -> Tensor<4> {
        let part = packed.clone().narrow(2, number * width, width);
        part.reshape([images, tokens, heads, size]).swap_dims(1, 2)
    };
    let scale = (size as f64).sqrt().recip();
    let scores = part(0).matmul(part(1).swap_dims(2, 3)).mul_scalar(scale);
    let mixed = softmax(scores, 3).matmul(part(2)).swap_dims(1, 2);
    mixed.reshape([images, tokens, width])
}

#[cfg(test)]
mod tests;
