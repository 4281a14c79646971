//! Spectral normalisation as operations of Burn on the CPU, and with gradients.

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

/// The operations of a back end. Matrices are weights, [outputs, the rest].
#[backend_extension(Flex, Autodiff)]
trait Spectral: Backend {
    /// W x; a constant.
    fn times_rows(matrix: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self>;

    /// W'x; a constant.
    fn times_columns(matrix: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self>;

    /// W / u'Wv, of the weight's own shape.
    fn spectral_normalise(
        weight: FloatTensor<Self>,
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// [`Spectral::times_rows`] on Burn's tensors.
pub(super) fn times_rows(matrix: Tensor<2>, vector: Tensor<1>) -> Tensor<1> {
    let (matrix, vector) = (matrix.into_dispatch(), vector.into_dispatch());
    Tensor::from_dispatch(Dispatch::times_rows(matrix, vector))
}

/// [`Spectral::times_columns`] on Burn's tensors.
pub(super) fn times_columns(matrix: Tensor<2>, vector: Tensor<1>) -> Tensor<1> {
    let (matrix, vector) = (matrix.into_dispatch(), vector.into_dispatch());
    Tensor::from_dispatch(Dispatch::times_columns(matrix, vector))
}

/// [`Spectral::spectral_normalise`] on Burn's tensors.
pub(super) fn normalise<const D: usize>(weight: Tensor<D>, vectors: [Tensor<1>; 2]) -> Tensor<D> {
    let [left, right] = vectors.map(Tensor::into_dispatch);
    let weight = weight.into_dispatch();
    Tensor::from_dispatch(Dispatch::spectral_normalise(weight, left, right))
}

impl Spectral for Flex {
    fn times_rows(matrix: Primitive, vector: Primitive) -> Primitive {
        let [matrix, vector] = [matrix, vector].map(|tensor| tensor.to_contiguous());
        let result = kernel::times_rows(entries(&matrix), entries(&vector));
        let rows = result.len();
        tensor(result, [rows])
    }

    fn times_columns(matrix: Primitive, vector: Primitive) -> Primitive {
        let [matrix, vector] = [matrix, vector].map(|tensor| tensor.to_contiguous());
        let result = kernel::times_columns(entries(&matrix), entries(&vector));
        let columns = result.len();
        tensor(result, [columns])
    }

    fn spectral_normalise(weight: Primitive, left: Primitive, right: Primitive) -> Primitive {
        divide(&weight, [&left, &right]).0
    }
}

/// The quotient, and sigma.
fn divide(weight: &Primitive, vectors: [&Primitive; 2]) -> (Primitive, f32) {
    let weight = weight.to_contiguous();
    let vectors = vectors.map(Primitive::to_contiguous);
    let sigma = kernel::sigma(entries(&weight), vectors.each_ref().map(entries));
    let result = kernel::quotient(entries(&weight), sigma);
    (tensor(result, weight.shape()), sigma)
}

impl<C: CheckpointStrategy> Spectral for Autodiff<Flex, C> {
    fn times_rows(matrix: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self> {
        let (matrix, vector) = (matrix.primitive().clone(), vector.primitive().clone());
        FloatTensor::<Self>::new(Flex::times_rows(matrix, vector))
    }

    fn times_columns(matrix: FloatTensor<Self>, vector: FloatTensor<Self>) -> FloatTensor<Self> {
        let (matrix, vector) = (matrix.primitive().clone(), vector.primitive().clone());
        FloatTensor::<Self>::new(Flex::times_columns(matrix, vector))
    }

    fn spectral_normalise(
        weight: FloatTensor<Self>,
        left: FloatTensor<Self>,
        right: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let vectors = [&left, &right].map(|vector| vector.primitive().clone());
        let (output, sigma) = divide(weight.primitive(), vectors.each_ref());
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
struct State {
    weight: NodeId,
    vectors: [Primitive; 2],
    sigma: f32,
}

impl Backward<Flex, 1> for Step {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let State {
            weight,
            vectors,
            sigma,
        } = ops.state;
        let weight: Primitive = checkpointer.retrieve_node_output(weight);
        let gradient = gradients.consume::<Flex>(&ops.node);
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let [weight, gradient] = [weight, gradient].map(|tensor| tensor.to_contiguous());
            let vectors = vectors.map(|vector| vector.to_contiguous());
            let result = kernel::pull_back(
                entries(&gradient),
                entries(&weight),
                vectors.each_ref().map(entries),
                sigma,
            );
            gradients.register::<Flex>(node.id, tensor(result, weight.shape()));
        }
    }
}
