//! Equal rows among features: images that a set holds more than once, or that a generator makes again and again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use rayon::prelude::*;

use super::Features;
use crate::wide::wide;

/// Lanes of a row's numbers.
const LANES: usize = 8;
/// 2^64 over the golden ratio, whose multiples lie far apart. (An odd factor loses nothing.)
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Of how many images one must be a copy before it is said.
const WORTH_SAYING: usize = 100;

/// Counts rows that are equal, bit for bit, to a row before. It keeps 64 bits of each row.
#[derive(Clone, Debug, Default)]
pub struct Copies {
    seen: HashSet<u64>,
    rows: usize,
    repeated: usize,
}

impl Copies {
    /// Takes in the next rows.
    pub fn add(&mut self, features: &Features) {
        let keys: Vec<u64> = (0..features.rows)
            .into_par_iter()
            .map(|index| key(features.row(index)))
            .collect();
        self.rows += keys.len();
        self.repeated += keys.iter().filter(|&&key| !self.seen.insert(key)).count();
    }

    /// How many rows are equal to one before.
    pub fn count(&self) -> usize {
        self.repeated
    }

    /// What a reader of a number must know of `what`, the images of these rows: nothing, or that one in a hundred or more is a
    /// copy.
    pub fn note(&self, what: &str) -> String {
        if self.repeated == 0 || self.repeated * WORTH_SAYING < self.rows {
            return String::new();
        }
        format!(
            "{} of {what} are copies: {} of {} have the features of one before",
            share(self.repeated, self.rows),
            self.repeated,
            self.rows
        )
    }
}

/// 64 bits of a row: its numbers mixed in lanes, which depend on each other only at the end, and these hashed.
fn key(row: &[f32]) -> u64 {
    let (blocks, rest) = row.as_chunks::<LANES>();
    let mut hasher = DefaultHasher::new();
    for lane in mix(blocks) {
        hasher.write_u64(lane);
    }
    for value in rest {
        hasher.write_u32(value.to_bits());
    }
    hasher.finish()
}

wide! {
    /// Each lane of all blocks in one number.
    fn mix(blocks: &[[f32; LANES]]) -> [u64; LANES] {
        let mut lanes = [0u64; LANES];
        for block in blocks {
            for (lane, value) in lanes.iter_mut().zip(block) {
                *lane = (lane.rotate_left(23) ^ u64::from(value.to_bits())).wrapping_mul(ODD);
            }
        }
        lanes
    }
}

/// A part of a whole in percent, rounded.
fn share(part: usize, whole: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(rows: usize, kinds: usize, block: usize) -> Copies {
        let mut copies = Copies::default();
        for first in (0..rows).step_by(block) {
            let count = block.min(rows - first);
            let values = (first..first + count).flat_map(|row| [1.0, (row % kinds) as f32]);
            copies.add(&Features::new(count, 2, values.collect()));
        }
        copies
    }

    #[test]
    fn copies_are_counted_whatever_the_blocks() {
        for block in [1, 7, 1000] {
            assert_eq!(counted(1000, 400, block).count(), 600);
            assert_eq!(counted(1000, 1000, block).count(), 0);
        }
        assert_eq!(
            counted(800, 400, 256).note("the generated images"),
            "50 % of the generated images are copies: 400 of 800 have the features of one before"
        );
    }

    #[test]
    fn rows_that_differ_in_one_number_or_in_the_order_are_no_copies() {
        let columns = 19;
        let row: Vec<f32> = (0..columns).map(|place| place as f32).collect();
        let mut rows = vec![row.clone()];
        for place in 0..columns {
            let mut other = row.clone();
            other[place] = -1.0;
            rows.push(other.clone());
            other.swap(place, (place + 1) % columns);
            rows.push(other);
        }
        let count = rows.len();
        let mut copies = Copies::default();
        copies.add(&Features::new(count, columns, rows.concat()));
        assert_eq!(copies.count(), 0);
        copies.add(&Features::new(1, columns, row));
        assert_eq!(copies.count(), 1);
    }

    #[test]
    fn few_copies_are_no_news() {
        assert_eq!(counted(1000, 991, 100).note("x"), "");
        assert!(!counted(1000, 990, 100).note("x").is_empty());
        assert_eq!(Copies::default().note("x"), "");
    }
}
