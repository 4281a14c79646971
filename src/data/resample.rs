//! Pictures made smaller by any factor: Pillow's `BILINEAR`, the triangle filter whose support widens with the factor
//! (`antialias=True` in torchvision), to the bit: along rows first, then along columns, with bytes between. (Pillow 13 begins with
//! columns on some tall pictures, which changes a quarter of the values by 1.)
//!
//! A rectangle of the smaller picture has the pixels that it would have if the whole picture were resized: a patch does not
//! depend on where the others lie. Not `image::imageops`: it resizes whole pictures, and rounds otherwise.

use std::ops::Range;

use image::RgbImage;

use crate::images::RGB;

/// Bits behind the point of Pillow's weights: 32, less 8 of a byte and 2 to spare.
const BITS: u32 = 32 - 8 - 2;

/// The pixels of a line that each of some places is a mean of, with their weights.
pub(super) struct Taps {
    /// All pixels of the line that are read.
    pub(super) source: Range<u64>,
    /// First pixel and weights of each place.
    places: Vec<(u64, Vec<i64>)>,
}

impl Taps {
    /// Of the places `places` of a line of `length` pixels, `factor` (at least 1) pixels a place.
    pub(super) fn new(places: Range<u64>, factor: f64, length: u64) -> Self {
        let of = |place: u64| {
            let centre = (place as f64 + 0.5) * factor;
            let first = (centre - factor + 0.5).max(0.0) as u64;
            let end = ((centre + factor + 0.5) as u64).min(length);
            let triangle = |pixel: u64| {
                let distance = (pixel as f64 - centre + 0.5) / factor;
                (1.0 - distance.abs()).max(0.0)
            };
            let weights: Vec<f64> = (first..end).map(triangle).collect();
            let total: f64 = weights.iter().sum();
            let fixed = |weight: &f64| (0.5 + weight / total * f64::from(1 << BITS)) as i64;
            (first, weights.iter().map(fixed).collect::<Vec<i64>>())
        };
        let places: Vec<_> = places.map(of).collect();
        let end = |(first, weights): &(u64, Vec<i64>)| first + weights.len() as u64;
        let first = places.iter().map(|place| place.0).min().unwrap_or(0);
        let last = places.iter().map(end).max().unwrap_or(0);
        Self {
            source: first..last,
            places,
        }
    }

    /// Each place's mean of what `pixel` says of a pixel, counted from the first that is read.
    fn means<'a>(&'a self, pixel: impl Fn(usize) -> u8 + 'a) -> impl Iterator<Item = u8> + 'a {
        self.places.iter().map(move |(first, weights)| {
            let first = (first - self.source.start) as usize;
            let half = 1 << (BITS - 1);
            let sum = weights
                .iter()
                .enumerate()
                .fold(half, |sum, (place, weight)| {
                    sum + weight * i64::from(pixel(first + place))
                });
            (sum >> BITS).clamp(0, 255) as u8
        })
    }
}

/// The places of `columns` and `rows` of `image`, which holds just the pixels they read: first along rows, then along columns,
/// rounded to bytes between, as Pillow does it.
pub(super) fn resample(image: &RgbImage, columns: &Taps, rows: &Taps) -> RgbImage {
    let (from, height) = (image.width() as usize, image.height() as usize);
    let (wide, high) = (columns.places.len(), rows.places.len());
    let bytes = image.as_raw();
    let mut narrow = vec![0; wide * height * RGB];
    for (source, target) in bytes
        .chunks_exact(from * RGB)
        .zip(narrow.chunks_exact_mut(wide * RGB))
    {
        for channel in 0..RGB {
            let means = columns.means(|pixel| source[pixel * RGB + channel]);
            for (pixel, mean) in target.chunks_exact_mut(RGB).zip(means) {
                pixel[channel] = mean;
            }
        }
    }
    let mut small = vec![0; wide * high * RGB];
    for place in 0..wide * RGB {
        let means = rows.means(|row| narrow[row * wide * RGB + place]);
        for (row, mean) in means.enumerate() {
            small[row * wide * RGB + place] = mean;
        }
    }
    RgbImage::from_raw(wide as u32, high as u32, small).expect("a byte for each channel")
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// A picture in which every pixel is another.
    fn picture(width: u32, height: u32) -> RgbImage {
        let mixed = |x: u32, y: u32, channel: u32| {
            let value = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503) ^ (channel * 977);
            (value.wrapping_mul(2_246_822_519) >> 24) as u8
        };
        RgbImage::from_fn(width, height, |x, y| Rgb([0, 1, 2].map(|c| mixed(x, y, c))))
    }

    fn whole(image: &RgbImage, factor: f64, width: u64, height: u64) -> RgbImage {
        let columns = Taps::new(0..width, factor, image.width().into());
        let rows = Taps::new(0..height, factor, image.height().into());
        let read = |taps: &Taps| (taps.source.start as u32, taps.source.end as u32);
        let ((left, right), (top, bottom)) = (read(&columns), read(&rows));
        let part = image::imageops::crop_imm(image, left, top, right - left, bottom - top);
        resample(&part.to_image(), &columns, &rows)
    }

    #[test]
    fn pixels_are_those_of_pillow() {
        let golden: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../tests/golden/resample/data.json")).unwrap();
        assert!(golden.len() >= 3);
        for case in golden {
            let number = |key: &str| case[key].as_u64().unwrap();
            let image = picture(number("width") as u32, number("height") as u32);
            let factor = case["factor"].as_f64().unwrap();
            let found = whole(&image, factor, number("columns"), number("rows"));
            let expected: Vec<u8> = serde_json::from_value(case["pixels"].clone()).unwrap();
            assert!(
                found.into_raw() == expected,
                "other pixels at factor {factor}"
            );
        }
    }

    #[test]
    fn a_part_has_the_pixels_of_the_whole_and_one_colour_stays() {
        let image = picture(97, 60);
        let all = whole(&image, 2.75, 35, 21);
        let columns = Taps::new(10..18, 2.75, 97);
        let rows = Taps::new(19..21, 2.75, 60);
        let (x, y) = (columns.source.start as u32, rows.source.start as u32);
        let size = |taps: &Taps| (taps.source.end - taps.source.start) as u32;
        let part = image::imageops::crop_imm(&image, x, y, size(&columns), size(&rows));
        let part = resample(&part.to_image(), &columns, &rows);
        let expected = image::imageops::crop_imm(&all, 10, 19, 8, 2).to_image();
        assert_eq!(part, expected);
        let plain = RgbImage::from_pixel(97, 60, Rgb([3, 200, 255]));
        let small = whole(&plain, 2.75, 35, 21);
        assert!(small.pixels().all(|pixel| pixel.0 == [3, 200, 255]));
        assert_eq!(whole(&image, 1.0, 97, 60), image);
    }
}
