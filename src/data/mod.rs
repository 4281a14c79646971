//! Images in: from slides to a store of patches, split by slide, and on to the batches of a training.
//!
//! A source ([`phantom`], [`folder`]) lists slides; `labels` and [`annotations`] say what they are of; `view` has their pixels at
//! the resolution that is asked for; `tiles` finds the patches that lie on tissue ([`tissue`]); `builder` splits them by slide
//! ([`splits`]), draws some, and writes a [`PatchStore`] ([`store`]); [`batches`] says which patches make up a training step, and
//! [`Loader`] reads them ahead of it. [`prepare`] does all of it once per setting, and opens what is there the next time.

pub mod annotations;
pub mod augment;
pub mod batches;
mod builder;
mod derived;
pub mod folder;
mod image_array;
mod image_folder;
mod dataset;
mod images;
mod inputs;
mod journal;
mod labels;
mod loader;
mod lock;
mod looks;
mod masks;
mod npy;
pub mod pairs;
pub mod phantom;
mod pixels;
mod resample;
mod source;
pub mod splits;
pub mod stain;
pub mod store;
mod subset;
mod symmetry;
mod task;
mod thumbnails;
mod tiles;
pub mod tissue;
mod training_order;
mod view;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::digest::{sha256, sha256_file};
use crate::error::{Result, nearest, refuse};
use crate::images::{GREY, RGB, kind};

pub use augment::Augmentation;
pub use batches::Batches;
pub use derived::{Drawn, keep_drawn, of_class};
pub use image_array::ImageArray;
pub use image_folder::ImageFolder;
pub use inputs::add_inputs;
pub use loader::{Batch, Loader};
pub use pairs::{Pair, PairLevel, Pairs, SimilarPair};
pub use phantom::PhantomConfig;
pub use splits::Split;
pub use stain::{Appearance, Normalisation, StainMethod};
pub use store::{
    ClassOverview, Overview, PatchRecord, PatchStore, Skipped, SlidePatches, SplitOverview,
};
pub use subset::PatchSubset;
pub use symmetry::Symmetry;
pub(crate) use symmetry::turn;
pub use task::{Input, Task};
pub use thumbnails::Thumbnails;
pub use training_order::{TrainingImages, TrainingOrder, TrainingPlaces};

use lock::Lock;
use masks::Masks;
use source::Source;

/// The name of the source that needs no files.
pub(crate) const PHANTOM: &str = "phantom";

