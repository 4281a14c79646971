//! The kernels as operations of Burn: on the CPU back end, and with gradients.
//!
//! Burn's own convolution computes the weight gradient as another convolution, whose kernels are whole output maps; a
//! training step spends most of its time there. These operations replace it for f32 on Flex; [`crate::kernels::flex::is_ours`] tells where.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use super::forward::convolve;
use super::geometry::Geometry;
use super::input_gradient::input_gradient;
use super::weight_gradient::{bias_gradient, weight_gradient};
use crate::kernels::flex::{Primitive, entries, tensor};
use crate::kernels::operations::count;

/// Which way an operation runs through a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From its input to its output.
    Along,
    /// From its output to its input: the transposed convolution.
    Back,
}

/// A convolution in either direction, as operations of a back end.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Convolution: Backend {
    /// What the convolution of the given sizes, or its transpose, makes of `operand`.
    fn convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self>;

    /// The same plus a number per channel. (The macro knows no optional tensors.)
    fn biased_convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self>;
}

/// The operation on Burn's tensors.
pub(super) fn apply(
    operand: Tensor<4>,
    weight: Tensor<4>,
    bias: Option<Tensor<1>>,
    geometry: Geometry,
    direction: Direction,
) -> Tensor<4> {
    let (operand, weight) = (operand.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(match bias {
        Some(bias) => {
            let bias = bias.into_dispatch();
            Dispatch::biased_convolution(operand, weight, bias, geometry, direction)
        }
        None => Dispatch::convolution(operand, weight, geometry, direction),
    })
}

impl Convolution for Flex {
    fn convolution(
        operand: Primitive,
        weight: Primitive,
        geometry: Geometry,
        direction: Direction,
    ) -> Primitive {
        transform(&operand, &weight, None, &geometry, direction)
    }

    fn biased_convolution(
        operand: Primitive,
        weight: Primitive,
        bias: Primitive,
        geometry: Geometry,
        direction: Direction,
    ) -> Primitive {
        transform(&operand, &weight, Some(&bias), &geometry, direction)
    }
}

impl<C: CheckpointStrategy> Convolution for Autodiff<Flex, C> {
    fn convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let parents = [operand.node(), weight.node()];
        track::<C, 2>(parents, &operand, &weight, None, geometry, direction)
    }

    fn biased_convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let parents = [operand.node(), weight.node(), bias.node()];
        let bias = Some(bias.primitive());
        track::<C, 3>(parents, &operand, &weight, bias, geometry, direction)
    }
}

/// Computes the operation and records its backward step, if a parent asks for a gradient.
fn track<C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    operand: &FloatTensor<Autodiff<Flex, C>>,
    weight: &FloatTensor<Autodiff<Flex, C>>,
    bias: Option<&Primitive>,
    geometry: Geometry,
    direction: Direction,
) -> FloatTensor<Autodiff<Flex, C>> {
    let output = transform(
        operand.primitive(),
        weight.primitive(),
        bias,
        &geometry,
        direction,
    );
    match Step.prepare::<C>(parents).compute_bound().stateful() {
        OpsKind::Tracked(mut prepared) => {
            let state = State {
                operand: prepared.checkpoint(operand),
                weight: prepared.checkpoint(weight),
                geometry,
                direction,
            };
            prepared.finish(state, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}

/// The backward step. Its parents are the operand, the weight and, if there is one, the bias.
#[derive(Debug)]
struct Step;

/// What the backward step needs.
#[derive(Clone, Debug)]
struct State {
    operand: NodeId,
    weight: NodeId,
    geometry: Geometry,
    direction: Direction,
}

impl<const N: usize> Backward<Flex, N> for Step {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, N>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let State {
            operand,
            weight,
            geometry,
            direction,
        } = ops.state;
        let operand: Primitive = checkpointer.retrieve_node_output(operand);
        let weight: Primitive = checkpointer.retrieve_node_output(weight);
        let mut parents = ops.parents.into_iter();
        if let Some(node) = parents.next().flatten() {
            let back = match direction {
                Direction::Along => Direction::Back,
                Direction::Back => Direction::Along,
            };
            let result = transform(&gradient, &weight, None, &geometry, back);
            gradients.register::<Flex>(node.id, result);
        }
        if let Some(node) = parents.next().flatten() {
            let operand = operand.to_contiguous();
            let (input, output) = match direction {
                Direction::Along => (&operand, &gradient),
                Direction::Back => (&gradient, &operand),
            };
            count(geometry.multiply_adds());
            let result = weight_gradient(&geometry, entries(input), entries(output));
            let shape = [
                geometry.outputs,
                geometry.inputs,
                geometry.kernel,
                geometry.kernel,
            ];
            gradients.register::<Flex>(node.id, tensor(result, shape));
        }
        if let Some(node) = parents.next().flatten() {
            let (channels, places) = match direction {
                Direction::Along => (geometry.outputs, geometry.output_places()),
                Direction::Back => (geometry.inputs, geometry.input_places()),
            };
            let result = bias_gradient(entries(&gradient), channels, places);
            gradients.register::<Flex>(node.id, tensor(result, [channels]));
        }
    }
}

fn transform(
    operand: &Primitive,
    weight: &Primitive,
    bias: Option<&Primitive>,
    geometry: &Geometry,
    direction: Direction,
) -> Primitive {
    count(geometry.multiply_adds());
    let bias = bias.map(Primitive::to_contiguous);
    let bias = bias.as_ref().map(entries);
    let (operand, weight) = (operand.to_contiguous(), weight.to_contiguous());
    let (operand, weight) = (entries(&operand), entries(&weight));
    let (result, channels, [height, width]) = match direction {
        Direction::Along => (
            convolve(geometry, operand, weight, bias),
            geometry.outputs,
            geometry.output,
        ),
        Direction::Back => (
            input_gradient(geometry, operand, weight, bias),
            geometry.inputs,
            geometry.input,
        ),
    };
    tensor(result, [geometry.images, channels, height, width])
}
