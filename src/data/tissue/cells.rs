//! A picture reduced to square cells, band by band, so that no picture has to be held whole.

use std::ops::Range;

use image::RgbImage;
use rayon::prelude::*;

use crate::error::Result;
use crate::images::RGB;

/// Largest band that is read at once, in pixels, unless a row of cells or tiles is larger.
const BAND: u64 = 1 << 23;

/// The cells of a picture.
pub(super) struct Cells {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// The mean colour of each.
    pub(super) colours: Vec<[u8; 3]>,
    /// 255 (max - min) / max of the mean colour, as in HSV.
    pub(super) saturation: Vec<u8>,
}

impl Cells {
    /// The cells of `side` x `side` pixels of a picture that is held.
    pub(super) fn of(image: &RgbImage, side: usize) -> Self {
        let columns = (image.width() as usize).div_ceil(side);
        let (colours, saturation) = band(image, side);
        Self {
            columns,
            rows: (image.height() as usize).div_ceil(side),
            colours,
            saturation,
        }
    }

    /// The cells of `side` x `side` pixels of a picture of `width` x `height` pixels, whose rows `read` gives. `tile` rows are
    /// decoded at once; bands are read by all threads.
    ///
    /// # Errors
    /// As `read`.
    pub(super) fn read(
        (width, height): (u64, u64),
        side: usize,
        tile: u64,
        read: impl Fn(Range<u64>) -> Result<RgbImage> + Sync,
    ) -> Result<Self> {
        let step = side as u64;
        // Whole tiles, as far as they have whole cells; and not all of a picture that is one tile.
        let tiles = if tile.is_multiple_of(step) {
            tile
        } else {
            step
        };
        let most = (BAND / width.max(1)).max(step);
        let rows = if tiles <= most {
            most / tiles * tiles
        } else {
            most / step * step
        };
        let starts: Vec<u64> = (0..height).step_by(rows as usize).collect();
        let bands: Vec<_> = starts
            .into_par_iter()
            .map(|start| Ok(band(&read(start..height.min(start + rows))?, side)))
            .collect::<Result<_>>()?;
        let (colours, saturation): (Vec<_>, Vec<_>) = bands.into_iter().unzip();
        Ok(Self {
            columns: width.div_ceil(step) as usize,
            rows: height.div_ceil(step) as usize,
            colours: colours.concat(),
            saturation: saturation.concat(),
        })
    }

    /// A picture of the cells, at most `longest` pixels on its longer side.
    pub(super) fn picture(&self, longest: usize) -> RgbImage {
        let by = self.columns.max(self.rows).div_ceil(longest);
        let size = |cells: usize| cells.div_ceil(by) as u32;
        RgbImage::from_fn(size(self.columns), size(self.rows), |x, y| {
            let (x, y) = (x as usize * by, y as usize * by);
            let mut sum = [0usize; RGB];
            let mut count = 0;
            for row in y..(y + by).min(self.rows) {
                for column in x..(x + by).min(self.columns) {
                    let colour = self.colours[row * self.columns + column];
                    for (sum, value) in sum.iter_mut().zip(colour) {
                        *sum += usize::from(value);
                    }
                    count += 1;
                }
            }
            image::Rgb(sum.map(|sum| (sum / count) as u8))
        })
    }
}

/// Mean colours and saturations of the cells of a band.
fn band(image: &RgbImage, side: usize) -> (Vec<[u8; 3]>, Vec<u8>) {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let (columns, rows) = (width.div_ceil(side), height.div_ceil(side));
    let bytes = image.as_raw();
    let mut sums = vec![[0u32; RGB]; columns * rows];
    for (y, row) in bytes.chunks_exact(width * RGB).enumerate() {
        let cells = &mut sums[y / side * columns..(y / side + 1) * columns];
        for (pixels, sum) in row.chunks(RGB * side).zip(cells) {
            for pixel in pixels.as_chunks::<RGB>().0 {
                for (total, &value) in sum.iter_mut().zip(pixel) {
                    *total += u32::from(value);
                }
            }
        }
    }
    let saturation = |&[red, green, blue]: &[u32; RGB]| {
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        (255 * u64::from(most - least))
            .checked_div(u64::from(most))
            .unwrap_or(0) as u8
    };
    let saturations = sums.iter().map(saturation).collect();
    let colours = sums.iter().enumerate().map(|(place, sum)| {
        let (x, y) = (place % columns * side, place / columns * side);
        let count = (side.min(width - x) * side.min(height - y)) as u32;
        sum.map(|sum| (sum / count) as u8)
    });
    (colours.collect(), saturations)
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use image::imageops::crop_imm;

    use super::*;

    #[test]
    fn cells_read_in_bands_are_those_of_the_whole() {
        let value = |x: u32, y: u32| Rgb([x as u8, (3 * y) as u8, (x * y) as u8]);
        for (width, height) in [(7000, 2001), (33, 18)] {
            let image = RgbImage::from_fn(width, height, value);
            for (side, tile) in [(4, 256), (4, 30), (16, u64::from(height))] {
                let whole = Cells::of(&image, side);
                let size = (u64::from(width), u64::from(height));
                let read = Cells::read(size, side, tile, |rows| {
                    let count = (rows.end - rows.start) as u32;
                    Ok(crop_imm(&image, 0, rows.start as u32, width, count).to_image())
                })
                .unwrap();
                assert_eq!((read.columns, read.rows), (whole.columns, whole.rows));
                assert_eq!(read.colours, whole.colours);
                assert_eq!(read.saturation, whole.saturation);
            }
        }
    }

    #[test]
    fn a_picture_of_cells_is_as_small_as_asked() {
        let image = RgbImage::from_pixel(400, 100, Rgb([9, 80, 7]));
        let picture = Cells::of(&image, 4).picture(40);
        assert_eq!(picture.dimensions(), (34, 9));
        assert!(picture.pixels().all(|pixel| pixel.0 == [9, 80, 7]));
    }
}
