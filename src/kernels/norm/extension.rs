//! Normalisation as operations of Burn's back ends, and with gradients. Those of the CPU are here.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use super::kernel::{self, Affine};
use super::layout::Layout;
use crate::kernels::Activation;
use crate::kernels::flex::{Primitive, entries, tensor};

/// What a normalisation is besides its tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) layout: Layout,
    pub(super) activation: Activation,
    /// Whether the moments are the input's own, and move with it.
    pub(super) of_input: bool,
}

/// Normalisation as operations of a back end.
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")), Autodiff)]
pub(super) trait Normalise: Backend {
    /// Mean and biased variance of each group, [2, groups]; a constant.
    fn moments(input: FloatTensor<Self>, layout: Layout) -> FloatTensor<Self>;

    /// activation(gamma (x - mean) / sqrt(variance + epsilon) + beta)
    fn normalise(
        input: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
}

/// What a back end's normalisation needs besides, to have gradients.
pub(super) trait PullBack: Normalise {
    /// The gradients by the input, the scale and the shift. `inputs` are those of [`Normalise::normalise`], `gradient` that of its
    /// output.
    fn pull_back(
        inputs: [FloatTensor<Self>; 4],
        gradient: FloatTensor<Self>,
        plan: Plan,
    ) -> [FloatTensor<Self>; 3];
}

/// [`Normalise::moments`] on Burn's tensors.
pub(super) fn moments(input: Tensor<4>, layout: Layout) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::moments(input.into_dispatch(), layout))
}

/// [`Normalise::normalise`] on Burn's tensors.
pub(super) fn normalise(
    input: Tensor<4>,
    moments: Tensor<2>,
    [gamma, beta]: [Tensor<1>; 2],
    plan: Plan,
) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::normalise(
        input.into_dispatch(),
        moments.into_dispatch(),
        gamma.into_dispatch(),
        beta.into_dispatch(),
        plan,
    ))
}

impl Normalise for Flex {
    fn moments(input: Primitive, layout: Layout) -> Primitive {
        let input = input.to_contiguous();
        let result = kernel::moments(&layout, entries(&input));
        tensor(result, [2, layout.groups()])
    }

    fn normalise(
        input: Primitive,
        moments: Primitive,
        gamma: Primitive,
        beta: Primitive,
        plan: Plan,
    ) -> Primitive {
        let shape = input.shape();
        let [input, moments, gamma, beta] =
            [input, moments, gamma, beta].map(|tensor| tensor.to_contiguous());
        let affine = Affine {
            gamma: entries(&gamma),
            beta: entries(&beta),
            activation: plan.activation,
        };
        let result = kernel::normalise(&plan.layout, entries(&input), entries(&moments), affine);
        tensor(result, shape)
    }
}

impl PullBack for Flex {
    fn pull_back(inputs: [Primitive; 4], gradient: Primitive, plan: Plan) -> [Primitive; 3] {
        let [input, moments, gamma, beta] = inputs.map(|tensor| tensor.to_contiguous());
        let gradient = gradient.to_contiguous();
        let affine = Affine {
            gamma: entries(&gamma),
            beta: entries(&beta),
            activation: plan.activation,
        };
        let pulled = kernel::pull_back(
            &plan.layout,
            entries(&input),
            entries(&moments),
            affine,
            entries(&gradient),
            plan.of_input,
        );
        let channels = plan.layout.channels;
        [
            tensor(pulled.input, input.shape()),
            tensor(pulled.gamma, [channels]),
            tensor(pulled.beta, [channels]),
        ]
    }
}

impl<B: PullBack, C: CheckpointStrategy> Normalise for Autodiff<B, C> {
    fn moments(input: FloatTensor<Self>, layout: Layout) -> FloatTensor<Self> {
        FloatTensor::<Self>::new(B::moments(input.primitive().clone(), layout))
    }

    fn normalise(
        input: FloatTensor<Self>,
        moments: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let output = B::normalise(
            input.primitive().clone(),
            moments.primitive().clone(),
            gamma.primitive().clone(),
            beta.primitive().clone(),
            plan,
        );
        let parents = [input.node(), gamma.node(), beta.node()];
        match Step.prepare::<C>(parents).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = State {
                    input: prepared.checkpoint(&input),
                    gamma: prepared.checkpoint(&gamma),
                    beta: prepared.checkpoint(&beta),
                    moments: moments.primitive().clone(),
                    plan,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// The backward step. Its parents are the input, the scale and the shift.
#[derive(Debug)]
struct Step;

/// What the backward step needs.
#[derive(Clone, Debug)]
struct State<T> {
    input: NodeId,
    gamma: NodeId,
    beta: NodeId,
    moments: T,
    plan: Plan,
}

impl<B: PullBack> Backward<B, 3> for Step {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 3>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let State {
            input,
            gamma,
            beta,
            moments,
            plan,
        } = ops.state;
        let mut retrieve = |node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node);
        let inputs = [retrieve(input), moments, retrieve(gamma), retrieve(beta)];
        let gradient = gradients.consume::<B>(&ops.node);
        let results = B::pull_back(inputs, gradient, plan);
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, result);
            }
        }
    }
}
