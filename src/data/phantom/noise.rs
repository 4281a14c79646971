//! Smooth noise in the plane, for everything in tissue that is neither straight nor even.

use crate::random::Stream;

/// Points of the lattice on a side, a power of two; the noise repeats after as many.
const SIDE: usize = 256;

/// Values on a lattice, interpolated in between.
pub(super) struct Noise {
    lattice: Vec<f32>,
}

impl Noise {
    /// Noise from the next numbers of `stream`.
    pub(super) fn new(stream: &mut Stream) -> Self {
        let lattice = (0..SIDE * SIDE)
            .map(|_| stream.between(-1.0, 1.0) as f32)
            .collect();
        Self { lattice }
    }

    /// The value at (`x`, `y`), in -1 to 1; features are about one unit wide.
    pub(super) fn at(&self, x: f32, y: f32) -> f32 {
        let ((column, right), (row, down)) = (split(x), split(y));
        let value = |column: i32, row: i32| {
            self.lattice[row as usize % SIDE * SIDE + column as usize % SIDE]
        };
        mix(
            mix(value(column, row), value(column + 1, row), right),
            mix(value(column, row + 1), value(column + 1, row + 1), right),
            down,
        )
    }

    /// Two octaves, in -1 to 1: the second twice as fine and half as strong.
    pub(super) fn rough(&self, x: f32, y: f32) -> f32 {
        (2.0 * self.at(x, y) + self.at(2.0 * x + 71.3, 2.0 * y + 19.7)) / 3.0
    }
}

/// The lattice point at or before `t`, and how far towards the next it lies, eased at both ends.
///
/// Rounds by conversion: `floor` is a call into the library where the CPU's own is not assumed.
fn split(t: f32) -> (i32, f32) {
    let whole = t as i32 - i32::from(t < 0.0);
    let rest = t - whole as f32;
    (whole, rest * rest * (3.0 - 2.0 * rest))
}

/// From `a` at `t` = 0 to `b` at `t` = 1.
pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// From 0 at `low` to 1 at `high`, without corners.
pub(super) fn ramp(low: f32, high: f32, value: f32) -> f32 {
    let t = ((value - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Length of (`x`, `y`); `hypot` guards against overflow at several times the cost.
pub(super) fn length(x: f32, y: f32) -> f32 {
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn noise_is_bounded_continuous_and_defined_left_of_zero() {
        let noise = Noise::new(&mut Random::new(0).stream("noise"));
        for step in -4000..4000 {
            let (x, y) = (step as f32 * 0.1, step as f32 * -0.037);
            let (here, near) = (noise.rough(x, y), noise.rough(x + 1e-3, y));
            assert!(here.abs() <= 1.0);
            assert!(
                (here - near).abs() < 0.02,
                "at {x}, {y}: {here}, then {near}"
            );
        }
    }
}
