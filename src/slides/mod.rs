//! Slides as files: pictures at one or more levels, read by region, so that no slide has to fit in memory.
//!
//! A format is one file here; [`open`] tells them apart by their first bytes. Where the patches lie, and what class they are of,
//! is decided in `data`.

mod cache;
mod format;
#[cfg(feature = "openslide")]
mod openslide;
mod plain;
mod tiff;

use std::path::Path;

use image::RgbImage;

use self::format::Format;
use crate::error::{Result, refuse};

/// Bytes of a region or an image that is held in memory, at most.
const MOST_BYTES: u64 = 4 << 30;

/// A slide: one picture at one or more levels, read by region. Threads may read one slide at the same time.
pub trait Slide: Send + Sync {
    /// The levels, from the finest on; at least one.
    fn levels(&self) -> &[Level];

    /// Micrometres per pixel of level 0, where the file says so.
    fn micrometres_per_pixel(&self) -> Option<f64>;

    /// The pixels of a rectangle of level `level`, `x` and `y` in pixels of that level.
    ///
    /// # Errors
    /// If the rectangle is empty or reaches beyond the level, and if the file is damaged there.
    fn region(&self, level: usize, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage>;
}

/// One level of a slide.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// Width in pixels, at least 1.
    pub width: u64,
    /// Height in pixels, at least 1.
    pub height: u64,
    /// How many pixels of level 0 one of this level stands for, along a side; 1 for level 0.
    pub downsample: f64,
    /// Width and height of what is decoded at once: a tile, a band of rows, or the whole image.
    pub tile: (u32, u32),
}

/// Opens a slide by what its bytes are, not by its name.
///
/// # Errors
/// If the file cannot be read or is of no format that is read. Messages do not name the file: the caller does, in the words of
/// its place. A [`Refusal`](crate::error::Refusal) has a hint of its own, which is better than a general one.
pub fn open(path: &Path) -> Result<Box<dyn Slide>> {
    let opened = match Format::of(path)? {
        Format::Plain => Ok(Box::new(plain::Plain::open(path)?) as Box<dyn Slide>),
        Format::Tiff => tiff::TiffSlide::open(path).map(|slide| Box::new(slide) as Box<dyn Slide>),
        Format::Vendor(name) => Err(NeedsOpenSlide(name).into()),
    };
    opened.or_else(|error| match error.downcast_ref() {
        Some(NeedsOpenSlide(format)) => with_openslide(path, format),
        None => Err(error),
    })
}

/// A format that is left to OpenSlide.
#[derive(Debug, thiserror::Error)]
#[error("{0} is read with OpenSlide")]
struct NeedsOpenSlide(&'static str);

#[cfg(feature = "openslide")]
fn with_openslide(path: &Path, format: &str) -> Result<Box<dyn Slide>> {
    Ok(Box::new(openslide::VendorSlide::open(path, format)?))
}

#[cfg(not(feature = "openslide"))]
fn with_openslide(_: &Path, format: &str) -> Result<Box<dyn Slide>> {
    Err(refuse(
        format!("{format} is read with OpenSlide, which this build is without"),
        "install OpenSlide (Debian: `apt install libopenslide-dev`) and build with `cargo build --release --features openslide`",
    ))
}

/// The whole of a slide's finest level, as 8-bit RGB: grey is repeated, 16 bits are scaled to 8, transparency is laid on white,
/// the colour of glass.
///
/// # Errors
/// As [`open`] and [`Slide::region`].
pub fn read(path: &Path) -> Result<RgbImage> {
    whole(&*open(path)?, 0)
}

/// All pixels of a level.
fn whole(slide: &dyn Slide, level: usize) -> Result<RgbImage> {
    let Level { width, height, .. } = slide.levels()[level];
    let side = |pixels| u32::try_from(pixels).unwrap_or(u32::MAX);
    slide.region(level, 0, 0, side(width), side(height))
}

/// Checks that a rectangle lies inside level `level` of `levels`.
fn check_inside(
    levels: &[Level],
    level: usize,
    (x, y): (u64, u64),
    (width, height): (u32, u32),
) -> Result<()> {
    let Some(of) = levels.get(level) else {
        anyhow::bail!("no level {level}: the slide has {}", levels.len());
    };
    let fits = |start: u64, length: u32, side: u64| {
        let end = start.checked_add(u64::from(length));
        length > 0 && end.is_some_and(|end| end <= side)
    };
    if !fits(x, width, of.width) || !fits(y, height, of.height) {
        anyhow::bail!(
            "no region of {width} x {height} at ({x}, {y}): level {level} is {} x {}",
            of.width,
            of.height
        );
    }
    let bytes = 3 * u64::from(width) * u64::from(height);
    if bytes > MOST_BYTES {
        return Err(refuse(
            format!(
                "{width} x {height} pixels take {} GiB, and at most {} are held at once",
                bytes >> 30,
                MOST_BYTES >> 30
            ),
            "read a coarser level, or smaller regions",
        ));
    }
    Ok(())
}

/// `value` of a pixel on white, `alpha` of 255 opaque.
fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Whether the end of a JPEG is marked behind its last scan: the decoder fills what is missing with grey.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    const SCAN: [u8; 2] = [0xFF, 0xDA];
    const END: [u8; 2] = [0xFF, 0xD9];
    let last = |marker: [u8; 2]| bytes.windows(2).rposition(|window| window == marker);
    last(END) > last(SCAN)
}
