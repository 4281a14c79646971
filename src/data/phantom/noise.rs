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
        let (left, top) = (x.floor(), y.floor());
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (right, down) = (smooth(x - left), smooth(y - top));
        let (column, row) = (left as i64 as usize, top as i64 as usize);
        let value = |column: usize, row: usize| self.lattice[row % SIDE * SIDE + column % SIDE];
        let next = (column.wrapping_add(1), row.wrapping_add(1));
        mix(
            mix(value(column, row), value(next.0, row), right),
            mix(value(column, next.1), value(next.0, next.1), right),
            down,
        )
    }

    /// Two octaves, in -1 to 1: the second twice as fine and half as strong.
    pub(super) fn rough(&self, x: f32, y: f32) -> f32 {
        (2.0 * self.at(x, y) + self.at(2.0 * x + 71.3, 2.0 * y + 19.7)) / 3.0
    }
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
