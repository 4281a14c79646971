//! Cutting the images of a slide into patches, and keeping those that lie on tissue.

use image::RgbImage;

use super::DataConfig;
use super::source::{Part, Slide};
use super::tissue::TissueMask;
use crate::error::{Result, refuse};

/// The patches of one slide.
#[derive(Default)]
pub(super) struct Cut {
    /// Where each patch lies on the slide.
    pub(super) places: Vec<Place>,
    /// The pixels of the patches, one after the other: `places` x size x size x 3.
    pub(super) bytes: Vec<u8>,
    /// Images that could not be read.
    pub(super) skipped: Vec<String>,
}

/// The place of a patch on its slide.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// Column of the left edge.
    pub(super) x: usize,
    /// Row of the top edge.
    pub(super) y: usize,
    /// Fraction of the pixels that are tissue.
    pub(super) tissue: f64,
}

/// Cuts all images of `slide`.
///
/// Refuses an image smaller than a patch, and one that cannot be read unless the settings say to skip it.
pub(super) fn cut(slide: &Slide, config: &DataConfig) -> Result<Cut> {
    let mut cut = Cut::default();
    for part in &slide.parts {
        match part.load() {
            Ok(image) => cut.add(part, &image, config)?,
            Err(_) if config.skip_unreadable => cut.skipped.push(part.name.clone()),
            Err(error) => {
                return Err(refuse(
                    format!("cannot read image `{}`: {error:#}", part.name),
                    "repair or remove it, or leave out what cannot be read with `--skip-unreadable`",
                ));
            }
        }
    }
    Ok(cut)
}

impl Cut {
    /// Adds the patches of `image`: on a grid from its top left corner, where there is tissue enough.
    ///
    /// An image of just the size of a patch is taken whole and always: whoever cut it has chosen it.
    fn add(&mut self, part: &Part, image: &RgbImage, config: &DataConfig) -> Result<()> {
        let size = config.patch_size;
        let (width, height) = (image.width() as usize, image.height() as usize);
        if width < size || height < size {
            return Err(refuse(
                format!(
                    "image `{}` is {width} x {height}, smaller than a patch of {size} x {size}",
                    part.name
                ),
                format!(
                    "choose a smaller `data.patch_size`, at most {}, or remove the image",
                    width.min(height)
                ),
            ));
        }
        let mask = TissueMask::new(image);
        let chosen = width == size && height == size;
        for y in (0..=height - size).step_by(config.stride) {
            for x in (0..=width - size).step_by(config.stride) {
                let tissue = mask.fraction(x, y, size);
                if !chosen && tissue < config.minimum_tissue {
                    continue;
                }
                self.places.push(Place {
                    x: part.x + x,
                    y: part.y + y,
                    tissue,
                });
                for row in y..y + size {
                    let first = (row * width + x) * 3;
                    let pixels = &image.as_raw()[first..first + size * 3];
                    self.bytes.extend_from_slice(pixels);
                }
            }
        }
        Ok(())
    }
}
