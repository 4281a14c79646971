//! The patch store: a folder of patches that says of each where it comes from, and of itself how it was made.
//!
//! - `patches.npy`: n x size x size x channels bytes in C order, as `numpy.load` reads them; 3 channels, or 1 for grey.
//! - `patches.csv`: a row for each patch: slide, class, x, y, level, tissue, split.
//! - `store.toml`: format, name, settings, counts, skipped files, and the SHA-256 of the two other files in that order
//!   (`cat patches.npy patches.csv | sha256sum`).
//! - `inputs.npy`, in stores for paired models: n x size x size x channels bytes, an image beside each patch in the order
//!   of the patches; its own SHA-256 is in `store.toml`.
//! - `segmentation.npy`, where masks were asked for: n x size x size bytes, the class of every pixel of each patch; its classes and its
//!   SHA-256 are in `store.toml`.
//! - `slides.npy` and `slides.csv`, where they were asked for: a picture of each whole slide, with its class and its split; the
//!   SHA-256 of both is in `store.toml`.
//! - `masks/`: pictures of the tissue found on each slide, to be looked at. Nothing reads them.

mod summary;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::npy::{ImageFile, Shape};
use super::{DataConfig, Input, Split, as_hashed};
use crate::digest::{Sha256Writer, sha256};
use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::images::Pixels;

pub use summary::{ClassOverview, Overview, Skipped, SlidePatches, SplitOverview};

/// The version of the files; a store of another is refused.
pub(super) const FORMAT: u32 = 1;

/// The file of pixels.
pub(super) const PATCHES: &str = "patches.npy";
/// The file of inputs.
pub(super) const INPUTS: &str = "inputs.npy";
/// The file of masks.
pub(super) const SEGMENTATION: &str = "segmentation.npy";
/// The file of pictures of whole slides.
pub(super) const SLIDES: &str = "slides.npy";
const SLIDE_RECORDS: &str = "slides.csv";
const RECORDS: &str = "patches.csv";
const DESCRIPTION: &str = "store.toml";

/// Where a patch comes from: a row of `patches.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchRecord {
    /// The slide, unique in the store.
    pub slide: String,
    /// What the slide shows.
    pub class: String,
    /// Column of the patch's left edge on the slide, in pixels of `level`.
    pub x: usize,
    /// Row of the patch's top edge on the slide, in pixels of `level`.
    pub y: usize,
    /// Level of the slide's pyramid; 0 is full resolution.
    pub level: usize,
    /// Fraction of the patch's pixels that are tissue.
    pub tissue: f64,
    /// The slide's side of the split.
    pub split: Split,
}

/// A slide whose picture is kept: a row of `slides.csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct SlideRecord {
    pub(super) slide: String,
    pub(super) class: String,
    pub(super) split: Split,
}

/// What `store.toml` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    name: String,
    sha256: String,
    /// SHA-256 of the inputs, in a store that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inputs: Option<String>,
    /// The masks, in a store that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    segmentation: Option<SegmentationNotes>,
    /// SHA-256 of the pictures of whole slides and their table, in a store that has some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slides: Option<String>,
    skipped: Vec<String>,
    /// Why they were.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    reasons: BTreeMap<String, String>,
    /// The groups that slides belong to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, String>,
    /// Patches by class and split.
    counts: BTreeMap<String, BTreeMap<Split, usize>>,
    settings: DataConfig,
}

