//! The mask as a picture: the outline of the tissue over the slide.

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

use super::TissueMask;

/// Longer side of the picture in pixels, at most.
pub(super) const LONGEST: usize = 1024;
/// The colour of the outline: no stain has it.
const OUTLINE: Rgb<u8> = Rgb([0, 200, 40]);

impl TissueMask {
    /// The outline of the tissue, two pixels wide, over `slide`, a picture of all of it; that is made smaller where a side has
    /// more than 1024 pixels.
    pub fn over(&self, slide: &RgbImage) -> RgbImage {
        let longest = slide.width().max(slide.height());
        let fit = (f64::from(longest) / LONGEST as f64).max(1.0);
        let side = |pixels: u32| ((f64::from(pixels) / fit) as u32).max(1);
        let (width, height) = (side(slide.width()), side(slide.height()));
        let mut picture = if fit > 1.0 {
            resize(slide, width, height, FilterType::Triangle)
        } else {
            slide.clone()
        };
        let is_tissue = |x: u32, y: u32| {
            let cell = |at: u32, side: u32, cells: usize| at as usize * cells / side as usize;
            let (column, row) = (cell(x, width, self.columns), cell(y, height, self.rows));
            self.cells[row * self.columns + column]
        };
        for y in 0..height {
            for x in 0..width {
                let here = is_tissue(x, y);
                // What lies beyond the picture is no tissue, so that tissue that is cut has an outline there too.
                let around = [
                    (x.wrapping_sub(1), y),
                    (x + 1, y),
                    (x, y.wrapping_sub(1)),
                    (x, y + 1),
                ];
                let differs = around.into_iter().any(|(x, y)| {
                    let there = x < width && y < height && is_tissue(x, y);
                    there != here && (x < width && y < height || here)
                });
                if differs {
                    picture.put_pixel(x, y, OUTLINE);
                }
            }
        }
        picture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_goes_around_the_tissue() {
        let glass = Rgb([243, 241, 244]);
        let image = RgbImage::from_fn(400, 200, |x, y| {
            let is_tissue = (100..300).contains(&x) && (40..160).contains(&y);
            if is_tissue {
                Rgb([150, 60, 140])
            } else {
                glass
            }
        });
        let mask = TissueMask::new(&image);
        let picture = mask.over(&image);
        assert_eq!(picture.dimensions(), (400, 200));
        let drawn: Vec<(u32, u32)> = picture
            .enumerate_pixels()
            .filter(|(_, _, pixel)| **pixel == OUTLINE)
            .map(|(x, y, _)| (x, y))
            .collect();
        let near =
            |value: u32, edges: [u32; 2]| edges.iter().any(|edge| value.abs_diff(*edge) <= 8);
        let is_edge = |&(x, y): &(u32, u32)| near(x, [100, 300]) || near(y, [40, 160]);
        assert!(drawn.iter().all(is_edge), "{drawn:?}");
        // Two pixels along a rectangle of about 200 x 120.
        assert!((1200..1320).contains(&drawn.len()), "{}", drawn.len());
        let wide = RgbImage::from_pixel(3000, 300, Rgb([150, 60, 140]));
        assert_eq!(TissueMask::new(&wide).over(&wide).dimensions(), (1024, 102));
    }
}
