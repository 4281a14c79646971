//! Images from a model, one per seed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use crate::error::Result;
use crate::files::{cannot_write, read_exact_at};
use crate::images::{ImageSource, Images, Pixels, RGB};
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
    let (mut size, mut channels) = (0, RGB);
    for images in batches(model, count, seed) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        bytes.extend(images.quantise().bytes);
        progress(bytes.len() / (channels * size * size));
    }
    Ok(Pixels::new(count, size, channels, bytes))
}

/// The same images, drawn once into a file in `folder` that has no name and is gone with what is returned: for as many as
/// memory would not hold.
pub fn spool(
    model: &dyn GenerativeModel,
    count: usize,
    seed: u64,
    folder: &Path,
) -> Result<SpooledImages> {
    let failed = |error: std::io::Error| cannot_write(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let file = tempfile::tempfile_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(&file);
    let (mut size, mut channels) = (0, RGB);
    for images in batches(model, count, seed) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        writer.write_all(&images.quantise().bytes).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    Ok(SpooledImages {
        file,
        count,
        size,
        channels,
    })
}

/// Drawn images that lie in a file.
pub struct SpooledImages {
    file: File,
    count: usize,
    size: usize,
    channels: usize,
}

impl ImageSource for SpooledImages {
    fn count(&self) -> usize {
        self.count
    }

    fn size(&self) -> usize {
        self.size
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn read(&self, range: Range<usize>) -> Result<Pixels> {
        let length = self.size * self.size * self.channels;
        let mut bytes = vec![0; range.len() * length];
        let offset = (range.start * length) as u64;
        read_exact_at(&self.file, &mut bytes, offset)
            .context("cannot read back the images that were drawn")?;
        Ok(Pixels::new(range.len(), self.size, self.channels, bytes))
    }
}

/// The same images as the model made them, all in memory: for a few.
pub fn draw_values(model: &dyn GenerativeModel, count: usize, seed: u64) -> Result<Images> {
    let mut values = Vec::new();
    let (mut size, mut channels) = (0, RGB);
    for images in batches(model, count, seed) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        values.extend(images.values);
    }
    Ok(Images::new(count, channels, size, values))
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