/// The store below `cache` that `key` names; if it is not there, `write` fills an empty folder, which is renamed when it is whole.
///
/// # Errors
/// Those of `write`, and if the folder cannot be written.
pub(super) fn written_once(
    cache: &Path,
    key: &str,
    write: impl FnOnce(&Path) -> Result<()>,
) -> Result<PatchStore> {
    let folder = cache.join(&sha256(key)[..12]);
    if !is_store(&folder) {
        fs::create_dir_all(cache)
            .with_context(|| format!("cannot create the folder `{}`", cache.display()))?;
        let building = tempfile::Builder::new()
            .prefix(".building-")
            .tempdir_in(cache)
            .with_context(|| format!("cannot write to the folder `{}`", cache.display()))?;
        // Not the temporary folder itself, which only its owner may read.
        let complete = building.path().join("store");
        fs::create_dir(&complete)?;
        write(&complete)?;
        let renamed = fs::rename(&complete, &folder);
        // Another process may have finished the same store first; its content is the same.
        if !is_store(&folder) {
            renamed.with_context(|| format!("cannot write the store `{}`", folder.display()))?;
        }
    }
    PatchStore::open(&folder)
}

/// What a store says of its masks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SegmentationNotes {
    /// SHA-256 of the file.
    pub(super) sha256: String,
    /// The classes, by number, the background first.
    pub(super) classes: Vec<String>,
}

/// What else there is to say of a store.
#[derive(Default)]
pub(super) struct Notes {
    /// Images that could not be read, and why.
    pub(super) skipped: Vec<(String, String)>,
    /// The groups that slides belong to.
    pub(super) groups: BTreeMap<String, String>,
    /// SHA-256 of the pictures of whole slides and their table.
    pub(super) slides: Option<String>,
    /// The masks.
    pub(super) segmentation: Option<SegmentationNotes>,
    /// The hash of the file of patches, where it was taken while that was written; else the file is read for it.
    pub(super) patches: Option<Sha256Writer>,
}

impl Description {
    fn to_toml(&self) -> Result<String> {
        Ok(as_hashed(&toml::to_string(self)?))
    }
}

/// An open patch store. The patches stay on disk and are read as they are asked for.
#[derive(Debug)]
pub struct PatchStore {
    path: PathBuf,
    description: Description,
    records: Vec<PatchRecord>,
    classes: Arc<[String]>,
    /// The class of each patch, an index into `classes`.
    class_indices: Vec<usize>,
    patches: ImageFile,
    inputs: Option<ImageFile>,
    segmentation: Option<ImageFile>,
}

/// Whether `folder` is a patch store.
pub(super) fn is_store(folder: &Path) -> bool {
    folder.join(DESCRIPTION).is_file()
}

