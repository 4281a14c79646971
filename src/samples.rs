//! What is drawn for an evaluation, a grid or a picture, and drawing it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::Path;

use anyhow::Context;

use crate::data::{PatchStore, Split};
use crate::error::Result;
use crate::files::{cannot_write, read_exact_at};
use crate::images::{ImageSource, Images, Pixels};
use crate::models::Draws;
use crate::random::Random;
use crate::samplers::Sampler;
use crate::shutdown;

/// Images per forward pass: bounds memory, changes no image.
const BATCH: usize = 32;

/// Bits of the number of an image within its class, in labelled sets: 16 million images of each class.
const CLASS_BITS: u32 = 24;

/// Which images are drawn. Image i is the same in every plan with its seed and its store, however many are drawn.
pub struct Plan<'a> {
    /// How many images.
    pub count: usize,
    seed: u64,
    /// The class of each.
    classes: Vec<usize>,
    /// Where inputs come from: a store, and which of its patches.
    inputs: Option<(&'a PatchStore, Vec<usize>)>,
}

impl<'a> Plan<'a> {
    /// `count` images of the evaluation with `seed`: classes in the proportions of the patches of `split`, inputs those of
    /// its patches in an order that the seed gives, from the first again where there are too few.
    pub fn of(store: &'a PatchStore, split: Split, count: usize, seed: u64) -> Self {
        let indices = store.indices(split);
        let mut patches = vec![0; store.classes().len()];
        for &index in &indices {
            patches[store.class_indices()[index]] += 1;
        }
        let inputs = store.input().is_some().then(|| {
            let mut stream = Random::new(seed).stream("drawn inputs");
            let order = stream.permutation(indices.len());
            let drawn = (0..count).map(|image| indices[order[image % order.len()]]);
            (store, drawn.collect())
        });
        Self {
            count,
            seed,
            classes: in_proportion(&patches, count),
            inputs,
        }
    }

    /// `count` images without a store at hand: all of `classes` classes alike, no inputs.
    pub fn without_store(classes: usize, count: usize, seed: u64) -> Self {
        Self {
            count,
            seed,
            classes: in_proportion(&vec![1; classes], count),
            inputs: None,
        }
    }

    /// The class of each image; empty without classes.
    pub fn classes(&self) -> &[usize] {
        &self.classes
    }

    /// The images a batch at a time; given up where a signal waits.
    fn batches(&self, sampler: &dyn Sampler) -> impl Iterator<Item = Result<Images>> {
        (0..self.count).step_by(BATCH).map(move |first| {
            shutdown::check()?;
            self.draw(sampler, first..self.count.min(first + BATCH))
        })
    }

    fn draw(&self, sampler: &dyn Sampler, range: Range<usize>) -> Result<Images> {
        let inputs = match &self.inputs {
            Some((store, patches)) => store
                .inputs(&patches[range.clone()])?
                .map(|inputs| inputs.to_images()),
            None => None,
        };
        let images = sampler.sample(&Draws {
            seeds: &seeds(self.seed, range.start, range.len()),
            classes: self.classes.get(range).unwrap_or(&[]),
            inputs: inputs.as_ref(),
        })?;
        Ok(images)
    }
}

/// The seeds of images `first` .. `first + count` of the evaluation with `seed`: seed * 2^32 + index.
pub(crate) fn seeds(seed: u64, first: usize, count: usize) -> Vec<u64> {
    (first..first + count)
        .map(|index| (seed << 32) + index as u64)
        .collect()
}

/// A class for each of `count` images, so that the first n of them are as close to the proportions of `patches` (how many
/// of each class) as n images can be, for every n; empty without classes.
fn in_proportion(patches: &[usize], count: usize) -> Vec<usize> {
    let total: usize = patches.iter().sum();
    if total == 0 {
        return Vec::new();
    }
    let mut given = vec![0; patches.len()];
    (1..=count)
        .map(|images| {
            // What a class lacks of its quota, times `total` to stay with whole numbers; the first of equal ones.
            let lack =
                |class: usize| (patches[class] * images) as i64 - (given[class] * total) as i64;
            let class = (0..patches.len())
                .rev()
                .max_by_key(|&class| lack(class))
                .expect("there is a class");
            given[class] += 1;
            class
        })
        .collect()
}

