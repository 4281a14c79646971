//! The kernels against Burn's own operations, and the promises on bits.

use burn::tensor::module;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{Device, Tensor, TensorData};

use super::{conv_transpose2d, conv2d};
use crate::device::{cpu, values};
use crate::kernels::flex::is_ours;
use crate::random::Random;

/// [images, inputs, outputs, height, width, kernel, stride, padding]
type Case = [usize; 8];

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let windows = [
        (1, 1, 0),
        (1, 2, 0),
        (1, 1, 1),
        (3, 1, 0),
        (3, 1, 1),
        (3, 1, 2),
        (3, 2, 0),
        (3, 2, 1),
        (3, 3, 1),
        (4, 1, 0),
        (4, 2, 1),
        (4, 2, 2),
        (5, 1, 2),
        (5, 2, 0),
        (5, 2, 2),
        (5, 3, 1),
    ];
    let channels = [(1, 1), (1, 3), (3, 5), (5, 1), (3, 16), (16, 3), (16, 16)];
    let sizes = [(5, 5), (8, 8), (7, 10), (5, 9), (4, 4), (16, 16)];
    for (kernel, stride, padding) in windows {
        for (place, (inputs, outputs)) in channels.into_iter().enumerate() {
            for (turn, (height, width)) in sizes.into_iter().enumerate() {
                if height + 2 * padding < kernel || width + 2 * padding < kernel {
                    continue;
                }
                let images = [1, 3, 8][(place + turn) % 3];
                cases.push([
                    images, inputs, outputs, height, width, kernel, stride, padding,
                ]);
            }
        }
    }
    // Several blocks of images, bands, pieces of a sum, runs of channels; whole-image kernels.
    cases.extend([
        [3, 3, 16, 64, 64, 3, 1, 1],
        [1, 3, 16, 64, 64, 3, 1, 1],
        [3, 3, 16, 63, 65, 3, 1, 1],
        [2, 3, 16, 64, 64, 4, 2, 1],
        [1, 2, 2, 9, 600, 3, 1, 1],
        [33, 70, 20, 8, 8, 4, 2, 1],
        [2, 130, 258, 4, 4, 3, 1, 1],
        // After Winograd: several bands and blocks of images, odd sizes, pieces of a sum, channels in and beside vectors.
        [2, 32, 64, 64, 64, 3, 1, 1],
        [2, 40, 36, 63, 33, 3, 1, 1],
        [11, 300, 32, 8, 8, 3, 1, 1],
        [9, 34, 600, 9, 8, 3, 1, 1],
        [2, 32, 70, 64, 64, 4, 2, 1],
        [3, 83, 33, 17, 12, 4, 2, 1],
        [70, 64, 130, 8, 8, 4, 2, 1],
        [128, 64, 130, 8, 8, 4, 2, 1],
        [17, 600, 3, 4, 4, 1, 1, 0],
        [40, 20, 9, 4, 4, 4, 1, 0],
        [17, 20, 1, 4, 4, 4, 1, 0],
        [33, 20, 600, 4, 4, 4, 1, 0],
        [1, 20, 30, 4, 4, 4, 1, 0],
        // One channel more than runs are wide.
        [5, 33, 65, 8, 8, 4, 2, 1],
        [3, 65, 33, 16, 16, 3, 1, 1],
    ]);
    cases
}

fn draw(name: &str, count: usize) -> Vec<f32> {
    Random::new(7).stream(name).normals(count)
}

fn leaf<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Tensor<D> {
    let data = TensorData::new(draw(name, shape.iter().product()), shape);
    let tensor = Tensor::from_data(data, device);
    if device.is_autodiff() {
        tensor.require_grad()
    } else {
        tensor
    }
}

type Operation = dyn Fn(Tensor<4>, Tensor<4>, Option<Tensor<1>>) -> Tensor<4>;

/// The output and the gradients of operand, weight and bias, under a random weighting of the output.
fn all(
    operation: &Operation,
    operand: [usize; 4],
    weight: [usize; 4],
    bias: Option<usize>,
) -> Vec<Vec<f32>> {
    let device = &cpu();
    let operand = leaf("operand", operand, device);
    let weight = leaf("weight", weight, device);
    let bias = bias.map(|channels| leaf("bias", [channels], device));
    assert!(is_ours(&operand) && is_ours(&weight));
    let output = operation(operand.clone(), weight.clone(), bias.clone());
    let weighting = leaf("weighting", output.dims(), device).detach();
    let gradients = (output.clone() * weighting).sum().backward();
    let mut results = vec![
        values(output.detach()).unwrap(),
        values(operand.grad(&gradients).unwrap()).unwrap(),
        values(weight.grad(&gradients).unwrap()).unwrap(),
    ];
    results.extend(bias.map(|bias| values(bias.grad(&gradients).unwrap()).unwrap()));
    results
}

fn assert_close(ours: &[Vec<f32>], theirs: &[Vec<f32>], case: &Case) {
    assert_eq!(ours.len(), theirs.len());
    for (result, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert_eq!(ours.len(), theirs.len(), "result {result} of {case:?}");
        let largest = theirs
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert!(
                (ours - theirs).abs() <= 1e-4 * largest,
                "result {result} of {case:?}: {ours} and {theirs}"
            );
        }
    }
}