/// Which images, and how they become patches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// `phantom`, or the path of a folder of images, of a patch store (a folder with `store.toml`), or of a data set (a folder of idx
    /// files or of CIFAR's binary batches, or a CSV file of digits).
    pub source: String,
    /// Classes to take; empty takes all.
    pub classes: Vec<String>,
    /// Path of a CSV file that says what slides are of, in place of their folders: columns `slide`, `class` and, for slides that
    /// must stay on one side of the split (a patient's, a block's), `group`. Empty for none.
    pub labels: String,
    /// A regular expression that finds a slide's group in its name (in the first brackets, if it has some), for example
    /// `^TCGA-..-....`: slides of one group stay on one side of the split. Empty for none.
    pub groups: String,
    /// Takes the class of a patch from the region it lies in: Aperio's XML, a file of the slide's name with the extension `.xml`
    /// beside it. What lies in no region is `normal`.
    pub annotations: bool,
    /// Fraction of a patch that must be of one class under `annotations`, above 0.5 and at most 1: patches on an outline are left
    /// out. 0 takes the class of the patch's centre.
    pub region_overlap: f64,
    /// Height and width of a patch in pixels.
    pub patch_size: usize,
    /// Channels of a patch: 3 for RGB; 1 for its luminance (ITU-R 601, as PIL's mode `L`). Tissue is found in colour before.
    pub channels: usize,
    /// Pixels from one patch to the next; less than `patch_size` lets patches overlap.
    pub stride: usize,
    /// How many times smaller slides become before patches are cut: a pixel is then the mean of `reduction` x `reduction`
    /// pixels (a box filter, as Pillow's `reduce`), and patches show as much more tissue. 1 keeps them. Stride and places of
    /// patches are in pixels of the smaller slide. In place of `level` and `micrometres_per_pixel`.
    pub reduction: usize,
    /// Level of the slides' pyramids that patches are cut at; 0 is full resolution. In place of `reduction` and
    /// `micrometres_per_pixel`.
    pub level: usize,
    /// Resolution that patches are cut at, for slides that say theirs: the coarsest level that is fine enough, made smaller by
    /// Pillow's `BILINEAR` where it differs by more than 1 %. 0 for that of the slides. In place of `reduction` and `level`.
    pub micrometres_per_pixel: f64,
    /// Fraction of a patch's pixels that must be tissue, 0 to 1.
    pub minimum_tissue: f64,
    /// Saturation (0 to 255, as in HSV) from which a pixel is tissue, after a median; 0 finds one for each slide by Otsu's method.
    pub tissue_threshold: usize,
    /// Whether pen marks (green, blue, red, black) are no tissue. Other stains than haematoxylin and eosin may have these colours.
    pub remove_ink: bool,
    /// Fraction of the slides of each class kept for the test split, below 1. 0 keeps none: such a store cannot be measured
    /// against.
    pub held_out: f64,
    /// Patches of each class in the store, spread evenly over its slides; 0 keeps all.
    pub patches_per_class: usize,
    /// Most patches in the store, drawn from both splits in proportion; 0 keeps all.
    pub maximum_patches: usize,
    /// Height and width in pixels of a picture of each whole slide that is kept beside its patches, for the first stage of the
    /// MFT-SNN (224 in the paper; `--whole`); 0 for none.
    pub whole_slides: usize,
    /// Seed of the split, the draw and the phantom; training has its own.
    pub seed: u64,
    /// Leaves out images that cannot be read, and names them in the store, instead of refusing the folder.
    pub skip_unreadable: bool,
    /// Brings the stain of every slide to a target's: `macenko`, `reinhard`, or `none`. Fitted to the patches of a slide together.
    pub stain: StainMethod,
    /// An image that has the target's stain; empty takes a published one.
    pub stain_target: PathBuf,
    /// Where the class of each pixel is from: `phantom` for the nuclei of the synthetic slides, or a folder with a PNG for each image, of
    /// its path and name. Empty for no masks.
    pub masks: String,
    /// The classes of the pixels of `masks`, the background first, each with its value there: `background=0`, `nucleus=1` (an index of
    /// the palette or a grey value) or `nucleus=#ff0000` (a colour). The phantom has its own.
    pub mask_classes: Vec<String>,
    /// The synthetic slides of the source `phantom`.
    pub phantom: PhantomConfig,
}

/// Settings that came later, as they were always in force.
const LATER: [&str; 16] = [
    "labels = \"\"",
    "groups = \"\"",
    "annotations = false",
    "region_overlap = 0.0",
    "channels = 3",
    "reduction = 1",
    "level = 0",
    "micrometres_per_pixel = 0.0",
    "tissue_threshold = 0",
    "remove_ink = true",
    "patches_per_class = 0",
    "whole_slides = 0",
    "stain = \"none\"",
    "stain_target = \"\"",
    "masks = \"\"",
    "mask_classes = []",
];

/// Settings in TOML as they are hashed and stand in stores: those that came later and change nothing leave the bytes of the time
/// before them.
pub(crate) fn as_hashed(settings: &str) -> String {
    let mut text = settings.to_owned();
    for line in LATER {
        text = text.replacen(&format!("\n{line}\n"), "\n", 1);
    }
    text
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: PHANTOM.to_owned(),
            classes: Vec::new(),
            labels: String::new(),
            groups: String::new(),
            annotations: false,
            region_overlap: 0.0,
            patch_size: 64,
            channels: RGB,
            stride: 64,
            reduction: 1,
            level: 0,
            micrometres_per_pixel: 0.0,
            minimum_tissue: 0.5,
            tissue_threshold: 0,
            remove_ink: true,
            held_out: 0.3,
            patches_per_class: 0,
            maximum_patches: 0,
            whole_slides: 0,
            seed: 0,
            skip_unreadable: false,
            stain: StainMethod::None,
            stain_target: PathBuf::new(),
            masks: String::new(),
            mask_classes: Vec::new(),
            phantom: PhantomConfig::default(),
        }
    }
}

