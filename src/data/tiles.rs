//! The tiles of a slide: its images on a grid, and of these the ones that lie on tissue.

use image::RgbImage;

use super::DataConfig;
use super::source::{Slide, SlideImage};
use super::tissue::TissueMask;
use crate::error::{Result, refuse};
use crate::images::{GREY, RGB, luminance};

/// The tiles of one slide, its patches.
#[derive(Default)]
pub(super) struct Tiles {
    /// Where each tile lies.
    pub(super) places: Vec<Tile>,
    /// The pixels of the tiles, one after the other: `places` x size x size x channels.
    pub(super) bytes: Vec<u8>,
    /// Images that could not be read.
    pub(super) skipped: Vec<String>,
}

/// Where a tile lies on its slide, and how much of it is tissue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tile {
    /// Column of the left edge.
    pub(super) x: usize,
    /// Row of the top edge.
    pub(super) y: usize,
    /// Fraction of the pixels that are tissue.
    pub(super) tissue: f64,
}

/// The tiles of all images of `slide`.
///
/// # Errors
/// For an image smaller than a patch, and one that cannot be read unless the settings say to skip it.
pub(super) fn tile(slide: &Slide, config: &DataConfig) -> Result<Tiles> {
    let mut tiles = Tiles::default();
    for image in &slide.images {
        match image.load(config.reduction) {
            Ok(pixels) => tiles.add(image, &pixels, config)?,
            Err(_) if config.skip_unreadable => tiles.skipped.push(image.name.clone()),
            Err(error) => {
                return Err(refuse(
                    format!("cannot read image `{}`: {error:#}", image.name),
                    "repair or remove it, or leave out what cannot be read with `--skip-unreadable`",
                ));
            }
        }
    }
    Ok(tiles)
}

impl Tiles {
    /// Adds the patches of `image`: on a grid from its top left corner, where there is tissue enough.
    ///
    /// An image of just the size of a patch is taken whole and always: whoever made it wants it.
    fn add(&mut self, of: &SlideImage, image: &RgbImage, config: &DataConfig) -> Result<()> {
        let size = config.patch_size;
        let (width, height) = (image.width() as usize, image.height() as usize);
        let reduced = match config.reduction {
            1 => String::new(),
            factor => format!(" after `data.reduction = {factor}`"),
        };
        if width < size || height < size {
            return Err(refuse(
                format!(
                    "image `{}` is {width} x {height}{reduced}, smaller than a patch of {size} x {size}",
                    of.name
                ),
                format!(
                    "choose a smaller `data.patch_size`, at most {}, {}or remove the image",
                    width.min(height).max(1),
                    if config.reduction == 1 {
                        ""
                    } else {
                        "a smaller `data.reduction`, "
                    },
                ),
            ));
        }
        let mask = TissueMask::new(image);
        let (left, top) = of.place(config.reduction);
        let is_ready_made = width == size && height == size;
        for y in (0..=height - size).step_by(config.stride) {
            for x in (0..=width - size).step_by(config.stride) {
                let tissue = mask.fraction(x, y, size);
                if !is_ready_made && tissue < config.minimum_tissue {
                    continue;
                }
                self.places.push(Tile {
                    x: left + x,
                    y: top + y,
                    tissue,
                });
                for row in y..y + size {
                    let first = (row * width + x) * RGB;
                    let pixels = &image.as_raw()[first..first + size * RGB];
                    if config.channels == GREY {
                        let pixels = pixels.as_chunks::<RGB>().0.iter();
                        self.bytes.extend(pixels.copied().map(luminance));
                    } else {
                        self.bytes.extend_from_slice(pixels);
                    }
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
    use crate::data::tests::histology;
    use crate::slides;

    fn image_at(name: &str, x: usize, y: usize) -> SlideImage {
        SlideImage {
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
        let mut tiles = Tiles::default();
        tiles
            .add(&image_at("a", 1000, 500), &image, &config)
            .unwrap();
        let places: Vec<_> = tiles
            .places
            .iter()
            .map(|place| (place.x, place.y))
            .collect();
        assert_eq!(places, [(1064, 500), (1128, 500), (1064, 564), (1128, 564)]);
        let second = &tiles.bytes[64 * 64 * 3..2 * 64 * 64 * 3];
        let pixel = image.get_pixel(128 + 5, 7);
        assert_eq!(second[(7 * 64 + 5) * 3..][..3], pixel.0);
        let all = DataConfig {
            minimum_tissue: 0.0,
            stride: 32,
            ..config
        };
        let mut tiles = Tiles::default();
        tiles.add(&image_at("a", 0, 0), &image, &all).unwrap();
        assert_eq!(tiles.places.len(), 5 * 3);
    }

    #[test]
    fn an_image_of_the_size_of_a_patch_is_taken_whole_whatever_it_shows() {
        let glass = RgbImage::from_pixel(64, 64, Rgb([242; 3]));
        let mut tiles = Tiles::default();
        tiles
            .add(&image_at("a", 128, 64), &glass, &DataConfig::default())
            .unwrap();
        let place = Tile {
            x: 128,
            y: 64,
            tissue: 0.0,
        };
        assert_eq!(tiles.places, [place]);
        assert_eq!(tiles.bytes, glass.into_raw());
    }

    #[test]
    fn grey_patches_lie_where_those_in_colour_do_and_are_their_luminance() {
        let image = half_tissue(200, 130);
        let tiles = |channels| {
            let config = DataConfig {
                channels,
                ..DataConfig::default()
            };
            let mut tiles = Tiles::default();
            tiles.add(&image_at("a", 0, 0), &image, &config).unwrap();
            tiles
        };
        let (colour, grey) = (tiles(RGB), tiles(GREY));
        assert_eq!(colour.places, grey.places);
        let expected = colour.bytes.as_chunks::<RGB>().0.iter();
        let expected: Vec<u8> = expected.copied().map(luminance).collect();
        assert_eq!(grey.bytes, expected);
    }

    #[test]
    #[ignore = "needs ../shared: run with --include-ignored"]
    fn the_tiles_of_a_real_image_are_those_made_of_it_elsewhere() {
        let root = histology();
        let name = "ucsb-bc__ytma10_010704_benign1";
        let image = slides::read(&root.join(format!("slides/benign/{name}.png"))).unwrap();
        let config = DataConfig {
            minimum_tissue: 0.0,
            ..DataConfig::default()
        };
        let mut tiles = Tiles::default();
        tiles.add(&image_at(name, 0, 0), &image, &config).unwrap();
        let mut compared = 0;
        for (place, bytes) in tiles.places.iter().zip(tiles.bytes.chunks(64 * 64 * 3)) {
            let file = format!("patches/benign/{name}__x{:04}_y{:04}.png", place.x, place.y);
            if let Ok(patch) = slides::read(&root.join(file)) {
                assert_eq!(patch.as_raw(), bytes);
                compared += 1;
            }
        }
        assert_eq!((tiles.places.len(), compared), (14 * 12, 26));
    }
}
