//! The only source of randomness: one seed, split into named, counter-based streams.
//!
//! A stream is addressed, not advanced: (seed, name, position) always gives the same numbers, whatever was drawn
//! before, by whichever thread. So a run resumes from its step number alone, a sample depends on its own seed and
//! not on its batch, and a new consumer of randomness shifts nobody else's numbers.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, Poisson, StandardNormal};
use sha2::{Digest, Sha256};

/// Named streams of one seed at one position (a training step, a sample's index, a slide's index).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random {
    seed: u64,
    position: u64,
}

impl Random {
    /// The streams of `seed` at position 0.
    pub fn new(seed: u64) -> Self {
        Self { seed, position: 0 }
    }

    /// The same seed's streams at another position.
    pub fn at(self, position: u64) -> Self {
        Self { position, ..self }
    }

    /// The position these streams stand at.
    pub fn position(self) -> u64 {
        self.position
    }

    /// The stream called `name`: ChaCha8 with the key SHA-256 of seed and name and the position as its nonce.
    pub fn stream(self, name: &str) -> Stream {
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(name.as_bytes());
        let mut generator = ChaCha8Rng::from_seed(hash.finalize().into());
        generator.set_stream(self.position);
        Stream(generator)
    }
}

/// The numbers of one stream, in order.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// `count` draws from N(0, 1).
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        (0..count)
            .map(|_| StandardNormal.sample(&mut self.0))
            .collect()
    }

    /// One draw from N(0, 1).
    pub fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.0)
    }

    /// One draw from the Poisson distribution of mean `mean`, finite and not negative; 0 of mean 0.
    pub fn poisson(&mut self, mean: f64) -> f64 {
        Poisson::new(mean).map_or(0.0, |law| law.sample(&mut self.0))
    }

    /// One draw from the uniform distribution on [0, 1), with 53 random bits.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One draw from the uniform distribution on [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// One draw from the uniform distribution on 0 .. `bound`.
    ///
    /// Multiply-shift: the bias is below `bound` / 2^64.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.0.next_u64()) * bound as u128) >> 64) as usize
    }

    /// A random order of 0 .. `count`.
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        self.shuffle(&mut order);
        order
    }

    /// Puts `items` in random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        items.shuffle(&mut self.0);
    }

    /// `amount` distinct members of 0 .. `count`, in random order. `amount` must not exceed `count`.
    pub fn choose(&mut self, count: usize, amount: usize) -> Vec<usize> {
        assert!(amount <= count, "cannot choose {amount} of {count}");
        let mut order = self.permutation(count);
        order.truncate(amount);
        order
    }

    /// `amount` distinct ones of `items`, in random order. `amount` must not exceed their number.
    pub fn choose_from<T: Copy>(&mut self, items: &[T], amount: usize) -> Vec<T> {
        let places = self.choose(items.len(), amount);
        places.into_iter().map(|place| items[place]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_chosen_as_their_places_are() {
        let stream = || Random::new(3).stream("test");
        let chosen = stream().choose_from(&[10, 11, 12, 13, 14], 3);
        let places = stream().choose(5, 3);
        assert_eq!(
            chosen,
            places.iter().map(|place| place + 10).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_stream_is_addressed_not_advanced() {
        let random = Random::new(7);
        let first = random.at(3).stream("noise").normals(5);
        let _ = random.at(3).stream("other").normals(100);
        assert_eq!(first, random.at(3).stream("noise").normals(5));
        assert_ne!(first, random.at(4).stream("noise").normals(5));
        assert_ne!(first, random.at(3).stream("other").normals(5));
        assert_ne!(first, Random::new(8).at(3).stream("noise").normals(5));
    }

    #[test]
    fn below_stays_in_range_and_reaches_every_value() {
        let mut stream = Random::new(0).stream("test");
        let mut seen = [0usize; 7];
        for _ in 0..7000 {
            seen[stream.below(7)] += 1;
        }
        assert!(
            seen.iter().all(|count| (800..1200).contains(count)),
            "{seen:?}"
        );
    }
}
