//! From samples as a TIFF file has them to 8-bit RGB.

use anyhow::{Context, bail, ensure};

use super::directory::{Directory, TiffFile};
use crate::error::Result;
use crate::images::RGB;
use crate::slides::on_white;

/// What the samples of a pixel mean (tag 262).
#[derive(Debug, PartialEq)]
pub(super) enum Colours {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    /// Indices into these colours.
    Palette(Vec<[u8; RGB]>),
    Cmyk,
    /// In JPEG alone.
    YCbCr,
}

/// The samples of an image: how many there are a pixel, how they are written, what they mean.
#[derive(Debug)]
pub(super) struct Samples {
    pub(super) colours: Colours,
    /// Samples of a pixel.
    pub(super) count: u64,
    /// Bits of a sample: 1, 2, 4, 8, 16, and 32 of floats.
    pub(super) bits: u64,
    /// Floats from 0 to 1.
    pub(super) float: bool,
    /// One plane after the other, not one pixel after the other.
    planar: bool,
    /// Which sample is the opacity.
    alpha: Option<u64>,
    big_endian: bool,
}

/// Tags of TIFF 6.0.
mod tag {
    pub(super) const BITS: u64 = 258;
    pub(super) const PHOTOMETRIC: u64 = 262;
    pub(super) const FILL_ORDER: u64 = 266;
    pub(super) const SAMPLES: u64 = 277;
    pub(super) const PLANAR: u64 = 284;
    pub(super) const COLOUR_MAP: u64 = 320;
    pub(super) const EXTRA_SAMPLES: u64 = 338;
    pub(super) const SAMPLE_FORMAT: u64 = 339;
}

impl Samples {
    /// Reads what `of` says.
    ///
    /// # Errors
    /// For samples that are not read.
    pub(super) fn read(file: &TiffFile, of: &Directory, is_jpeg: bool) -> Result<Self> {
        let number =
            |tag, otherwise| Ok::<_, anyhow::Error>(file.number(of, tag)?.unwrap_or(otherwise));
        let count = number(tag::SAMPLES, 1)?;
        ensure!(
            (1..=u64::from(u16::MAX)).contains(&count),
            "{count} samples a pixel"
        );
        // All samples are written alike.
        let alike = |tag, otherwise| {
            let values = file.numbers(of, tag, count)?.unwrap_or_default();
            let first = values.first().copied().unwrap_or(otherwise);
            ensure!(
                values.iter().all(|&value| value == first),
                "samples that are not written alike"
            );
            Ok(first)
        };
        let bits = alike(tag::BITS, 1)?;
        let float = match (alike(tag::SAMPLE_FORMAT, 1)?, bits) {
            (1 | 4, 1 | 2 | 4 | 8 | 16) => false,
            (3, 32) => true,
            (format, _) => {
                let kind = ["", "unsigned", "signed", "float"].get(format as usize);
                bail!(
                    "samples of {bits} bits ({}), which are not read: write 8 bits",
                    kind.unwrap_or(&"of an unknown kind")
                )
            }
        };
        ensure!(
            bits >= 8 || number(tag::FILL_ORDER, 1)? == 1,
            "pixels in reversed order of bits"
        );
        // What they mean, and how many of them have a meaning.
        let photometric = file.number(of, tag::PHOTOMETRIC)?;
        let (colours, needed) =
            match photometric.context("it does not say what its samples mean")? {
                0 => (Colours::WhiteIsZero, 1),
                1 => (Colours::BlackIsZero, 1),
                2 => (Colours::Rgb, 3),
                3 => (Colours::Palette(palette(file, of, bits)?), 1),
                5 => (Colours::Cmyk, 4),
                6 if is_jpeg => (Colours::YCbCr, 3),
                6 => bail!("YCbCr without JPEG, which is not read"),
                other => bail!("photometric interpretation {other}, which is not read"),
            };
        let fits = match colours {
            Colours::Rgb => bits >= 8,
            Colours::Palette(_) => bits <= 8,
            Colours::Cmyk => bits == 8,
            _ => !float,
        };
        ensure!(
            count >= needed && fits,
            "{count} samples of {bits} bits a pixel in photometric interpretation {}, which are not read",
            photometric.unwrap_or_default()
        );
        ensure!(
            !is_jpeg || bits == 8 && count == needed,
            "{count} samples of {bits} bits in JPEG, which are not read"
        );
        let planar = match number(tag::PLANAR, 1)? {
            1 => false,
            2 => count > 1,
            other => bail!("planar configuration {other}"),
        };
        ensure!(!(is_jpeg && planar), "planes in JPEG, which are not read");
        let extra = file.number(of, tag::EXTRA_SAMPLES)?;
        let has_alpha = match extra {
            Some(kind) => matches!(kind, 1 | 2),
            None => colours == Colours::Rgb && count == 4,
        };
        let can_have = !matches!(colours, Colours::Cmyk | Colours::Palette(_));
        Ok(Self {
            alpha: (has_alpha && can_have && count > needed).then_some(needed),
            colours,
            count,
            bits,
            float,
            planar,
            big_endian: file.layout.big_endian,
        })
    }

    /// Planes that are packed by themselves.
    pub(super) fn planes(&self) -> u64 {
        if self.planar { self.count } else { 1 }
    }

    /// The planes that colours are made from.
    pub(super) fn needed_planes(&self) -> impl Iterator<Item = u64> {
        let colours = match self.colours {
            Colours::WhiteIsZero | Colours::BlackIsZero | Colours::Palette(_) => 1,
            Colours::Rgb | Colours::YCbCr => 3,
            Colours::Cmyk => 4,
        };
        (0..self.planes()).filter(move |&plane| plane < colours || self.alpha == Some(plane))
    }

