//! Images in: from slides to a store of patches, split by slide, and on to the batches of a training.
//!
//! A source ([`phantom`], [`folder`]) lists slides; `tiles` takes the patches that lie on tissue ([`tissue`]); `builder`
//! splits them by slide ([`splits`]) and writes a [`PatchStore`] ([`store`]); [`batches`] says which patches make up a
//! training step, and [`Loader`] reads them ahead of it. [`prepare`] does all of it once per setting, and opens what is
//! there the next time.

pub mod augment;
pub mod batches;
mod builder;
mod derived;
pub mod folder;
mod image_folder;
mod inputs;
mod loader;
mod npy;
pub mod pairs;
pub mod phantom;
mod source;
pub mod splits;
pub mod store;
mod subset;
mod symmetry;
mod task;
mod thumbnails;
mod tiles;
pub mod tissue;

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::error::{Result, nearest, refuse};
use crate::images::{GREY, RGB, kind};

pub use augment::Augmentation;
pub use batches::Batches;
pub use derived::{Drawn, keep_drawn, of_class};
pub use image_folder::ImageFolder;
pub use inputs::add_inputs;
pub use loader::{Batch, Loader};
pub use pairs::{Level, Pair, Pairs, SimilarPair};
pub use phantom::PhantomConfig;
pub use splits::Split;
pub use store::{PatchRecord, PatchStore};
pub use subset::PatchSubset;
pub use symmetry::Symmetry;
pub(crate) use symmetry::turn;
pub use task::{Input, Task};
pub use thumbnails::Thumbnails;

use source::Source;

/// The name of the source that needs no files.
const PHANTOM: &str = "phantom";

/// Which images, and how they become patches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// `phantom`, or the path of a folder of images or of a patch store (a folder with `store.toml`).
    pub source: String,
    /// Classes to take; empty takes all.
    pub classes: Vec<String>,
    /// Height and width of a patch in pixels.
    pub patch_size: usize,
    /// Channels of a patch: 3 for RGB; 1 for its luminance (ITU-R 601, as PIL's mode `L`). Tissue is found in colour before.
    pub channels: usize,
    /// Pixels from one patch to the next; less than `patch_size` lets patches overlap.
    pub stride: usize,
    /// How many times smaller slides become before patches are cut: a pixel is then the mean of `reduction` x `reduction`
    /// pixels (a box filter, as Pillow's `reduce`), and patches show as much more tissue. 1 keeps them. Stride and places of
    /// patches are in pixels of the smaller slide.
    pub reduction: usize,
    /// Fraction of a patch's pixels that must be tissue, 0 to 1.
    pub minimum_tissue: f64,
    /// Fraction of the slides of each class kept for the test split, above 0 and below 1.
    pub held_out: f64,
    /// Most patches in the store, drawn from both splits in proportion; 0 keeps all.
    pub maximum_patches: usize,
    /// Seed of the split, the draw and the phantom; training has its own.
    pub seed: u64,
    /// Leaves out images that cannot be read, and names them in the store, instead of refusing the folder.
    pub skip_unreadable: bool,
    /// The synthetic slides of the source `phantom`.
    pub phantom: PhantomConfig,
}

/// Settings in TOML as they are hashed and stand in stores: those of RGB patches at full size have the bytes of the time before
/// there were others.
pub(crate) fn as_hashed(settings: &str) -> String {
    settings
        .replacen("\nchannels = 3\nstride = ", "\nstride = ", 1)
        .replacen(
            "\nreduction = 1\nminimum_tissue = ",
            "\nminimum_tissue = ",
            1,
        )
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            source: PHANTOM.to_owned(),
            classes: Vec::new(),
            patch_size: 64,
            channels: RGB,
            stride: 64,
            reduction: 1,
            minimum_tissue: 0.5,
            held_out: 0.3,
            maximum_patches: 0,
            seed: 0,
            skip_unreadable: false,
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

/// The slides that `config` names; none if it names a patch store.
fn source(config: &DataConfig) -> Result<Option<Source>> {
    if config.source == PHANTOM {
        return Ok(Some(phantom::source(config)?.take(&config.classes)?));
    }
    let path = Path::new(&config.source);
    if store::is_store(path) {
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
    Ok(Some(folder::source(path)?.take(&config.classes)?))
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
    if config.source != PHANTOM {
        settings.phantom = PhantomConfig::default();
    }
    let key = format!(
        "{}\n{}\n{}",
        store::FORMAT,
        as_hashed(&toml::to_string(&settings)?),
        source.fingerprint
    );
    let folder = cache.join(&sha256(key)[..12]);
    if !store::is_store(&folder) {
        fs::create_dir_all(cache)
            .with_context(|| format!("cannot create the folder `{}`", cache.display()))?;
        let building = tempfile::Builder::new()
            .prefix(".building-")
            .tempdir_in(cache)
            .with_context(|| format!("cannot write to the folder `{}`", cache.display()))?;
        // Not the temporary folder itself, which only its owner may read.
        let complete = building.path().join("store");
        fs::create_dir(&complete)?;
        builder::build(source, &settings, &complete, building.path(), progress)?;
        let renamed = fs::rename(&complete, &folder);
        // Another process may have finished the same store first; its content is the same.
        if !store::is_store(&folder) {
            renamed.with_context(|| format!("cannot write the store `{}`", folder.display()))?;
        }
    }
    PatchStore::open(&folder)
}

#[cfg(test)]
mod tests;
