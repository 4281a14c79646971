//! The patch store: a folder of patches that says of each where it comes from, and of itself how it was made.
//!
//! - `patches.npy`: n x size x size x channels bytes in C order, as `numpy.load` reads them; 3 channels, or 1 for grey.
//! - `patches.csv`: a row for each patch: slide, class, x, y, level, tissue, split.
//! - `store.toml`: format, name, settings, counts, skipped files, and the SHA-256 of the two other files in that order
//!   (`cat patches.npy patches.csv | sha256sum`).
//! - `inputs.npy`, in stores for paired models: n x size x size x channels bytes, an image beside each patch in the order
//!   of the patches; its own SHA-256 is in `store.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::npy::{ImageFile, Shape};
use super::{DataConfig, Input, Split};
use crate::digest::Sha256Writer;
use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::images::{GREY, Pixels};

/// The version of the files; a store of another is refused.
pub(super) const FORMAT: u32 = 1;

/// The file of pixels.
pub(super) const PATCHES: &str = "patches.npy";
/// The file of inputs.
pub(super) const INPUTS: &str = "inputs.npy";
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
    skipped: Vec<String>,
    /// Patches by class and split.
    counts: BTreeMap<String, BTreeMap<Split, usize>>,
    settings: DataConfig,
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
}

/// Whether `folder` is a patch store.
pub(super) fn is_store(folder: &Path) -> bool {
    folder.join(DESCRIPTION).is_file()
}

