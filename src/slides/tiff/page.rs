//! One directory of a TIFF file as an image: its size, where its tiles or strips are, and how they are written.

use anyhow::{Context, bail, ensure};

use super::directory::{Directory, TiffFile};
use super::pixels::{Colours, Samples};
use crate::error::{Result, refuse};
use crate::slides::NeedsOpenSlide;

/// Bytes that are decoded at once, at most.
const MOST_DECODED: u64 = 1 << 30;
/// Strips without compression are read in bands of so many bytes.
const BAND: u64 = 1 << 20;

/// How the bytes of a chunk are packed.
#[derive(Debug)]
pub(super) enum Compression {
    None,
    Lzw,
    /// With the tables that all chunks share.
    Jpeg(Option<Vec<u8>>),
    Deflate,
    PackBits,
    Zstandard,
}

/// An image of a file in chunks: its tiles, or its strips.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Width and height of a chunk in pixels. Chunks at the right and lower edge reach beyond the image, strips do not.
    pub(super) chunk: (u32, u32),
    pub(super) tiled: bool,
    /// Chunks side by side.
    pub(super) across: u64,
    /// Chunks of one plane.
    pub(super) chunks: u64,
    /// Where each chunk is, and its bytes there; the planes one after the other.
    places: Vec<(u64, u64)>,
    pub(super) compression: Compression,
    /// Each sample is the difference from the one to its left.
    pub(super) differences: bool,
    pub(super) samples: Samples,
}

/// Tags of TIFF 6.0 and of Adobe's supplements.
mod tag {
    pub(super) const WIDTH: u64 = 256;
    pub(super) const HEIGHT: u64 = 257;
    pub(super) const COMPRESSION: u64 = 259;
    pub(super) const STRIP_OFFSETS: u64 = 273;
    pub(super) const ROWS_PER_STRIP: u64 = 278;
    pub(super) const STRIP_BYTE_COUNTS: u64 = 279;
    pub(super) const PREDICTOR: u64 = 317;
    pub(super) const TILE_WIDTH: u64 = 322;
    pub(super) const TILE_HEIGHT: u64 = 323;
    pub(super) const TILE_OFFSETS: u64 = 324;
    pub(super) const TILE_BYTE_COUNTS: u64 = 325;
    pub(super) const JPEG_TABLES: u64 = 347;
}

/// Width and height of the image that `of` describes.
pub(super) fn size(file: &TiffFile, of: &Directory) -> Result<(u32, u32)> {
    let side = |tag| {
        let side = file.number(of, tag)?.context("it has no size")?;
        let fits = u32::try_from(side).ok().filter(|&side| side > 0);
        fits.with_context(|| format!("a side of {side} pixels"))
    };
    Ok((side(tag::WIDTH)?, side(tag::HEIGHT)?))
}

/// Whether `of` describes an image in tiles.
pub(super) fn is_tiled(of: &Directory) -> bool {
    of.has(tag::TILE_OFFSETS)
}

impl Page {
    /// Reads what `of` says.
    ///
    /// # Errors
    /// If it is damaged, or describes an image that is not read.
    pub(super) fn read(file: &TiffFile, of: &Directory) -> Result<Self> {
        let (width, height) = size(file, of)?;
        let compression = compression(file, of)?;
        let is_jpeg = matches!(compression, Compression::Jpeg(_));
        let samples = Samples::read(file, of, is_jpeg)?;
        // The chunks: their size, and how many there are.
        let tiled = is_tiled(of);
        let side = |tag| {
            let side = file.number(of, tag)?;
            Ok::<_, anyhow::Error>(side.map(|side| u32::try_from(side).unwrap_or(u32::MAX)))
        };
        let chunk = if tiled {
            let missing = "tiles without a size";
            let sides = (side(tag::TILE_WIDTH)?, side(tag::TILE_HEIGHT)?);
            (sides.0.context(missing)?, sides.1.context(missing)?)
        } else {
            (
                width,
                side(tag::ROWS_PER_STRIP)?.unwrap_or(height).min(height),
            )
        };
        ensure!(chunk.0 > 0 && chunk.1 > 0, "tiles without a pixel");
        let across = u64::from(width.div_ceil(chunk.0));
        let chunks = across * u64::from(height.div_ceil(chunk.1));
        let expected = chunks.saturating_mul(samples.planes());
        let list = |tag| {
            let numbers = file.numbers(of, tag, expected)?.unwrap_or_default();
            let found = numbers.len();
            let name = if tiled { "tiles" } else { "strips" };
            ensure!(
                found as u64 == expected,
                "{expected} {name} are needed for {width} x {height} pixels, {found} are listed"
            );
            Ok(numbers)
        };
        let (offsets, counts) = if tiled {
            (list(tag::TILE_OFFSETS)?, list(tag::TILE_BYTE_COUNTS)?)
        } else {
            (list(tag::STRIP_OFFSETS)?, list(tag::STRIP_BYTE_COUNTS)?)
        };
        let places = offsets.into_iter().zip(counts).collect();
        // How they are packed. Only these three know differences between samples (TIFF 6.0, section 14).
        let differences = match compression {
            Compression::Lzw | Compression::Deflate | Compression::Zstandard => {
                match file.number(of, tag::PREDICTOR)?.unwrap_or(1) {
                    1 => false,
                    2 if samples.bits >= 8 && !samples.float => true,
                    other => bail!("predictor {other} for samples of {} bits", samples.bits),
                }
            }
            _ => false,
        };
        let mut page = Self {
            width,
            height,
            chunk,
            tiled,
            across,
            chunks,
            places,
            compression,
            differences,
            samples,
        };
        page.cut_into_bands(file.bytes.length());
        page.check_chunk()?;
        Ok(page)
    }

