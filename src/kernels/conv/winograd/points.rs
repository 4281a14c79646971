//! The matrices of the forms along one axis, as functions of a column of numbers: A, B and their transposes; and G.
//!
//! They follow from the points at which polynomials are evaluated. With p and q for points, P and Q for their squares:
//!
//! ```text
//! B'  of 0:      PQ d0 - (P + Q) d2 + d4                                                    FourByThree alone
//!     of +-q:    (d4 - P d2) +- q (d3 - P d1)        FourByTwo, a place earlier: (d3 - P d1) +- q (d2 - P d0)
//!     of +-p:    the same with P and Q, p and q exchanged
//!     of inf:    PQ d1 - (P + Q) d3 + d5             FourByTwo, a place earlier
//! A'             the powers 0 to 3 of the points, by columns; of inf: 0 but for the last row's 1
//! ```
//!
//! The points are short binary fractions, so that these matrices are exact. Of 192 rectified normal channels sums round 1.8
//! (FourByTwo) and 1.9 times (FourByThree) as much as one after the other; with the points of the paper, 0, 1, -1, 2 (and -2),
//! FourByTwo's 4 times.

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]

/// F(STEP x STEP, TAPS x TAPS): tiles of `STEP` outputs along an axis, kernels of `TAPS`, and `TILE` = STEP + TAPS - 1.
pub(super) trait Points<const TILE: usize, const STEP: usize, const TAPS: usize> {
    /// The matrix G.
    const KERNEL: [[f64; TAPS]; TILE];

    /// B' d.
    fn spread_input(d: [f32; TILE]) -> [f32; TILE];

    /// B m.
    fn collect_input(m: [f32; TILE]) -> [f32; TILE];

    /// A e.
    fn spread_output(e: [f32; STEP]) -> [f32; TILE];

    /// A' m.
    fn collect_output(m: [f32; TILE]) -> [f32; STEP];

    /// G' m.
    #[inline(always)]
    fn collect_kernel(m: [f32; TILE]) -> [f32; TAPS] {
        let mut taps = [0.0; TAPS];
        for (factors, m) in Self::KERNEL.iter().zip(m) {
            for (tap, factor) in taps.iter_mut().zip(factors) {
                *tap += *factor as f32 * m;
            }
        }
        taps
    }
}

/// Points 0, 1 and infinity.
pub(super) struct TwoByTwo;

/// Points q = 3/8, -q, p = 5/4, -p and infinity.
pub(super) struct FourByTwo;

/// Points 0, q = 3/4, -q, p = 3/2, -p and infinity.
pub(super) struct FourByThree;

impl Points<3, 2, 2> for TwoByTwo {
    const KERNEL: [[f64; 2]; 3] = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

    #[inline(always)]
    fn spread_input([d0, d1, d2]: [f32; 3]) -> [f32; 3] {
        [d0 - d1, d1, d2 - d1]
    }

    #[inline(always)]
    fn collect_input([m0, m1, m2]: [f32; 3]) -> [f32; 3] {
        [m0, m1 - m0 - m2, m2]
    }

    #[inline(always)]
    fn spread_output([e0, e1]: [f32; 2]) -> [f32; 3] {
        [e0, e0 + e1, e1]
    }

    #[inline(always)]
    fn collect_output([m0, m1, m2]: [f32; 3]) -> [f32; 2] {
        [m0 + m1, m1 + m2]
    }
}

impl FourByTwo {
    const Q: f32 = 0.375;
    const P: f32 = 1.25;
    const Q2: f32 = Self::Q * Self::Q;
    const P2: f32 = Self::P * Self::P;
}

impl Points<5, 4, 2> for FourByTwo {
    const KERNEL: [[f64; 2]; 5] = {
        let (q, p) = (Self::Q as f64, Self::P as f64);
        let (of_q, of_p) = (2.0 * q * (q * q - p * p), 2.0 * p * (p * p - q * q));
        [
            [1.0 / of_q, q / of_q],
            [-1.0 / of_q, q / of_q],
            [1.0 / of_p, p / of_p],
            [-1.0 / of_p, p / of_p],
            [0.0, 1.0],
        ]
    };

    #[inline(always)]
    fn spread_input([d0, d1, d2, d3, d4]: [f32; 5]) -> [f32; 5] {
        let (q_even, q_odd) = (d3 - Self::P2 * d1, Self::Q * (d2 - Self::P2 * d0));
        let (p_even, p_odd) = (d3 - Self::Q2 * d1, Self::P * (d2 - Self::Q2 * d0));
        let last = d4 - (Self::P2 + Self::Q2) * d2 + Self::P2 * Self::Q2 * d0;
        [
            q_even + q_odd,
            q_even - q_odd,
            p_even + p_odd,
            p_even - p_odd,
            last,
        ]
    }

