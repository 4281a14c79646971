//! A linear map of the rows of images on slices, with what follows it while a block is in the cache.

use rayon::prelude::*;

use super::{Follow, rows};
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{take, with_scratch, zeros};
use crate::linalg::Matrix;

/// The sizes of a linear map.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Rows of one image.
    pub(super) rows: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
}

/// follow(x W + b) of every row.
pub(super) fn linear(
    sizes: Sizes,
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
    follow: Follow,
) -> Vec<f32> {
    let kept = follow.kept(sizes.outputs);
    let images = input.len() / (sizes.rows * sizes.inputs);
    let mut output = zeros(images * sizes.rows * kept);
    output
        .par_chunks_mut(sizes.rows * kept)
        .zip(input.par_chunks(sizes.rows * sizes.inputs))
        .for_each(|(output, input)| {
            if follow == Follow::SwiGlu {
                return with_scratch(|scratch| {
                    let wide = take(&mut scratch.joined, sizes.rows * sizes.outputs);
                    fill(wide, bias);
                    add_product(sizes, input, weight, wide);
                    rows::swi_glu(wide, output, kept);
                });
            }
            fill(output, bias);
            add_product(sizes, input, weight, output);
            match follow {
                Follow::Gelu => rows::gelu(output),
                Follow::QuickGelu => rows::quick_gelu(output),
                Follow::Nothing | Follow::SwiGlu => {}
            }
        });
    output
}

/// y + x W + b of every row.
pub(super) fn linear_onto(
    sizes: Sizes,
    onto: &[f32],
    input: &[f32],
    weight: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let mut output = zeros(onto.len());
    output
        .par_chunks_mut(sizes.rows * sizes.outputs)
        .zip(onto.par_chunks(sizes.rows * sizes.outputs))
        .zip(input.par_chunks(sizes.rows * sizes.inputs))
        .for_each(|((output, onto), input)| {
            let rows = output.chunks_exact_mut(sizes.outputs);
            for (output, onto) in rows.zip(onto.chunks_exact(sizes.outputs)) {
                for ((output, onto), bias) in output.iter_mut().zip(onto).zip(bias) {
                    *output = onto + bias;
                }
            }
            add_product(sizes, input, weight, output);
        });
    output
}

/// Every row becomes the bias.
fn fill(output: &mut [f32], bias: &[f32]) {
    for row in output.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
}

/// Adds x W to the rows of `output`.
fn add_product(sizes: Sizes, input: &[f32], weight: &[f32], output: &mut [f32]) {
    let Sizes {
        rows,
        inputs,
        outputs,
    } = sizes;
    for piece in pieces(inputs) {
        multiply(
            [rows, outputs, piece.len()],
            output,
            outputs,
            Matrix::rows(&input[piece.start..], inputs),
            Matrix::rows(&weight[piece.start * outputs..], outputs),
            true,
        );
    }
}
