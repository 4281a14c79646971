//! Images from a model, one per seed.

use crate::error::Result;
use crate::images::{Images, Pixels};
use crate::models::GenerativeModel;

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
    for chunk in seeds(seed, 0, count).chunks(BATCH) {
        let images: Images = model.sample(chunk)?;
        size = images.size;
        bytes.extend(images.quantise().bytes);
        progress(bytes.len() / (3 * size * size));
    }
    Ok(Pixels::new(count, size, bytes))
}
