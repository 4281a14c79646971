//! TIFF and Aperio's SVS: one image, or a pyramid of them as further directories or as sub-directories (TIFF 6.0; BigTIFF; Adobe
//! PageMaker TIFF Technical Notes for sub-directories).
//!
//! The first directory is level 0. A further one is a level if it says that it is that image at a reduced resolution, or is in
//! tiles, and has its shape and compression and is smaller. Labels, overviews, thumbnails and previews are no levels.

mod decode;
mod directory;
mod jpeg;
mod page;
mod pixels;

use std::path::Path;

use anyhow::Context;
use image::RgbImage;

use self::directory::{Bytes, Directory, TiffFile};
use self::page::Page;
use super::cache::Cache;
use super::{Level, NeedsOpenSlide, Slide, check_inside};
use crate::error::Result;
use crate::images::RGB;

/// Tags of TIFF 6.0, of its supplements, and of vendors.
mod tag {
    pub(super) const SUBFILE_TYPE: u64 = 254;
    pub(super) const DESCRIPTION: u64 = 270;
    pub(super) const X_RESOLUTION: u64 = 282;
    pub(super) const Y_RESOLUTION: u64 = 283;
    pub(super) const RESOLUTION_UNIT: u64 = 296;
    pub(super) const SOFTWARE: u64 = 305;
    pub(super) const SUB_DIRECTORIES: u64 = 330;
    pub(super) const XML: u64 = 700;
    pub(super) const HAMAMATSU: u64 = 65420;
}

/// A slide that is read from a TIFF file.
pub(super) struct TiffSlide {
    bytes: Bytes,
    pages: Vec<Page>,
    levels: Vec<Level>,
    micrometres_per_pixel: Option<f64>,
    cache: Cache,
}

impl TiffSlide {
    /// Opens the file at `path`, which begins as a TIFF does.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = TiffFile::read(Bytes::open(path)?).context("it is no whole TIFF file")?;
        let first = &file.pages[0];
        let text = |tag| {
            let bytes = file.bytes(first, tag, 1 << 16)?.unwrap_or_default();
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (description, software) = (text(tag::DESCRIPTION)?, text(tag::SOFTWARE)?);
        // Vendors that put tiles side by side in their own ways.
        let vendor = if first.has(tag::HAMAMATSU) {
            Some("Hamamatsu NDPI")
        } else if description.contains("http://www.leica-microsystems.com/scn/") {
            Some("Leica SCN")
        } else if text(tag::XML)?.contains("<iScan") {
            Some("Ventana BIF")
        } else if software.starts_with("Philips") {
            Some("Philips TIFF")
        } else if software.starts_with("MedScan") {
            Some("Trestle TIFF")
        } else {
            None
        };
        if let Some(vendor) = vendor {
            return Err(NeedsOpenSlide(vendor).into());
        }
        let pages = pages(&file, description.starts_with("Aperio"))?;
        let levels = pages.iter().map(|page| Level {
            width: page.width.into(),
            height: page.height.into(),
            downsample: downsample(&pages[0], page),
            tile: page.chunk,
        });
        Ok(Self {
            levels: levels.collect(),
            micrometres_per_pixel: resolution(&file, first, &description)?,
            pages,
            bytes: file.bytes,
            cache: Cache::default(),
        })
    }
}

impl Slide for TiffSlide {
    fn levels(&self) -> &[Level] {
        &self.levels
    }

    fn micrometres_per_pixel(&self) -> Option<f64> {
        self.micrometres_per_pixel
    }

