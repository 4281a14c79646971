//! The kernels against sums in f64, and the gradient against Burn's own.

use burn::tensor::{Tensor, TensorData};

use super::{as_matrix, power_iteration, spectral_normalise};
use crate::device::{cpu, values};
use crate::random::Random;

/// Weights, [outputs, inputs, 4, 4]: one row, rows that are no multiple of a vector, and enough for several threads.
const SIZES: [[usize; 4]; 3] = [[1, 5, 4, 4], [3, 7, 3, 3], [70, 33, 4, 4]];

fn random<const D: usize>(name: &str, shape: [usize; D]) -> Tensor<D> {
    let numbers = Random::new(5).stream(name).normals(shape.iter().product());
    Tensor::from_data(TensorData::new(numbers, shape), &cpu())
}

fn close(ours: &[f32], exact: &[f64]) {
    let largest = exact.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
    for (ours, exact) in ours.iter().zip(exact) {
        let distance = (f64::from(*ours) - exact).abs();
        assert!(distance < 1e-6 * largest, "{ours} and {exact}");
    }
    assert_eq!(ours.len(), exact.len());
}

fn normalised(numbers: Vec<f64>) -> Vec<f64> {
    let length = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    numbers.into_iter().map(|x| x / length).collect()
}

#[test]
fn a_power_iteration_is_that_of_f64() {
    for shape in SIZES {
        let (weight, left) = (random("weight", shape), random("left", [shape[0]]));
        let rest = shape[1..].iter().product();
        let matrix: Vec<f64> = values(weight.clone())
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect();
        let u: Vec<f64> = values(left.clone())
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect();
        let mut right = vec![0.0; rest];
        for (row, u) in matrix.chunks(rest).zip(&u) {
            for (sum, w) in right.iter_mut().zip(row) {
                *sum += u * w;
            }
        }
        let right = normalised(right);
        let rows = matrix.chunks(rest);
        let product = |row: &[f64]| row.iter().zip(&right).map(|(w, v)| w * v).sum();
        let left_after = normalised(rows.map(product).collect());
        let [ours_left, ours_right] =
            power_iteration(weight, left).map(|vector| values(vector).unwrap());
        close(&ours_right, &right);
        close(&ours_left, &left_after);
    }
}

#[test]
fn the_quotient_and_its_gradient_are_those_of_burns_operations() {
    for shape in SIZES {
        let upstream = random("upstream", shape);
        let device = cpu().autodiff();
        let on = |tensor: Tensor<1>| Tensor::<1>::from_data(tensor.to_data(), &device);
        let vectors = power_iteration(random("weight", shape), random("left", [shape[0]])).map(on);
        let [ours, burns] = [true, false].map(|ours| {
            let weight = random("weight", shape).to_data();
            let weight = Tensor::<4>::from_data(weight, &device).require_grad();
            let quotient = if ours {
                spectral_normalise(weight.clone(), vectors.clone())
            } else {
                let [left, right] = vectors.clone();
                let product = as_matrix(weight.clone()).matmul(right.unsqueeze_dim::<2>(1));
                weight.clone() / (product.squeeze_dim::<1>(1) * left).sum().reshape([1; 4])
            };
            let upstream = Tensor::<4>::from_data(upstream.to_data(), &device);
            let gradients = (quotient.clone() * upstream).sum().backward();
            [quotient.inner(), weight.grad(&gradients).unwrap()]
                .map(|tensor| values(tensor).unwrap())
        });
        for (ours, burns) in ours.iter().zip(burns) {
            let burns: Vec<f64> = burns.into_iter().map(f64::from).collect();
            close(ours, &burns);
        }
    }
}