    #[inline(always)]
    fn collect_input([m0, m1, m2, m3, m4]: [f32; 5]) -> [f32; 5] {
        let (q_sum, q_difference) = (m0 + m1, Self::Q * (m0 - m1));
        let (p_sum, p_difference) = (m2 + m3, Self::P * (m2 - m3));
        [
            Self::P2 * Self::Q2 * m4 - Self::P2 * q_difference - Self::Q2 * p_difference,
            -Self::P2 * q_sum - Self::Q2 * p_sum,
            q_difference + p_difference - (Self::P2 + Self::Q2) * m4,
            q_sum + p_sum,
            m4,
        ]
    }

    #[inline(always)]
    fn spread_output([e0, e1, e2, e3]: [f32; 4]) -> [f32; 5] {
        let (q_even, q_odd) = (e0 + Self::Q2 * e2, Self::Q * (e1 + Self::Q2 * e3));
        let (p_even, p_odd) = (e0 + Self::P2 * e2, Self::P * (e1 + Self::P2 * e3));
        [
            q_even + q_odd,
            q_even - q_odd,
            p_even + p_odd,
            p_even - p_odd,
            e3,
        ]
    }

    #[inline(always)]
    fn collect_output([m0, m1, m2, m3, m4]: [f32; 5]) -> [f32; 4] {
        let (q_sum, q_difference) = (m0 + m1, Self::Q * (m0 - m1));
        let (p_sum, p_difference) = (m2 + m3, Self::P * (m2 - m3));
        [
            q_sum + p_sum,
            q_difference + p_difference,
            Self::Q2 * q_sum + Self::P2 * p_sum,
            Self::Q2 * q_difference + Self::P2 * p_difference + m4,
        ]
    }
}

impl FourByThree {
    const Q: f32 = 0.75;
    const P: f32 = 1.5;
    const Q2: f32 = Self::Q * Self::Q;
    const P2: f32 = Self::P * Self::P;
}

impl Points<6, 4, 3> for FourByThree {
    const KERNEL: [[f64; 3]; 6] = {
        let (q, p) = (Self::Q as f64, Self::P as f64);
        let (of_q, of_p) = (2.0 * q * q * (q * q - p * p), 2.0 * p * p * (p * p - q * q));
        [
            [1.0 / (q * q * p * p), 0.0, 0.0],
            [1.0 / of_q, q / of_q, q * q / of_q],
            [1.0 / of_q, -q / of_q, q * q / of_q],
            [1.0 / of_p, p / of_p, p * p / of_p],
            [1.0 / of_p, -p / of_p, p * p / of_p],
            [0.0, 0.0, 1.0],
        ]
    };

    #[inline(always)]
    fn spread_input([d0, d1, d2, d3, d4, d5]: [f32; 6]) -> [f32; 6] {
        let (q_even, q_odd) = (d4 - Self::P2 * d2, Self::Q * (d3 - Self::P2 * d1));
        let (p_even, p_odd) = (d4 - Self::Q2 * d2, Self::P * (d3 - Self::Q2 * d1));
        [
            d4 - (Self::P2 + Self::Q2) * d2 + Self::P2 * Self::Q2 * d0,
            q_even + q_odd,
            q_even - q_odd,
            p_even + p_odd,
            p_even - p_odd,
            d5 - (Self::P2 + Self::Q2) * d3 + Self::P2 * Self::Q2 * d1,
        ]
    }

    #[inline(always)]
    fn collect_input([m0, m1, m2, m3, m4, m5]: [f32; 6]) -> [f32; 6] {
        let (q_sum, q_difference) = (m1 + m2, Self::Q * (m1 - m2));
        let (p_sum, p_difference) = (m3 + m4, Self::P * (m3 - m4));
        [
            Self::P2 * Self::Q2 * m0,
            Self::P2 * Self::Q2 * m5 - Self::P2 * q_difference - Self::Q2 * p_difference,
            -(Self::P2 + Self::Q2) * m0 - Self::P2 * q_sum - Self::Q2 * p_sum,
            q_difference + p_difference - (Self::P2 + Self::Q2) * m5,
            m0 + q_sum + p_sum,
            m5,
        ]
    }

    #[inline(always)]
    fn spread_output([e0, e1, e2, e3]: [f32; 4]) -> [f32; 6] {
        let (q_even, q_odd) = (e0 + Self::Q2 * e2, Self::Q * (e1 + Self::Q2 * e3));
        let (p_even, p_odd) = (e0 + Self::P2 * e2, Self::P * (e1 + Self::P2 * e3));
        [
            e0,
            q_even + q_odd,
            q_even - q_odd,
            p_even + p_odd,
            p_even - p_odd,
            e3,
        ]
    }

    #[inline(always)]
    fn collect_output([m0, m1, m2, m3, m4, m5]: [f32; 6]) -> [f32; 4] {
        let (q_sum, q_difference) = (m1 + m2, Self::Q * (m1 - m2));
        let (p_sum, p_difference) = (m3 + m4, Self::P * (m3 - m4));
        [
            m0 + q_sum + p_sum,
            q_difference + p_difference,
            Self::Q2 * q_sum + Self::P2 * p_sum,
            Self::Q2 * q_difference + Self::P2 * p_difference + m5,
        ]
    }
}