    /// Samples of a pixel in one plane.
    pub(super) fn together(&self) -> usize {
        if self.planar { 1 } else { self.count as usize }
    }

    /// Bytes of a row of `width` pixels in one plane.
    pub(super) fn row_bytes(&self, width: u32) -> u64 {
        (u64::from(width) * self.together() as u64 * self.bits).div_ceil(8)
    }

    /// Adds to each sample of a row the one to its left, in the order of bytes of the file.
    pub(super) fn add_up(&self, row: &mut [u8]) {
        let distance = self.together();
        if self.bits == 8 {
            for place in distance..row.len() {
                row[place] = row[place].wrapping_add(row[place - distance]);
            }
            return;
        }
        // Its own inverse: to the order of the machine, and back to that of the file.
        let turn = |number: u16| {
            if self.big_endian {
                number.to_be()
            } else {
                number.to_le()
            }
        };
        let pairs = row.as_chunks_mut::<2>().0;
        for place in distance..pairs.len() {
            let (left, here) = (pairs[place - distance], pairs[place]);
            let [left, here] = [left, here].map(|pair| turn(u16::from_ne_bytes(pair)));
            pairs[place] = turn(left.wrapping_add(here)).to_ne_bytes();
        }
    }

    /// Rows of samples of one plane as the file has them, `width` pixels each, in 8 bits a sample: indices stay as they are,
    /// all else is scaled.
    pub(super) fn to_bytes(&self, raw: Vec<u8>, width: u32) -> Vec<u8> {
        let order = |mut bytes: [u8; 4], length: usize| {
            if !self.big_endian {
                bytes[..length].reverse();
            }
            bytes
        };
        match self.bits {
            8 => raw,
            16 => {
                let pairs = raw.as_chunks::<2>().0.iter();
                let values = pairs.map(|&[a, b]| {
                    let [a, b, ..] = order([a, b, 0, 0], 2);
                    u32::from(u16::from_be_bytes([a, b]))
                });
                values.map(|value| ((value + 128) / 257) as u8).collect()
            }
            32 => {
                let fours = raw.as_chunks::<4>().0.iter();
                let values = fours.map(|&four| f32::from_be_bytes(order(four, 4)));
                // What is no number is white, as everywhere in the crate `image`.
                let in_range = |value: f32| if value < 1.0 { value.max(0.0) } else { 1.0 };
                values
                    .map(|value| (in_range(value) * 255.0).round() as u8)
                    .collect()
            }
            bits => {
                let most = (1u32 << bits) - 1;
                let scale = if matches!(self.colours, Colours::Palette(_)) {
                    1
                } else {
                    255 / most
                };
                let in_row = width as usize * self.together();
                let rows = raw.chunks_exact(self.row_bytes(width) as usize);
                let samples = rows.flat_map(|row| {
                    (0..in_row).map(move |index| {
                        let first = index * bits as usize;
                        let shift = 8 - bits as usize - first % 8;
                        let value = u32::from(row[first / 8]) >> shift & most;
                        (value * scale) as u8
                    })
                });
                samples.collect()
            }
        }
    }

    /// The colours of pixels whose samples are `planes`, in 8 bits, those of [`Samples::needed_planes`].
    pub(super) fn to_rgb(&self, mut planes: Vec<Vec<u8>>) -> Vec<u8> {
        let is_rgb = matches!(self.colours, Colours::Rgb | Colours::YCbCr);
        if is_rgb && !self.planar && self.count == RGB as u64 {
            return planes.remove(0);
        }
        let together = self.together();
        let pixels = planes[0].len() / together;
        let alpha_plane = planes.len() - 1;
        let sample = |pixel: usize, index: usize| {
            if self.planar {
                planes[index][pixel]
            } else {
                planes[0][pixel * together + index]
            }
        };
        let colour = |pixel: usize| -> [u8; RGB] {
            match &self.colours {
                Colours::WhiteIsZero => [255 - sample(pixel, 0); RGB],
                Colours::BlackIsZero => [sample(pixel, 0); RGB],
                Colours::Rgb | Colours::YCbCr => [0, 1, 2].map(|index| sample(pixel, index)),
                Colours::Palette(colours) => colours[usize::from(sample(pixel, 0))],
                Colours::Cmyk => cmyk([0, 1, 2, 3].map(|index| sample(pixel, index))),
            }
        };
        let mut rgb = Vec::with_capacity(pixels * RGB);
        for pixel in 0..pixels {
            let mut colour = colour(pixel);
            if let Some(alpha) = self.alpha {
                let index = if self.planar {
                    alpha_plane
                } else {
                    alpha as usize
                };
                let alpha = sample(pixel, index);
                colour = colour.map(|value| on_white(value, alpha));
            }
            rgb.extend(colour);
        }
        rgb
    }
}

/// The colours of a palette of 2 to the power of `bits`: all reds, all greens, all blues, in 16 bits each (tag 320).
fn palette(file: &TiffFile, of: &Directory, bits: u64) -> Result<Vec<[u8; RGB]>> {
    ensure!(bits <= 8, "a palette of {bits} bits, which is not read");
    let colours = 1 << bits;
    let values = file.numbers(of, tag::COLOUR_MAP, 3 * colours as u64)?;
    let values = values.context("a palette without colours")?;
    ensure!(values.len() == 3 * colours, "a palette that is cut short");
    let value = |index: usize| (values[index] >> 8) as u8;
    let colour = |index: usize| [0, 1, 2].map(|channel| value(channel * colours + index));
    Ok((0..colours).map(colour).collect())
}

/// Ink to light, without a colour profile.
fn cmyk([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; RGB] {
    let light = 1.0 - f32::from(black) / 255.0;
    [cyan, magenta, yellow].map(|ink| ((255.0 - f32::from(ink)) * light) as u8)
}
