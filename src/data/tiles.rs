//! The tiles of a slide: its images on a grid, and of these the ones that lie on tissue. Only where they lie; what is drawn of
//! them is read later.

use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::DataConfig;
use super::annotations::Regions;
use super::images::Images;
use super::source::{Origin, Slide, SlideImage};
use super::tissue::{self, TissueMask};
use super::view::View;
use crate::error::{Result, refuse};
use crate::images::write_png;

/// Lines along a side of a patch on which its overlap with regions is measured, at as many places each.
const LINES: usize = 32;

/// The tiles of one slide, its patches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tiles {
    /// The classes that the tiles are of.
    pub(super) classes: Vec<String>,
    /// Where each tile lies, in the order of the store.
    pub(super) places: Vec<Tile>,
    /// The level that the images are read at.
    pub(super) level: usize,
    /// Images that could not be read, and why.
    pub(super) skipped: Vec<(String, String)>,
}

/// Where a tile lies on an image of its slide, how much of it is tissue, and what it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u32, u16, u16)", into = "(u32, u32, u32, u16, u16)")]
pub(super) struct Tile {
    /// Number of the image among those of the slide.
    pub(super) image: u32,
    /// Column of the left edge on the image.
    pub(super) x: u32,
    /// Row of the top edge on the image.
    pub(super) y: u32,
    /// Fraction of the pixels that are tissue, in ten thousandths.
    pub(super) tissue: u16,
    /// Number of the class among those of the slide.
    pub(super) class: u16,
}

impl From<(u32, u32, u32, u16, u16)> for Tile {
    fn from((image, x, y, tissue, class): (u32, u32, u32, u16, u16)) -> Self {
        Self {
            image,
            x,
            y,
            tissue,
            class,
        }
    }
}

impl From<Tile> for (u32, u32, u32, u16, u16) {
    fn from(tile: Tile) -> Self {
        (tile.image, tile.x, tile.y, tile.tissue, tile.class)
    }
}

/// The tiles of all images of `slide`. A picture of each mask is written into `masks`, where that is given and the slide is one
/// file that is cut.
///
/// # Errors
/// For an image smaller than a patch, and one that cannot be read unless the settings say to skip it.
pub(super) fn tile(
    slide: &Slide,
    config: &DataConfig,
    images: &Images,
    masks: &Path,
) -> Result<Tiles> {
    let mut tiles = Tiles::default();
    for (number, image) in slide.images.iter().enumerate() {
        let found = images.view(image, config).and_then(|view| {
            refuse_small(image, &view, config)?;
            let found = tissue::find(&view, config)?;
            Ok((view, found))
        });
        let (view, found) = match found {
            Ok(found) => found,
            Err(error) if error.is::<TooSmall>() => return Err(too_small(&error, config)),
            Err(error) if config.skip_unreadable => {
                let reason = crate::error::explained(&error);
                tiles.skipped.push((image.name.clone(), reason));
                continue;
            }
            Err(error) => return Err(image.unreadable(&error)),
        };
        tiles.level = view.level;
        tiles.add(number as u32, slide, &view, &found.mask, config);
        let is_cut = view.width.max(view.height) > config.patch_size as u64;
        if is_cut && slide.images.len() == 1 && matches!(image.origin, Origin::File(_)) {
            write_mask(&found.mask.over(&found.picture), &slide.name, masks)?;
        }
    }
    Ok(tiles)
}

/// An image smaller than a patch: what is wrong, and the largest patch.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct TooSmall {
    message: String,
    largest: u64,
}

fn refuse_small(image: &SlideImage, view: &View, config: &DataConfig) -> Result<()> {
    let (width, height, size) = (view.width, view.height, config.patch_size);
    if width.min(height) >= size as u64 {
        return Ok(());
    }
    let reduced = match config.reduction {
        _ if config.micrometres_per_pixel > 0.0 => {
            format!(
                " at `data.micrometres_per_pixel = {}`",
                config.micrometres_per_pixel
            )
        }
        _ if config.level > 0 => format!(" at `data.level = {}`", config.level),
        1 => String::new(),
        factor => format!(" after `data.reduction = {factor}`"),
    };
    Err(TooSmall {
        message: format!(
            "image `{}` is {width} x {height}{reduced}, smaller than a patch of {size} x {size}",
            image.name
        ),
        largest: width.min(height).max(1),
    }
    .into())
}