impl PatchStore {
    /// Opens the store in `path`.
    ///
    /// # Errors
    /// For a folder that is no store, a store of another format, files that are missing, not as long as they say, that
    /// contradict one another or were altered since the store was made, and a slide on both sides of the split.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, false)
    }

    /// The same for a store that was written, and hashed, just now: its patches are not read for their hash again.
    pub(super) fn open_written(path: &Path) -> Result<Self> {
        Self::open_as(path, true)
    }

    fn open_as(path: &Path, is_hashed: bool) -> Result<Self> {
        if !is_store(path) {
            return Err(refuse(
                format!(
                    "`{}` is no patch store: it has no `{DESCRIPTION}`",
                    path.display()
                ),
                "make one with `histogen data import`, or name a folder that holds one",
            ));
        }
        let damaged = |what: String| {
            refuse(
                format!("the patch store `{}` is damaged: {what}", path.display()),
                "delete the folder and build the store again",
            )
        };
        // What the store says of itself.
        let text = fs::read_to_string(path.join(DESCRIPTION))?;
        let description: Description = toml::from_str(&text)
            .map_err(|error| damaged(format!("`{DESCRIPTION}`: {}", error.message())))?;
        if description.format != FORMAT {
            return Err(refuse(
                format!(
                    "the patch store `{}` has format {}, this version reads {FORMAT}",
                    path.display(),
                    description.format
                ),
                "build the store again",
            ));
        }
        // Patches and their records, which must belong together.
        let images = |name: &str| {
            ImageFile::open(&path.join(name)).map_err(|what| damaged(format!("`{name}` {what}")))
        };
        let patches = images(PATCHES)?;
        let Shape { count, size, .. } = patches.shape;
        let csv = fs::read(path.join(RECORDS))
            .map_err(|error| damaged(format!("`{RECORDS}`: {error}")))?;
        let records: Vec<PatchRecord> = csv::Reader::from_reader(csv.as_slice())
            .deserialize()
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| damaged(format!("`{RECORDS}`: {error}")))?;
        if records.len() != count {
            return Err(damaged(format!(
                "`{PATCHES}` has {count} patches, `{RECORDS}` has {} rows",
                records.len()
            )));
        }
        if let Some(slide) = on_both_sides(&records, |record| Some(&record.slide)) {
            return Err(damaged(format!("slide `{slide}` is in both splits")));
        }
        let groups = &description.groups;
        if let Some(group) = on_both_sides(&records, |record| groups.get(&record.slide)) {
            return Err(damaged(format!("group `{group}` is in both splits")));
        }
        if !is_hashed && content_hash(&patches, &csv)? != description.sha256 {
            return Err(damaged(format!(
                "`{PATCHES}` or `{RECORDS}` is not what `{DESCRIPTION}` was written for"
            )));
        }
        // The inputs and the masks beside them, if it has any.
        let beside = |name: &str, hash: Option<&String>| {
            let Some(hash) = hash else {
                return Ok(None);
            };
            let found = images(name)?;
            let shape = found.shape;
            if (shape.count, shape.size) != (count, size) {
                return Err(damaged(format!(
                    "`{name}` has {} images of {1} x {1}, `{PATCHES}` {count} of {size} x {size}",
                    shape.count, shape.size
                )));
            }
            if content_hash(&found, &[])? != *hash {
                return Err(damaged(format!(
                    "`{name}` is not what `{DESCRIPTION}` was written for"
                )));
            }
            Ok(Some(found))
        };
        let inputs = beside(INPUTS, description.inputs.as_ref())?;
        let masks = description.segmentation.as_ref();
        let segmentation = beside(SEGMENTATION, masks.map(|masks| &masks.sha256))?;
        let (classes, class_indices) = index_classes(&records);
        Ok(Self {
            path: path.to_owned(),
            description,
            records,
            classes,
            class_indices,
            patches,
            inputs,
            segmentation,
        })
    }

    /// How many patches there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Height and width of a patch in pixels.
    pub fn patch_size(&self) -> usize {
        self.patches.shape.size
    }

    /// Channels of a patch: 3 (RGB) or 1 (grey).
    pub fn channels(&self) -> usize {
        self.patches.shape.channels
    }

    /// `phantom`, or the name of the folder the slides came from.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of the patches and their records, 64 hexadecimal digits.
    pub fn content_hash(&self) -> &str {
        &self.description.sha256
    }

    /// The settings the store was built with; `source` is only the name.
    pub fn settings(&self) -> &DataConfig {
        &self.description.settings
    }

    /// Images that were left out because they could not be read.
    pub fn skipped(&self) -> &[String] {
        &self.description.skipped
    }

    /// Why an image was left out, where the store says it.
    pub fn reason(&self, skipped: &str) -> Option<&str> {
        self.description.reasons.get(skipped).map(String::as_str)
    }

    /// The group that a slide stays on one side of the split with, if it has one.
    pub fn group(&self, slide: &str) -> Option<&str> {
        self.description.groups.get(slide).map(String::as_str)
    }

    /// Where each patch comes from, in the order of the patches.
    pub fn records(&self) -> &[PatchRecord] {
        &self.records
    }

    /// The names of the classes, sorted.
    pub fn classes(&self) -> &Arc<[String]> {
        &self.classes
    }

    /// The class of each patch, an index into [`Self::classes`], in the order of the patches.
    pub fn class_indices(&self) -> &[usize] {
        &self.class_indices
    }

    /// The patches of `split`, ascending.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        let members = self.records.iter().enumerate();
        members
            .filter(|(_, record)| record.split == split)
            .map(|(index, _)| index)
            .collect()
    }

    /// The patches of `split`, ascending, each with its slide and its class.
    pub fn members(&self, split: Split) -> impl Iterator<Item = (usize, &str, &str)> {
        let members = self.records.iter().enumerate();
        members
            .filter(move |(_, record)| record.split == split)
            .map(|(index, record)| (index, record.slide.as_str(), record.class.as_str()))
    }

    /// The names of the slides of `split`, sorted.
    pub fn slides(&self, split: Split) -> Vec<&str> {
        let members = self.records.iter().filter(|record| record.split == split);
        let slides: BTreeSet<&str> = members.map(|record| record.slide.as_str()).collect();
        slides.into_iter().collect()
    }

    /// The patches at `indices`, in that order; each must be below [`Self::len`].
    ///
    /// # Errors
    /// If the file of patches, which was whole when the store was opened, was cut short since or cannot be read any more.
    pub fn read(&self, indices: &[usize]) -> Result<Pixels> {
        self.patches.read(indices)
    }

    /// The inputs of the patches at `indices`, in that order, each of the size of a patch; none if the store has no inputs.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn inputs(&self, indices: &[usize]) -> Result<Option<Pixels>> {
        self.inputs
            .as_ref()
            .map(|inputs| inputs.read(indices))
            .transpose()
    }

    /// The masks of the patches at `indices`, in that order: a channel with the number of each pixel's class in
    /// [`Self::mask_classes`]; none if the store has no masks.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn masks(&self, indices: &[usize]) -> Result<Option<Pixels>> {
        self.segmentation
            .as_ref()
            .map(|masks| masks.read(indices))
            .transpose()
    }

    /// The classes of the pixels of masks, the background first; empty if the store has no masks.
    pub fn mask_classes(&self) -> &[String] {
        let masks = self.description.segmentation.as_ref();
        masks.map_or(&[], |masks| &masks.classes)
    }

    /// The SHA-256 of the masks; empty if the store has none.
    pub fn masks_hash(&self) -> &str {
        let masks = self.description.segmentation.as_ref();
        masks.map_or("", |masks| &masks.sha256)
    }

    /// What a paired model gets beside each patch, if the store has inputs.
    pub fn input(&self) -> Option<Input> {
        let inputs = self.inputs.as_ref()?;
        Some(Input {
            channels: inputs.shape.channels,
            hash: self.description.inputs.clone()?,
        })
    }
}

