//! Batches of square images, RGB or grey: as bytes, as the values a network sees, and as one picture to look at.

mod source;

use std::borrow::Cow;
use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};

use crate::error::Result;
use crate::files::write_whole;

pub use source::ImageSource;

/// What a network sees of each byte. (A division a byte would take most of the time of reading a batch.)
static SEEN: [f32; 256] = {
    let mut seen = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        seen[byte] = byte as f32 / 127.5 - 1.0;
        byte += 1;
    }
    seen
};

/// Channels of an RGB image.
pub const RGB: usize = 3;
/// Channels of a grey image.
pub const GREY: usize = 1;

/// `grey` for images of one channel, `RGB` for others.
pub fn kind(channels: usize) -> &'static str {
    match channels {
        GREY => "grey",
        _ => "RGB",
    }
}

/// The luminance of an RGB pixel by ITU-R 601, with the rounding of PIL's mode `L`.
pub fn luminance([red, green, blue]: [u8; RGB]) -> u8 {
    let weighted = u32::from(red) * 19_595 + u32::from(green) * 38_470 + u32::from(blue) * 7_471;
    ((weighted + 0x8000) >> 16) as u8
}

/// Images as bytes: `count` x `size` x `size` x `channels`, row by row, channels last. What stores, files and extractors
/// hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// How many images.
    pub count: usize,
    /// Height and width in pixels.
    pub size: usize,
    /// 3 for RGB, 1 for grey.
    pub channels: usize,
    /// The bytes, `count * size * size * channels` of them.
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// Wraps `bytes`, whose length must be `count * size * size * channels`.
    pub fn new(count: usize, size: usize, channels: usize, bytes: Vec<u8>) -> Self {
        assert_eq!(
            bytes.len(),
            count * size * size * channels,
            "bytes of {count} images of {size} x {size} x {channels}"
        );
        Self {
            count,
            size,
            channels,
            bytes,
        }
    }

    /// The bytes of image `index`: `size` x `size` x `channels`.
    pub fn image(&self, index: usize) -> &[u8] {
        let length = self.size * self.size * self.channels;
        &self.bytes[index * length..(index + 1) * length]
    }

    /// The images at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let bytes = indices
            .iter()
            .flat_map(|&index| self.image(index))
            .copied()
            .collect();
        Self::new(indices.len(), self.size, self.channels, bytes)
    }

    /// The same images as RGB: grey is repeated.
    pub fn to_rgb(&self) -> Cow<'_, Self> {
        if self.channels != GREY {
            return Cow::Borrowed(self);
        }
        let bytes = self.bytes.iter().flat_map(|&grey| [grey; RGB]).collect();
        Cow::Owned(Self::new(self.count, self.size, RGB, bytes))
    }

    /// The values a network sees: v / 127.5 - 1, channels first.
    pub fn to_images(&self) -> Images {
        let (area, channels) = (self.size * self.size, self.channels);
        let mut values = vec![0.0; self.bytes.len()];
        let images = values.chunks_exact_mut((channels * area).max(1));
        for (image, bytes) in images.zip(self.bytes.chunks_exact((channels * area).max(1))) {
            if channels != RGB {
                for (channel, plane) in image.chunks_exact_mut(area).enumerate() {
                    let bytes = bytes[channel..].iter().step_by(channels);
                    for (value, &byte) in plane.iter_mut().zip(bytes) {
                        *value = SEEN[usize::from(byte)];
                    }
                }
                continue;
            }
            // The three channels at once: a stride per channel takes twice as long.
            let (red, others) = image.split_at_mut(area);
            let (green, blue) = others.split_at_mut(area);
            let channels = red.iter_mut().zip(green).zip(blue);
            for (((red, green), blue), pixel) in channels.zip(bytes.as_chunks::<3>().0) {
                *red = SEEN[usize::from(pixel[0])];
                *green = SEEN[usize::from(pixel[1])];
                *blue = SEEN[usize::from(pixel[2])];
            }
        }
        Images::new(self.count, channels, self.size, values)
    }

    /// Image `index` by itself, grey as RGB.
    pub fn picture(&self, index: usize) -> RgbImage {
        let side = self.size as u32;
        let bytes = self.to_rgb().image(index).to_vec();
        RgbImage::from_raw(side, side, bytes).expect("an image has its bytes")
    }

    /// All images side by side in rows of `columns`, two white pixels apart, each enlarged `scale` times.
    pub fn grid(&self, columns: usize, scale: usize) -> RgbImage {
        let columns = columns.clamp(1, self.count.max(1));
        let rows = self.count.div_ceil(columns);
        let (cell, gap) = (self.size * scale, 2);
        let side = |cells: usize| (cells * (cell + gap) + gap) as u32;
        let mut picture = RgbImage::from_pixel(side(columns), side(rows), Rgb([255; 3]));
        let colours = self.to_rgb();
        for index in 0..self.count {
            let image = colours.image(index);
            let left = gap + (index % columns) * (cell + gap);
            let top = gap + (index / columns) * (cell + gap);
            for y in 0..cell {
                for x in 0..cell {
                    let at = ((y / scale) * self.size + x / scale) * RGB;
                    let pixel = Rgb([image[at], image[at + 1], image[at + 2]]);
                    picture.put_pixel((left + x) as u32, (top + y) as u32, pixel);
                }
            }
        }
        picture
    }
}

/// The bytes of a picture as PNG.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

/// Writes a picture as PNG, whole or not at all.
pub fn write_png(picture: &RgbImage, path: &Path) -> Result<()> {
    write_whole(path, &encode_png(picture)?)
}