impl DataConfig {
    /// Refuses what its range allows and no store can be built with.
    fn check(&self) -> Result<()> {
        if self.maximum_patches == 1 {
            return Err(refuse(
                "`data.maximum_patches` is 1, which leaves a split empty",
                "set it to 0 (all) or to at least 2",
            ));
        }
        if self.patches_per_class == 1 && self.held_out > 0.0 {
            return Err(refuse(
                "`data.patches_per_class` is 1, which leaves a split without the class",
                "set it to 0 (all) or to at least 2",
            ));
        }
        // One setting says at what resolution patches are cut.
        let resolutions = [
            (self.reduction > 1).then(|| format!("`data.reduction = {}`", self.reduction)),
            (self.level > 0).then(|| format!("`data.level = {}`", self.level)),
            (self.micrometres_per_pixel > 0.0).then(|| {
                format!(
                    "`data.micrometres_per_pixel = {}`",
                    self.micrometres_per_pixel
                )
            }),
        ];
        let named: Vec<String> = resolutions.into_iter().flatten().collect();
        if named.len() > 1 {
            return Err(refuse(
                format!(
                    "{} each say at what resolution patches are cut",
                    named.join(" and ")
                ),
                "keep one of them: a level of the slides, micrometres per pixel, or how many times smaller slides become",
            ));
        }
        if self.whole_slides > 0 && self.stain != StainMethod::None {
            return Err(refuse(
                "`data.whole_slides` keeps slides as they are, and `data.stain` normalises patches alone",
                "leave out `data.whole_slides`: slides are then put together from their normalised patches",
            ));
        }
        // And the settings of regions need some.
        if self.region_overlap > 0.0 && !self.annotations {
            return Err(refuse(
                "`data.region_overlap` is set, and there are no regions without `data.annotations`",
                "set `data.annotations = true`, or leave out `data.region_overlap`",
            ));
        }
        if self.region_overlap > 0.0 && self.region_overlap <= 0.5 {
            return Err(refuse(
                format!(
                    "`data.region_overlap` is {}: two classes could have as much of a patch",
                    self.region_overlap
                ),
                "set it above 0.5, or to 0 for the class of the patch's centre",
            ));
        }
        Ok(())
    }
}

