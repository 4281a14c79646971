//! A sheet of pictures. Every pixel of a picture is a whole number of pixels of the sheet: nothing is resampled.

use image::RgbImage;

use super::canvas::{Canvas, Picture};
use super::style::{MARGIN, PAGE, PIXELS};
use super::{Drawer, Drawn};
use crate::error::Result;

/// Pixels between the images of a sheet.
const SPACE: u32 = 4;
/// Width of an image on a sheet in pixels, at least half of it where a whole factor makes that: about 11 mm.
const SIDE: u32 = 128;

/// A sheet that grows downwards.
pub(super) struct Sheet {
    pub(super) canvas: Canvas,
    /// How many pixels of the sheet a pixel of an image is wide and high.
    pub(super) scale: u32,
    /// Height and width of an image.
    size: u32,
}

impl Sheet {
    pub(super) fn new(size: u32) -> Self {
        Self {
            canvas: Canvas::new(PAGE, MARGIN),
            scale: (SIDE / size).max(1),
            size,
        }
    }

    /// From the left of one image to the left of the next, in pixels of the sheet.
    fn step(&self) -> u32 {
        self.size * self.scale + SPACE
    }

    /// How many images fit beside each other into `width` points.
    pub(super) fn across(&self, width: f64) -> u32 {
        (((width * PIXELS) as u32 + SPACE) / self.step()).max(1)
    }

    /// How wide or high so many images are, in points.
    pub(super) fn side(&self, images: u32) -> f64 {
        f64::from((images * self.step()).saturating_sub(SPACE)) / PIXELS
    }

    /// Puts the first of `images` in rows of `columns` at a place.
    pub(super) fn block(
        &mut self,
        images: &[RgbImage],
        columns: u32,
        rows: u32,
        [left, top]: [f64; 2],
    ) {
        for (place, image) in (0..columns * rows).zip(images) {
            let offset = |steps: u32| f64::from(steps * self.step()) / PIXELS;
            self.canvas.picture(Picture {
                at: [
                    left + offset(place % columns),
                    top + offset(place / columns),
                ],
                scale: self.scale,
                pixels: image.clone(),
            });
        }
    }

    pub(super) fn finish(
        mut self,
        name: &str,
        title: &str,
        caption: &str,
        drawer: &Drawer<'_>,
        drawn: &mut Drawn,
    ) -> Result<()> {
        self.canvas.size[1] += MARGIN;
        drawn.add(drawer.write(name, title, caption, &self.canvas)?);
        Ok(())
    }
}
