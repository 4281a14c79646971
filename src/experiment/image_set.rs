//! A set of images that is looked through: a patch store, a folder or an array of images or what a run draws, each image with where it comes
//! from.

use std::path::Path;

use serde::Serialize;

use super::load_model;
use super::subject::{Subject, split_called, subset};
use crate::config::Config;
use crate::data::{ImageArray, ImageFolder, PatchRecord, PatchStore, PatchSubset};
use crate::error::{Result, refuse};
use crate::images::ImageSource;
use crate::samplers::Samplers;
use crate::samples::{self, Plan};

/// Images, and where each comes from.
pub struct ImageSet {
    /// The images.
    pub images: Box<dyn ImageSource>,
    /// The last part of its path: for captions.
    pub name: String,
    places: Vec<Placed>,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// What it is called: slide and place, a file's path in its folder, or the number of an image in an array or of a
    /// drawn one.
    pub name: String,
    /// Its slide, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slide: Option<String>,
    /// Its class, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Column and row of its left and top edge on the slide, in pixels, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<(usize, usize)>,
}

impl Placed {
    fn on_slide(record: &PatchRecord) -> Self {
        Self {
            name: format!("{} ({}, {})", record.slide, record.x, record.y),
            slide: Some(record.slide.clone()),
            class: Some(record.class.clone()),
            place: Some((record.x, record.y)),
        }
    }

    fn file(path: &Path, folder: &Path) -> Self {
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let steps: Vec<_> = inside.iter().map(|step| step.to_string_lossy()).collect();
        Self {
            name: steps.join("/"),
            slide: None,
            // As in a folder that is imported: the first folder is the class.
            class: (steps.len() > 1).then(|| steps[0].clone().into_owned()),
            place: None,
        }
    }

    fn numbered(number: usize, class: Option<&String>) -> Self {
        Self {
            name: format!("image {number}"),
            slide: None,
            class: class.cloned(),
            place: None,
        }
    }
}

impl ImageSet {
    /// The images at `path`: `count` of them drawn with `seed`, or all. `split` is that of a patch store; both without it. Images
    /// of a run are drawn into a file in `cache` that is gone with the set.
    ///
    /// # Errors
    /// Refuses a file of features, a split of what is no patch store, a run without a count, and more images than there are.
    pub fn open(
        path: &Path,
        split: Option<&str>,
        count: Option<usize>,
        seed: u64,
        config: &Config,
        cache: &Path,
    ) -> Result<Self> {
        let subject = Subject::of(path)?;
        if let (Some(_), false) = (split, matches!(subject, Subject::Store(_))) {
            return Err(refuse(
                format!(
                    "`--split` has no meaning: `{}` is not a patch store",
                    path.display()
                ),
                "leave it out",
            ));
        }
        let name = subject.name();
        let (images, places): (Box<dyn ImageSource>, Vec<Placed>) = match subject {
            Subject::Features(_) | Subject::InMemory(_) | Subject::Statistics(_) => {
                return Err(
                    subject.no_images("give images: a patch store, a folder, an array or a run")
                );
            }
            Subject::Images(path) => {
                let images = ImageArray::open(path)?;
                let images = match subset(path, "images", images.count(), count, seed)? {
                    Some(places) => images.select(&places),
                    None => images,
                };
                let places = images.indices().iter();
                let places = places.map(|&index| Placed::numbered(index, None)).collect();
                (Box::new(images), places)
            }
            Subject::Store(path) => {
                let store = PatchStore::open(path)?;
                let indices = match split {
                    Some(name) => store.indices(split_called(name)?),
                    None => (0..store.len()).collect(),
                };
                let indices = match subset(path, "images", indices.len(), count, seed)? {
                    Some(places) => places.into_iter().map(|place| indices[place]).collect(),
                    None => indices,
                };
                let records = indices.iter().map(|&index| &store.records()[index]);
                let places = records.map(Placed::on_slide).collect();
                (Box::new(PatchSubset::new(store, indices)), places)
            }
            Subject::Folder(path) => {
                let folder = ImageFolder::open(path)?;
                let images = match subset(path, "images", folder.count(), count, seed)? {
                    Some(places) => folder.select(&places),
                    None => folder,
                };
                let places = images.paths().iter().map(|file| Placed::file(file, path));
                let places = places.collect();
                (Box::new(images), places)
            }
            Subject::Run(path) => {
                let count = count.ok_or_else(|| says_no_count(path))?;
                let device = config.compute.open()?;
                let (run, model) = load_model(path, None, &device)?;
                let samplers = Samplers::new(&config.evaluation.samplers, &config.samplers)?;
                let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
                let plan = Plan::without_store(run.classes.len(), count, seed);
                let class = |number: usize| run.classes.get(*plan.classes().get(number)?);
                let places = (0..count)
                    .map(|number| Placed::numbered(number, class(number)))
                    .collect();
                let images = samples::spool(sampler.as_ref(), &plan, cache)?;
                (Box::new(images), places)
            }
        };
        if places.is_empty() {
            return Err(refuse(
                format!("`{}` has no images to look through", path.display()),
                "give a set with images, or another `--split`",
            ));
        }
        Ok(Self {
            images,
            name,
            places,
        })
    }

    /// Where image `index` comes from.
    pub fn place(&self, index: usize) -> &Placed {
        &self.places[index]
    }
}

/// Refuses a run of which nobody said how many images to draw.
pub(super) fn says_no_count(run: &Path) -> anyhow::Error {
    refuse(
        format!(
            "`{}` is a run: it can make any number of images",
            run.display()
        ),
        "say how many with `--images N`",
    )
}
