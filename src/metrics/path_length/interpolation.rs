//! Ways between two latents.

use serde::{Deserialize, Serialize};

/// Vectors closer to parallel than this are interpolated on a straight line.
const COLLINEAR: f64 = 1e-7;

/// The way between two latents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// A straight line.
    Lerp,
    /// The arc between their directions, lengths in between: torch-fidelity's `slerp_any`. It stays where latents from
    /// N(0, 1) lie.
    Slerp,
}

impl Interpolation {
    /// The point at `t` of the way from `a` (0) to `b` (1).
    pub fn at(self, a: &[f32], b: &[f32], t: f64) -> Vec<f32> {
        let (start, end) = match self {
            Self::Lerp => (1.0 - t, t),
            Self::Slerp => arc(a, b, t).unwrap_or((1.0 - t, t)),
        };
        let pairs = a.iter().zip(b);
        pairs
            .map(|(&a, &b)| (start * f64::from(a) + end * f64::from(b)) as f32)
            .collect()
    }

    /// As protocols spell it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lerp => "lerp",
            Self::Slerp => "slerp_any",
        }
    }
}

/// The weights of `a` and `b` on the arc between them; none where they have no angle to speak of.
fn arc(a: &[f32], b: &[f32], t: f64) -> Option<(f64, f64)> {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths <= 0.0 {
        return None;
    }
    let cosine = dot(a, b) / lengths;
    if cosine.abs() > 1.0 - COLLINEAR {
        return None;
    }
    let angle = cosine.acos();
    let weight = |t: f64| (t * angle).sin() / angle.sin();
    Some((weight(1.0 - t), weight(t)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f32; 4] = [1.0, 2.0, 3.0, 4.0];
    const B: [f32; 4] = [-2.0, 1.0, 0.5, 3.0];

    #[test]
    fn interpolations_are_those_of_torch_fidelity() {
        let lerp = Interpolation::Lerp.at(&A, &B, 0.25);
        assert_eq!(lerp, [0.25, 1.75, 2.375, 3.75]);
        let expected = [
            0.230_297_314_5,
            1.867_932_989_0,
            2.520_431_811_5,
            4.017_333_650_0,
        ];
        let slerp = Interpolation::Slerp.at(&A, &B, 0.25);
        for (value, expected) in slerp.into_iter().zip(expected) {
            assert!((f64::from(value) / expected - 1.0).abs() <= 1e-7, "{value}");
        }
    }

    #[test]
    fn both_ways_begin_and_end_where_they_should_and_agree_on_a_line() {
        let twice: Vec<f32> = A.iter().map(|value| 2.0 * value).collect();
        for way in [Interpolation::Lerp, Interpolation::Slerp] {
            assert_eq!(way.at(&A, &B, 0.0), A);
            assert_eq!(way.at(&A, &B, 1.0), B);
            let middle: Vec<f32> = A.iter().map(|value| 1.5 * value).collect();
            assert_eq!(way.at(&A, &twice, 0.5), middle);
            assert_eq!(way.at(&[0.0; 4], &A, 0.5), [0.5, 1.0, 1.5, 2.0]);
        }
    }
}
