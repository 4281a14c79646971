//! What every source gives: slides by name and class, each a list of images at places on the slide.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbImage;
use image::imageops::crop_imm;

use super::annotations::{NORMAL, Regions};
use super::phantom;
use super::{DataConfig, labels};
use crate::error::{Refusal, Result, refuse, unknown_name};
use crate::slides::{self, Level};

/// Slides to tile, in order.
pub(super) struct Source {
    /// `phantom`, or the name of the folder.
    pub(super) name: String,
    /// The slides, in the order of their patches in the store.
    pub(super) slides: Vec<Slide>,
    /// Whatever else than the settings determines the pixels.
    pub(super) fingerprint: String,
}

/// All images of one slide: the unit of the split.
#[derive(Debug)]
pub(super) struct Slide {
    /// Unique within the source.
    pub(super) name: String,
    /// What it shows.
    pub(super) class: String,
    /// What is kept on one side of the split with it: a patient, a block; the slide alone if none.
    pub(super) group: Option<String>,
    /// Where its patches have their classes from, in place of its own.
    pub(super) regions: Option<Regions>,
    /// One image, or many tiles of it.
    pub(super) images: Vec<SlideImage>,
}

/// One image of a slide.
#[derive(Debug)]
pub(super) struct SlideImage {
    /// What messages call it.
    pub(super) name: String,
    /// Column of the image's left edge on the slide, in pixels.
    pub(super) x: usize,
    /// Row of the image's top edge on the slide, in pixels.
    pub(super) y: usize,
    /// Where the pixels come from.
    pub(super) origin: Origin,
}

/// Where the pixels of an image come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// Read from a file.
    File(PathBuf),
    /// Drawn.
    Phantom(phantom::Recipe),
}

impl Source {
    /// The source with the classes and groups that `config` gives its slides, and of these the classes that are asked for.
    ///
    /// # Errors
    /// If a class has no slide, and what labels and annotations refuse.
    pub(super) fn labelled(mut self, config: &DataConfig) -> Result<Self> {
        labels::label(&mut self, config)?;
        let known: BTreeSet<&str> = self.slides.iter().flat_map(Slide::classes).collect();
        let asked = &config.classes;
        if let Some(class) = asked.iter().find(|class| !known.contains(class.as_str())) {
            return Err(unknown_name("class", class, known));
        }
        let is_asked = |class: &str| asked.is_empty() || asked.iter().any(|asked| asked == class);
        self.slides
            .retain(|slide| slide.classes().into_iter().any(is_asked));
        Ok(self)
    }
}

impl Slide {
    /// What its patches can be of.
    fn classes(&self) -> Vec<&str> {
        match &self.regions {
            Some(regions) => regions.classes().chain([NORMAL]).collect(),
            None => vec![&self.class],
        }
    }
}

impl SlideImage {
    /// The image, ready to be read by region.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub(super) fn open(&self) -> Result<Arc<dyn slides::Slide>> {
        Ok(match &self.origin {
            Origin::File(path) => slides::open(path)?.into(),
            Origin::Phantom(recipe) => Arc::new(Drawn::new(phantom::draw(recipe))),
        })
    }

    /// Column and row of the image's top left corner on a slide that was reduced likewise.
    pub(super) fn place(&self, reduction: usize) -> (usize, usize) {
        (self.x / reduction, self.y / reduction)
    }

    /// The error of an image that cannot be read, for `reason`.
    pub(super) fn unreadable(&self, reason: &anyhow::Error) -> anyhow::Error {
        // The reader may know better what to do.
        let hint = match reason.downcast_ref::<Refusal>() {
            Some(refusal) => {
                format!("{}, or leave it out with `--skip-unreadable`", refusal.hint)
            }
            None => {
                "repair or remove it, or leave out what cannot be read with `--skip-unreadable`"
                    .to_owned()
            }
        };
        refuse(
            format!("cannot read image `{}`: {reason:#}", self.name),
            hint,
        )
    }
}

/// A drawn image as a slide.
pub(super) struct Drawn {
    image: RgbImage,
    level: [Level; 1],
}

impl Drawn {
    pub(super) fn new(image: RgbImage) -> Self {
        let tile = image.dimensions();
        let level = Level {
            width: tile.0.into(),
            height: tile.1.into(),
            downsample: 1.0,
            tile,
        };
        Self {
            image,
            level: [level],
        }
    }
}

impl slides::Slide for Drawn {
    fn levels(&self) -> &[Level] {
        &self.level
    }

    fn micrometres_per_pixel(&self) -> Option<f64> {
        None
    }

    fn region(&self, _: usize, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage> {
        Ok(crop_imm(&self.image, x as u32, y as u32, width, height).to_image())
    }
}
