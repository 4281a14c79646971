//! Numbers of neighbouring channels, in vectors. (Arrays are filled in loops: `array::from_fn` is not always inlined.)

#![expect(
    clippy::inline_always,
    reason = "what is not inlined into a wide function is compiled for the plainest processor"
)]
use crate::wide::LANES;

/// One number of each of neighbouring channels.
pub(super) type Vector = [f32; LANES];

/// The first `count` numbers, and zeros. Callers give a literal `count` where they can: the compiler then sees a whole vector.
#[inline(always)]
pub(super) fn load(numbers: &[f32], count: usize) -> Vector {
    let mut vector = [0.0; LANES];
    vector[..count].copy_from_slice(&numbers[..count]);
    vector
}

/// Writes the first `count` numbers.
#[inline(always)]
pub(super) fn store(vector: &Vector, numbers: &mut [f32], count: usize) {
    numbers[..count].copy_from_slice(&vector[..count]);
}

/// A transform along an axis, of every lane.
#[inline(always)]
pub(super) fn in_lanes<const FROM: usize, const TO: usize>(
    transform: impl Fn([f32; FROM]) -> [f32; TO],
    vectors: &[Vector; FROM],
) -> [Vector; TO] {
    let mut results = [[0.0; LANES]; TO];
    for lane in 0..LANES {
        let mut numbers = [0.0; FROM];
        for place in 0..FROM {
            numbers[place] = vectors[place][lane];
        }
        let result = transform(numbers);
        for place in 0..TO {
            results[place][lane] = result[place];
        }
    }
    results
}
