//! The distribution that latent vectors are drawn from.

use crate::random::Stream;

/// A prior over latent vectors. One that learns is a layer in front of the generator, which maps draws of a fixed prior.
pub trait Prior: Send {
    /// Length of a latent vector.
    fn dimension(&self) -> usize;

    /// `count` latent vectors, one after the other: `count` x dimension numbers.
    fn draw(&self, count: usize, stream: &mut Stream) -> Vec<f32>;
}

/// N(0, 1) in every entry.
#[derive(Clone, Copy, Debug)]
pub struct Normal {
    /// Length of a latent vector.
    pub dimension: usize,
}

impl Prior for Normal {
    fn dimension(&self) -> usize {
        self.dimension
    }

    fn draw(&self, count: usize, stream: &mut Stream) -> Vec<f32> {
        stream.normals(count * self.dimension)
    }
}