fn too_small(error: &anyhow::Error, config: &DataConfig) -> anyhow::Error {
    let largest = error
        .downcast_ref::<TooSmall>()
        .map_or(1, |small| small.largest);
    let finer = if config.micrometres_per_pixel > 0.0 {
        "a smaller `data.micrometres_per_pixel`, "
    } else if config.level > 0 {
        "a smaller `data.level`, "
    } else if config.reduction > 1 {
        "a smaller `data.reduction`, "
    } else {
        ""
    };
    refuse(
        error.to_string(),
        format!(
            "choose a smaller `data.patch_size`, at most {largest}, {finer}or remove the image"
        ),
    )
}

fn write_mask(picture: &RgbImage, slide: &str, masks: &Path) -> Result<()> {
    write_png(picture, &masks.join(format!("{slide}.png")))
}

impl Tiles {
    /// Adds the patches of an image: on a grid from its top left corner, where there is tissue enough and the class is asked for.
    ///
    /// An image of just the size of a patch is taken whole and always: whoever made it wants it.
    fn add(
        &mut self,
        image: u32,
        slide: &Slide,
        view: &View,
        mask: &TissueMask,
        config: &DataConfig,
    ) {
        let size = config.patch_size;
        let is_ready_made = (view.width, view.height) == (size as u64, size as u64);
        let ends = [view.width, view.height].map(|side| side as usize - size);
        let rows: Vec<usize> = (0..=ends[1]).step_by(config.stride).collect();
        let found: Vec<Vec<(usize, usize, f64, String)>> = rows
            .into_par_iter()
            .with_min_len(64)
            .map(|y| {
                let columns = (0..=ends[0]).step_by(config.stride);
                let tiles: Vec<(usize, f64)> = columns
                    .map(|x| (x, mask.fraction(x, y, size)))
                    .filter(|(_, tissue)| is_ready_made || *tissue >= config.minimum_tissue)
                    .collect();
                let places: Vec<usize> = tiles.iter().map(|(x, _)| *x).collect();
                let classes = match &slide.regions {
                    Some(regions) => in_regions(regions, &places, y, view.downsample, config),
                    None => vec![Some(slide.class.as_str()); places.len()],
                };
                let of_class = tiles
                    .into_iter()
                    .zip(classes)
                    .filter_map(|((x, tissue), class)| {
                        let class = class?.to_owned();
                        let is_asked = config.classes.is_empty() || config.classes.contains(&class);
                        is_asked.then_some((x, y, tissue, class))
                    });
                of_class.collect()
            })
            .collect();
        let mut places = Vec::new();
        for (x, y, tissue, class) in found.into_iter().flatten() {
            let known = self.classes.iter().position(|known| *known == class);
            let class = known.unwrap_or_else(|| {
                self.classes.push(class);
                self.classes.len() - 1
            });
            places.push(Tile {
                image,
                x: x as u32,
                y: y as u32,
                tissue: (tissue * 1e4).round() as u16,
                class: class as u16,
            });
        }
        if view.is_read_by_tile() {
            // What is decoded at once is read at once.
            let (width, height) = view.tile();
            places.sort_by_key(|tile| {
                let (x, y) = (u64::from(tile.x), u64::from(tile.y));
                (y / height, x / width, tile.y, tile.x)
            });
        }
        self.places.extend(places);
    }
}

/// The class of each patch of a row of the grid: that of its centre, or of as much of it as `data.region_overlap` says; none if
/// no class has so much.
fn in_regions<'a>(
    regions: &'a Regions,
    columns: &[usize],
    y: usize,
    downsample: f64,
    config: &DataConfig,
) -> Vec<Option<&'a str>> {
    let size = config.patch_size as f64;
    let lines = if config.region_overlap > 0.0 {
        LINES
    } else {
        1
    };
    let at = |start: usize, place: usize| {
        (start as f64 + (place as f64 + 0.5) / lines as f64 * size) * downsample
    };
    let crossed: Vec<_> = (0..lines).map(|line| regions.line(at(y, line))).collect();
    let class = |&x: &usize| {
        let mut counts: Vec<(&str, usize)> = Vec::new();
        for line in &crossed {
            for place in 0..lines {
                let class = line.class_at(at(x, place));
                match counts.iter_mut().find(|(known, _)| *known == class) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((class, 1)),
                }
            }
        }
        let (class, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let fraction = count as f64 / (lines * lines) as f64;
        (fraction >= config.region_overlap).then_some(class)
    };
    columns.iter().map(class).collect()
}

#[cfg(test)]
mod tests;