/// Images as a network sees and makes them: `count` x `channels` x `size` x `size`, values in [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// How many images.
    pub count: usize,
    /// 3 for RGB, 1 for grey.
    pub channels: usize,
    /// Height and width in pixels.
    pub size: usize,
    /// The values, `count * channels * size * size` of them, channels first.
    pub values: Vec<f32>,
}

impl Images {
    /// Wraps `values`, whose length must be `count * channels * size * size`.
    pub fn new(count: usize, channels: usize, size: usize, values: Vec<f32>) -> Self {
        assert_eq!(
            values.len(),
            count * channels * size * size,
            "values of {count} images of {channels} x {size} x {size}"
        );
        Self {
            count,
            channels,
            size,
            values,
        }
    }

    /// The values of image `index`: `channels` x `size` x `size`.
    pub fn image(&self, index: usize) -> &[f32] {
        let length = self.channels * self.size * self.size;
        &self.values[index * length..(index + 1) * length]
    }

    /// The images at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let images = indices.iter().flat_map(|&index| self.image(index));
        let values = images.copied().collect();
        Self::new(indices.len(), self.channels, self.size, values)
    }

    /// The same images, each square of `factor` x `factor` pixels averaged to one. `factor` must divide the size.
    pub fn reduced(self, factor: usize) -> Self {
        if factor == 1 {
            return self;
        }
        let (size, small) = (self.size, self.size / factor);
        assert_eq!(small * factor, size, "{factor} divides {size}");
        let mut values = vec![0.0; self.count * self.channels * small * small];
        let weight = 1.0 / (factor * factor) as f32;
        for (target, channel) in values
            .chunks_exact_mut(small * small)
            .zip(self.values.chunks_exact(size * size))
        {
            for (place, value) in channel.iter().enumerate() {
                target[place / size / factor * small + place % size / factor] += weight * value;
            }
        }
        Self::new(self.count, self.channels, small, values)
    }

    /// The nearest bytes: floor(127.5 x + 128), clamped to 0 ..= 255 (as StyleGAN3 and EDM quantise).
    ///
    /// Undoes [`Pixels::to_images`] exactly.
    pub fn quantise(&self) -> Pixels {
        let (area, channels) = (self.size * self.size, self.channels);
        let length = (channels * area).max(1);
        let mut bytes = vec![0u8; self.values.len()];
        for (image, values) in bytes
            .chunks_exact_mut(length)
            .zip(self.values.chunks_exact(length))
        {
            for (place, pixel) in image.chunks_exact_mut(channels).enumerate() {
                for (channel, byte) in pixel.iter_mut().enumerate() {
                    let value = values[channel * area + place];
                    *byte = (127.5 * value + 128.0).floor().clamp(0.0, 255.0) as u8;
                }
            }
        }
        Pixels::new(self.count, self.size, channels, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_undoes_the_scaling_for_every_byte() {
        for channels in [GREY, 2, RGB] {
            let length = 2 * 16 * 16 * channels;
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let pixels = Pixels::new(2, 16, channels, bytes);
            let images = pixels.to_images();
            assert_eq!(
                (images.count, images.channels, images.size),
                (2, channels, 16)
            );
            assert_eq!(images.quantise(), pixels);
        }
    }

    #[test]
    fn values_are_channels_first() {
        for channels in [GREY, 2, RGB] {
            let bytes: Vec<u8> = (0..2 * 4 * channels).map(|place| place as u8).collect();
            let images = Pixels::new(2, 2, channels, bytes).to_images();
            for image in 0..2 {
                for channel in 0..channels {
                    for place in 0..4 {
                        let byte = (image * 4 + place) * channels + channel;
                        let found = images.image(image)[channel * 4 + place];
                        assert!((found - (byte as f32 / 127.5 - 1.0)).abs() < 1e-6);
                    }
                }
            }
        }
    }

    #[test]
    fn luminance_is_that_of_pil() {
        // PIL.Image.new("RGB", (1, 1), colour).convert("L")
        for (colour, grey) in [
            ([255, 255, 255], 255),
            ([0, 0, 0], 0),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([200, 90, 2], 113),
            ([77, 77, 77], 77),
        ] {
            assert_eq!(luminance(colour), grey, "{colour:?}");
        }
        assert!((0..=255).all(|grey| luminance([grey; 3]) == grey));
    }

    #[test]
    fn grey_images_are_drawn_as_grey() {
        let grey = Pixels::new(2, 2, GREY, (0..8).map(|place| 30 * place).collect());
        let rgb = grey.to_rgb();
        assert_eq!(
            (rgb.channels, &rgb.image(1)[..6]),
            (RGB, &[120, 120, 120, 150, 150, 150][..])
        );
        assert_eq!(*rgb.to_rgb(), *rgb);
        assert_eq!(grey.grid(2, 3), rgb.grid(2, 3));
        assert_eq!(grey.grid(2, 1).get_pixel(2 + 1, 2).0, [30; 3]);
        assert_eq!(grey.select(&[1]).bytes, [120, 150, 180, 210]);
    }

    #[test]
    fn reducing_averages_squares() {
        let values: Vec<f32> = (0..2 * 3 * 16).map(|index| index as f32 / 100.0).collect();
        let images = Images::new(2, 3, 4, values);
        assert_eq!(images.clone().reduced(1), images);
        let small = images.reduced(2);
        assert_eq!((small.count, small.size), (2, 2));
        // Squares of rows 0 and 1, columns 0 and 1 of the first channel, then of the last channel of the last image.
        for (found, expected) in [(small.values[0], 0.025), (small.values[23], 0.925)] {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found}, expected {expected}"
            );
        }
    }

    #[test]
    fn values_outside_the_range_are_clamped() {
        let images = Images::new(1, 3, 1, vec![-1.5, 0.0, 1.5]);
        assert_eq!(images.quantise().bytes, [0, 128, 255]);
    }
}
