//! Spectral normalisation as operations of Burn's back ends, and with gradients. Those of the CPU are here.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

use super::kernel;
use crate::kernels::flex::{Primitive, entries, tensor};

/// The operations of a back end. Weights of any rank are matrices, [outputs, the rest].
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")), Autodiff)]
pub(super) trait Spectral: Backend {
    /// W x; a constant.
    fn times_rows(weight: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self>;

    /// W'x; a constant.
    fn times_columns(weight: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self>;

    /// x / |x|; a constant.
    fn unit(vector: FloatTensor<Self>) -> FloatTensor<Self>;

    /// W / u'Wv, of the weight's own shape.
    fn spectral_normalise(
        weight: FloatTensor<Self>,
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// What a back end's spectral normalisation needs besides, to have gradients.
pub(super) trait PullBack: Spectral {
    /// The quotient, and sigma, `[1]`.
    fn divide(
        weight: FloatTensor<Self>,
        vectors: [FloatTensor<Self>; 2],
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient by the weight; `gradient` is that of the quotient.
    fn pull_back(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        vectors: [FloatTensor<Self>; 2],
        sigma: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// [`Spectral::times_rows`] on Burn's tensors.
pub(super) fn times_rows<const D: usize>(weight: Tensor<D>, vector: Tensor<1>) -> Tensor<1> {
    let (weight, vector) = (weight.into_dispatch(), vector.into_dispatch());
    Tensor::from_dispatch(Dispatch::times_rows(weight, vector))
}

/// [`Spectral::times_columns`] on Burn's tensors.
pub(super) fn times_columns<const D: usize>(weight: Tensor<D>, vector: Tensor<1>) -> Tensor<1> {
    let (weight, vector) = (weight.into_dispatch(), vector.into_dispatch());
    Tensor::from_dispatch(Dispatch::times_columns(weight, vector))
}

/// [`Spectral::unit`] on Burn's tensors.
pub(super) fn unit(vector: Tensor<1>) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::unit(vector.into_dispatch()))
}

/// [`Spectral::spectral_normalise`] on Burn's tensors.
pub(super) fn normalise<const D: usize>(weight: Tensor<D>, vectors: [Tensor<1>; 2]) -> Tensor<D> {
    let [left, right] = vectors.map(Tensor::into_dispatch);
    let weight = weight.into_dispatch();
    Tensor::from_dispatch(Dispatch::spectral_normalise(weight, left, right))
}

impl Spectral for Flex {
    fn times_rows(weight: Primitive, vector: Primitive) -> Primitive {
        let [weight, vector] = [weight, vector].map(|tensor| tensor.to_contiguous());
        let result = kernel::times_rows(entries(&weight), entries(&vector));
        let rows = result.len();
        tensor(result, [rows])
    }

    fn times_columns(weight: Primitive, vector: Primitive) -> Primitive {
        let [weight, vector] = [weight, vector].map(|tensor| tensor.to_contiguous());
        let result = kernel::times_columns(entries(&weight), entries(&vector));
        let columns = result.len();
        tensor(result, [columns])
    }

    fn unit(vector: Primitive) -> Primitive {
        let vector = vector.to_contiguous();
        tensor(kernel::unit(entries(&vector)), vector.shape())
    }

    fn spectral_normalise(weight: Primitive, left: Primitive, right: Primitive) -> Primitive {
        Self::divide(weight, [left, right]).0
    }
}

impl PullBack for Flex {
    fn divide(weight: Primitive, vectors: [Primitive; 2]) -> (Primitive, Primitive) {
        let weight = weight.to_contiguous();
        let vectors = vectors.map(|vector| vector.to_contiguous());
        let sigma = kernel::sigma(entries(&weight), vectors.each_ref().map(entries));
        let result = kernel::quotient(entries(&weight), sigma);
        (tensor(result, weight.shape()), tensor(vec![sigma], [1]))
    }

    fn pull_back(
        gradient: Primitive,
        weight: Primitive,
        vectors: [Primitive; 2],
        sigma: Primitive,
    ) -> Primitive {
        let [weight, gradient] = [weight, gradient].map(|tensor| tensor.to_contiguous());
        let vectors = vectors.map(|vector| vector.to_contiguous());
        let result = kernel::pull_back(
            entries(&gradient),
            entries(&weight),
            vectors.each_ref().map(entries),
            entries(&sigma)[0],
        );
        tensor(result, weight.shape())
    }
}

impl<B: PullBack, C: CheckpointStrategy> Spectral for Autodiff<B, C> {
    fn times_rows(weight: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self> {
        let (weight, vector) = (weight.primitive().clone(), vector.primitive().clone());
        FloatTensor::<Self>::new(B::times_rows(weight, vector))
    }

    fn times_columns(weight: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self> {
        let (weight, vector) = (weight.primitive().clone(), vector.primitive().clone());
        FloatTensor::<Self>::new(B::times_columns(weight, vector))
    }

    fn unit(vector: FloatTensor<Self>) -> FloatTensor<Self> {
        FloatTensor::<Self>::new(B::unit(vector.primitive().clone()))
    }

    fn spectral_normalise(
        weight: FloatTensor<Self>,
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let vectors = [&left, &right].map(|vector| vector.primitive().clone());
        let (output, sigma) = B::divide(weight.primitive().clone(), vectors.clone());
        match Step
            .prepare::<C>([weight.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(mut prepared) => {
                let state = State {
                    weight: prepared.checkpoint(&weight),
                    vectors,
                    sigma,
                };
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// The backward step of the quotient. Its parent is the weight.
#[derive(Debug)]
struct Step;

/// What the backward step needs.
#[derive(Clone, Debug)]
struct State<T> {
    weight: NodeId,
    vectors: [T; 2],
    sigma: T,
}

impl<B: PullBack> Backward<B, 1> for Step {
    type State = State<FloatTensor<B>>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let State {
            weight,
            vectors,
            sigma,
        } = ops.state;
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        let gradient = gradients.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let result = B::pull_back(gradient, weight, vectors, sigma);
            gradients.register::<B>(node.id, result);
        }
    }
}
