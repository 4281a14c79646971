//! What every source gives: slides by name and class, each a list of images at places on the slide.

use std::collections::BTreeSet;
use std::path::PathBuf;

use image::RgbImage;

use super::{folder, phantom};
use crate::error::{Result, unknown_name};

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
    /// The slides of `classes` alone; all of them if it is empty.
    ///
    /// # Errors
    /// If a class has no slide.
    pub(super) fn take(mut self, classes: &[String]) -> Result<Self> {
        let known: BTreeSet<&str> = self
            .slides
            .iter()
            .map(|slide| slide.class.as_str())
            .collect();
        if let Some(class) = classes.iter().find(|class| !known.contains(class.as_str())) {
            return Err(unknown_name("class", class, known));
        }
        self.slides
            .retain(|slide| classes.is_empty() || classes.contains(&slide.class));
        Ok(self)
    }
}

impl SlideImage {
    /// The pixels.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn load(&self) -> Result<RgbImage> {
        match &self.origin {
            Origin::File(path) => folder::read(path),
            Origin::Phantom(recipe) => Ok(phantom::draw(recipe)),
        }
    }
}
