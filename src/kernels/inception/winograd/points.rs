//! The matrices of one axis: F(4, r), four neighbouring outputs of kernels of r taps from a tile of r + 3 inputs.
//!
//! They belong to the points 0, infinity and the two roots of some numbers x at which polynomials are evaluated. Where p is the
//! polynomial in y that is zero at every x, px the one that is zero at all others, and p0, p1, .. are coefficients, constant first:
//!
//! ```text
//! B'  of 0:              p0 d0 + p1 d2 + p2 d4 + ..
//!     of q = +-sqrt(x):  (px0 d2 + px1 d4 + ..) + q (px0 d1 + px1 d3 + ..)
//!     of infinity:       p0 d1 + p1 d3 + p2 d5 + ..
//! G   of 0:              (1, 0, .., 0) / p0
//!     of q = +-sqrt(x):  (1, q, .., q^(r-1)) / 2 x px(x)
//!     of infinity:       (0, .., 0, 1)
//! A'  of output i:       the sum of q^i times the entry of q over all points q, that of infinity for the last output alone
//! ```
//!
//! The numbers x were chosen so that sums of rectified normal channels round little. In units of the error of the plain sum that is
//! 1.7 with 3 taps (2.5 along both axes), 2.4 with 5 and 4.9 with 7.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use super::Vector;
use crate::wide::LANES;

/// Outputs of a tile.
pub(super) const STEP: usize = 4;
/// The most numbers x, and coefficients of p.
const MOST: usize = 4;
const COEFFICIENTS: usize = MOST + 1;

/// The points of tiles of `TILE` entries.
struct Points<const TILE: usize>;

impl<const TILE: usize> Points<TILE> {
    const TAPS: usize = TILE + 1 - STEP;
    /// The numbers x, and their roots.
    const SQUARES: &'static [f64] = match TILE {
        6 => &[0.5, 2.0],
        8 => &[0.25, 1.0, 4.0],
        10 => &[0.125, 0.75, 1.5, 4.0],
        _ => panic!("no points were chosen for such tiles"),
    };
    const ROOTS: &'static [f64] = match TILE {
        6 => &[std::f64::consts::FRAC_1_SQRT_2, std::f64::consts::SQRT_2],
        8 => &[0.5, 1.0, 2.0],
        10 => &[
            0.353_553_390_593_273_8,
            0.866_025_403_784_438_6,
            1.224_744_871_391_589,
            2.0,
        ],
        _ => panic!("no points were chosen for such tiles"),
    };
    const PAIRS: usize = Self::SQUARES.len();

    /// The coefficients of p, and of every px.
    const ALL: [f64; COEFFICIENTS] = polynomial(Self::SQUARES, None);
    const OTHERS: [[f64; COEFFICIENTS]; MOST] = {
        let mut others = [[0.0; COEFFICIENTS]; MOST];
        let mut pair = 0;
        while pair < Self::PAIRS {
            others[pair] = polynomial(Self::SQUARES, Some(pair));
            pair += 1;
        }
        others
    };
}

/// The coefficients, constant first, of the polynomial that is zero at all `zeros` but one.
const fn polynomial(zeros: &[f64], without: Option<usize>) -> [f64; COEFFICIENTS] {
    let mut coefficients = [0.0; COEFFICIENTS];
    coefficients[0] = 1.0;
    let mut zero = 0;
    while zero < zeros.len() {
        let is_left_out = matches!(without, Some(without) if without == zero);
        if !is_left_out {
            let mut power = MOST;
            while power > 0 {
                coefficients[power] = coefficients[power - 1] - zeros[zero] * coefficients[power];
                power -= 1;
            }
            coefficients[0] *= -zeros[zero];
        }
        zero += 1;
    }
    coefficients
}

