//! What every source gives: slides by name and class, each a list of images at places on the slide.

use std::path::PathBuf;

use image::RgbImage;

use super::{folder, phantom};
use crate::error::Result;

/// Slides to cut, in order.
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
    /// One image, or many that were cut from the slide before.
    pub(super) parts: Vec<Part>,
}

/// One image of a slide.
#[derive(Debug)]
pub(super) struct Part {
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

impl Part {
    /// The pixels. Fails if a file cannot be read.
    pub(super) fn load(&self) -> Result<RgbImage> {
        match &self.origin {
            Origin::File(path) => folder::read(path),
            Origin::Phantom(recipe) => Ok(phantom::draw(recipe)),
        }
    }
}