#[test]
fn convolutions_agree_with_burns() {
    for (turn, case) in cases().into_iter().enumerate() {
        let [
            images,
            inputs,
            outputs,
            height,
            width,
            kernel,
            stride,
            padding,
        ] = case;
        let bias = (turn % 2 == 0).then_some(outputs);
        let sizes = (
            [images, inputs, height, width],
            [outputs, inputs, kernel, kernel],
        );
        let ours = all(
            &move |operand, weight, bias| conv2d(operand, weight, bias, [stride, padding]),
            sizes.0,
            sizes.1,
            bias,
        );
        let theirs = all(
            &move |operand, weight, bias| {
                let options = ConvOptions::new([stride; 2], [padding; 2], [1, 1], 1);
                module::conv2d(operand, weight, bias, options)
            },
            sizes.0,
            sizes.1,
            bias,
        );
        assert_close(&ours, &theirs, &case);
    }
}

#[test]
fn transposed_convolutions_agree_with_burns() {
    for (turn, case) in cases().into_iter().enumerate() {
        let [
            images,
            inputs,
            outputs,
            height,
            width,
            kernel,
            stride,
            padding,
        ] = case;
        // A whole-image kernel doubles as one that grows an image from a single place.
        let [height, width] = if kernel == 4 && stride == 1 {
            [1, 1]
        } else {
            [height, width]
        };
        if (height - 1) * stride + kernel <= 2 * padding || height * width > 1024 {
            continue;
        }
        let bias = (turn % 2 == 1).then_some(outputs);
        let sizes = (
            [images, inputs, height, width],
            [inputs, outputs, kernel, kernel],
        );
        let ours = all(
            &move |operand, weight, bias| {
                conv_transpose2d(operand, weight, bias, [stride, padding])
            },
            sizes.0,
            sizes.1,
            bias,
        );
        let theirs = all(
            &move |operand, weight, bias| {
                let options =
                    ConvTransposeOptions::new([stride; 2], [padding; 2], [0, 0], [1, 1], 1);
                module::conv_transpose2d(operand, weight, bias, options)
            },
            sizes.0,
            sizes.1,
            bias,
        );
        assert_close(&ours, &theirs, &case);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let pool = |threads| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap()
    };
    let (one, three) = (pool(1), pool(3));
    for case in cases()
        .into_iter()
        .step_by(7)
        .chain(cases().into_iter().rev().take(10))
    {
        let [
            images,
            inputs,
            outputs,
            height,
            width,
            kernel,
            stride,
            padding,
        ] = case;
        let compute = || {
            all(
                &move |operand, weight, bias| conv2d(operand, weight, bias, [stride, padding]),
                [images, inputs, height, width],
                [outputs, inputs, kernel, kernel],
                Some(outputs),
            )
        };
        assert!(one.install(compute) == three.install(compute), "{case:?}");
    }
}

#[test]
fn an_image_does_not_depend_on_its_batch() {
    let device = &cpu().without_autodiff();
    for case in cases() {
        let [_, inputs, outputs, height, width, kernel, stride, padding] = case;
        // Of small maps so many that they go in blocks, and alone in one product for all.
        let images = if height * width <= 64 { 128 } else { 9 };
        let along = leaf("operand", [images, inputs, height, width], device);
        let weight = leaf("weight", [outputs, inputs, kernel, kernel], device);
        let back = (kernel == 4 && stride == 1).then_some([1, 1]);
        let [height, width] = back.unwrap_or([height, width]);
        let back = leaf("operand", [images, outputs, height, width], device);
        let forward = |first: usize, count: usize| {
            let operand = along.clone().narrow(0, first, count);
            let bias = Some(leaf("bias", [outputs], device));
            values(conv2d(operand, weight.clone(), bias, [stride, padding])).unwrap()
        };
        let transposed = |first: usize, count: usize| {
            let operand = back.clone().narrow(0, first, count);
            values(conv_transpose2d(
                operand,
                weight.clone(),
                None,
                [stride, padding],
            ))
            .unwrap()
        };
        let possible = (height - 1) * stride + kernel > 2 * padding
            && (width - 1) * stride + kernel > 2 * padding;
        for (first, count) in [(0, 1), (4, 1), (2, 3), (1, 8)] {
            let check = |whole: &[f32], part: &[f32]| {
                let length = whole.len() / images;
                let expected = &whole[first * length..][..count * length];
                assert!(expected == part, "{case:?} at {first}, {count}");
            };
            check(&forward(0, images), &forward(first, count));
            if possible {
                check(&transposed(0, images), &transposed(first, count));
            }
        }
    }
}

#[test]
fn other_types_are_left_to_burn() {
    let device = &cpu();
    let double = |name, shape: [usize; 4]| leaf(name, shape, device).cast(burn::tensor::DType::F64);
    let output = conv2d(
        double("operand", [2, 3, 8, 8]),
        double("weight", [4, 3, 3, 3]),
        None,
        [1, 1],
    );
    assert_eq!(output.dtype(), burn::tensor::DType::F64);
}
