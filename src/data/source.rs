//! What every source gives: slides by name and class, each a list of images at places on the slide.

use std::collections::BTreeSet;
use std::path::PathBuf;

use image::RgbImage;
use image::imageops::{crop_imm, thumbnail};

use super::phantom;
use crate::error::{Result, unknown_name};
use crate::slides;

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
    /// The pixels, each the mean of `reduction` x `reduction` of the image's; what is left over at its right and lower edge
    /// is cut off.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn load(&self, reduction: usize) -> Result<RgbImage> {
        let image = match &self.origin {
            Origin::File(path) => slides::read(path)?,
            Origin::Phantom(recipe) => phantom::draw(recipe),
        };
        Ok(match reduction {
            1 => image,
            _ => reduce(&image, reduction as u32),
        })
    }

    /// Column and row of the image's top left corner on a slide that was reduced likewise.
    pub(super) fn place(&self, reduction: usize) -> (usize, usize) {
        (self.x / reduction, self.y / reduction)
    }
}

/// The mean of each square of `factor` x `factor` whole pixels, rounded half up.
fn reduce(image: &RgbImage, factor: u32) -> RgbImage {
    let (width, height) = (image.width() / factor, image.height() / factor);
    let whole = crop_imm(image, 0, 0, width * factor, height * factor);
    thumbnail(&*whole, width, height)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_reduced_image_has_the_means_of_whole_squares() {
        let values = [[10, 20, 30, 9], [11, 20, 34, 9], [1, 1, 1, 9]];
        let image = RgbImage::from_fn(4, 3, |x, y| Rgb([values[y as usize][x as usize]; 3]));
        // Pillow's reduce of the whole squares: (61 + 2) / 4, (93 + 2) / 4
        let reduced = reduce(&image, 2);
        assert_eq!(reduced.dimensions(), (2, 1));
        let found: Vec<u8> = reduced.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(found, [15, 21]);
        let large = RgbImage::from_fn(9, 9, |x, y| Rgb([(x * 9 + y) as u8, 0, 255]));
        let third = reduce(&large, 3);
        let mean = |x: u32, y: u32| (3 * x + 1) * 9 + 3 * y + 1;
        for (x, y, pixel) in third.enumerate_pixels() {
            assert_eq!(pixel.0, [mean(x, y) as u8, 0, 255]);
        }
    }
}
