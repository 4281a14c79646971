//! A slide at the resolution that patches are cut at: a level of its pyramid, a whole factor smaller, or resampled to
//! micrometres per pixel.

use std::sync::Arc;

use image::RgbImage;
use image::imageops::{crop_imm, thumbnail};

use super::DataConfig;
use super::resample::{Taps, resample};
use crate::error::{Result, refuse};
use crate::slides::{Level, Slide};

/// Two resolutions that differ by a smaller fraction are one: a level is then read as it is.
const SAME: f64 = 0.01;

/// A slide whose pixels are those that patches have.
pub(super) struct View {
    slide: Arc<dyn Slide>,
    /// The level of the slide that is read.
    pub(super) level: usize,
    sampling: Sampling,
    /// Width in pixels of the view.
    pub(super) width: u64,
    /// Height in pixels of the view.
    pub(super) height: u64,
    /// How many pixels of level 0 one of the view stands for, along a side.
    pub(super) downsample: f64,
}

/// How pixels of the level become pixels of the view.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sampling {
    /// Means of squares of this side; 1 for the pixels themselves.
    Box(u32),
    /// Pillow's `BILINEAR`, by this factor.
    Triangle(f64),
}

impl View {
    /// The view of `slide` that `config` asks for.
    ///
    /// # Errors
    /// For a level that the slide does not have, and a resolution that is finer than its own or unknown.
    pub(super) fn new(slide: Arc<dyn Slide>, config: &DataConfig) -> Result<Self> {
        let levels = slide.levels();
        let (level, sampling) = if config.micrometres_per_pixel > 0.0 {
            let own = slide.micrometres_per_pixel();
            at_resolution(levels, own, config.micrometres_per_pixel)?
        } else {
            (config.level, Sampling::Box(config.reduction as u32))
        };
        let Some(of) = levels.get(level) else {
            return Err(refuse(
                format!("it has {} level(s), `data.level` is {level}", levels.len()),
                "set `data.level` to one that every slide has, or `data.micrometres_per_pixel`, which finds it for each",
            ));
        };
        let smaller = |side: u64| match sampling {
            Sampling::Box(factor) => side / u64::from(factor),
            Sampling::Triangle(factor) => (side as f64 / factor) as u64,
        };
        let factor = match sampling {
            Sampling::Box(factor) => f64::from(factor),
            Sampling::Triangle(factor) => factor,
        };
        Ok(Self {
            level,
            sampling,
            width: smaller(of.width),
            height: smaller(of.height),
            downsample: of.downsample * factor,
            slide,
        })
    }

    /// A view of all of `slide` that is large enough for a picture of `size` x `size` pixels: the coarsest level of a pyramid with
    /// twice as many on each side, an image of one level as `config` asks for it.
    ///
    /// # Errors
    /// If a side of the slide is shorter than `data.reduction`.
    pub(super) fn small(slide: Arc<dyn Slide>, config: &DataConfig, size: usize) -> Result<Self> {
        let fits = |level: &Level| level.width.min(level.height) >= 2 * size as u64;
        let levels = slide.levels();
        let coarsest = levels.iter().rposition(fits).unwrap_or(0);
        let (level, reduction) = match levels.len() {
            1 => (0, config.reduction),
            _ => (coarsest, 1),
        };
        let whole = DataConfig {
            reduction,
            level,
            ..DataConfig::default()
        };
        Self::new(slide, &whole)
    }

    /// The slide behind the view.
    pub(super) fn slide(&self) -> &dyn Slide {
        &*self.slide
    }

    /// Width and height, in pixels of the view, of what is decoded at once; at least 1.
    pub(super) fn tile(&self) -> (u64, u64) {
        let (width, height) = self.slide.levels()[self.level].tile;
        let factor = self.downsample / self.slide.levels()[self.level].downsample;
        let smaller = |side: u32| ((f64::from(side) / factor) as u64).max(1);
        (smaller(width), smaller(height))
    }

    /// Whether its patches are best read tile by tile: a pyramid, or an image too large to be decoded twice over. (Others are read row by
    /// row, as they were before there were pyramids.)
    pub(super) fn is_read_by_tile(&self) -> bool {
        self.slide.levels().len() > 1 || self.width * self.height > 1 << 26
    }