impl PatchStore {
    /// The pictures of whole slides that were kept, and the rows of their table; none if the store has none.
    ///
    /// # Errors
    /// If they are not what they were when the store was made.
    pub(super) fn whole_slides(&self) -> Result<Option<(ImageFile, Vec<SlideRecord>)>> {
        let Some(hash) = &self.description.slides else {
            return Ok(None);
        };
        let damaged = |what: String| {
            refuse(
                format!(
                    "the patch store `{}` is damaged: {what}",
                    self.path.display()
                ),
                "delete the folder and build the store again",
            )
        };
        let images = ImageFile::open(&self.path.join(SLIDES))
            .map_err(|what| damaged(format!("`{SLIDES}` {what}")))?;
        let table = fs::read(self.path.join(SLIDE_RECORDS))
            .map_err(|error| damaged(format!("`{SLIDE_RECORDS}`: {error}")))?;
        if content_hash(&images, &table)? != *hash {
            return Err(damaged(format!(
                "`{SLIDES}` or `{SLIDE_RECORDS}` is not what `{DESCRIPTION}` was written for"
            )));
        }
        let records = csv::Reader::from_reader(table.as_slice())
            .deserialize()
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| damaged(format!("`{SLIDE_RECORDS}`: {error}")))?;
        Ok(Some((images, records)))
    }
}

