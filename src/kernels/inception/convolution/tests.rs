//! The convolution against Burn's.

use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::*;
use crate::device::values;

fn wave(count: usize, place: f32) -> Vec<f32> {
    let entry = |i: usize| (0.37 * (i * i % 1009) as f32 + 0.7 * i as f32 + place).sin();
    (0..count).map(entry).collect()
}

/// Burn's convolution of the same, with the first `rectified` outputs rectified.
fn expected(shape: &Shape, input: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let device = Device::flex();
    let [height, width] = shape.input;
    let dims = [shape.images, shape.channels, height, width];
    let input = Tensor::<4>::from_data(TensorData::new(input.to_vec(), dims), &device);
    let dims = [
        shape.outputs,
        shape.inputs,
        shape.kernel[0],
        shape.kernel[1],
    ];
    let weight = Tensor::<4>::from_data(TensorData::new(weight.to_vec(), dims), &device);
    let bias = Tensor::<1>::from_data(TensorData::new(bias.to_vec(), [shape.outputs]), &device);
    let options = ConvOptions::new([shape.stride; 2], shape.padding, [1, 1], 1);
    let input = input.narrow(1, shape.first, shape.inputs);
    let mut output = values(conv2d(input, weight, Some(bias), options)).unwrap();
    let places = shape.output_places();
    for (map, values) in output.chunks_exact_mut(places).enumerate() {
        if map % shape.outputs < shape.rectified {
            for value in values {
                *value = value.max(0.0);
            }
        }
    }
    output
}

#[test]
fn convolutions_agree_with_burns_and_do_not_depend_on_the_batch() {
    for (input, kernel, padding, stride) in [
        ([9, 9], [1, 1], [0, 0], 1),
        ([35, 35], [1, 1], [0, 0], 1),
        ([17, 17], [1, 7], [0, 3], 1),
        ([17, 17], [7, 1], [3, 0], 1),
        ([11, 18], [1, 7], [0, 3], 1),
        ([14, 9], [7, 1], [0, 0], 1),
        ([20, 9], [7, 1], [5, 0], 1),
        ([8, 8], [3, 3], [1, 1], 1),
        ([8, 8], [1, 3], [0, 1], 1),
        ([9, 11], [3, 1], [1, 0], 1),
        ([12, 31], [5, 5], [2, 2], 1),
        ([35, 35], [5, 5], [2, 2], 1),
        ([14, 13], [5, 5], [0, 1], 1),
        ([11, 9], [3, 1], [1, 2], 1),
        ([17, 17], [3, 3], [0, 0], 2),
        ([40, 41], [3, 3], [0, 0], 1),
        ([35, 35], [3, 3], [1, 1], 1),
        ([18, 70], [3, 3], [1, 1], 1),
    ] {
        let output = [0, 1].map(|i| (input[i] + 2 * padding[i] - kernel[i]) / stride + 1);
        let mut shape = Shape {
            images: 5,
            channels: 80,
            first: 3,
            inputs: 75, // 3 x 3 kernels then have more terms than are summed at once
            outputs: 18,
            rectified: 16,
            input,
            output,
            kernel,
            padding,
            stride,
        };
        let image = shape.channels * shape.input_places();
        let images = wave(5 * image, 0.0);
        let weight = wave(shape.outputs * shape.terms(), 1.3);
        let bias = wave(shape.outputs, 2.6);
        let transformed = OnceLock::new();
        let found = convolve(&shape, &images, &weight, &transformed, &bias);
        let expected = expected(&shape, &images, &weight, &bias);
        assert_eq!(found.len(), expected.len());
        // In roundings of the sum of magnitudes, which are about 0.4 each; tiles of 7 taps round most.
        let roundings = if kernel.contains(&7) { 24.0 } else { 8.0 };
        let tolerance = roundings * f32::EPSILON / 2.0 * 0.4 * shape.terms() as f32;
        for (place, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(
                (found - expected).abs() < tolerance,
                "{input:?}, {kernel:?}, place {place}: {found}, expected {expected}"
            );
        }
        shape.images = 1;
        let alone = &images[3 * image..4 * image];
        let alone = convolve(&shape, alone, &weight, &transformed, &bias);
        assert_eq!(alone, found[3 * alone.len()..4 * alone.len()], "{kernel:?}");
    }
}

#[test]
fn what_is_no_number_does_not_pass_for_zero() {
    for kernel in [[1, 1], [5, 5], [3, 3], [1, 7]] {
        let shape = Shape {
            images: 1,
            channels: 20,
            first: 0,
            inputs: 20,
            outputs: 18,
            rectified: 18,
            input: [17, 17],
            output: [17, 17],
            kernel,
            padding: kernel.map(|length| length / 2),
            stride: 1,
        };
        let input = wave(20 * shape.input_places(), 0.0);
        let mut weight = wave(shape.outputs * shape.terms(), 1.3);
        weight[0] = f32::NAN;
        let bias = wave(shape.outputs, 2.6);
        let found = convolve(&shape, &input, &weight, &OnceLock::new(), &bias);
        let (of_it, of_others) = found.split_at(shape.output_places());
        assert!(of_it.iter().all(|value| value.is_nan()), "{kernel:?}");
        assert!(
            of_others.iter().all(|value| value.is_finite()),
            "{kernel:?}"
        );
    }
}
