//! The eight symmetries of the square: tissue has no up and no left, so a patch that is turned or mirrored is as real as before.

use crate::images::Images;

/// One of them: mirrored first, then turned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Symmetry {
    /// Left and right change places.
    mirrored: bool,
    /// Quarter turns, counter-clockwise as NumPy's `rot90`: 0 to 3.
    turns: u8,
}

impl Symmetry {
    /// How many there are.
    pub const COUNT: usize = 8;

    /// Number `index`, below [`Self::COUNT`]. The first leaves an image as it is.
    pub fn new(index: usize) -> Self {
        assert!(index < Self::COUNT, "symmetry {index}");
        Self {
            mirrored: index >= 4,
            turns: (index % 4) as u8,
        }
    }

    /// The image `values`, `channels` planes of `size` x `size`, turned and mirrored.
    fn apply(self, values: &mut [f32], size: usize) {
        if self == Self::default() {
            return;
        }
        let mut source = vec![0.0; size * size];
        for plane in values.chunks_exact_mut(size * size) {
            source.copy_from_slice(plane);
            for y in 0..size {
                for x in 0..size {
                    // Where the pixel at (x, y) comes from: the turn undone, then the mirror.
                    let last = size - 1;
                    let (u, v) = match self.turns {
                        0 => (x, y),
                        1 => (last - y, x),
                        2 => (last - x, last - y),
                        _ => (y, last - x),
                    };
                    let u = if self.mirrored { last - u } else { u };
                    plane[y * size + x] = source[v * size + u];
                }
            }
        }
    }
}

/// Turns and mirrors each of `images` by its entry of `symmetries`.
pub(crate) fn turn(images: &mut Images, symmetries: &[Symmetry]) {
    let length = images.channels * images.size * images.size;
    let each = images.values.chunks_exact_mut(length.max(1));
    for (image, symmetry) in each.zip(symmetries) {
        symmetry.apply(image, images.size);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// 1 2
    /// 3 4
    fn turned(index: usize) -> Vec<f32> {
        let mut values = vec![1.0, 2.0, 3.0, 4.0];
        Symmetry::new(index).apply(&mut values, 2);
        values
    }

    #[test]
    fn turns_are_those_of_numpy() {
        // np.rot90([[1, 2], [3, 4]]) and np.rot90(np.fliplr([[1, 2], [3, 4]]))
        assert_eq!(turned(0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(turned(1), [2.0, 4.0, 1.0, 3.0]);
        assert_eq!(turned(2), [4.0, 3.0, 2.0, 1.0]);
        assert_eq!(turned(3), [3.0, 1.0, 4.0, 2.0]);
        assert_eq!(turned(4), [2.0, 1.0, 4.0, 3.0]);
        assert_eq!(turned(5), [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn the_eight_differ_and_each_can_be_undone() {
        let all: HashSet<Vec<u32>> = (0..Symmetry::COUNT)
            .map(|index| turned(index).iter().map(|&value| value as u32).collect())
            .collect();
        assert_eq!(all.len(), Symmetry::COUNT);
        // A mirrored one is its own inverse; four times a quarter turn is none.
        for index in 0..Symmetry::COUNT {
            let symmetry = Symmetry::new(index);
            let original: Vec<f32> = (0..27).map(|value| value as f32).collect();
            let mut values = original.clone();
            let times = if index >= 4 { 2 } else { 4 };
            for _ in 0..times {
                symmetry.apply(&mut values, 3);
            }
            assert_eq!(values, original, "{symmetry:?}");
        }
    }
}
