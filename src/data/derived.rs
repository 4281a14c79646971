//! Patch stores that are made from others: the patches of one class, and images that a model made.

use std::fs::File;
use std::io::BufWriter;
use std::ops::Range;
use std::path::Path;

use super::npy::ImagesWriter;
use super::store::{
    Notes, PATCHES, PatchRecord, PatchStore, write_description, write_records, written_once,
};
use super::{DataConfig, Split};
use crate::error::Result;
use crate::images::Pixels;

/// Patches that are read or drawn at a time.
const BLOCK: usize = 256;

/// What a store of images that a model made says of them.
pub struct Drawn<'a> {
    /// The store's name.
    pub name: &'a str,
    /// What determines the images: equal text, equal images.
    pub key: &'a str,
    /// Height and width in pixels.
    pub size: usize,
    /// 3 (RGB) or 1 (grey).
    pub channels: usize,
    /// The class of each image and what made it: a run and a seed, which stand in the place of the slide.
    pub images: Vec<(String, String)>,
}

/// The patches of `class` in `store`, of both splits, as a store below `cache`, written now or found.
///
/// # Errors
/// Fails if the store cannot be read or the new one written.
pub fn of_class(store: &PatchStore, class: usize, cache: &Path) -> Result<PatchStore> {
    let name = &store.classes()[class];
    let classes = store.class_indices().iter();
    let indices: Vec<usize> = (0..store.len())
        .zip(classes)
        .filter_map(|(index, found)| (*found == class).then_some(index))
        .collect();
    let settings = DataConfig {
        classes: vec![name.clone()],
        ..store.settings().clone()
    };
    let derived = Derived {
        key: format!("class {name} of {}", store.content_hash()),
        name: format!("{}, {name}", store.name()),
        records: indices
            .iter()
            .map(|&index| store.records()[index].clone())
            .collect(),
        settings,
        shape: (store.patch_size(), store.channels()),
    };
    derived.write(cache, &mut |range| store.read(&indices[range]))
}

/// Images that a model made as a store below `cache`, drawn now by `draw` (a range of them) or found. All are of the training split;
/// they lie at place 0, 0 of their slides.
///
/// # Errors
/// Those of `draw`, and of writing.
pub fn keep_drawn(
    drawn: Drawn<'_>,
    cache: &Path,
    draw: &mut dyn FnMut(Range<usize>) -> Result<Pixels>,
) -> Result<PatchStore> {
    let records = drawn.images.into_iter().map(|(class, slide)| PatchRecord {
        slide,
        class,
        x: 0,
        y: 0,
        level: 0,
        tissue: 1.0,
        split: Split::Train,
    });
    let derived = Derived {
        key: format!("drawn {}", drawn.key),
        name: drawn.name.to_owned(),
        records: records.collect(),
        settings: DataConfig {
            source: drawn.name.to_owned(),
            patch_size: drawn.size,
            channels: drawn.channels,
            ..DataConfig::default()
        },
        shape: (drawn.size, drawn.channels),
    };
    derived.write(cache, draw)
}

/// A store before it is written.
struct Derived {
    key: String,
    name: String,
    records: Vec<PatchRecord>,
    settings: DataConfig,
    /// Size and channels.
    shape: (usize, usize),
}

impl Derived {
    /// Writes it beside its place and renames it when it is whole, unless it is there.
    fn write(
        self,
        cache: &Path,
        read: &mut dyn FnMut(Range<usize>) -> Result<Pixels>,
    ) -> Result<PatchStore> {
        written_once(cache, &self.key, |folder| {
            let (count, (size, channels)) = (self.records.len(), self.shape);
            let file = BufWriter::new(File::create_new(folder.join(PATCHES))?);
            let mut writer = ImagesWriter::new(file, count, size, channels)?;
            for first in (0..count).step_by(BLOCK) {
                let pixels = read(first..count.min(first + BLOCK))?;
                writer.push(&pixels.bytes)?;
            }
            writer.finish()?;
            write_records(folder, &self.records)?;
            let (name, settings, records) = (&self.name, &self.settings, &self.records);
            write_description(folder, name, settings, records, Notes::default())
        })
    }
}
