//! Images from a model, one per seed.

use crate::error::Result;
use crate::images::{Images, Pixels};
use crate::models::GenerativeModel;
use crate::stop;

/// Images per forward pass: bounds memory, changes no image.
const BATCH: usize = 32;

/// The seeds of images `first` .. `first + count` of the evaluation with `seed`: seed * 2^32 + index.
pub fn seeds(seed: u64, first: usize, count: usize) -> Vec<u64> {
    (first..first + count)
        .map(|index| (seed << 32) + index as u64)
        .collect()
}

/// `count` images of the evaluation with `seed`, as bytes. `progress` gets how many are done.
pub fn draw(
    model: &dyn GenerativeModel,
    count: usize,
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Result<Pixels> {
    let mut bytes = Vec::new();
    let mut size = 0;
    for images in batches(model, count, seed) {
        let images = images?;
        size = images.size;
        bytes.extend(images.quantise().bytes);
        progress(bytes.len() / (3 * size * size));
    }
    Ok(Pixels::new(count, size, bytes))
}

/// The same images as the model made them, all in memory: for a few.
pub fn draw_values(model: &dyn GenerativeModel, count: usize, seed: u64) -> Result<Images> {
    let mut values = Vec::new();
    let mut size = 0;
    for images in batches(model, count, seed) {
        let images = images?;
        size = images.size;
        values.extend(images.values);
    }
    Ok(Images::new(count, size, values))
}

/// The images a batch at a time; given up where a signal waits.
fn batches(
    model: &dyn GenerativeModel,
    count: usize,
    seed: u64,
) -> impl Iterator<Item = Result<Images>> {
    (0..count).step_by(BATCH).map(move |first| {
        stop::check()?;
        model.sample(&seeds(seed, first, BATCH.min(count - first)))
    })
}