    fn region(&self, level: usize, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage> {
        check_inside(&self.levels, level, (x, y), (width, height))?;
        let page = &self.pages[level];
        let (across, down) = (u64::from(page.chunk.0), u64::from(page.chunk.1));
        let (right, bottom) = (x + u64::from(width), y + u64::from(height));
        let mut region = RgbImage::new(width, height);
        let pixels: &mut [u8] = &mut region;
        for row in y / down..bottom.div_ceil(down) {
            for column in x / across..right.div_ceil(across) {
                let index = row * page.across + column;
                let decode = || decode::chunk(&self.bytes, page, index);
                let chunk = self.cache.get((level, index), decode);
                let chunk = chunk.with_context(|| {
                    let kind = if page.tiled { "tile" } else { "strip" };
                    format!("{kind} {index} of level {level}")
                })?;
                // The rectangle that the chunk and the region share, on the level.
                let (left, top) = (column * across, row * down);
                let columns = left.max(x)..right.min(left + across);
                let length = (columns.end - columns.start) as usize * RGB;
                for line in top.max(y)..bottom.min(top + down) {
                    let from = ((line - top) * across + columns.start - left) as usize * RGB;
                    let to = ((line - y) * u64::from(width) + columns.start - x) as usize * RGB;
                    pixels[to..to + length].copy_from_slice(&chunk[from..from + length]);
                }
            }
        }
        Ok(region)
    }
}

/// The pages of `file` that are levels of its first one, from the finest on.
fn pages(file: &TiffFile, is_aperio: bool) -> Result<Vec<Page>> {
    let sub_directories = file.numbers(&file.pages[0], tag::SUB_DIRECTORIES, 1000)?;
    let inner: Vec<Directory> = sub_directories
        .unwrap_or_default()
        .into_iter()
        .map(|offset| Ok(file.directory(offset)?.0))
        .collect::<Result<_>>()?;
    let full = page::size(file, &file.pages[0])?;
    let mut found = vec![(full, &file.pages[0])];
    let packed = page::compression_code(file, &file.pages[0])?;
    for directory in inner.iter().chain(&file.pages[1..]) {
        let kind = file.number(directory, tag::SUBFILE_TYPE)?.unwrap_or(0);
        let is_tiled = page::is_tiled(directory);
        // Of Aperio's pages, those in strips are its thumbnail, label and overview, whatever their type.
        let may_be = kind <= 1 && (is_tiled || kind == 1 && !is_aperio);
        if may_be && page::compression_code(file, directory)? == packed {
            let size = page::size(file, directory)?;
            if has_shape(full, size) {
                found.push((size, directory));
            }
        }
    }
    found.sort_by_key(|&((width, _), _)| std::cmp::Reverse(width));
    found.dedup_by_key(|&mut ((width, _), _)| width);
    found
        .into_iter()
        .enumerate()
        .map(|(level, (_, directory))| {
            let page = Page::read(file, directory);
            page.map_err(|error| match level {
                0 => error,
                _ => error.context(format!("level {level}")),
            })
        })
        .collect()
}

/// Whether `reduced` is smaller than `full` and of its shape, but for a pixel of rounding and one part in a hundred.
fn has_shape(full: (u32, u32), reduced: (u32, u32)) -> bool {
    let (full_width, full_height) = (f64::from(full.0), f64::from(full.1));
    let (width, height) = (f64::from(reduced.0), f64::from(reduced.1));
    let difference = (full_width * height - full_height * width).abs();
    let rounding = full_width + full_height + 0.01 * full_height * width;
    width < full_width && height < full_height && difference <= rounding
}

/// How many pixels of `full` one of `page` stands for, along a side.
fn downsample(full: &Page, page: &Page) -> f64 {
    let ratio = |full: u32, reduced: u32| f64::from(full) / f64::from(reduced);
    f64::midpoint(
        ratio(full.width, page.width),
        ratio(full.height, page.height),
    )
}

/// Micrometres per pixel: what Aperio wrote into the description, else the resolution of the image where it is one of a slide.
/// (Most images carry some number of dots per inch for printing.)
fn resolution(file: &TiffFile, of: &Directory, description: &str) -> Result<Option<f64>> {
    const PLAUSIBLE: std::ops::Range<f64> = 0.05..10.0;
    let plausible = |value: &f64| PLAUSIBLE.contains(value);
    if description.starts_with("Aperio") {
        let entry = description.split('|').find_map(|entry| {
            let (name, value) = entry.split_once('=')?;
            (name.trim() == "MPP").then(|| value.trim_matches(['\0', ' ']).parse().ok())?
        });
        if let Some(value) = entry.filter(plausible) {
            return Ok(Some(value));
        }
    }
    let unit = match file.number(of, tag::RESOLUTION_UNIT)?.unwrap_or(2) {
        2 => 25_400.0,
        3 => 10_000.0,
        _ => return Ok(None),
    };
    let along = |tag| {
        let fraction = file.numbers(of, tag, 2)?.unwrap_or_default();
        let [dots, units] = fraction[..] else {
            return Ok::<_, anyhow::Error>(f64::NAN);
        };
        Ok(unit * units as f64 / dots as f64)
    };
    let (x, y) = (along(tag::X_RESOLUTION)?, along(tag::Y_RESOLUTION)?);
    let is_square = (x - y).abs() <= 0.01 * x;
    Ok(Some(x).filter(plausible).filter(|_| is_square))
}
