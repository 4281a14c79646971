//! Pairs of images with a map on each: where their similarity comes from.

use std::path::Path;

use image::{Rgb, RgbImage};

use super::canvas::{Anchor, Text};
use super::png;
use super::sheet::Sheet;
use super::style::{GREY, MARGIN, PAGE, SMALL, TEXT};
use crate::error::Result;
use crate::files::write_whole;
use crate::images::luminance;

/// Space between blocks, and height of a line of text, in points.
const BETWEEN: f64 = 6.0;
const LINE: f64 = 10.0;
/// How much of the colour is seen where a map is largest.
const STRONGEST: f32 = 0.75;
/// The colours of a map from weak to strong: the upper part of ColorBrewer's YlOrRd, ordered by lightness.
const RAMP: [[f32; 3]; 4] = [
    [254.0, 217.0, 118.0],
    [253.0, 141.0, 60.0],
    [227.0, 26.0, 28.0],
    [128.0, 0.0, 38.0],
];

/// Two images of one size, each with a map of as many values in [0, 1].
pub struct MappedPair {
    /// How similar they are.
    pub similarity: f64,
    /// The images and their maps.
    pub images: [(RgbImage, Vec<f32>); 2],
}

/// Writes a sheet to `path`, a PNG file: a block for each group of pairs, under its name; a pair is an image, the same in grey
/// under its map, and likewise its partner.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn similarity_sheet(path: &Path, groups: &[(String, Vec<MappedPair>)]) -> Result<()> {
    let images = groups.iter().flat_map(|(_, pairs)| pairs);
    let Some(size) = images.map(|pair| pair.images[0].0.width()).next() else {
        return Ok(());
    };
    let mut sheet = Sheet::new(size);
    let groups = groups.iter().map(|(name, pairs)| {
        let laid = pairs.iter().map(|pair| LaidPair {
            pictures: pair
                .images
                .iter()
                .flat_map(|(image, map)| [image.clone(), under(image, map)])
                .collect(),
            note: format!("similarity {:.2}", pair.similarity),
        });
        (name.clone(), laid.collect())
    });
    lay_pairs(&mut sheet, &groups.collect::<Vec<_>>());
    sheet.canvas.size[1] += MARGIN;
    write_whole(path, &png::write(&sheet.canvas)?)
}

/// A pair on a sheet: an image, the same in grey under its map, and likewise its partner.
pub(super) struct LaidPair {
    pub(super) pictures: Vec<RgbImage>,
    /// What stands below it; empty for nothing.
    pub(super) note: String,
}

/// Puts pairs beside each other, in a block for each group under its name.
pub(super) fn lay_pairs(sheet: &mut Sheet, groups: &[(String, Vec<LaidPair>)]) {
    let pair_width = sheet.side(4);
    let room = PAGE - 2.0 * MARGIN + BETWEEN;
    let beside = ((room / (pair_width + BETWEEN)) as usize).max(1);
    let most = groups.iter().map(|(_, pairs)| pairs.len()).max();
    let columns = most.unwrap_or(0).min(beside) as f64;
    sheet.canvas.size[0] = 2.0 * MARGIN + columns * (pair_width + BETWEEN) - BETWEEN;
    let mut y = MARGIN;
    for (name, pairs) in groups {
        let title = Text::new(name, [MARGIN, y + TEXT], Anchor::Start).bold();
        sheet.canvas.text(title);
        y += LINE;
        for row in pairs.chunks(beside) {
            for (place, pair) in row.iter().enumerate() {
                let x = MARGIN + place as f64 * (pair_width + BETWEEN);
                sheet.block(&pair.pictures, 4, 1, [x, y]);
                if !pair.note.is_empty() {
                    let below = [x, y + sheet.side(1) + SMALL + 1.5];
                    let text = Text::new(&pair.note, below, Anchor::Start).size(SMALL);
                    sheet.canvas.text(text.colour(GREY));
                }
            }
            let has_notes = row.iter().any(|pair| !pair.note.is_empty());
            y += sheet.side(1) + if has_notes { LINE + 2.0 } else { BETWEEN };
        }
        y += BETWEEN;
    }
    sheet.canvas.size[1] = y - BETWEEN;
}

/// The image in grey, coloured where the map, of as many values in [0, 1], is strong.
pub fn under(image: &RgbImage, map: &[f32]) -> RgbImage {
    let width = image.width();
    RgbImage::from_fn(width, image.height(), |x, y| {
        let value = map[(y * width + x) as usize].clamp(0.0, 1.0);
        let grey = f32::from(luminance(image.get_pixel(x, y).0));
        let colour = ramp(value);
        let seen = STRONGEST * value;
        Rgb(colour.map(|colour| ((1.0 - seen) * grey + seen * colour).round() as u8))
    })
}

/// The colour of a value in [0, 1].
fn ramp(value: f32) -> [f32; 3] {
    let place = value * (RAMP.len() - 1) as f32;
    let lower = (place as usize).min(RAMP.len() - 2);
    let part = place - lower as f32;
    std::array::from_fn(|channel| {
        (1.0 - part) * RAMP[lower][channel] + part * RAMP[lower + 1][channel]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_map_is_zero_the_image_is_grey_and_where_it_is_largest_dark_red() {
        let image = RgbImage::from_pixel(2, 1, Rgb([200, 120, 180]));
        let shown = under(&image, &[0.0, 1.0]);
        let grey = luminance([200, 120, 180]);
        assert_eq!(shown.get_pixel(0, 0).0, [grey; 3]);
        let expected = RAMP[3].map(|colour| (0.25 * f32::from(grey) + 0.75 * colour).round() as u8);
        assert_eq!(shown.get_pixel(1, 0).0, expected);
    }
}
