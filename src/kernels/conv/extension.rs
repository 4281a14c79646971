//! Convolutions as operations of Burn's back ends, and with gradients. Those of the CPU are here.
//!
//! On the CPU Burn's own convolution computes the weight gradient as another convolution, whose kernels are whole output maps; a
//! training step spends most of its time there. These operations replace it for f32; [`super::has_kernels`] tells where.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use super::forward::convolve;
use super::geometry::{Direction, Geometry};
use super::input_gradient::input_gradient;
use super::weight_gradient::{bias_gradient, weight_gradient};
use crate::kernels::flex::{Primitive, entries, tensor};
use crate::kernels::operations::count;

/// A convolution in either direction, as operations of a back end.
#[backend_extension(Flex, Cube: cfg(any(feature = "wgpu", feature = "cuda")), Autodiff)]
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

/// What a back end's convolution needs besides, to have gradients.
pub(super) trait PullBack: Convolution {
    /// The gradients by the operand, the weight and the bias, those that are `wanted`; `gradient` is that of the output.
    fn pull_back(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        geometry: &Geometry,
        direction: Direction,
        wanted: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3];
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

impl PullBack for Flex {
    fn pull_back(
        operand: Primitive,
        weight: Primitive,
        gradient: Primitive,
        geometry: &Geometry,
        direction: Direction,
        [of_operand, of_weight, of_bias]: [bool; 3],
    ) -> [Option<Primitive>; 3] {
        let gradient = gradient.to_contiguous();
        let by_operand =
            of_operand.then(|| transform(&gradient, &weight, None, geometry, direction.reversed()));
        let by_weight = of_weight.then(|| {
            let operand = operand.to_contiguous();
            let [input, output] = direction.ends(&operand, &gradient);
            count(geometry.multiply_adds());
            let result = weight_gradient(geometry, entries(input), entries(output));
            tensor(result, geometry.weight_shape())
        });
        let by_bias = of_bias.then(|| {
            let (channels, [height, width]) = geometry.after(direction);
            let result = bias_gradient(entries(&gradient), channels, height * width);
            tensor(result, [channels])
        });
        [by_operand, by_weight, by_bias]
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
    let result = match direction {
        Direction::Along => convolve(geometry, operand, weight, bias),
        Direction::Back => input_gradient(geometry, operand, weight, bias),
    };
    let (channels, [height, width]) = geometry.after(direction);
    tensor(result, [geometry.images, channels, height, width])
}

impl<B: PullBack, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
    fn convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let parents = [operand.node(), weight.node()];
        let output = B::convolution(
            operand.primitive().clone(),
            weight.primitive().clone(),
            geometry,
            direction,
        );
        track::<B, C, 2>(parents, [&operand, &weight], output, geometry, direction)
    }

    fn biased_convolution(
        operand: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        geometry: Geometry,
        direction: Direction,
    ) -> FloatTensor<Self> {
        let parents = [operand.node(), weight.node(), bias.node()];
        let output = B::biased_convolution(
            operand.primitive().clone(),
            weight.primitive().clone(),
            bias.primitive().clone(),
            geometry,
            direction,
        );
        track::<B, C, 3>(parents, [&operand, &weight], output, geometry, direction)
    }
}

/// Records the operation's backward step, if a parent asks for a gradient.
fn track<B: PullBack, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    [operand, weight]: [&FloatTensor<Autodiff<B, C>>; 2],
    output: FloatTensor<B>,
    geometry: Geometry,
    direction: Direction,
) -> FloatTensor<Autodiff<B, C>> {
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

impl<B: PullBack, const N: usize> Backward<B, N> for Step {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, N>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let State {
            operand,
            weight,
            geometry,
            direction,
        } = ops.state;
        let mut retrieve = |node| checkpointer.retrieve_node_output::<FloatTensor<B>>(node);
        let (operand, weight) = (retrieve(operand), retrieve(weight));
        let gradient = gradients.consume::<B>(&ops.node);
        let mut wanted = [false; 3];
        for (wanted, parent) in wanted.iter_mut().zip(&ops.parents) {
            *wanted = parent.is_some();
        }
        let results = B::pull_back(operand, weight, gradient, &geometry, direction, wanted);
        for (parent, result) in ops.parents.into_iter().zip(results) {
            if let (Some(node), Some(result)) = (parent, result) {
                gradients.register::<B>(node.id, result);
            }
        }
    }
}
