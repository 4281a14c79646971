//! The functions on slices, in plain arithmetic that compilers turn into vectors: no branch and no call in a loop.
//!
//! An entry's result does not depend on the width of the vectors.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

use super::Activation;

impl Activation {
    /// Every entry becomes its function. To be called inside [`wide`](crate::kernels::wide).
    #[inline(always)]
    pub(in crate::kernels) fn apply(self, entries: &mut [f32]) {
        match self {
            Self::Identity => {}
            Self::Relu => each(entries, |x| if x <= 0.0 { 0.0 } else { x }), // NaN stays
            Self::LeakyRelu(leak) => each(entries, |x| if x > 0.0 { x } else { leak * x }),
            Self::Silu => each(entries, |x| x * sigmoid(x)),
            // With calls: only losses need it, which are of few numbers.
            Self::Softplus => each(entries, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
            Self::Tanh => each(entries, tanh),
        }
    }

    /// Every entry x becomes `gradient` times the derivative at x. To be called inside [`wide`](crate::kernels::wide).
    #[inline(always)]
    pub(in crate::kernels) fn pull_back(self, entries: &mut [f32], gradient: &[f32]) {
        match self {
            Self::Identity => entries.copy_from_slice(gradient),
            Self::Relu => pair(entries, gradient, |x, g| if x > 0.0 { g } else { 0.0 }),
            Self::LeakyRelu(leak) => {
                pair(entries, gradient, |x, g| if x > 0.0 { g } else { leak * g });
            }
            Self::Silu => pair(entries, gradient, |x, g| {
                let gate = sigmoid(x);
                g * gate * (1.0 + x * (1.0 - gate))
            }),
            Self::Softplus => pair(entries, gradient, |x, g| {
                let small = (-x.abs()).exp();
                g * if x > 0.0 { 1.0 } else { small } / (1.0 + small)
            }),
            Self::Tanh => pair(entries, gradient, |x, g| {
                let y = tanh(x);
                g * (1.0 - y * y)
            }),
        }
    }
}

#[inline(always)]
fn each(entries: &mut [f32], function: impl Fn(f32) -> f32) {
    for entry in entries {
        *entry = function(*entry);
    }
}

#[inline(always)]
fn pair(entries: &mut [f32], gradient: &[f32], function: impl Fn(f32, f32) -> f32) {
    for (entry, &gradient) in entries.iter_mut().zip(gradient) {
        *entry = function(*entry, gradient);
    }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exponential(-x))
}

/// Within 2 units in the last place. Near zero a polynomial, where the quotient of exponentials cancels.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    // The coefficients of Cephes (Moshier 1989), `tanhf`.
    const ODD: [f32; 5] = [
        -5.704_988_7e-3,
        2.063_909e-2,
        -5.373_971_6e-2,
        1.333_144_2e-1,
        -3.333_328e-1,
    ];
    let square = x * x;
    let small = x + x * square * horner(&ODD, square);
    let large = 1.0 - 2.0 / (exponential(2.0 * x.abs()) + 1.0);
    if x.abs() < 0.625 {
        small
    } else {
        large.copysign(x)
    }
}

/// e^x within 2 units in the last place for x in [-87, 88], e^-87 and e^88 beyond; NaN stays NaN.
#[inline(always)]
pub(in crate::kernels) fn exponential(x: f32) -> f32 {
    // The coefficients of Cephes (Moshier 1989), `expf`: e^x = 2^n e^r with r in [-ln 2 / 2, ln 2 / 2].
    const SERIES: [f32; 6] = [
        1.987_569_2e-4,
        1.398_2e-3,
        8.333_452e-3,
        4.166_58e-2,
        1.666_666_5e-1,
        5e-1,
    ];
    // ln 2 in two parts, the first with few bits, so that n times it is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Adding it leaves the nearest integer in the last bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    let series = rest * rest * horner(&SERIES, rest) + rest + 1.0;
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    series * f32::from_bits(power.wrapping_add(127) << 23)
}

/// The polynomial with these coefficients, highest first.
#[inline(always)]
fn horner(coefficients: &[f32], x: f32) -> f32 {
    coefficients
        .iter()
        .fold(0.0, |sum, coefficient| sum * x + coefficient)
}
