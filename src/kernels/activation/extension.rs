//! Activation functions as operations of Burn's back ends, and with gradients. Those of the CPU are here.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::Activation;
use crate::kernels::flex::{GRAIN, Primitive, entries, tensor};
use crate::kernels::scratch::zeros;
use crate::wide::wide;

/// An activation function as an operation of a back end.
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")), Autodiff)]
pub(super) trait Activate: Backend {
    /// The function of each entry.
    fn activate(input: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;

    /// The derivative at each entry, a constant.
    fn activation_slope(input: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;
}

/// What a back end's activation functions need besides, to have gradients.
pub(super) trait PullBack: Activate {
    /// `gradient` times the derivative at `input`.
    fn pull_back(
        input: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// The function of each entry, on Burn's tensors.
pub(super) fn activate<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::activate(input.into_dispatch(), activation))
}

/// The derivative at each entry, on Burn's tensors.
pub(super) fn slope<const D: usize>(input: Tensor<D>, activation: Activation) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::activation_slope(
        input.into_dispatch(),
        activation,
    ))
}

impl Activate for Flex {
    fn activate(input: Primitive, activation: Activation) -> Primitive {
        let input = input.to_contiguous();
        let shape = input.shape();
        let input = entries(&input);
        let mut output = zeros(input.len());
        let chunks = output.par_chunks_mut(GRAIN).zip(input.par_chunks(GRAIN));
        chunks.for_each(|(output, input)| apply(activation, input, output));
        tensor(output, shape)
    }

    fn activation_slope(input: Primitive, activation: Activation) -> Primitive {
        let ones = tensor(vec![1.0; input.shape().num_elements()], input.shape());
        Self::pull_back(input, ones, activation)
    }
}

impl PullBack for Flex {
    fn pull_back(input: Primitive, gradient: Primitive, activation: Activation) -> Primitive {
        let (input, gradient) = (input.to_contiguous(), gradient.to_contiguous());
        let shape = input.shape();
        let (input, gradient) = (entries(&input), entries(&gradient));
        let mut output = zeros(input.len());
        let sources = input.par_chunks(GRAIN).zip(gradient.par_chunks(GRAIN));
        let chunks = output.par_chunks_mut(GRAIN).zip(sources);
        chunks.for_each(|(output, (input, gradient))| {
            pull_back_part(activation, input, gradient, output);
        });
        tensor(output, shape)
    }
}

impl<B: PullBack, C: CheckpointStrategy> Activate for Autodiff<B, C> {
    fn activate(input: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        let output = B::activate(input.primitive().clone(), activation);
        let step = Step.prepare::<C>([input.node()]);
        match step.compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&input), activation);
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn activation_slope(input: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self> {
        FloatTensor::<Self>::new(B::activation_slope(input.primitive().clone(), activation))
    }
}

/// The backward step.
#[derive(Debug)]
struct Step;

impl<B: PullBack> Backward<B, 1> for Step {
    type State = (NodeId, Activation);

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (input, activation) = ops.state;
        let input: FloatTensor<B> = checkpointer.retrieve_node_output(input);
        let gradient = gradients.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let result = B::pull_back(input, gradient, activation);
            gradients.register::<B>(node.id, result);
        }
    }
}

wide! {
    fn apply(activation: Activation, input: &[f32], output: &mut [f32]) {
        output.copy_from_slice(input);
        activation.apply(output);
    }

    fn pull_back_part(activation: Activation, input: &[f32], gradient: &[f32], output: &mut [f32]) {
        output.copy_from_slice(input);
        activation.pull_back(output, gradient);
    }
}
