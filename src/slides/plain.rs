//! Images of one level that are decoded whole: PNG and JPEG.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::imageops::crop_imm;
use image::{DynamicImage, ImageFormat, ImageReader, Limits, Rgb, RgbImage};

use super::{Level, MOST_BYTES, Slide, check_inside, is_whole_jpeg, on_white};
use crate::error::Result;

/// An image in memory.
pub(super) struct Plain {
    image: RgbImage,
    level: [Level; 1],
}

impl Plain {
    /// Decodes the image at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let bytes = fs::read(path)?;
        let mut reader = ImageReader::new(Cursor::new(&bytes)).with_guessed_format()?;
        if reader.format() == Some(ImageFormat::Jpeg) && !is_whole_jpeg(&bytes) {
            anyhow::bail!("the file ends in the middle of the image");
        }
        let mut limits = Limits::no_limits();
        limits.max_alloc = Some(MOST_BYTES);
        reader.limits(limits);
        let image = to_rgb(&reader.decode()?);
        let (width, height) = image.dimensions();
        let level = Level {
            width: width.into(),
            height: height.into(),
            downsample: 1.0,
            tile: (width, height),
        };
        Ok(Self {
            image,
            level: [level],
        })
    }
}

impl Slide for Plain {
    fn levels(&self) -> &[Level] {
        &self.level
    }

    fn micrometres_per_pixel(&self) -> Option<f64> {
        None
    }

    fn region(&self, level: usize, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage> {
        check_inside(&self.level, level, (x, y), (width, height))?;
        Ok(crop_imm(&self.image, x as u32, y as u32, width, height).to_image())
    }
}

/// Converts to 8-bit RGB; transparency is laid on white, the colour of glass.
fn to_rgb(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let image = image.to_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0;
        Rgb([red, green, blue].map(|value| on_white(value, alpha)))
    })
}

#[cfg(test)]
mod tests {
    use image::{ImageBuffer, Luma, LumaA, Rgba};

    use super::*;

    #[test]
    fn every_kind_of_pixel_becomes_eight_bit_colour() {
        let first = |image: DynamicImage| to_rgb(&image).get_pixel(0, 0).0;
        let grey = ImageBuffer::from_pixel(1, 1, Luma([7u8]));
        assert_eq!(first(DynamicImage::ImageLuma8(grey)), [7; 3]);
        let deep = ImageBuffer::from_pixel(1, 1, Rgb([65535u16, 32896, 257]));
        assert_eq!(first(DynamicImage::ImageRgb16(deep)), [255, 128, 1]);
        let clear = ImageBuffer::from_pixel(1, 1, Rgba([90u8, 10, 20, 0]));
        assert_eq!(first(DynamicImage::ImageRgba8(clear)), [255; 3]);
        let half = ImageBuffer::from_pixel(1, 1, LumaA([0u8, 128]));
        assert_eq!(first(DynamicImage::ImageLumaA8(half)), [127; 3]);
    }

    #[test]
    fn a_region_has_the_pixels_of_its_place_and_lies_inside() {
        let image = RgbImage::from_fn(5, 4, |x, y| Rgb([x as u8, y as u8, 9]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("named.jpg");
        image.save_with_format(&path, ImageFormat::Png).unwrap();
        let slide = crate::slides::open(&path).unwrap();
        assert_eq!((slide.levels()[0].width, slide.levels()[0].height), (5, 4));
        let region = slide.region(0, 2, 1, 3, 3).unwrap();
        assert_eq!(region.get_pixel(2, 2).0, [4, 3, 9]);
        assert_eq!(crate::slides::read(&path).unwrap(), image);
        let refused = |level, x, width| {
            let region = slide.region(level, x, 0, width, 1);
            region.unwrap_err().to_string()
        };
        let message = "no region of 3 x 1 at (3, 0): level 0 is 5 x 4";
        assert_eq!(refused(0, 3, 3), message);
        assert_eq!(refused(1, 0, 1), "no level 1: the slide has 1");
        assert!(refused(0, u64::MAX, 1).starts_with("no region"));
        assert!(refused(0, 0, 0).starts_with("no region"));
    }
}
