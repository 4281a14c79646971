//! The mask of a slide as it is cut, from as little of it as tells tissue from glass.

use image::RgbImage;

use super::cells::Cells;
use super::picture::LONGEST;
use super::{CELL, Rules, TissueMask};
use crate::data::DataConfig;
use crate::data::view::View;
use crate::error::Result;

/// Most cells of a mask.
const CELLS: u64 = 1 << 24;
/// Height and width of a cell of a pyramid, in pixels of its finest level.
const SIDE: f64 = 16.0;
/// Coarsest level of a pyramid that is looked at: CLAM looks at one of 64 where there is one.
const COARSEST: f64 = 32.0;
/// Height and width of the smallest hole and speck on a pyramid that stay, in pixels of its finest level: CLAM's unit.
const SMALLEST: f64 = 512.0;

/// The tissue on a slide, and a small picture of it.
pub(in crate::data) struct Found {
    pub(in crate::data) mask: TissueMask,
    pub(in crate::data) picture: RgbImage,
}

/// Finds the tissue on the slide behind `view`; places of the mask are in pixels of the view.
///
/// # Errors
/// If the slide is damaged.
pub(in crate::data) fn find(view: &View, config: &DataConfig) -> Result<Found> {
    let rules = Rules {
        threshold: u8::try_from(config.tissue_threshold)
            .ok()
            .filter(|&threshold| threshold > 0),
        removes_ink: config.remove_ink,
        ..Rules::default()
    };
    let levels = view.slide().levels();
    let cells = view.width.div_ceil(CELL as u64) * view.height.div_ceil(CELL as u64);
    if levels.len() == 1 && cells <= CELLS {
        return image(view, rules);
    }
    // The coarsest level that is fine enough, and cells that are neither finer than need be nor too many.
    let fine = |downsample: f64| downsample <= COARSEST;
    let level = levels.iter().rposition(|level| fine(level.downsample));
    let level = level.unwrap_or(0);
    let of = &levels[level];
    let mut side = ((SIDE / of.downsample).round() as u64).max(1);
    while of.width.div_ceil(side) * of.height.div_ceil(side) > CELLS {
        side *= 2;
    }
    let pixels = side as f64 * of.downsample;
    let rules = Rules {
        side: pixels / view.downsample,
        small: ((SMALLEST / pixels).powi(2) as usize).max(1),
        ..rules
    };
    let (size, tile) = ((of.width, of.height), u64::from(of.tile.1));
    let cells = Cells::read(size, side as usize, tile, |rows| {
        let count = (rows.end - rows.start) as u32;
        view.slide()
            .region(level, 0, rows.start, of.width as u32, count)
    })?;
    Ok(Found {
        picture: cells.picture(LONGEST),
        mask: TissueMask::of(&cells, rules),
    })
}

/// The tissue on an image of one level.
fn image(view: &View, rules: Rules) -> Result<Found> {
    let (width, height) = (view.width as u32, view.height as u32);
    // Not in bands where all of it is small: threads have other images to look at.
    if view.width * view.height <= 1 << 24 {
        let whole = view.region(0, 0, width, height)?;
        let mask = TissueMask::of(&Cells::of(&whole, CELL), rules);
        return Ok(Found {
            mask,
            picture: whole,
        });
    }
    let cells = Cells::read((view.width, view.height), CELL, view.tile().1, |rows| {
        let count = (rows.end - rows.start) as u32;
        view.region(0, rows.start, width, count)
    })?;
    Ok(Found {
        picture: cells.picture(LONGEST),
        mask: TissueMask::of(&cells, rules),
    })
}
