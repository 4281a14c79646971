//! The patch store: a folder of patches that says of each where it comes from, and of itself how it was made.
//!
//! - `patches.npy`: n x size x size x 3 bytes in C order, as `numpy.load` reads them.
//! - `patches.csv`: a row for each patch: slide, class, x, y, level, tissue, split.
//! - `store.toml`: format, name, settings, counts, skipped files, and the SHA-256 of the two other files in that order
//!   (`cat patches.npy patches.csv | sha256sum`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use memmap2::Mmap;
use npyz::{DType, NpyHeader, Order, WriteOptions, WriterBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DataConfig, Split};
use crate::error::{Result, refuse};
use crate::images::Pixels;

/// The version of the files; a store of another is refused.
pub(super) const FORMAT: u32 = 1;

const PATCHES: &str = "patches.npy";
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
    size: usize,
    /// Where the pixels start in `map`.
    start: usize,
    map: Mmap,
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
        let map = map_patches(path).map_err(|error| damaged(format!("`{PATCHES}`: {error}")))?;
        let (count, size, start) =
            shape(&map).map_err(|what| damaged(format!("`{PATCHES}` {what}")))?;
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
        if content_hash(&map, &csv) != description.sha256 {
            return Err(damaged(format!(
                "`{PATCHES}` or `{RECORDS}` is not what `{DESCRIPTION}` was written for"
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            description,
            records,
            size,
            start,
            map,
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
        self.size
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
    pub fn classes(&self) -> Vec<String> {
        let classes: BTreeSet<&String> = self.records.iter().map(|record| &record.class).collect();
        classes.into_iter().cloned().collect()
    }

    /// The patches of `split`, ascending.
    pub fn indices(&self, split: Split) -> Vec<usize> {
        let members = self.records.iter().enumerate();
        members
            .filter(|(_, record)| record.split == split)
            .map(|(index, _)| index)
            .collect()
    }

    /// The names of the slides of `split`, sorted.
    pub fn slides(&self, split: Split) -> Vec<&str> {
        let members = self.records.iter().filter(|record| record.split == split);
        let slides: BTreeSet<&str> = members.map(|record| record.slide.as_str()).collect();
        slides.into_iter().collect()
    }

    /// The patches at `indices`, in that order; each must be below [`Self::len`].
    pub fn read(&self, indices: &[usize]) -> Pixels {
        let length = self.size * self.size * 3;
        let mut bytes = Vec::with_capacity(indices.len() * length);
        for &index in indices {
            let first = self.start + index * length;
            bytes.extend_from_slice(&self.map[first..first + length]);
        }
        Pixels::new(indices.len(), self.size, bytes)
    }

    /// What is in the store, in lines to show.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            writeln!(text, "{name:<10}{value}").expect("a string takes any text");
        };
        line("store", &self.path.display().to_string());
        line("source", self.name());
        line(
            "patches",
            &format!("{} of {size} x {size} pixels", self.len(), size = self.size),
        );
        for class in self.classes() {
            let counts: Vec<String> = Split::ALL
                .map(|split| {
                    let of = |record: &&PatchRecord| record.split == split && record.class == class;
                    let members: Vec<&PatchRecord> = self.records.iter().filter(of).collect();
                    let slides: BTreeSet<&str> =
                        members.iter().map(|record| record.slide.as_str()).collect();
                    let (name, patches, slides) = (split.name(), members.len(), slides.len());
                    format!("{name} {patches} patches of {slides} slides")
                })
                .to_vec();
            line(&class, &counts.join(", "));
        }
        if !self.skipped().is_empty() {
            line("skipped", &self.skipped().join(", "));
        }
        line("sha256", self.content_hash());
        text
    }
}

/// The bytes of `patches.npy`, read as they are touched.
fn map_patches(folder: &Path) -> io::Result<Mmap> {
    let file = File::open(folder.join(PATCHES))?;
    #[expect(
        unsafe_code,
        reason = "undefined if the file shrinks under the map; nobody writes to a store that is there"
    )]
    unsafe {
        Mmap::map(&file)
    }
}

/// Count and size of the patches in an NPY file and where their pixels start, or what is wrong with it.
fn shape(file: &[u8]) -> std::result::Result<(usize, usize, usize), String> {
    let mut rest = file;
    let header =
        NpyHeader::from_reader(&mut rest).map_err(|error| format!("has no header: {error}"))?;
    let shape = header.shape();
    let &[count, height, width, 3] = shape else {
        return Err(format!("has shape {shape:?}, not n x size x size x 3"));
    };
    if height != width || header.dtype() != byte() || header.order() != Order::C {
        return Err(format!(
            "holds {} of shape {shape:?}, not bytes in C order of shape n x size x size x 3",
            header.dtype().descr()
        ));
    }
    let wanted = count.checked_mul(height * width * 3);
    if wanted != Some(rest.len() as u64) {
        return Err(format!(
            "is cut short or too long: {} bytes of pixels for shape {shape:?}",
            rest.len()
        ));
    }
    Ok((count as usize, height as usize, file.len() - rest.len()))
}

/// NumPy's `uint8`.
fn byte() -> DType {
    DType::Plain("|u1".parse().expect("NumPy's name of a byte"))
}

/// SHA-256 of the two files, one after the other.
fn content_hash(patches: &[u8], records: &[u8]) -> String {
    let hash = Sha256::new()
        .chain_update(patches)
        .chain_update(records)
        .finalize();
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A slide with patches in both splits, if there is one.
fn on_both_sides(records: &[PatchRecord]) -> Option<&str> {
    let mut splits: BTreeMap<&str, Split> = BTreeMap::new();
    records.iter().find_map(|record| {
        let split = *splits.entry(&record.slide).or_insert(record.split);
        (split != record.split).then_some(record.slide.as_str())
    })
}

/// Writes `patches.npy` patch by patch.
pub(super) struct PatchesWriter(BufWriter<File>);

impl PatchesWriter {
    /// Starts the file in `folder`; exactly `count` patches must follow.
    pub(super) fn create(folder: &Path, count: usize, size: usize) -> Result<Self> {
        let file = File::create_new(folder.join(PATCHES))?;
        let writer = WriteOptions::new_header_only()
            .dtype(byte())
            .shape(&[count, size, size, 3].map(|length| length as u64))
            .writer(BufWriter::new(file))
            .write_header_only()?;
        Ok(Self(writer))
    }

    /// Adds a patch: size x size x 3 bytes.
    pub(super) fn push(&mut self, patch: &[u8]) -> Result<()> {
        Ok(self.0.write_all(patch)?)
    }

    /// Brings all of it to the file.
    pub(super) fn finish(mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
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
    let description = Description {
        format: FORMAT,
        name: name.to_owned(),
        sha256: content_hash(&map_patches(folder)?, &fs::read(folder.join(RECORDS))?),
        skipped,
        counts,
        settings: settings.clone(),
    };
    fs::write(folder.join(DESCRIPTION), toml::to_string(&description)?)
        .with_context(|| format!("cannot write `{DESCRIPTION}`"))
}
