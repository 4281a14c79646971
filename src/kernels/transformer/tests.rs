use burn::tensor::{Device, TensorData, Tolerance};

use super::*;
use crate::device;

/// Entry i is sin(0.37 i^2 + 0.7 i + place).
fn wave<const D: usize>(shape: [usize; D], place: f64, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| {
        let i = i as f64;
        (0.37 * i * i + 0.7 * i + place).sin() as f32
    });
    Tensor::from_data(TensorData::new(values.collect(), shape), device)
}

/// What a function gives by this module's kernels, and by Burn's operations.
fn both(function: impl Fn(&Device) -> Tensor<3>) {
    let [ours, burns] = [Device::flex(), device::cpu()].map(|device| function(&device).into_data());
    ours.assert_approx_eq::<f32>(&burns, Tolerance::absolute(2e-5));
}

#[test]
fn the_kernels_give_what_burn_gives() {
    for follow in [
        Follow::Nothing,
        Follow::Gelu,
        Follow::QuickGelu,
        Follow::SwiGlu,
    ] {
        both(|device| {
            let input = wave([2, 7, 588], 0.0, device);
            let weight = wave([588, 34], 1.0, device).mul_scalar(0.1);
            linear(input, weight, wave([34], 2.0, device), follow)
        });
    }
    both(|device| {
        let [onto, input] = [wave([3, 5, 34], 0.0, device), wave([3, 5, 20], 1.0, device)];
        linear_onto(
            onto,
            input,
            wave([20, 34], 2.0, device),
            wave([34], 3.0, device),
        )
    });
    both(|device| {
        let input = wave([2, 5, 37], 0.0, device).add_scalar(3.0);
        layer_norm(
            input,
            wave([37], 1.0, device),
            wave([37], 2.0, device),
            1e-6,
        )
    });
    for (tokens, heads) in [(5, 1), (19, 3), (600, 2)] {
        both(|device| attention(wave([2, tokens, 3 * 24], 0.0, device), heads));
    }
}

#[test]
fn gelu_is_exact_at_either_end_and_between() {
    // x Phi(x) by mpmath.
    let cases = [
        (0.0, 0.0),
        (1.0, 0.841_344_746_068_543),
        (-1.0, -0.158_655_253_931_457),
        (3.5, 3.499_185_798_223_376),
        (-3.5, -8.142_017_766_243_376e-4),
        (20.0, 20.0),
        (-20.0, 0.0),
    ];
    for (x, expected) in cases {
        let mut entries = [x];
        rows::gelu(&mut entries);
        let error = (f64::from(entries[0]) - expected).abs();
        assert!(error <= 4e-7, "{x}: {}, expected {expected}", entries[0]);
    }
}

#[test]
fn equal_tokens_attend_alike_and_a_sharp_key_takes_all() {
    let device = Device::flex();
    // Equal keys: the mean of the values.
    let packed = [0.3, 1.0, 2.0, -0.7, 1.0, 4.0, 0.1, 1.0, 9.0f32];
    let packed = Tensor::<3>::from_data(TensorData::new(packed.to_vec(), [1, 3, 3]), &device);
    let mixed = device::values(attention(packed, 1)).unwrap();
    assert!(mixed.iter().all(|value| (value - 5.0).abs() < 1e-6));
    // A key that fits by far: its value, without overflow.
    let packed = [1e4, 1e4, 2.0, 1e4, -1e4, 4.0f32];
    let packed = Tensor::<3>::from_data(TensorData::new(packed.to_vec(), [1, 2, 3]), &device);
    assert_eq!(device::values(attention(packed, 1)).unwrap(), [2.0, 2.0]);
}
