//! Batches of square RGB images: as bytes, as the numbers a network sees, and as one picture to look at.

mod source;

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

/// Images as bytes: `count` x `size` x `size` x 3, row by row, channels last. What stores, files and extractors hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// How many images.
    pub count: usize,
    /// Height and width in pixels.
    pub size: usize,
    /// The bytes, `count * size * size * 3` of them.
    pub bytes: Vec<u8>,
}

impl Pixels {
    /// Wraps `bytes`, whose length must be `count * size * size * 3`.
    pub fn new(count: usize, size: usize, bytes: Vec<u8>) -> Self {
        assert_eq!(
            bytes.len(),
            count * size * size * 3,
            "bytes of {count} images of {size} x {size} x 3"
        );
        Self { count, size, bytes }
    }

    /// The bytes of image `index`: `size` x `size` x 3.
    pub fn image(&self, index: usize) -> &[u8] {
        let length = self.size * self.size * 3;
        &self.bytes[index * length..(index + 1) * length]
    }

    /// The images at `indices`, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let bytes = indices
            .iter()
            .flat_map(|&index| self.image(index))
            .copied()
            .collect();
        Self::new(indices.len(), self.size, bytes)
    }

    /// The values a network sees: v / 127.5 - 1, channels first.
    pub fn to_images(&self) -> Images {
        let area = self.size * self.size;
        let mut values = vec![0.0; self.bytes.len()];
        let images = values.chunks_exact_mut(3 * area);
        for (image, bytes) in images.zip(self.bytes.chunks_exact(3 * area)) {
            let (red, others) = image.split_at_mut(area);
            let (green, blue) = others.split_at_mut(area);
            let channels = red.iter_mut().zip(green).zip(blue);
            for (((red, green), blue), pixel) in channels.zip(bytes.as_chunks::<3>().0) {
                *red = SEEN[usize::from(pixel[0])];
                *green = SEEN[usize::from(pixel[1])];
                *blue = SEEN[usize::from(pixel[2])];
            }
        }
        Images::new(self.count, self.size, values)
    }

    /// All images side by side in rows of `columns`, two white pixels apart, each enlarged `scale` times.
    pub fn grid(&self, columns: usize, scale: usize) -> RgbImage {
        let columns = columns.clamp(1, self.count.max(1));
        let rows = self.count.div_ceil(columns);
        let (cell, gap) = (self.size * scale, 2);
        let side = |cells: usize| (cells * (cell + gap) + gap) as u32;
        let mut picture = RgbImage::from_pixel(side(columns), side(rows), Rgb([255; 3]));
        for index in 0..self.count {
            let image = self.image(index);
            let left = gap + (index % columns) * (cell + gap);
            let top = gap + (index / columns) * (cell + gap);
            for y in 0..cell {
                for x in 0..cell {
                    let at = ((y / scale) * self.size + x / scale) * 3;
                    let pixel = Rgb([image[at], image[at + 1], image[at + 2]]);
                    picture.put_pixel((left + x) as u32, (top + y) as u32, pixel);
                }
            }
        }
        picture
    }
}

/// Writes a picture as PNG, whole or not at all.
pub fn write_png(picture: &RgbImage, path: &Path) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png)?;
    write_whole(path, bytes.get_ref())
}

/// Images as a network sees and makes them: `count` x 3 x `size` x `size`, values in [-1, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    /// How many images.
    pub count: usize,
    /// Height and width in pixels.
    pub size: usize,
    /// The values, `count * 3 * size * size` of them, channels first.
    pub values: Vec<f32>,
}

impl Images {
    /// Wraps `values`, whose length must be `count * 3 * size * size`.
    pub fn new(count: usize, size: usize, values: Vec<f32>) -> Self {
        assert_eq!(
            values.len(),
            count * size * size * 3,
            "values of {count} images of 3 x {size} x {size}"
        );
        Self {
            count,
            size,
            values,
        }
    }

    /// The same images, each square of `factor` x `factor` pixels averaged to one. `factor` must divide the size.
    pub fn reduced(self, factor: usize) -> Self {
        if factor == 1 {
            return self;
        }
        let (size, small) = (self.size, self.size / factor);
        assert_eq!(small * factor, size, "{factor} divides {size}");
        let mut values = vec![0.0; self.count * 3 * small * small];
        let share = 1.0 / (factor * factor) as f32;
        for (target, channel) in values
            .chunks_exact_mut(small * small)
            .zip(self.values.chunks_exact(size * size))
        {
            for (place, value) in channel.iter().enumerate() {
                target[place / size / factor * small + place % size / factor] += share * value;
            }
        }
        Self::new(self.count, small, values)
    }

    /// The nearest bytes: floor(127.5 x + 128), clamped to 0 ..= 255 (as StyleGAN3 and EDM quantise).
    ///
    /// Undoes [`Pixels::to_images`] exactly.
    pub fn quantise(&self) -> Pixels {
        let area = self.size * self.size;
        let mut bytes = vec![0u8; self.values.len()];
        for (image, values) in bytes
            .chunks_exact_mut(3 * area)
            .zip(self.values.chunks_exact(3 * area))
        {
            for (place, pixel) in image.chunks_exact_mut(3).enumerate() {
                for (channel, byte) in pixel.iter_mut().enumerate() {
                    let value = values[channel * area + place];
                    *byte = (127.5 * value + 128.0).floor().clamp(0.0, 255.0) as u8;
                }
            }
        }
        Pixels::new(self.count, self.size, bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_undoes_the_scaling_for_every_byte() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2 * 16 * 16 * 3).collect();
        let pixels = Pixels::new(2, 16, bytes);
        assert_eq!(pixels.to_images().quantise(), pixels);
    }

    #[test]
    fn reducing_averages_squares() {
        let values: Vec<f32> = (0..2 * 3 * 16).map(|index| index as f32 / 100.0).collect();
        let images = Images::new(2, 4, values);
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
        let images = Images::new(1, 1, vec![-1.5, 0.0, 1.5]);
        assert_eq!(images.quantise().bytes, [0, 128, 255]);
    }
}
