//! Equal rows among features: images that a set holds more than once, or that a generator makes again and again.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use rayon::prelude::*;

use super::Features;

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

/// 64 bits of a row.
fn key(row: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for value in row {
        hasher.write_u32(value.to_bits());
    }
    hasher.finish()
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
    fn few_copies_are_no_news() {
        assert_eq!(counted(1000, 991, 100).note("x"), "");
        assert!(!counted(1000, 990, 100).note("x").is_empty());
        assert_eq!(Copies::default().note("x"), "");
    }
}
