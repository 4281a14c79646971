//! The functions against f64, the gradients against Burn's and against central differences.

use burn::tensor::{Tensor, TensorData};

use super::Activation;
use crate::device::{cpu, values};
use crate::random::Random;

const ALL: [Activation; 6] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Silu,
    Activation::Softplus,
    Activation::Tanh,
];

fn exact(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(leak) if x < 0.0 => f64::from(leak) * x,
        Activation::Identity | Activation::LeakyRelu(_) => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
        Activation::Tanh => x.tanh(),
    }
}

fn line(numbers: &[f32]) -> Tensor<1> {
    Tensor::from_data(TensorData::new(numbers.to_vec(), [numbers.len()]), &cpu())
}

/// Numbers of all sizes: fine steps around zero, normals, and the tails.
fn numbers() -> Vec<f32> {
    let fine = (-1000..=1000).map(|step| step as f32 * 1e-3);
    let coarse = (-400..=400).map(|step| step as f32 * 0.31);
    let tiny = (0..60).map(|step| 2f32.powi(-step));
    let mut all: Vec<f32> = fine.chain(coarse).chain(tiny).collect();
    all.extend(Random::new(3).stream("activation").normals(40_000));
    all
}

#[test]
fn every_function_is_exact_to_a_few_units_in_the_last_place() {
    let numbers = numbers();
    for activation in ALL {
        let found = values(activation.forward(line(&numbers)).detach()).expect("f32");
        for (&x, &y) in numbers.iter().zip(&found) {
            let wanted = exact(activation, f64::from(x));
            let bound = 4e-7 * wanted.abs() + 1e-35; // the tails end at e^-87
            assert!(
                (f64::from(y) - wanted).abs() <= bound,
                "{activation:?} of {x}: {y}, expected {wanted}"
            );
        }
    }
}

#[test]
fn gradients_and_slopes_are_the_derivatives() {
    let numbers: Vec<f32> = numbers().into_iter().filter(|x| x.abs() > 1e-2).collect();
    let weights = Random::new(3).stream("weights").normals(numbers.len());
    for activation in ALL {
        let input =
            Tensor::<1>::from_data(TensorData::new(numbers.clone(), [numbers.len()]), &cpu())
                .require_grad();
        let weight = Tensor::from_data(TensorData::new(weights.clone(), [weights.len()]), &cpu());
        let sum = (activation.forward(input.clone()) * weight).sum();
        let gradient = input.grad(&sum.backward()).expect("a leaf");
        let gradient = values(gradient).expect("f32");
        let slopes = values(activation.slope(input)).expect("f32");
        for (place, &x) in numbers.iter().enumerate() {
            let (x, weight) = (f64::from(x), f64::from(weights[place]));
            let step = 1e-5;
            let wanted = (exact(activation, x + step) - exact(activation, x - step)) / (2.0 * step);
            let slope = f64::from(slopes[place]);
            assert!(
                (slope - wanted).abs() < 2e-6,
                "{activation:?} at {x}: {slope}, {wanted}"
            );
            let found = f64::from(gradient[place]);
            assert!(
                (found - weight * slope).abs() <= 1e-6 * (weight * slope).abs() + 1e-12,
                "{activation:?} at {x}: gradient {found}, slope {slope} times {weight}"
            );
        }
    }
}

#[test]
fn a_nan_stays_one() {
    for activation in ALL {
        let found = values(activation.forward(line(&[f32::NAN, 1.0])).detach()).expect("f32");
        assert!(found[0].is_nan(), "{activation:?} hides a NaN");
    }
}

#[test]
fn the_kink_belongs_to_the_side_below_zero() {
    let slope = |activation: Activation| values(activation.slope(line(&[0.0]))).expect("f32")[0];
    assert_eq!(slope(Activation::Relu).to_bits(), 0f32.to_bits());
    assert_eq!(
        slope(Activation::LeakyRelu(0.2)).to_bits(),
        0.2f32.to_bits()
    );
}
