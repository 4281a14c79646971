//! A contact sheet: groups of images with captions below, such as a query and what was found for it. Every pixel of an image is
//! a whole number of pixels of the sheet: nothing is resampled.

use std::path::Path;

use image::RgbImage;

use super::canvas::{Anchor, Canvas, Picture, Text};
use super::font::width;
use super::png;
use super::style::{GREY, MARGIN, PIXELS, SMALL};
use crate::error::Result;
use crate::files::write_whole;
use crate::images::Pixels;

/// Width of an image in pixels of the sheet, at least half of it where a whole factor makes that.
const SIDE: usize = 256;
/// Space between images of a group and between groups, and height of a line of text, in points.
const BESIDE: f64 = 5.0;
const BETWEEN: f64 = 16.0;
const LINE: f64 = 8.5;

/// An image and what stands below it, a line each; the first line is in bold.
pub struct Captioned {
    /// One image.
    pub image: Pixels,
    /// The lines, of long ones the end: names of one folder differ there.
    pub lines: Vec<String>,
}

/// Writes `groups` as PNG to `path`, `across` of them beside each other. All images are of one size.
///
/// # Errors
/// If the file cannot be written.
pub fn contact_sheet(path: &Path, groups: &[Vec<Captioned>], across: usize) -> Result<()> {
    let all = || groups.iter().flatten();
    let size = all().map(|shown| shown.image.size).max().unwrap_or(1);
    let lines = all().map(|shown| shown.lines.len()).max().unwrap_or(0);
    let members = groups.iter().map(Vec::len).max().unwrap_or(0);
    let scale = (SIDE / size).max(1);
    let side = (size * scale) as f64 / PIXELS;
    let (step, height) = (side + BESIDE, side + lines as f64 * LINE + BETWEEN / 2.0);
    let group = members as f64 * step - BESIDE + BETWEEN;
    let across = across.clamp(1, groups.len().max(1));
    let rows = groups.len().div_ceil(across);
    let breadth = across as f64 * group - BETWEEN + 2.0 * MARGIN;
    let mut canvas = Canvas::new(breadth, rows as f64 * height + 2.0 * MARGIN);
    for (number, members) in groups.iter().enumerate() {
        let left = MARGIN + (number % across) as f64 * group;
        let top = MARGIN + (number / across) as f64 * height;
        for (place, shown) in members.iter().enumerate() {
            let x = left + place as f64 * step;
            let pixels = shown.image.to_rgb().bytes.clone();
            canvas.picture(Picture {
                at: [x, top],
                scale: scale as u32,
                pixels: RgbImage::from_raw(size as u32, size as u32, pixels)
                    .expect("one image of the size of all"),
            });
            for (line, text) in shown.lines.iter().enumerate() {
                let at = [x, top + side + (line + 1) as f64 * LINE];
                let text = Text::new(ending(text, side), at, Anchor::Start).size(SMALL);
                canvas.text(match line {
                    0 => text.bold(),
                    _ => text.colour(GREY),
                });
            }
        }
    }
    write_whole(path, &png::write(&canvas)?)
}

/// As much of the end of `text` as fits into `room`; what is cut off is marked by an ellipsis.
fn ending(text: &str, room: f64) -> String {
    let mut rest = text;
    let mut shown = text.to_owned();
    while !rest.is_empty() && width(&shown, SMALL, false) > room {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
        shown = format!("…{rest}");
    }
    shown
}
