//! Attention on slices, a head of an image at a time.

use rayon::prelude::*;

use super::rows;
use crate::kernels::product::{multiply, pieces};
use crate::kernels::scratch::{take, with_scratch, zeros};
use crate::linalg::Matrix;

/// softmax(Q K' / sqrt(d)) V: [images, tokens, 3 width] -> [images, tokens, width].
pub(super) fn attend(packed: &[f32], [tokens, width, heads]: [usize; 3]) -> Vec<f32> {
    let mut output = zeros(packed.len() / 3);
    output
        .par_chunks_mut(tokens * width)
        .zip(packed.par_chunks(3 * tokens * width))
        .for_each(|(output, packed)| {
            with_scratch(|scratch| {
                let weights = take(&mut scratch.joined, tokens * tokens);
                for head in 0..heads {
                    attend_head(packed, output, weights, [tokens, width, heads], head);
                }
            });
        });
    output
}

/// One head of one image; `weights` is room for its tokens x tokens weights.
fn attend_head(
    packed: &[f32],
    output: &mut [f32],
    weights: &mut [f32],
    [tokens, width, heads]: [usize; 3],
    head: usize,
) {
    let (size, stride) = (width / heads, 3 * width);
    let part = |number: usize| &packed[number * width + head * size..];
    weights.fill(0.0);
    for piece in pieces(size) {
        multiply(
            [tokens, tokens, piece.len()],
            weights,
            tokens,
            Matrix::rows(&part(0)[piece.start..], stride),
            Matrix::columns(&part(1)[piece.start..], stride),
            true,
        );
    }
    rows::softmax(weights, tokens, (size as f32).sqrt().recip());
    let output = &mut output[head * size..];
    for piece in pieces(tokens) {
        multiply(
            [tokens, size, piece.len()],
            output,
            width,
            Matrix::rows(&weights[piece.start..], tokens),
            Matrix::rows(&part(2)[piece.start * stride..], stride),
            piece.start > 0,
        );
    }
}