    /// Makes one strip without compression many: rows are then read where they are, not the whole image at once.
    fn cut_into_bands(&mut self, file_length: u64) {
        let row = self.samples.row_bytes(self.width);
        let is_plain = matches!(self.compression, Compression::None);
        let rows = (BAND / row).clamp(1, u64::from(self.height));
        // A strip that is cut short is found when it is decoded.
        let is_whole = |&(offset, bytes): &(u64, u64)| {
            let there = bytes.min(file_length.saturating_sub(offset));
            there / row >= u64::from(self.height)
        };
        if self.tiled || !is_plain || self.chunks != 1 || !self.places.iter().all(is_whole) {
            return;
        }
        self.chunk.1 = rows as u32;
        self.chunks = u64::from(self.height).div_ceil(rows);
        let bands = |&(offset, _): &(u64, u64)| {
            let band = rows * row;
            (0..self.chunks).map(move |index| (offset + index * band, band))
        };
        let mut places: Vec<(u64, u64)> = self.places.iter().flat_map(bands).collect();
        for (index, place) in places.iter_mut().enumerate() {
            place.1 = u64::from(self.rows(index as u64 % self.chunks)) * row;
        }
        self.places = places;
    }

    /// Refuses a chunk that memory is not for.
    fn check_chunk(&self) -> Result<()> {
        let (width, height) = self.chunk;
        let row = self
            .samples
            .row_bytes(width)
            .saturating_mul(self.samples.planes());
        let bytes = row
            .max(3 * u64::from(width))
            .saturating_mul(u64::from(height));
        if bytes > MOST_DECODED {
            return Err(refuse(
                format!(
                    "{width} x {height} pixels are packed as one {}, which takes {} MiB to decode; at most {} are",
                    if self.tiled { "tile" } else { "strip" },
                    bytes >> 20,
                    MOST_DECODED >> 20
                ),
                "write the image in tiles, for example with `vips tiffsave IN.tif OUT.tif --tile --pyramid --compression jpeg`",
            ));
        }
        Ok(())
    }

    /// Where chunk `index` of `plane` is, and its bytes there.
    pub(super) fn place(&self, plane: u64, index: u64) -> (u64, u64) {
        self.places[(plane * self.chunks + index) as usize]
    }

    /// Rows that chunk `index` has: the last strip ends with the image, tiles are all alike.
    pub(super) fn rows(&self, index: u64) -> u32 {
        if self.tiled {
            return self.chunk.1;
        }
        let above = index * u64::from(self.chunk.1);
        (u64::from(self.height) - above).min(u64::from(self.chunk.1)) as u32
    }

    /// Whether its colours are made by the JPEG decoder.
    pub(super) fn is_ycbcr(&self) -> bool {
        self.samples.colours == Colours::YCbCr
    }
}

/// How an image is packed, by the number of tag 259.
pub(super) fn compression_code(file: &TiffFile, of: &Directory) -> Result<u64> {
    Ok(file.number(of, tag::COMPRESSION)?.unwrap_or(1))
}

/// How an image is packed.
fn compression(file: &TiffFile, of: &Directory) -> Result<Compression> {
    let code = compression_code(file, of)?;
    let name = match code {
        1 => return Ok(Compression::None),
        5 => return Ok(Compression::Lzw),
        7 => {
            // Tables are at most some hundred bytes; 64 KiB is the longest segment of a JPEG.
            let tables = file.bytes(of, tag::JPEG_TABLES, 1 << 16)?;
            return Ok(Compression::Jpeg(tables));
        }
        8 | 32946 => return Ok(Compression::Deflate),
        32773 => return Ok(Compression::PackBits),
        50000 => return Ok(Compression::Zstandard),
        33003 | 33005 | 34712 => return Err(NeedsOpenSlide("JPEG 2000").into()),
        2..=4 => "of fax machines",
        6 => "JPEG of TIFF 6.0, which was withdrawn",
        34887 => "LERC",
        34925 => "LZMA",
        50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => "unknown",
    };
    Err(refuse(
        format!("its pixels are packed with compression {code} ({name}), which is not read"),
        "convert it, for example with `vips tiffsave IN.tif OUT.tif --tile --pyramid --compression jpeg`",
    ))
}