/// The matrix G, [entries, taps].
pub(super) fn factors<const TILE: usize>() -> Vec<Vec<f64>> {
    let taps = Points::<TILE>::TAPS;
    let mut rows = vec![vec![0.0; taps]; TILE];
    rows[0][0] = 1.0 / Points::<TILE>::ALL[0];
    for pair in 0..Points::<TILE>::PAIRS {
        let (square, root) = (Points::<TILE>::SQUARES[pair], Points::<TILE>::ROOTS[pair]);
        let others = Points::<TILE>::OTHERS[pair];
        let at_square = others.iter().rev().fold(0.0, |sum, c| sum * square + c);
        for (sign, row) in [root, -root].into_iter().zip(1 + 2 * pair..) {
            rows[row] = (0..taps)
                .map(|tap| sign.powi(tap as i32) / (2.0 * square * at_square))
                .collect();
        }
    }
    rows[TILE - 1][taps - 1] = 1.0;
    rows
}

/// B' times a tile.
#[inline(always)]
pub(super) fn input_transform<const TILE: usize>(d: &[Vector; TILE]) -> [Vector; TILE] {
    let mut out = [[0.0; LANES]; TILE];
    for lane in 0..LANES {
        let mut tile = [0.0; TILE];
        for place in 0..TILE {
            tile[place] = d[place][lane];
        }
        let pairs = Points::<TILE>::PAIRS;
        out[0][lane] = every_second(&tile, 0, &Points::<TILE>::ALL, pairs + 1);
        for pair in 0..pairs {
            let even = every_second(&tile, 2, &Points::<TILE>::OTHERS[pair], pairs);
            let odd = every_second(&tile, 1, &Points::<TILE>::OTHERS[pair], pairs);
            let odd = Points::<TILE>::ROOTS[pair] as f32 * odd;
            out[1 + 2 * pair][lane] = even + odd;
            out[2 + 2 * pair][lane] = even - odd;
        }
        out[TILE - 1][lane] = every_second(&tile, 1, &Points::<TILE>::ALL, pairs + 1);
    }
    out
}

/// The sum of the first `count` coefficients times every second input from `first` on.
#[inline(always)]
fn every_second<const TILE: usize>(
    d: &[f32; TILE],
    first: usize,
    coefficients: &[f64; COEFFICIENTS],
    count: usize,
) -> f32 {
    let mut sum = coefficients[0] as f32 * d[first];
    for term in 1..count {
        sum += coefficients[term] as f32 * d[first + 2 * term];
    }
    sum
}

/// A' times the sums of a tile.
#[inline(always)]
pub(super) fn output_transform<const TILE: usize>(m: &[Vector; TILE]) -> [Vector; STEP] {
    let mut out = [[0.0; LANES]; STEP];
    for lane in 0..LANES {
        let mut outputs = [m[0][lane], 0.0, 0.0, m[TILE - 1][lane]];
        for pair in 0..Points::<TILE>::PAIRS {
            let square = Points::<TILE>::SQUARES[pair] as f32;
            let (plus, minus) = (m[1 + 2 * pair][lane], m[2 + 2 * pair][lane]);
            let sum = plus + minus;
            let difference = Points::<TILE>::ROOTS[pair] as f32 * (plus - minus);
            outputs[0] += sum;
            outputs[1] += difference;
            outputs[2] += square * sum;
            outputs[3] += square * difference;
        }
        for (out, output) in out.iter_mut().zip(outputs) {
            out[lane] = output;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::array;

    use super::*;

    /// Of one tap and one input, every pair of them: the input comes out where the tap brings it, and nowhere else.
    fn is_a_correlation<const TILE: usize>() {
        let factors = factors::<TILE>();
        let pairs =
            (0..Points::<TILE>::TAPS).flat_map(|tap| (0..TILE).map(move |place| (tap, place)));
        for (tap, place) in pairs {
            let mut tile = [[0.0; LANES]; TILE];
            tile[place] = [1.0; LANES];
            let tile = input_transform(&tile);
            let sums: [Vector; TILE] =
                array::from_fn(|entry| tile[entry].map(|value| value * factors[entry][tap] as f32));
            for (output, values) in output_transform(&sums).iter().enumerate() {
                let expected = if output + tap == place { 1.0 } else { 0.0 };
                let found = values[0];
                assert!(
                    (found - expected).abs() < 5e-6,
                    "{TILE}, tap {tap} at input {place}: output {output} is {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn the_matrices_are_those_of_a_correlation() {
        is_a_correlation::<6>();
        is_a_correlation::<8>();
        is_a_correlation::<10>();
    }
}