    /// The pixels of a rectangle, all in pixels of the view.
    ///
    /// # Errors
    /// If the rectangle reaches beyond the view, or the file is damaged there.
    pub(super) fn region(&self, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage> {
        let read = |x, y, width, height| self.slide.region(self.level, x, y, width, height);
        match self.sampling {
            Sampling::Box(1) => read(x, y, width, height),
            Sampling::Box(factor) => {
                let by = u64::from(factor);
                let whole = read(x * by, y * by, width * factor, height * factor)?;
                Ok(reduce(&whole, factor))
            }
            Sampling::Triangle(factor) => {
                let level = &self.slide.levels()[self.level];
                let columns = Taps::new(x..x + u64::from(width), factor, level.width);
                let rows = Taps::new(y..y + u64::from(height), factor, level.height);
                let length = |taps: &Taps| (taps.source.end - taps.source.start) as u32;
                let (from_x, from_y) = (columns.source.start, rows.source.start);
                let pixels = read(from_x, from_y, length(&columns), length(&rows))?;
                Ok(resample(&pixels, &columns, &rows))
            }
        }
    }
}

/// The coarsest level that is no coarser than `wanted` micrometres per pixel, and how its pixels become those.
fn at_resolution(levels: &[Level], own: Option<f64>, wanted: f64) -> Result<(usize, Sampling)> {
    let Some(own) = own else {
        return Err(refuse(
            format!("it does not say its resolution, and `data.micrometres_per_pixel` is {wanted}"),
            "set `data.level` or `data.reduction` in place of `data.micrometres_per_pixel`",
        ));
    };
    let fits = |level: &&Level| own * level.downsample <= wanted * (1.0 + SAME);
    let Some(level) = levels.iter().rposition(|level| fits(&level)) else {
        return Err(refuse(
            format!(
                "it has {own:.4} micrometres per pixel, coarser than `data.micrometres_per_pixel = {wanted}`"
            ),
            "set `data.micrometres_per_pixel` to the resolution of the coarsest slide or more: nothing is enlarged",
        ));
    };
    let factor = wanted / (own * levels[level].downsample);
    let sampling = if (factor - 1.0).abs() <= SAME {
        Sampling::Box(1)
    } else {
        Sampling::Triangle(factor)
    };
    Ok((level, sampling))
}

/// The mean of each square of `factor` x `factor` whole pixels, rounded half up.
pub(super) fn reduce(image: &RgbImage, factor: u32) -> RgbImage {
    let (width, height) = (image.width() / factor, image.height() / factor);
    let whole = crop_imm(image, 0, 0, width * factor, height * factor);
    thumbnail(&*whole, width, height)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::data::source::Drawn;
    use crate::error::Refusal;

    fn slide(width: u32, height: u32) -> Arc<dyn Slide> {
        let value = |x: u32, y: u32| Rgb([x as u8, y as u8, (7 * x + y) as u8]);
        Arc::new(Drawn::new(RgbImage::from_fn(width, height, value)))
    }

    #[test]
    fn a_reduced_image_has_the_means_of_whole_squares() {
        let values = [[10, 20, 30, 9], [11, 20, 34, 9], [1, 1, 1, 9]];
        let image = RgbImage::from_fn(4, 3, |x, y| Rgb([values[y as usize][x as usize]; 3]));
        // Pillow's reduce of the whole squares: (61 + 2) / 4, (93 + 2) / 4
        let reduced = reduce(&image, 2);
        assert_eq!(reduced.dimensions(), (2, 1));
        let found: Vec<u8> = reduced.pixels().map(|pixel| pixel.0[0]).collect();
        assert_eq!(found, [15, 21]);
        let large = RgbImage::from_fn(9, 9, |x, y| Rgb([(x * 9 + y) as u8, 0, 255]));
        let third = reduce(&large, 3);
        let mean = |x: u32, y: u32| (3 * x + 1) * 9 + 3 * y + 1;
        for (x, y, pixel) in third.enumerate_pixels() {
            assert_eq!(pixel.0, [mean(x, y) as u8, 0, 255]);
        }
    }

    #[test]
    fn a_region_of_a_reduced_slide_is_that_of_the_whole() {
        let config = DataConfig {
            reduction: 3,
            ..DataConfig::default()
        };
        let view = View::new(slide(100, 70), &config).unwrap();
        assert_eq!((view.width, view.height, view.downsample), (33, 23, 3.0));
        let whole = view.region(0, 0, 33, 23).unwrap();
        let part = view.region(8, 5, 25, 18).unwrap();
        assert_eq!(part, crop_imm(&whole, 8, 5, 25, 18).to_image());
    }

    #[test]
    fn the_coarsest_level_that_is_fine_enough_is_resampled() {
        let level = |downsample: f64| Level {
            width: 100,
            height: 100,
            downsample,
            tile: (10, 10),
        };
        let levels = [level(1.0), level(4.0), level(16.0)];
        let at = |wanted| at_resolution(&levels, Some(0.25), wanted);
        assert_eq!(at(0.25).unwrap(), (0, Sampling::Box(1)));
        assert_eq!(at(0.252).unwrap(), (0, Sampling::Box(1)));
        assert_eq!(at(0.5).unwrap(), (0, Sampling::Triangle(2.0)));
        assert_eq!(at(1.0).unwrap(), (1, Sampling::Box(1)));
        assert_eq!(at(0.995).unwrap(), (1, Sampling::Box(1)));
        assert_eq!(at(3.0).unwrap(), (1, Sampling::Triangle(3.0)));
        assert_eq!(at(8.0).unwrap(), (2, Sampling::Triangle(2.0)));
        let said = |error: anyhow::Error| error.downcast::<Refusal>().unwrap().message;
        assert_eq!(
            said(at(0.2).unwrap_err()),
            "it has 0.2500 micrometres per pixel, coarser than `data.micrometres_per_pixel = 0.2`"
        );
        assert_eq!(
            said(at_resolution(&levels, None, 0.5).unwrap_err()),
            "it does not say its resolution, and `data.micrometres_per_pixel` is 0.5"
        );
        let config = DataConfig {
            level: 2,
            ..DataConfig::default()
        };
        assert_eq!(
            said(View::new(slide(9, 9), &config).err().unwrap()),
            "it has 1 level(s), `data.level` is 2"
        );
    }
}
