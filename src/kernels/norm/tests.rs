//! The kernels against the formula in f64 under Burn's differentiation, and the promises on bits.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::extension::{Plan, normalise};
use super::layout::{Layout, Sharing};
use super::{Activation, EPSILON, normalise_alone};
use crate::device::{cpu, values};
use crate::random::Random;

fn leaf<const D: usize>(name: &str, shape: [usize; D], device: &Device, dtype: DType) -> Tensor<D> {
    let entries = Random::new(5).stream(name).normals(shape.iter().product());
    // Far from zero mean, so that the variance is not the mean square.
    let entries = entries.into_iter().map(|x| 0.7 * x + 1.5).collect();
    let data = TensorData::new::<f32, _>(entries, shape);
    Tensor::<D>::from_data(data, device)
        .cast(dtype)
        .detach()
        .require_grad()
}

/// The formula, in the input's own type.
fn formula(
    input: Tensor<4>,
    [gamma, beta]: [Tensor<1>; 2],
    sharing: Sharing,
    activation: Activation,
) -> Tensor<4> {
    let shape = input.dims();
    let [images, channels, height, width] = shape;
    let (rows, dimension) = match sharing {
        Sharing::Batch => (
            input
                .swap_dims(0, 1)
                .reshape([1, channels, images * height * width]),
            2,
        ),
        Sharing::Groups(groups) => (
            input.reshape([images, groups, channels / groups * height * width]),
            2,
        ),
    };
    let centred = rows.clone() - rows.mean_dim(dimension);
    let variance = centred.clone().square().mean_dim(dimension);
    let normal = centred / (variance + EPSILON).sqrt();
    let normal = match sharing {
        Sharing::Batch => normal
            .reshape([channels, images, height, width])
            .swap_dims(0, 1),
        Sharing::Groups(_) => normal.reshape(shape),
    };
    let wide = |tensor: Tensor<1>| tensor.reshape([1, channels, 1, 1]);
    activation.forward(normal * wide(gamma) + wide(beta))
}

fn kernel(
    input: Tensor<4>,
    affine: [Tensor<1>; 2],
    sharing: Sharing,
    activation: Activation,
) -> Tensor<4> {
    normalise_alone(input, affine, sharing, activation).0
}

type Operation = fn(Tensor<4>, [Tensor<1>; 2], Sharing, Activation) -> Tensor<4>;

/// The output and the gradients of input, scale and shift under a random weighting of the output.
fn all(
    operation: Operation,
    shape: [usize; 4],
    sharing: Sharing,
    activation: Activation,
    dtype: DType,
) -> Vec<Vec<f64>> {
    let device = &cpu();
    let input = leaf("input", shape, device, dtype);
    let affine = ["gamma", "beta"].map(|name| leaf(name, [shape[1]], device, dtype));
    let output = operation(input.clone(), affine.clone(), sharing, activation);
    let weighting = leaf("weighting", shape, device, dtype).detach();
    let gradients = (output.clone() * weighting).sum().backward();
    let [gamma, beta] = affine.map(|tensor| tensor.grad(&gradients).expect("a leaf").into_data());
    [
        output.detach().into_data(),
        input.grad(&gradients).expect("a leaf").into_data(),
        gamma,
        beta,
    ]
    .iter()
    .map(|data| data.iter::<f64>().collect())
    .collect()
}

const SHAPES: [([usize; 4], usize); 6] = [
    ([3, 6, 5, 7], 2),
    ([2, 8, 4, 4], 1),
    ([1, 4, 16, 16], 4),
    ([5, 12, 1, 3], 3),
    ([7, 64, 17, 16], 16),
    ([2, 4, 64, 65], 2),
];

#[test]
fn values_and_gradients_are_those_of_the_formula() {
    for (shape, groups) in SHAPES {
        for sharing in [Sharing::Batch, Sharing::Groups(groups)] {
            for activation in [
                Activation::Identity,
                Activation::LeakyRelu(0.2),
                Activation::Silu,
            ] {
                let exact = all(formula, shape, sharing, activation, DType::F64);
                let found = all(kernel, shape, sharing, activation, DType::F32);
                for (result, (exact, found)) in exact.iter().zip(&found).enumerate() {
                    let largest = exact.iter().fold(0.0f64, |most, x| most.max(x.abs()));
                    // An input near a kink falls on one side in f32 and on the other in f64.
                    let off = exact.iter().zip(found);
                    let off = off
                        .filter(|(x, y)| (*x - *y).abs() > 5e-5 * largest)
                        .count();
                    assert!(
                        off * 10_000 <= exact.len(),
                        "result {result} of {shape:?} {sharing:?} {activation:?}: {off} entries differ"
                    );
                }
            }
        }
    }
}

#[test]
fn given_moments_are_constants() {
    // With moments that do not move with the input, each entry's gradient is its own slope.
    let shape = [2, 3, 4, 4];
    let device = &cpu();
    let input = leaf("input", shape, device, DType::F32);
    let affine = ["gamma", "beta"].map(|name| leaf(name, [3], device, DType::F32));
    let moments = Tensor::<2>::from_data([[0.5f32, 1.0, 1.5], [4.0, 9.0, 16.0]], device);
    let plan = Plan {
        layout: Layout::new(shape, Sharing::Batch),
        activation: Activation::Identity,
        of_input: false,
    };
    let output = normalise(input.clone(), moments, affine.clone(), plan);
    let gradient = input.grad(&output.sum().backward()).expect("a leaf");
    let gamma = values(affine[0].clone().detach()).expect("f32");
    for (place, slope) in values(gradient).expect("f32").into_iter().enumerate() {
        let channel = place / 16 % 3;
        let wanted = gamma[channel] / [2.0, 3.0, 4.0][channel];
        assert!(
            (slope / wanted - 1.0).abs() < 1e-5,
            "{slope}, expected {wanted}"
        );
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let results = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("a pool").install(|| {
            [Sharing::Batch, Sharing::Groups(16)].map(|sharing| {
                all(
                    kernel,
                    [7, 64, 17, 16],
                    sharing,
                    Activation::Silu,
                    DType::F32,
                )
            })
        })
    };
    let one = results(1);
    for threads in [2, 5] {
        assert!(results(threads) == one, "{threads} threads");
    }
}

#[test]
fn an_image_is_group_normalised_alone() {
    let device = &cpu();
    let input = leaf("input", [4, 8, 6, 6], device, DType::F32).detach();
    let affine = || ["gamma", "beta"].map(|name| leaf(name, [8], device, DType::F32));
    let run =
        |input| values(kernel(input, affine(), Sharing::Groups(2), Activation::Silu).detach());
    let together = run(input.clone()).expect("f32");
    let alone: Vec<f32> = (0..4)
        .flat_map(|image| run(input.clone().narrow(0, image, 1)).expect("f32"))
        .collect();
    assert!(together == alone);
}
