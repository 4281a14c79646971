//! Labelled images in the files that whole data sets come in: idx (MNIST, Fashion-MNIST), CSV digits, CIFAR's binary batches.
//!
//! They have no slides: each image is its own, and becomes one patch, whole. A split that the files give is kept; where there is only
//! one file, it is drawn as that of slides is. Grey images stay grey.

mod cifar;
mod digits;
mod idx;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use toml::Table;

use super::npy::ImagesWriter;
use super::splits::{Split, assign, draw};
use super::store::{
    self, Notes, PATCHES, PatchRecord, PatchStore, write_description, write_records, written_once,
};
use super::{DataConfig, PhantomConfig, as_hashed};
use crate::digest::sha256_file;
use crate::error::{Result, refuse, unknown_name};
use crate::images::{GREY, RGB, kind, luminance};
use crate::random::Random;

/// The names of Fashion-MNIST's classes, by label.
const GARMENTS: [&str; 10] = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle-boot",
];

/// Settings of slides, which mean nothing for images that are taken whole.
const OF_SLIDES: [&str; 12] = [
    "labels",
    "groups",
    "annotations",
    "region_overlap",
    "reduction",
    "level",
    "micrometres_per_pixel",
    "patches_per_class",
    "whole_slides",
    "stain",
    "masks",
    "mask_classes",
];

/// The files of a data set.
pub(super) struct Dataset {
    name: String,
    parts: Vec<Part>,
    /// Names of the classes, by label.
    classes: Vec<String>,
}

/// The files of one split.
struct Part {
    /// `train`, `t10k`, `test`: what the data set calls it.
    name: &'static str,
    split: Split,
    files: Vec<ImageFiles>,
}

/// Files that are read side by side or one by one.
enum ImageFiles {
    Idx { images: PathBuf, labels: PathBuf },
    Digits(PathBuf),
    Cifar { batch: PathBuf, labels: usize },
}

/// An image as a file has it.
struct Labelled<'a> {
    label: usize,
    size: usize,
    channels: usize,
    /// size x size x channels.
    pixels: &'a [u8],
}

/// What is done with each image.
type Each<'a> = dyn FnMut(&Labelled<'_>) -> Result<()> + 'a;

impl ImageFiles {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Idx { images, labels } => vec![images, labels],
            Self::Digits(path) | Self::Cifar { batch: path, .. } => vec![path],
        }
    }

    /// Calls `each` with every image, in the order of the file; one image is in memory at a time.
    fn read(&self, each: &mut Each<'_>) -> Result<()> {
        match self {
            Self::Idx { images, labels } => idx::read(images, labels, each),
            Self::Digits(path) => digits::read(path, each),
            Self::Cifar { batch, labels } => cifar::read(batch, *labels, each),
        }
    }
}

/// The data set at `path`; none if it is none of those that are read here.
///
/// # Errors
/// For a data set of which a file is missing.
pub(super) fn find(path: &Path) -> Result<Option<Dataset>> {
    if digits::is_one(path) {
        return Ok(Some(digits::find(path)));
    }
    if !path.is_dir() {
        return Ok(None);
    }
    match idx::find(path)? {
        Some(set) => Ok(Some(set)),
        None => cifar::find(path),
    }
}