/// The patch store that `config` describes.
///
/// A source that is a store is opened where it is; of the settings only `patch_size` and `channels` are then looked
/// at, and must match. Any other source is tiled into a store below `cache`, in a folder named by a hash of everything
/// that determines the patches (for a folder: the relative path and the SHA-256 of each of its files), unless that folder
/// is there already. The store is built in a folder beside it and renamed when complete, so a half-written store is never
/// taken for a whole one. `progress(done, total, what)` counts slides.
///
/// # Errors
/// For settings that do not fit together, a source that is not there, and what the source and the split refuse.
pub fn prepare(
    config: &DataConfig,
    cache: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<PatchStore> {
    config.check()?;
    if ![GREY, RGB].contains(&config.channels) {
        return Err(refuse(
            format!("`data.channels` is {}", config.channels),
            "set it to 3 (RGB) or 1 (grey)",
        ));
    }
    let path = Path::new(&config.source);
    if let Some(set) = dataset::find(path)? {
        return dataset::prepare(&set, config, cache, progress);
    }
    let Some(source) = source(config)? else {
        let store = PatchStore::open(path)?;
        if store.patch_size() != config.patch_size {
            let (is, wanted) = (store.patch_size(), config.patch_size);
            return Err(refuse(
                format!(
                    "the patches of `{}` are {is} x {is}, `data.patch_size` is {wanted}",
                    path.display()
                ),
                format!("set `data.patch_size` to {is}, or `data.source` to the slides themselves"),
            ));
        }
        if store.channels() != config.channels {
            let (is, wanted) = (store.channels(), config.channels);
            return Err(refuse(
                format!(
                    "the patches of `{}` are {}, `data.channels` is {wanted}",
                    path.display(),
                    kind(is)
                ),
                format!("set `data.channels` to {is}, or `data.source` to the slides themselves"),
            ));
        }
        let is = store.settings().stain;
        if config.stain != StainMethod::None && config.stain != is {
            return Err(refuse(
                format!(
                    "the stain of the patches of `{}` is normalised by `{}`, `data.stain` is `{}`",
                    path.display(),
                    is.name(),
                    config.stain.name()
                ),
                "leave `data.stain` out, or set `data.source` to the slides themselves",
            ));
        }
        if !config.masks.is_empty() && store.mask_classes().is_empty() {
            return Err(refuse(
                format!("the patch store `{}` has no masks", path.display()),
                "leave `data.masks` out, or set `data.source` to the images that the masks are of",
            ));
        }
        return Ok(store);
    };
    cached(&source, config, cache, progress)
}

/// Thumbnails of the slides of `split` behind a store that [`prepare`] made with `config`, `size` x `size` each; put together
/// from the patches where the source is itself a store. `progress(done, total)` counts slides.
///
/// # Errors
/// If a slide cannot be read any more.
pub fn thumbnails(
    config: &DataConfig,
    store: &PatchStore,
    split: Split,
    size: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Thumbnails> {
    let source = source(config)?;
    thumbnails::thumbnails(source.as_ref(), config, store, split, size, progress)
}

/// The slides that `config` names; none if it names a patch store or a data set without slides.
fn source(config: &DataConfig) -> Result<Option<Source>> {
    if config.source == PHANTOM {
        return Ok(Some(phantom::source(config)?.labelled(config)?));
    }
    let path = Path::new(&config.source);
    if store::is_store(path) || dataset::find(path)?.is_some() {
        return Ok(None);
    }
    if !path.is_dir() {
        let hint = match nearest(&config.source, &[PHANTOM]) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "set `data.source` to `phantom`, to a folder of images or to a patch store"
                .to_owned(),
        };
        return Err(refuse(
            format!("no folder `{}` to read images from", path.display()),
            hint,
        ));
    }
    let has_class_folders = config.labels.is_empty() && !config.annotations;
    let source = folder::source(path, has_class_folders)?;
    Ok(Some(source.labelled(config)?))
}

/// Opens the store of `source` below `cache`, and builds it first if it is not there.
fn cached(
    source: &Source,
    config: &DataConfig,
    cache: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<PatchStore> {
    let mut settings = config.clone();
    // Where a folder lies does not change its patches; the phantom's settings do not change a folder's.
    settings.source.clone_from(&source.name);
    if let Some(table) = Path::new(&config.labels).file_name() {
        settings.labels = table.to_string_lossy().into_owned();
    }
    if config.source != PHANTOM {
        settings.phantom = PhantomConfig::default();
    }
    let stain = Normalisation::of(config)?;
    // Nor does where its target lies: what counts is what is in it.
    if stain.is_some() && !config.stain_target.as_os_str().is_empty() {
        settings.stain_target = sha256_file(&config.stain_target)?.into();
    }
    let masks = Masks::of(config)?;
    if let Some(masks) = &masks {
        settings.masks = masks.fingerprint(source)?;
    }
    let key = format!(
        "{}\n{}\n{}",
        store::FORMAT,
        as_hashed(&toml::to_string(&settings)?),
        source.fingerprint
    );
    let name = &sha256(key)[..12];
    let folder = cache.join(name);
    if !store::is_store(&folder) {
        build(
            source,
            &settings,
            stain.as_ref(),
            masks.as_ref(),
            &folder,
            &cache.join(format!(".building-{name}")),
            progress,
        )?;
        return PatchStore::open_written(&folder);
    }
    PatchStore::open(&folder)
}

/// Builds the store `folder` in `building`, which an import that was killed may have left, and renames it when it is whole.
fn build(
    source: &Source,
    settings: &DataConfig,
    stain: Option<&Normalisation>,
    masks: Option<&Masks>,
    folder: &Path,
    building: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<()> {
    let lock = Lock::wait(building)?;
    // Another process may have finished it meanwhile.
    let mut built = Ok(());
    if !store::is_store(folder) {
        let complete = building.join("store");
        builder::create(&complete)?;
        built = builder::build(
            source, settings, stain, masks, &complete, building, progress,
        );
        if built.is_ok() {
            fs::rename(&complete, folder)
                .with_context(|| format!("cannot write the store `{}`", folder.display()))?;
        }
    }
    // What could not be built will not be the next time either, but for want of space.
    let is_full = |error: &anyhow::Error| {
        let cause = error.root_cause().downcast_ref::<std::io::Error>();
        cause.is_some_and(|cause| cause.kind() == ErrorKind::StorageFull)
    };
    if !built.as_ref().is_err_and(is_full) {
        drop(lock);
        fs::remove_dir_all(building)
            .with_context(|| format!("cannot remove `{}`", building.display()))?;
    }
    built
}

#[cfg(test)]
mod tests;
