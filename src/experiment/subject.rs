//! What a side of a comparison is: a run, a patch store, a folder of images, or a file of features.

use std::path::Path;

use crate::data::{ImageFolder, PatchStore, PatchSubset, Split};
use crate::error::{Result, refuse, unknown_name};
use crate::features::is_feature_file;
use crate::images::ImageSource;
use crate::random::Random;

/// What one side of the comparison is.
pub(super) enum Subject<'a> {
    Run(&'a Path),
    Store(&'a Path),
    Folder(&'a Path),
    Features(&'a Path),
}

impl<'a> Subject<'a> {
    pub(super) fn of(path: &'a Path) -> Result<Self> {
        if is_feature_file(path) {
            return Ok(Self::Features(path));
        }
        if !path.is_dir() {
            return Err(refuse(
                format!("no folder `{}` to read images from", path.display()),
                "give a run, a patch store, a folder of images, or a file of features (`.npy`, `.safetensors`)",
            ));
        }
        Ok(if path.join("config.toml").exists() {
            Self::Run(path)
        } else if path.join("store.toml").exists() {
            Self::Store(path)
        } else {
            Self::Folder(path)
        })
    }

    pub(super) fn path(&self) -> &'a Path {
        match self {
            Self::Run(path) | Self::Store(path) | Self::Folder(path) | Self::Features(path) => path,
        }
    }

    /// The store, if it is one.
    pub(super) fn store(&self) -> Result<Option<PatchStore>> {
        match self {
            Self::Store(path) => PatchStore::open(path).map(Some),
            _ => Ok(None),
        }
    }

    /// The images of a store or a folder: `count` of them drawn with `seed`, or all.
    ///
    /// # Errors
    /// Refuses what cannot be read, and more images than there are.
    pub(super) fn images(
        &self,
        split: Split,
        count: Option<usize>,
        seed: u64,
    ) -> Result<Box<dyn ImageSource>> {
        let path = self.path();
        let subset = |all| subset(path, "images", all, count, seed);
        if let Self::Store(path) = self {
            let store = PatchStore::open(path)?;
            let mut indices = store.indices(split);
            if let Some(places) = subset(indices.len())? {
                indices = places.into_iter().map(|place| indices[place]).collect();
            }
            return Ok(Box::new(PatchSubset::new(store, indices)));
        }
        let images = ImageFolder::open(path)?;
        Ok(Box::new(match subset(images.count())? {
            Some(places) => images.select(&places),
            None => images,
        }))
    }

    /// The last part of its path: for captions.
    pub(super) fn name(&self) -> String {
        let path = self.path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

/// Which `count` of `all` are taken; none where all are.
pub(super) fn subset(
    path: &Path,
    what: &str,
    all: usize,
    count: Option<usize>,
    seed: u64,
) -> Result<Option<Vec<usize>>> {
    let Some(count) = count else {
        return Ok(None);
    };
    if count > all {
        return Err(refuse(
            format!(
                "`{}` has {all} {what}, `--images` asks for {count}",
                path.display()
            ),
            format!("ask for {all} or fewer"),
        ));
    }
    Ok(Some(
        Random::new(seed)
            .stream("evaluated images")
            .choose(all, count),
    ))
}

/// The split called `name`.
pub(super) fn split_called(name: &str) -> Result<Split> {
    let known = Split::ALL.into_iter().find(|split| split.name() == name);
    known.ok_or_else(|| unknown_name("split", name, Split::ALL.map(Split::name)))
}

/// The split called `name`, which only means something if a store is among `subjects`; the test split without a name.
pub(super) fn split(name: Option<&str>, subjects: [&Subject<'_>; 2]) -> Result<Split> {
    let Some(name) = name else {
        return Ok(Split::Test);
    };
    let is_store = |subject: &&Subject<'_>| matches!(subject, Subject::Store(_));
    if !subjects.iter().any(is_store) {
        let [generated, real] = subjects.map(|subject| subject.path().display());
        return Err(refuse(
            format!(
                "`--split` has no meaning: neither `{generated}` nor `{real}` is a patch store"
            ),
            "leave it out",
        ));
    }
    split_called(name)
}