/// Writes the table of the pictures of whole slides, and gives the SHA-256 of both; the pictures must be there.
pub(super) fn write_slide_records(folder: &Path, records: &[SlideRecord]) -> Result<String> {
    let path = folder.join(SLIDE_RECORDS);
    let mut writer = csv::Writer::from_path(&path)?;
    for record in records {
        writer.serialize(record)?;
    }
    writer.flush()?;
    let images = ImageFile::open(&folder.join(SLIDES)).map_err(anyhow::Error::msg)?;
    content_hash(&images, &fs::read(path)?)
}

/// SHA-256 of a file of images and of `rest`, one after the other.
pub(super) fn content_hash(images: &ImageFile, rest: &[u8]) -> Result<String> {
    let mut digest = Sha256Writer::default();
    images.copy_to(&mut digest)?;
    digest.write_all(rest)?;
    Ok(digest.finish())
}

/// The sorted names of the classes, and the class of each record as an index into them.
fn index_classes(records: &[PatchRecord]) -> (Arc<[String]>, Vec<usize>) {
    let names: BTreeSet<&str> = records.iter().map(|record| record.class.as_str()).collect();
    let names: Arc<[String]> = names.into_iter().map(str::to_owned).collect();
    let index = |record: &PatchRecord| {
        let found = names.binary_search(&record.class);
        found.expect("every record's class is listed")
    };
    let indices = records.iter().map(index).collect();
    (names, indices)
}

/// What has patches in both splits, of all that `name` names, if there is one.
fn on_both_sides<'a>(
    records: &'a [PatchRecord],
    name: impl Fn(&'a PatchRecord) -> Option<&'a String>,
) -> Option<&'a str> {
    let mut splits: BTreeMap<&str, Split> = BTreeMap::new();
    records.iter().find_map(|record| {
        let name = name(record)?;
        let split = *splits.entry(name).or_insert(record.split);
        (split != record.split).then_some(name.as_str())
    })
}

/// Writes `patches.csv`.
pub(super) fn write_records(folder: &Path, records: &[PatchRecord]) -> Result<()> {
    let mut writer = csv::Writer::from_path(folder.join(RECORDS))?;
    for record in records {
        writer.serialize(record)?;
    }
    Ok(writer.flush()?)
}

/// Writes `store.toml`; the other two files must be there.
pub(super) fn write_description(
    folder: &Path,
    name: &str,
    settings: &DataConfig,
    records: &[PatchRecord],
    notes: Notes,
) -> Result<()> {
    let mut counts: BTreeMap<String, BTreeMap<Split, usize>> = BTreeMap::new();
    for record in records {
        *counts
            .entry(record.class.clone())
            .or_default()
            .entry(record.split)
            .or_default() += 1;
    }
    let csv = fs::read(folder.join(RECORDS))?;
    let sha256 = if let Some(mut hasher) = notes.patches {
        hasher.write_all(&csv)?;
        hasher.finish()
    } else {
        let patches = ImageFile::open(&folder.join(PATCHES)).map_err(anyhow::Error::msg)?;
        content_hash(&patches, &csv)?
    };
    let description = Description {
        format: FORMAT,
        name: name.to_owned(),
        sha256,
        inputs: None,
        segmentation: notes.segmentation,
        slides: notes.slides,
        skipped: notes.skipped.iter().map(|(name, _)| name.clone()).collect(),
        reasons: notes.skipped.into_iter().collect(),
        groups: notes.groups,
        counts,
        settings: settings.clone(),
    };
    fs::write(folder.join(DESCRIPTION), description.to_toml()?)
        .with_context(|| format!("cannot write `{DESCRIPTION}`"))
}

/// Writes into `store.toml` that there are inputs with this SHA-256.
pub(super) fn describe_inputs(store: &PatchStore, hash: String) -> Result<()> {
    let path = store.path.join(DESCRIPTION);
    let mut description: Description = toml::from_str(&fs::read_to_string(&path)?)?;
    description.inputs = Some(hash);
    write_whole(&path, description.to_toml()?.as_bytes())
}

#[cfg(test)]
mod tests;