impl PatchStore {
    /// Opens the store in `path`.
    ///
    /// Refuses a folder that is no store, a store of another format, files that are not as long as they say, that
    /// contradict one another or were altered since the store was made, and a slide on both sides of the split.
    pub fn open(path: &Path) -> Result<Self> {
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
        if let Some(slide) = on_both_sides(&records) {
            return Err(damaged(format!("slide `{slide}` is in both splits")));
        }
        if content_hash(&patches, &csv)? != description.sha256 {
            return Err(damaged(format!(
                "`{PATCHES}` or `{RECORDS}` is not what `{DESCRIPTION}` was written for"
            )));
        }
        let inputs = match &description.inputs {
            None => None,
            Some(hash) => {
                let inputs = images(INPUTS)?;
                let found = inputs.shape;
                if (found.count, found.size) != (count, size) {
                    return Err(damaged(format!(
                        "`{INPUTS}` has {} images of {1} x {1}, `{PATCHES}` {count} of {size} x {size}",
                        found.count, found.size
                    )));
                }
                if content_hash(&inputs, &[])? != *hash {
                    return Err(damaged(format!(
                        "`{INPUTS}` is not what `{DESCRIPTION}` was written for"
                    )));
                }
                Some(inputs)
            }
        };
        let (classes, class_indices) = index_classes(&records);
        Ok(Self {
            path: path.to_owned(),
            description,
            records,
            classes,
            class_indices,
            patches,
            inputs,
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

    /// What a paired model gets beside each patch, if the store has inputs.
    pub fn input(&self) -> Option<Input> {
        let inputs = self.inputs.as_ref()?;
        Some(Input {
            channels: inputs.shape.channels,
            hash: self.description.inputs.clone()?,
        })
    }

    /// What is in the store, in lines to show; the last is not ended.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let longest = self
            .classes
            .iter()
            .map(|class| class.chars().count())
            .max()
            .unwrap_or(0);
        let width = longest.max("patches".len()) + 2;
        let mut line = |name: &str, value: &str| {
            writeln!(text, "{name:<width$}{value}").expect("a string takes any text");
        };
        line("store", &self.path.display().to_string());
        line("source", self.name());
        line(
            "patches",
            &format!(
                "{} of {size} x {size} pixels{grey}",
                self.len(),
                size = self.patch_size(),
                grey = if self.channels() == GREY {
                    ", grey"
                } else {
                    ""
                },
            ),
        );
        for class in &*self.classes {
            let counts: Vec<String> = Split::ALL
                .map(|split| {
                    let of =
                        |record: &&PatchRecord| record.split == split && record.class == *class;
                    let members: Vec<&PatchRecord> = self.records.iter().filter(of).collect();
                    let slides: BTreeSet<&str> =
                        members.iter().map(|record| record.slide.as_str()).collect();
                    let (name, patches, slides) = (split.name(), members.len(), slides.len());
                    format!("{name} {patches} patches of {slides} slides")
                })
                .to_vec();
            line(class, &counts.join(", "));
        }
        if !self.skipped().is_empty() {
            line("skipped", &self.skipped().join(", "));
        }
        line("sha256", self.content_hash());
        text.truncate(text.trim_end().len());
        text
    }
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

/// A slide with patches in both splits, if there is one.
fn on_both_sides(records: &[PatchRecord]) -> Option<&str> {
    let mut splits: BTreeMap<&str, Split> = BTreeMap::new();
    records.iter().find_map(|record| {
        let split = *splits.entry(&record.slide).or_insert(record.split);
        (split != record.split).then_some(record.slide.as_str())
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
    skipped: Vec<String>,
) -> Result<()> {
    let mut counts: BTreeMap<String, BTreeMap<Split, usize>> = BTreeMap::new();
    for record in records {
        *counts
            .entry(record.class.clone())
            .or_default()
            .entry(record.split)
            .or_default() += 1;
    }
    let patches = ImageFile::open(&folder.join(PATCHES)).map_err(anyhow::Error::msg)?;
    let description = Description {
        format: FORMAT,
        name: name.to_owned(),
        sha256: content_hash(&patches, &fs::read(folder.join(RECORDS))?)?,
        inputs: None,
        skipped,
        counts,
        settings: settings.clone(),
    };
    fs::write(folder.join(DESCRIPTION), toml::to_string(&description)?)
        .with_context(|| format!("cannot write `{DESCRIPTION}`"))
}

/// Writes into `store.toml` that there are inputs with this SHA-256.
pub(super) fn describe_inputs(store: &PatchStore, hash: String) -> Result<()> {
    let path = store.path.join(DESCRIPTION);
    let mut description: Description = toml::from_str(&fs::read_to_string(&path)?)?;
    description.inputs = Some(hash);
    write_whole(&path, toml::to_string(&description)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;
    use crate::data::npy::ImagesWriter;

    /// A store of four 2 x 2 patches, filled with 0, 1, 2 and 3, of two slides; `change` may spoil the records.
    fn written(change: impl Fn(&mut Vec<PatchRecord>)) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join(PATCHES)).unwrap();
        let mut writer = ImagesWriter::new(file, 4, 2, 3).unwrap();
        let mut records = Vec::new();
        for index in 0..4usize {
            writer.push(&[index as u8; 12]).unwrap();
            let (slide, split) = [("all, of it", Split::Train), ("b", Split::Test)][index % 2];
            records.push(PatchRecord {
                slide: slide.to_owned(),
                class: "all".to_owned(),
                x: 2 * index,
                y: 0,
                level: 0,
                tissue: 0.5,
                split,
            });
        }
        writer.finish().unwrap();
        change(&mut records);
        write_records(folder.path(), &records).unwrap();
        let skipped = vec!["c.png".to_owned()];
        let settings = DataConfig::default();
        write_description(folder.path(), "four", &settings, &records, skipped).unwrap();
        folder
    }

    fn refusal(folder: &TempDir) -> String {
        let text = PatchStore::open(folder.path()).unwrap_err().to_string();
        text.replace(&folder.path().display().to_string(), "STORE")
    }

    #[test]
    fn a_store_gives_back_what_was_written() {
        let folder = written(|_| {});
        let store = PatchStore::open(folder.path()).unwrap();
        assert_eq!(
            (store.len(), store.patch_size(), store.name()),
            (4, 2, "four")
        );
        assert_eq!(store.indices(Split::Test), [1, 3]);
        assert_eq!(store.slides(Split::Train), ["all, of it"]);
        assert_eq!(**store.classes(), ["all"]);
        assert_eq!(store.class_indices(), [0; 4]);
        assert_eq!(store.skipped(), ["c.png"]);
        assert_eq!(store.settings(), &DataConfig::default());
        let pixels = store.read(&[3, 0]).unwrap();
        assert_eq!(pixels.bytes, [[3; 12], [0; 12]].concat());
        let table = fs::read_to_string(folder.path().join(RECORDS)).unwrap();
        assert!(
            table.starts_with(
                "slide,class,x,y,level,tissue,split\n\"all, of it\",all,0,0,0,0.5,train\n"
            ),
            "{table}"
        );
    }

    #[test]
    fn the_summary_says_what_is_there() {
        let folder = written(|_| {});
        let store = PatchStore::open(folder.path()).unwrap();
        let summary = store.summary();
        let lines: Vec<&str> = summary.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "source   four",
                "patches  4 of 2 x 2 pixels",
                "all      train 2 patches of 1 slides, test 2 patches of 1 slides",
                "skipped  c.png",
                &format!("sha256   {}", store.content_hash()),
            ]
        );
    }

    #[test]
    fn no_store_and_other_formats_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(
            refusal(&folder),
            "`STORE` is no patch store: it has no `store.toml`"
        );
        let folder = written(|_| {});
        let path = folder.path().join(DESCRIPTION);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("format = 1", "format = 9")).unwrap();
        assert_eq!(
            refusal(&folder),
            "the patch store `STORE` has format 9, this version reads 1"
        );
    }

    #[test]
    fn a_truncated_or_altered_store_is_refused() {
        let folder = written(|_| {});
        let path = folder.path().join(PATCHES);
        let mut bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert_eq!(
            refusal(&folder),
            "the patch store `STORE` is damaged: `patches.npy` is cut short or too long: 47 bytes of pixels for shape \
             [4, 2, 2, 3]"
        );
        *bytes.last_mut().unwrap() += 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            refusal(&folder),
            "the patch store `STORE` is damaged: `patches.npy` or `patches.csv` is not what `store.toml` was written for"
        );
        fs::remove_file(&path).unwrap();
        assert!(
            refusal(&folder)
                .starts_with("the patch store `STORE` is damaged: `patches.npy` cannot be read: ")
        );
    }

    #[test]
    fn records_that_contradict_the_patches_or_the_split_are_refused() {
        let folder = written(|records| drop(records.pop()));
        assert_eq!(
            refusal(&folder),
            "the patch store `STORE` is damaged: `patches.npy` has 4 patches, `patches.csv` has 3 rows"
        );
        let folder = written(|records| records[3].split = Split::Train);
        assert_eq!(
            refusal(&folder),
            "the patch store `STORE` is damaged: slide `b` is in both splits"
        );
    }
}
