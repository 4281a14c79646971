//! The largest of 2 x 2 places, with its gradient.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::ops::MaxPoolOptions;
use burn::tensor::{Tensor, module};
use rayon::prelude::*;

use super::flex::{GRAIN, Primitive, entries, is_ours, tensor};
use super::scratch::zeros;
use crate::wide::{larger, wide};

/// The largest of 2 x 2 places, two apart: PyTorch's `max_pool2d` with a kernel of 2.
///
/// [n, channels, h, w] -> [n, channels, h / 2, w / 2], rounded down. Of equal places the first has the gradient.
pub fn max_pool2d(maps: Tensor<4>) -> Tensor<4> {
    if !is_ours(&maps) {
        return module::max_pool2d(maps, MaxPoolOptions::new([2, 2]));
    }
    Tensor::from_dispatch(Dispatch::largest_of_four(maps.into_dispatch()))
}

/// The pool as an operation of a back end.
#[backend_extension(Flex, Autodiff)]
trait MaxPool: Backend {
    fn largest_of_four(maps: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl MaxPool for Flex {
    fn largest_of_four(maps: Primitive) -> Primitive {
        let [images, channels, height, width] = maps.shape().dims();
        let maps = maps.to_contiguous();
        let result = forward(entries(&maps), [height, width]);
        tensor(result, [images, channels, height / 2, width / 2])
    }
}

impl<C: CheckpointStrategy> MaxPool for Autodiff<Flex, C> {
    fn largest_of_four(maps: FloatTensor<Self>) -> FloatTensor<Self> {
        let output = Flex::largest_of_four(maps.primitive().clone());
        match Step.prepare::<C>([maps.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = prepared.checkpoint(&maps);
                prepared.finish(state, output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// The backward step.
#[derive(Debug)]
struct Step;

impl Backward<Flex, 1> for Step {
    type State = NodeId;

    fn backward(
        self,
        ops: Ops<NodeId, 1>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let maps: Primitive = checkpointer.retrieve_node_output(ops.state);
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [parent] = ops.parents;
        if let Some(node) = parent {
            let shape @ [_, _, height, width] = maps.shape().dims();
            let maps = maps.to_contiguous();
            let result = pull_back(entries(&maps), [height, width], entries(&gradient));
            gradients.register::<Flex>(node.id, tensor(result, shape));
        }
    }
}

/// [maps, height, width] -> [maps, height / 2, width / 2]
fn forward(maps: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let (places, outputs) = (height * width, height / 2 * (width / 2));
    let mut result = zeros(maps.len() / places * outputs);
    let least = GRAIN.div_ceil(places);
    let results = result.par_chunks_exact_mut(outputs).with_min_len(least);
    results
        .zip(maps.par_chunks_exact(places))
        .for_each(|(result, map)| {
            let rows = map.chunks_exact(2 * width);
            for (rows, result) in rows.zip(result.chunks_exact_mut(width / 2)) {
                let (top, bottom) = rows.split_at(width);
                largest(top, bottom, result);
            }
        });
    result
}

/// The gradient of the maps from that of the result.
fn pull_back(maps: &[f32], [height, width]: [usize; 2], gradient: &[f32]) -> Vec<f32> {
    let (places, outputs) = (height * width, height / 2 * (width / 2));
    let mut result = zeros(maps.len());
    let least = GRAIN.div_ceil(places);
    let results = result.par_chunks_exact_mut(places).with_min_len(least);
    results
        .zip(maps.par_chunks_exact(places))
        .zip(gradient.par_chunks_exact(outputs))
        .for_each(|((result, map), gradient)| {
            let rows = map.chunks_exact(2 * width);
            let results = result.chunks_exact_mut(2 * width);
            let gradients = gradient.chunks_exact(width / 2);
            for ((rows, results), gradient) in rows.zip(results).zip(gradients) {
                let (top, bottom) = rows.split_at(width);
                let (to_top, to_bottom) = results.split_at_mut(width);
                route(top, bottom, gradient, to_top, to_bottom);
            }
        });
    result
}

wide! {
    /// The largest of each two columns of two rows.
    fn largest(top: &[f32], bottom: &[f32], result: &mut [f32]) {
        let (top, _) = top.as_chunks::<2>();
        let (bottom, _) = bottom.as_chunks::<2>();
        for ((value, &[a, b]), &[c, d]) in result.iter_mut().zip(top).zip(bottom) {
            *value = larger(larger(a, b), larger(c, d));
        }
    }

    /// Gives the gradient to the first of the largest.
    fn route(
        top: &[f32],
        bottom: &[f32],
        gradient: &[f32],
        to_top: &mut [f32],
        to_bottom: &mut [f32],
    ) {
        let (top, _) = top.as_chunks::<2>();
        let (bottom, _) = bottom.as_chunks::<2>();
        let (to_top, _) = to_top.as_chunks_mut::<2>();
        let (to_bottom, _) = to_bottom.as_chunks_mut::<2>();
        let from = top.iter().zip(bottom).zip(gradient);
        for (((&[a, b], &[c, d]), &g), (above, below)) in from.zip(to_top.iter_mut().zip(to_bottom)) {
            let (of_top, of_bottom) = if larger(a, b) >= larger(c, d) {
                (g, 0.0)
            } else {
                (0.0, g)
            };
            *above = if a >= b { [of_top, 0.0] } else { [0.0, of_top] };
            *below = if c >= d { [of_bottom, 0.0] } else { [0.0, of_bottom] };
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::device::{cpu, values};

    /// 6 maps of few different numbers, so that many places are equal.
    fn maps(height: usize, width: usize, device: &Device) -> Tensor<4> {
        let numbers = (0..6 * height * width).map(|i| ((i * i % 13) as f32 - 6.0).max(-1.0));
        let data = TensorData::new(numbers.collect(), [2, 3, height, width]);
        Tensor::from_data(data, device)
    }

    #[test]
    fn the_pool_and_its_gradient_are_burns() {
        let device = cpu().autodiff();
        for [height, width] in [[2, 2], [8, 6], [5, 7], [33, 64]] {
            let [ours, burns] = [true, false].map(|ours| {
                let maps = maps(height, width, &device).require_grad();
                let pooled = if ours {
                    max_pool2d(maps.clone())
                } else {
                    module::max_pool2d(maps.clone(), MaxPoolOptions::new([2, 2]))
                };
                let gradients = (pooled.clone().powf_scalar(2.0) + pooled.clone())
                    .sum()
                    .backward();
                let gradient = maps.grad(&gradients).unwrap();
                [pooled.inner(), gradient].map(|tensor| values(tensor).unwrap())
            });
            assert_eq!(ours, burns, "{height} x {width}");
        }
    }

    #[test]
    fn what_is_no_number_does_not_pass_for_another() {
        for place in 0..4 {
            let mut map = vec![-1.0; 4];
            map[place] = f32::NAN;
            assert!(forward(&map, [2, 2])[0].is_nan(), "{place}");
        }
    }
}
