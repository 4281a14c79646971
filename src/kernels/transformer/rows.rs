//! What is done to rows of numbers between products: normalisation, softmax, activation functions; each in vectors of the
//! widest kind the CPU has. Sums are taken in a fixed order, sixteen running sums along a row.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use rayon::prelude::*;

use crate::kernels::activation::exponential;
use crate::kernels::flex::GRAIN;
use crate::kernels::scratch::zeros;
use crate::wide::wide;

/// The slope of [`quick_gelu`]'s exponent.
pub(super) const QUICK: f32 = 1.702;
/// Running sums along a row: a fixed number, whatever the CPU.
const LANES: usize = 16;

/// Layer normalisation of rows as long as `gamma`.
pub(super) fn normalise(input: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let mut output = zeros(input.len());
    let task = gamma.len() * GRAIN.div_ceil(gamma.len());
    output
        .par_chunks_mut(task)
        .zip(input.par_chunks(task))
        .for_each(|(output, input)| normalise_rows(input, gamma, beta, epsilon, output));
    output
}

wide! {
    fn normalise_rows(input: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32, output: &mut [f32]) {
        let size = gamma.len();
        for (input, output) in input.chunks_exact(size).zip(output.chunks_exact_mut(size)) {
            let mean = sum(input, |x| x) / size as f32;
            let variance = sum(input, |x| (x - mean) * (x - mean)) / size as f32;
            let scale = (variance + epsilon).sqrt().recip();
            for (((output, x), gamma), beta) in output.iter_mut().zip(input).zip(gamma).zip(beta) {
                *output = (x - mean) * scale * gamma + beta;
            }
        }
    }

    /// softmax(scale x) of every row of `size` numbers.
    pub(super) fn softmax(entries: &mut [f32], size: usize, scale: f32) {
        for row in entries.chunks_exact_mut(size) {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            let (blocks, rest) = row.as_chunks::<LANES>();
            for block in blocks {
                for (lane, &x) in lanes.iter_mut().zip(block) {
                    *lane = if x > *lane { x } else { *lane };
                }
            }
            let largest = lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |a, &b| a.max(b));
            for x in row.iter_mut() {
                *x = exponential((*x - largest) * scale);
            }
            let scale = sum(row, |x| x).recip();
            for x in row.iter_mut() {
                *x *= scale;
            }
        }
    }

    /// x Phi(x).
    pub(super) fn gelu(entries: &mut [f32]) {
        for x in entries {
            let tail = normal_tail(x.abs());
            *x *= if *x < 0.0 { tail } else { 1.0 - tail };
        }
    }

    /// x / (1 + exp(-1.702 x)).
    pub(super) fn quick_gelu(entries: &mut [f32]) {
        for x in entries {
            *x /= 1.0 + exponential(-QUICK * *x);
        }
    }

    /// Of rows (a, b) of `size` numbers each the rows a / (1 + exp(-a)) b.
    pub(super) fn swi_glu(entries: &[f32], output: &mut [f32], size: usize) {
        for (row, output) in entries.chunks_exact(2 * size).zip(output.chunks_exact_mut(size)) {
            let (gate, value) = row.split_at(size);
            for ((output, gate), value) in output.iter_mut().zip(gate).zip(value) {
                *output = gate / (1.0 + exponential(-gate)) * value;
            }
        }
    }
}

/// 1 - Phi(x) for x >= 0, off by 1e-7 at most; by the erfc of Abramowitz and Stegun 1964, formula 7.1.26.
#[inline(always)]
fn normal_tail(x: f32) -> f32 {
    const P: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
    const SERIES: [f32; 5] = [
        1.061_405_4 / 2.0,
        -1.453_152 / 2.0,
        1.421_413_7 / 2.0,
        -0.284_496_75 / 2.0,
        0.254_829_6 / 2.0,
    ];
    let t = (1.0 + P * x).recip();
    let series = SERIES
        .iter()
        .fold(0.0, |sum, coefficient| sum * t + coefficient);
    series * t * exponential(-0.5 * x * x)
}

#[inline(always)]
fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; LANES];
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for (lane, &x) in lanes.iter_mut().zip(block) {
            *lane += term(x);
        }
    }
    let rest: f32 = rest.iter().map(|&x| term(x)).sum();
    lanes.iter().sum::<f32>() + rest
}
