//! What a side of a comparison is: a run, a patch store, images, features, or statistics of features.

use std::path::Path;

use crate::data::{ImageArray, ImageFolder, PatchStore, PatchSubset, Split};
use crate::error::{Result, refuse, unknown_name};
use crate::features::{FeatureFile, is_safetensors};
use crate::images::ImageSource;
use crate::numpy::{self, Content, is_array_file};
use crate::random::Random;
use crate::workspace::config_file;

/// What can be given as a side, for hints.
const SIDES: &str = "give a run, a patch store, a folder of images, or a file of images, features or statistics (`.npy`, \
                     `.npz`, `.safetensors`)";

/// What one side of the comparison is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Run(&'a Path),
    Store(&'a Path),
    Folder(&'a Path),
    /// An array of images.
    Images(&'a Path),
    /// A row of features an image.
    Features(&'a Path),
    /// The same in memory.
    InMemory(&'a FeatureFile),
    /// Mean and covariance of features.
    Statistics(&'a Path),
}

impl<'a> Subject<'a> {
    pub(super) fn of(path: &'a Path) -> Result<Self> {
        if is_safetensors(path) {
            return Ok(Self::Features(path));
        }
        if is_array_file(path) {
            return Ok(match numpy::look(path)?.content {
                Content::Features => Self::Features(path),
                Content::Images => Self::Images(path),
                Content::Statistics => Self::Statistics(path),
            });
        }
        if !path.is_dir() {
            return Err(refuse(
                format!("no folder `{}` to read images from", path.display()),
                SIDES,
            ));
        }
        Ok(if config_file(path).exists() {
            Self::Run(path)
        } else if path.join("store.toml").exists() {
            Self::Store(path)
        } else {
            Self::Folder(path)
        })
    }

    pub(super) fn path(&self) -> &'a Path {
        match self {
            Self::InMemory(file) => file.path(),
            Self::Run(path)
            | Self::Store(path)
            | Self::Folder(path)
            | Self::Images(path)
            | Self::Features(path)
            | Self::Statistics(path) => path,
        }
    }

    /// Whether images are to be had of it.
    pub(super) fn has_images(&self) -> bool {
        !self.is_features() && !matches!(self, Self::Statistics(_))
    }

    /// Whether it is a row of features an image.
    pub(super) fn is_features(&self) -> bool {
        matches!(self, Self::Features(_) | Self::InMemory(_))
    }

    /// The store, if it is one.
    pub(super) fn store(&self) -> Result<Option<PatchStore>> {
        match self {
            Self::Store(path) => PatchStore::open(path).map(Some),
            _ => Ok(None),
        }
    }

    /// The images of a store, a folder or an array: `count` of them drawn with `seed`, or all.
    ///
    /// # Errors
    /// Refuses what cannot be read, what has no images, and more images than there are.
    pub(super) fn images(
        &self,
        split: Split,
        count: Option<usize>,
        seed: u64,
    ) -> Result<Box<dyn ImageSource>> {
        let path = self.path();
        let subset = |all| subset(path, "images", all, count, seed);
        Ok(match self {
            Self::Store(path) => {
                let store = PatchStore::open(path)?;
                let mut indices = store.indices(split);
                if let Some(places) = subset(indices.len())? {
                    indices = places.into_iter().map(|place| indices[place]).collect();
                }
                Box::new(PatchSubset::new(store, indices))
            }
            Self::Images(path) => {
                let images = ImageArray::open(path)?;
                Box::new(match subset(images.count())? {
                    Some(places) => images.select(&places),
                    None => images,
                })
            }
            Self::Folder(path) => {
                let images = ImageFolder::open(path)?;
                Box::new(match subset(images.count())? {
                    Some(places) => images.select(&places),
                    None => images,
                })
            }
            Self::Run(_) | Self::Features(_) | Self::InMemory(_) | Self::Statistics(_) => {
                return Err(self.no_images("give a patch store, or a folder or an array of images"));
            }
        })
    }

    /// The refusal of something that holds no images.
    pub(super) fn no_images(&self, hint: &str) -> anyhow::Error {
        let what = match self {
            Self::Statistics(_) => "a file of statistics of features",
            Self::Features(_) | Self::InMemory(_) => "a file of features",
            _ => "no set of images",
        };
        refuse(format!("`{}` is {what}", self.path().display()), hint)
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
pub(super) fn split(name: Option<&str>, subjects: &[Subject<'_>]) -> Result<Split> {
    let Some(name) = name else {
        return Ok(Split::Test);
    };
    let is_store = |subject: &Subject<'_>| matches!(subject, Subject::Store(_));
    if !subjects.iter().any(is_store) {
        let paths = subjects
            .iter()
            .map(|subject| format!("`{}`", subject.path().display()));
        let paths = paths.collect::<Vec<_>>().join(" nor ");
        return Err(refuse(
            format!("`--split` has no meaning: neither {paths} is a patch store"),
            "leave it out",
        ));
    }
    split_called(name)
}