/// Images of one class by themselves, as bytes: those with the numbers `images` of the labelled set with `seed`. An image is the
/// same however many are drawn; no two of a set have one seed, whatever their classes.
///
/// # Errors
/// Those of the sampler.
pub fn draw_of_class(
    sampler: &dyn Sampler,
    class: usize,
    seed: u64,
    images: Range<usize>,
) -> Result<Pixels> {
    let (mut bytes, mut size, mut channels) = (Vec::new(), 0, 0);
    for first in images.clone().step_by(BATCH) {
        shutdown::check()?;
        let count = BATCH.min(images.end - first);
        let drawn = sampler.sample(&Draws {
            seeds: &seeds(seed, (class << CLASS_BITS) + first, count),
            classes: &vec![class; count],
            inputs: None,
        })?;
        (size, channels) = (drawn.size, drawn.channels);
        bytes.extend(drawn.quantise().bytes);
    }
    Ok(Pixels::new(images.len(), size, channels, bytes))
}

/// The images of `plan`, as bytes. `progress` gets how many are done.
///
/// # Errors
/// Those of the sampler, and of reading inputs.
pub fn draw(
    sampler: &dyn Sampler,
    plan: &Plan<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<Pixels> {
    let (mut bytes, mut done) = (Vec::new(), 0);
    let (mut size, mut channels) = (0, 0);
    for images in plan.batches(sampler) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        bytes.extend(images.quantise().bytes);
        done += images.count;
        progress(done);
    }
    Ok(Pixels::new(plan.count, size, channels, bytes))
}

/// The same images, drawn once into a file in `folder` that has no name and is gone with what is returned: for as many as
/// memory would not hold.
///
/// # Errors
/// Those of [`draw`], and of writing.
pub fn spool(sampler: &dyn Sampler, plan: &Plan<'_>, folder: &Path) -> Result<SpooledImages> {
    let failed = |error: std::io::Error| cannot_write(folder, &error);
    fs::create_dir_all(folder).map_err(failed)?;
    let file = tempfile::tempfile_in(folder).map_err(failed)?;
    let mut writer = BufWriter::new(&file);
    let (mut size, mut channels) = (0, 0);
    for images in plan.batches(sampler) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        writer.write_all(&images.quantise().bytes).map_err(failed)?;
    }
    writer.flush().map_err(failed)?;
    drop(writer);
    Ok(SpooledImages {
        file,
        count: plan.count,
        size,
        channels,
        classes: None,
    })
}

/// Drawn images that lie in a file.
pub struct SpooledImages {
    file: File,
    count: usize,
    size: usize,
    channels: usize,
    /// The class of each, by name, where that was said.
    classes: Option<Vec<String>>,
}

impl SpooledImages {
    /// With the classes of `plan`, which drew them, by their `names`; without classes there are none.
    #[must_use]
    pub fn with_classes(self, plan: &Plan<'_>, names: &[String]) -> Self {
        let classes = plan.classes.iter().map(|&class| names.get(class).cloned());
        Self {
            classes: (!plan.classes.is_empty())
                .then(|| classes.collect())
                .flatten(),
            ..self
        }
    }
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

    fn classes(&self) -> Option<Vec<String>> {
        self.classes.clone()
    }
}

/// The same images as the model made them, all in memory: for a few.
///
/// # Errors
/// Those of [`draw`].
pub fn draw_values(sampler: &dyn Sampler, plan: &Plan<'_>) -> Result<Images> {
    let mut values = Vec::new();
    let (mut size, mut channels) = (0, 0);
    for images in plan.batches(sampler) {
        let images = images?;
        (size, channels) = (images.size, images.channels);
        values.extend(images.values);
    }
    Ok(Images::new(plan.count, channels, size, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_keep_their_proportions_at_every_count() {
        let patches = [30, 10, 0, 60];
        let classes = in_proportion(&patches, 1000);
        for count in 1..=1000 {
            for (class, &of_class) in patches.iter().enumerate() {
                let found = classes[..count].iter().filter(|&&found| found == class);
                let quota = (count * of_class) as f64 / 100.0;
                let off = found.count() as f64 - quota;
                assert!(off.abs() < 1.0, "class {class} of {count} images: {off}");
            }
        }
        assert_eq!(in_proportion(&patches, 7), classes[..7]);
        assert!(in_proportion(&[], 3).is_empty());
        assert_eq!(in_proportion(&[1, 1], 4), [0, 1, 0, 1]);
    }
}