/// The store of the data set below `cache`, built first if it is not there. `progress(done, total, what)` counts images.
///
/// # Errors
/// For files that are damaged, images of another size or of other channels than the settings ask for, and splits that differ in
/// their classes.
pub(super) fn prepare(
    set: &Dataset,
    config: &DataConfig,
    cache: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<PatchStore> {
    let [given, default] = [config, &DataConfig::default()].map(Table::try_from);
    let (given, default) = (given?, default?);
    if let Some(name) = OF_SLIDES
        .iter()
        .find(|name| given[**name] != default[**name])
    {
        return Err(refuse(
            format!(
                "`data.{name}` is {}, and the images of `{}` are taken whole",
                given[*name], set.name
            ),
            format!("set `data.{name}` to {}", default[*name]),
        ));
    }
    let settings = DataConfig {
        source: set.name.clone(),
        phantom: PhantomConfig::default(),
        ..config.clone()
    };
    let files = set.parts.iter().flat_map(|part| &part.files);
    let hashes = files
        .flat_map(ImageFiles::paths)
        .map(|path| sha256_file(path).with_context(|| format!("cannot read `{}`", path.display())));
    let hashes: Vec<String> = hashes.collect::<Result<_>>()?;
    let settings_hashed = as_hashed(&toml::to_string(&settings)?);
    let key = format!(
        "image set {}\n{settings_hashed}\n{}",
        store::FORMAT,
        hashes.join("\n")
    );
    written_once(cache, &key, |folder| {
        build(set, &settings, folder, progress)
    })
}

fn build(
    set: &Dataset,
    settings: &DataConfig,
    folder: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<()> {
    // What there is, by the labels.
    let mut records = set.records(settings)?;
    let known: BTreeSet<&str> = records.iter().map(|record| record.class.as_str()).collect();
    if let Some(class) = settings
        .classes
        .iter()
        .find(|class| !known.contains(class.as_str()))
    {
        return Err(unknown_name("class", class, known));
    }
    if set.parts.len() == 1 {
        let slides: Vec<(&str, &str)> = records
            .iter()
            .map(|record| (record.slide.as_str(), record.class.as_str()))
            .collect();
        let splits = assign(&slides, settings.held_out, Random::new(settings.seed))?;
        for (record, split) in records.iter_mut().zip(splits) {
            record.split = split;
        }
    }
    // What is taken of it.
    let wanted = |record: &PatchRecord| {
        settings.classes.is_empty() || settings.classes.contains(&record.class)
    };
    let of_classes: Vec<usize> = (0..records.len())
        .filter(|&index| wanted(&records[index]))
        .collect();
    let splits: Vec<Split> = of_classes
        .iter()
        .map(|&index| records[index].split)
        .collect();
    let drawn = draw(
        &splits,
        settings.maximum_patches,
        Random::new(settings.seed),
    );
    let taken: Vec<usize> = drawn.into_iter().map(|place| of_classes[place]).collect();
    // The images, in the order of the files.
    let file = BufWriter::new(File::create_new(folder.join(PATCHES))?);
    let (size, channels) = (settings.patch_size, settings.channels);
    let mut patches = ImagesWriter::new(file, taken.len(), size, channels)?;
    let (mut index, mut next) = (0, 0);
    set.each(&mut |_, image| {
        if taken.get(next) == Some(&index) {
            match (image.channels, channels) {
                (RGB, GREY) => {
                    let pixels = image.pixels.as_chunks::<RGB>().0.iter();
                    let grey: Vec<u8> = pixels.copied().map(luminance).collect();
                    patches.push(&grey)?;
                }
                _ => patches.push(image.pixels)?,
            }
            next += 1;
            if next.is_multiple_of(1000) || next == taken.len() {
                progress(next, taken.len(), "images read");
            }
        }
        index += 1;
        Ok(())
    })?;
    patches.finish()?;
    let records: Vec<PatchRecord> = taken.iter().map(|&index| records[index].clone()).collect();
    write_records(folder, &records)?;
    write_description(folder, &set.name, settings, &records, Notes::default())
}

impl Dataset {
    /// Calls `each` with every image and the part it is of.
    fn each(&self, each: &mut dyn FnMut(&Part, &Labelled<'_>) -> Result<()>) -> Result<()> {
        for part in &self.parts {
            for files in &part.files {
                files.read(&mut |image| each(part, image))?;
            }
        }
        Ok(())
    }

    /// A record of every image, in the order of the files.
    fn records(&self, settings: &DataConfig) -> Result<Vec<PatchRecord>> {
        let mut records: Vec<PatchRecord> = Vec::new();
        let mut number = (String::new(), 0);
        self.each(&mut |part, image| {
            self.check(image, settings)?;
            if number.0 != part.name {
                number = (part.name.to_owned(), 0);
            }
            let Some(class) = self.classes.get(image.label) else {
                return Err(refuse(
                    format!(
                        "image {} of `{}` has the label {}, and there are {} classes",
                        number.1,
                        part.name,
                        image.label,
                        self.classes.len()
                    ),
                    "labels are counted from 0: look at whether the file is whole",
                ));
            };
            records.push(PatchRecord {
                slide: format!("{}/{:05}", part.name, number.1),
                class: class.clone(),
                x: 0,
                y: 0,
                level: 0,
                tissue: 0.0, // none was looked for
                split: part.split,
            });
            number.1 += 1;
            Ok(())
        })?;
        if self.parts.len() > 1 {
            let of = |split: Split| -> BTreeSet<&str> {
                let records = records.iter().filter(|record| record.split == split);
                records.map(|record| record.class.as_str()).collect()
            };
            let (train, test) = (of(Split::Train), of(Split::Test));
            if let Some(class) = train.symmetric_difference(&test).next() {
                let [has, lacks] = if train.contains(class) {
                    [0, 1]
                } else {
                    [1, 0]
                };
                let name = |part: usize| self.parts[part].name;
                return Err(refuse(
                    format!(
                        "class `{class}` is in `{}` of `{}` and not in `{}`",
                        name(has),
                        self.name,
                        name(lacks)
                    ),
                    "both splits need the same classes: look at the files of labels",
                ));
            }
        }
        Ok(records)
    }

    /// Refuses images of another size or other channels than the settings ask for.
    fn check(&self, image: &Labelled<'_>, settings: &DataConfig) -> Result<()> {
        let (name, size) = (&self.name, image.size);
        if size != settings.patch_size {
            return Err(refuse(
                format!(
                    "the images of `{name}` are {size} x {size}, `data.patch_size` is {}",
                    settings.patch_size
                ),
                format!("set `data.patch_size` to {size}"),
            ));
        }
        if image.channels < settings.channels {
            return Err(refuse(
                format!(
                    "the images of `{name}` are {}, `data.channels` is {}",
                    kind(image.channels),
                    settings.channels
                ),
                format!("set `data.channels` to {}", image.channels),
            ));
        }
        Ok(())
    }
}

/// A file, decompressed where its name ends in `.gz`.
fn open(path: &Path) -> Result<Box<dyn Read>> {
    let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let file = BufReader::new(file);
    Ok(
        if path.extension().is_some_and(|extension| extension == "gz") {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        },
    )
}

/// Fills `bytes`, or refuses a file that has no more of them. `what` is what it should have.
fn fill(reader: &mut dyn Read, bytes: &mut [u8], path: &Path, what: &str) -> Result<()> {
    reader.read_exact(bytes).map_err(|error| {
        refuse(
            format!(
                "`{}` is damaged: it ends before {what} ({error})",
                path.display()
            ),
            "get the file again",
        )
    })
}

/// The name of a folder or a file, as stores have it.
fn name_of(path: &Path) -> String {
    let real = path.canonicalize();
    let name = real.as_deref().unwrap_or(path).file_name();
    name.map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// `0` to `9`.
fn digit_names() -> Vec<String> {
    (0..10).map(|digit| digit.to_string()).collect()
}

#[cfg(test)]
mod tests;
