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

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::source::Origin;
    use crate::data::{folder, tests::histology};

    fn part(name: &str, x: usize, y: usize) -> Part {
        Part {
            name: name.to_owned(),
            x,
            y,
            origin: Origin::File(name.into()),
        }
    }

    /// Glass on the left, tissue right of column 64.
    fn half_tissue(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            if x < 64 {
                Rgb([242; 3])
            } else {
                Rgb([200, (x % 100) as u8, (y % 100) as u8])
            }
        })
    }

    #[test]
    fn patches_lie_on_a_grid_where_tissue_is_and_carry_its_pixels() {
        let image = half_tissue(200, 130);
        let config = DataConfig::default();
        let mut cut = Cut::default();
        cut.add(&part("a", 1000, 500), &image, &config).unwrap();
        let places: Vec<_> = cut.places.iter().map(|place| (place.x, place.y)).collect();
        assert_eq!(places, [(1064, 500), (1128, 500), (1064, 564), (1128, 564)]);
        let second = &cut.bytes[64 * 64 * 3..2 * 64 * 64 * 3];
        let pixel = image.get_pixel(128 + 5, 7);
        assert_eq!(second[(7 * 64 + 5) * 3..][..3], pixel.0);
        let all = DataConfig {
            minimum_tissue: 0.0,
            stride: 32,
            ..config
        };
        let mut cut = Cut::default();
        cut.add(&part("a", 0, 0), &image, &all).unwrap();
        assert_eq!(cut.places.len(), 5 * 3);
    }

    #[test]
    fn an_image_of_the_size_of_a_patch_is_taken_whole_whatever_it_shows() {
        let glass = RgbImage::from_pixel(64, 64, Rgb([242; 3]));
        let mut cut = Cut::default();
        cut.add(&part("a", 128, 64), &glass, &DataConfig::default())
            .unwrap();
        let place = Place {
            x: 128,
            y: 64,
            tissue: 0.0,
        };
        assert_eq!(cut.places, [place]);
        assert_eq!(cut.bytes, glass.into_raw());
    }

    #[test]
    #[ignore = "needs ../shared: run with --include-ignored"]
    fn cutting_a_real_image_gives_the_patches_cut_from_it_elsewhere() {
        let root = histology();
        let name = "ucsb-bc__ytma10_010704_benign1";
        let image = folder::read(&root.join(format!("slides/benign/{name}.png"))).unwrap();
        let config = DataConfig {
            minimum_tissue: 0.0,
            ..DataConfig::default()
        };
        let mut cut = Cut::default();
        cut.add(&part(name, 0, 0), &image, &config).unwrap();
        let mut compared = 0;
        for (place, bytes) in cut.places.iter().zip(cut.bytes.chunks(64 * 64 * 3)) {
            let file = format!("patches/benign/{name}__x{:04}_y{:04}.png", place.x, place.y);
            if let Ok(patch) = folder::read(&root.join(file)) {
                assert_eq!(patch.as_raw(), bytes);
                compared += 1;
            }
        }
        assert_eq!((cut.places.len(), compared), (14 * 12, 26));
    }
}
