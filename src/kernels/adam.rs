//! A step of Adam, the clipping of its gradient included, in one pass over the numbers of a parameter. By Burn's operations it is
//! sixteen passes through memory and four more on one core, on a GPU thirteen kernels that the host launches.

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod gpu;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::flex::{GRAIN, Primitive, entries, whole};
use super::is_f32;
use crate::wide::wide;

/// The numbers of one step: Kingma and Ba, *Adam: A Method for Stochastic Optimization*, 2015 (arXiv 1412.6980), Algorithm 1 with
/// the corrections of the bias moved out, as at the end of its section 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decays of the first and of the second moment.
    pub decays: [f32; 2],
    /// What the first moment is multiplied with, sqrt(1 - beta2^t) / (1 - beta1^t).
    pub correction: f32,
    /// What is added to the root of the second moment, epsilon sqrt(1 - beta2^t).
    pub epsilon: f32,
    /// The learning rate.
    pub rate: f32,
    /// What entries of the gradient are clipped to, from -`bound` to `bound`; infinite where they are not.
    pub bound: f32,
}

/// Whether [`adam`] can take a step of `weight`.
pub fn takes<const D: usize>(weight: &Tensor<D>) -> bool {
    is_f32(weight) && !weight.device().is_autodiff()
}

/// The weight and its two moments after a step along `gradient`; on the CPU the bits of Burn's operations. All four are of one shape.
pub fn adam<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: [Tensor<D>; 2],
    step: AdamStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let [first, second] = moments.map(Tensor::into_dispatch);
    let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
    let (weight, first, second) = Dispatch::adam(weight, gradient, first, second, step);
    let moments = [first, second].map(Tensor::from_dispatch);
    (Tensor::from_dispatch(weight), moments)
}

/// The operation of a back end.
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")))]
trait Adam: Backend {
    /// The weight and the moments after a step.
    fn adam(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Adam for Flex {
    fn adam(
        weight: Primitive,
        gradient: Primitive,
        first: Primitive,
        second: Primitive,
        step: AdamStep,
    ) -> (Primitive, Primitive, Primitive) {
        let weight = weight.to_contiguous();
        // Nobody else holds these, so that what is written to them takes no new memory. The gradient becomes the weight.
        let [mut result, mut first, mut second] = [gradient, first, second].map(whole);
        let numbers = entries(&weight).par_chunks(GRAIN);
        let results = result.storage_mut::<f32>().par_chunks_mut(GRAIN);
        let firsts = first.storage_mut::<f32>().par_chunks_mut(GRAIN);
        let seconds = second.storage_mut::<f32>().par_chunks_mut(GRAIN);
        let moments = firsts.zip(seconds);
        numbers
            .zip(results)
            .zip(moments)
            .for_each(|((weight, result), (first, second))| {
                step_of(weight, result, first, second, step);
            });
        (result, first, second)
    }
}

wide! {
    /// A step of some numbers; `result` holds the gradient and gets the weight.
    fn step_of(weight: &[f32], result: &mut [f32], first: &mut [f32], second: &mut [f32], step: AdamStep) {
        let AdamStep { decays, correction, epsilon, rate, bound } = step;
        let moments = first.iter_mut().zip(second);
        for ((weight, result), (first, second)) in weight.iter().zip(result).zip(moments) {
            let gradient = result.clamp(-bound, bound);
            *first = *first * decays[0] + gradient * (1.0 - decays[0]);
            *second = *second * decays[1] + gradient * gradient * (1.0 - decays[1]);
            let direction = *first * correction / (second.sqrt() + epsilon);
            *result = *weight - direction * rate;
        }
    }
}
