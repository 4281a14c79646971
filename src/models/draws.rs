//! What images are made from.

use crate::images::Images;

/// What images are made from, one entry an image. An entry gives the same image whatever the batch.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    /// All randomness of an image.
    pub seeds: &'a [u64],
    /// Its class, an index into the classes of the task; empty for a task without classes.
    pub classes: &'a [usize],
    /// Its input, for a paired model.
    pub inputs: Option<&'a Images>,
}

impl<'a> Draws<'a> {
    /// Of seeds alone: for a model that needs neither classes nor inputs.
    pub fn of_seeds(seeds: &'a [u64]) -> Self {
        Self {
            seeds,
            classes: &[],
            inputs: None,
        }
    }
}
