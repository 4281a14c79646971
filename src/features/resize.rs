//! Bringing images to the size that an extractor takes, exactly as the tools whose numbers are compared do it.
//!
//! The same images resized in two of these ways give FIDs that differ by more than the systems of a table (Parmar et al.:
//! On Aliased Resizing and Surprising Subtleties in GAN Evaluation, 2022, arXiv 2104.11222). So the way is part of the
//! protocol. The input is bytes; the output is what the network sees, which two of them round to bytes.

use rayon::prelude::*;

use crate::images::Pixels;
use crate::nn::vit::keys;

/// A way to resize.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// Bilinear as TensorFlow 1 did it: source = place * in / out, without antialiasing. TTUR and torch-fidelity.
    BilinearTensorFlow,
    /// Bilinear between pixel centres: source = (place + 1/2) * in / out - 1/2, without antialiasing. PyTorch's
    /// `interpolate` with `align_corners=False`; pytorch-fid.
    BilinearHalfPixel,
    /// Bicubic (a = -1/2) with its support widened when it shrinks an image, each channel as f32, clipped to [0, 255].
    /// Pillow's filter in the mode `F`; clean-fid.
    BicubicAntialiased,
    /// Bicubic (a = -3/4) between pixel centres, without antialiasing or clipping, the border going on beyond it. PyTorch's
    /// `interpolate` of mode `bicubic`; CMMD.
    BicubicHalfPixel,
    /// Antialiased bicubic for images of bytes: columns first, then rows, each rounded to bytes, with weights of 22 binary digits.
    /// Pillow's filter in the mode `RGB`; torchvision's `Resize` of Pillow's images, dgm-eval.
    BicubicPillow,
    /// Pillow's bilinear filter, likewise.
    BilinearPillow,
}

impl Resize {
    /// The way in words, for protocols.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::BilinearTensorFlow => {
                "bilinear of TensorFlow 1 (source = place * in / out), no antialiasing, not quantised"
            }
            Self::BilinearHalfPixel => {
                "bilinear between pixel centres, no antialiasing, not quantised"
            }
            Self::BicubicAntialiased => {
                "antialiased bicubic (a = -1/2), clipped to [0, 255], not quantised"
            }
            Self::BicubicHalfPixel => {
                "bicubic between pixel centres (a = -3/4), no antialiasing, not quantised"
            }
            Self::BicubicPillow => {
                "antialiased bicubic (a = -1/2), rounded to bytes as Pillow does"
            }
            Self::BilinearPillow => "antialiased bilinear, rounded to bytes as Pillow does",
        }
    }

    /// RGB images at `size` x `size`: [n, 3, size, size], values from 0 to 255.
    pub fn apply(self, images: &Pixels, size: usize) -> Vec<f32> {
        let taps: Vec<Taps> = (0..size)
            .map(|place| self.taps(images.size, size, place))
            .collect();
        let mut planes = vec![0.0; images.count * 3 * size * size];
        planes
            .par_chunks_mut(size * size)
            .enumerate()
            .for_each(|(plane, target)| {
                let source = images.image(plane / 3)[plane % 3..].iter().step_by(3);
                let source: Vec<f32> = source.map(|&byte| f32::from(byte)).collect();
                let mut rows = Vec::with_capacity(images.size * size);
                for row in source.chunks_exact(images.size) {
                    rows.extend(taps.iter().map(|taps| taps.sum(|place| row[place])));
                }
                for (taps, target) in taps.iter().zip(target.chunks_exact_mut(size)) {
                    for (x, value) in target.iter_mut().enumerate() {
                        *value = taps.sum(|place| rows[place * size + x]);
                    }
                }
                if self == Self::BicubicAntialiased {
                    for value in target {
                        *value = value.clamp(0.0, 255.0);
                    }
                }
            });
        planes
    }

    /// Where place number `place` of `size` reads a line of `from` pixels.
    fn taps(self, from: usize, size: usize, place: usize) -> Taps {
        match self {
            Self::BilinearTensorFlow => {
                let step = (from as f64 / size as f64) as f32;
                Taps::between(place as f32 * step, from)
            }
            Self::BilinearHalfPixel => {
                let step = from as f32 / size as f32;
                Taps::between(((place as f32 + 0.5) * step - 0.5).max(0.0), from)
            }
            Self::BicubicAntialiased => {
                let (first, weights) = filter(from, size, place, 2.0, cubic);
                Taps::Weighted { first, weights }
            }
            Self::BicubicHalfPixel => {
                // PyTorch finds the place in f32; the rest is exact.
                let step = from as f32 / size as f32;
                let source = f64::from((place as f32 + 0.5) * step - 0.5);
                let inside = |pixel: f64| pixel.clamp(0.0, (from - 1) as f64) as usize;
                let below = source.floor();
                let (first, last) = (inside(below - 1.0), inside(below + 2.0));
                let mut weights = vec![0.0; last - first + 1];
                for pixel in [-1.0, 0.0, 1.0, 2.0].map(|step| below + step) {
                    weights[inside(pixel) - first] += keys(pixel - source, -0.75);
                }
                Taps::Weighted { first, weights }
            }
            Self::BicubicPillow => Taps::fixed(filter(from, size, place, 2.0, cubic)),
            Self::BilinearPillow => Taps::fixed(filter(from, size, place, 1.0, triangle)),
        }
    }
}

/// The first of `from` pixels under a filter of this reach around place number `place` of `size`, and the weights of all.
fn filter(
    from: usize,
    size: usize,
    place: usize,
    reach: f64,
    shape: fn(f64) -> f64,
) -> (usize, Vec<f64>) {
    let step = from as f64 / size as f64;
    let widening = step.max(1.0);
    let support = reach * widening;
    let centre = (place as f64 + 0.5) * step;
    let first = (centre - support + 0.5).max(0.0) as usize;
    let end = ((centre + support + 0.5) as usize).min(from);
    let weights: Vec<f64> = (first..end)
        .map(|pixel| shape((pixel as f64 - centre + 0.5) / widening))
        .collect();
    let total: f64 = weights.iter().sum();
    (first, weights.iter().map(|weight| weight / total).collect())
}

/// The pixels of a line that one place is made of.
enum Taps {
    /// a + (b - a) * weight, in f32.
    Pair { pixels: [usize; 2], weight: f32 },
    /// A sum in f64.
    Weighted { first: usize, weights: Vec<f64> },
    /// A sum of bytes in units of 2^-[`DIGITS`], rounded to a byte.
    Fixed { first: usize, weights: Vec<i32> },
}

/// Binary digits of Pillow's weights.
const DIGITS: u32 = 22;

impl Taps {
    /// Between the two pixels around `source`, which is not negative; the last pixel goes on beyond the end.
    fn between(source: f32, from: usize) -> Self {
        let low = source as usize;
        Self::Pair {
            pixels: [low, low + 1].map(|pixel| pixel.min(from - 1)),
            weight: source - low as f32,
        }
    }

    fn fixed((first, weights): (usize, Vec<f64>)) -> Self {
        let unit = f64::from(1 << DIGITS);
        let weights = weights.iter().map(|weight| (weight * unit).round() as i32);
        Self::Fixed {
            first,
            weights: weights.collect(),
        }
    }

    fn sum(&self, pixel: impl Fn(usize) -> f32) -> f32 {
        match self {
            Self::Fixed { first, weights } => {
                let terms = weights.iter().enumerate();
                let sum: i32 = terms
                    .map(|(tap, weight)| pixel(first + tap) as i32 * weight)
                    .sum();
                ((sum + (1 << (DIGITS - 1))) >> DIGITS).clamp(0, 255) as f32
            }
            Self::Pair {
                pixels: [low, high],
                weight,
            } => {
                let low = pixel(*low);
                low + (pixel(*high) - low) * weight
            }
            Self::Weighted { first, weights } => {
                let terms = weights.iter().enumerate();
                let sum: f64 = terms
                    .map(|(tap, weight)| f64::from(pixel(first + tap)) * weight)
                    .sum();
                sum as f32
            }
        }
    }
}

fn triangle(distance: f64) -> f64 {
    (1.0 - distance.abs()).max(0.0)
}

/// Keys' cubic convolution kernel with a = -1/2.
fn cubic(distance: f64) -> f64 {
    keys(distance, -0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of `values`, a square image, resized to `size` x `size`.
    fn resized(way: Resize, values: &[u8], size: usize) -> Vec<f32> {
        let bytes = values.iter().flat_map(|&value| [value, 0, 255 - value]);
        let side = values.len().isqrt();
        let planes = way.apply(&Pixels::new(1, side, 3, bytes.collect()), size);
        let (first, rest) = planes.split_at(size * size);
        let (second, third) = rest.split_at(size * size);
        assert!(second.iter().all(|&value| value == 0.0));
        for (a, b) in first.iter().zip(third) {
            assert!((a + b - 255.0).abs() < 1e-3, "channels are resized alike");
        }
        first.to_vec()
    }

    #[test]
    fn bilinear_ways_differ_as_their_tools_do() {
        let image = [0, 255, 128, 64];
        let rows = |way| resized(way, &image, 4);
        #[rustfmt::skip]
        let expected = [
            0.0, 127.5, 255.0, 255.0,
            64.0, 111.75, 159.5, 159.5,
            128.0, 96.0, 64.0, 64.0,
            128.0, 96.0, 64.0, 64.0,
        ];
        assert_eq!(rows(Resize::BilinearTensorFlow), expected);
        #[rustfmt::skip]
        let expected = [
            0.0, 63.75, 191.25, 255.0,
            32.0, 75.8125, 163.4375, 207.25,
            96.0, 99.9375, 107.8125, 111.75,
            128.0, 112.0, 80.0, 64.0,
        ];
        assert_eq!(rows(Resize::BilinearHalfPixel), expected);
    }

    #[test]
    fn an_image_of_the_right_size_stays_as_it_is() {
        let image: Vec<u8> = (0..25).map(|place| (place * 37 % 256) as u8).collect();
        let expected: Vec<f32> = image.iter().map(|&value| f32::from(value)).collect();
        for way in [
            Resize::BilinearTensorFlow,
            Resize::BilinearHalfPixel,
            Resize::BicubicAntialiased,
        ] {
            assert_eq!(resized(way, &image, 5), expected, "{way:?}");
        }
    }

    #[test]
    fn shrinking_stripes_tells_antialiasing_from_none() {
        // Columns 0 and 255 in turn; the second row is Pillow 13's.
        let image: Vec<u8> = (0..256).map(|place| (place % 2 * 255) as u8).collect();
        let tensor_flow = resized(Resize::BilinearTensorFlow, &image, 4);
        assert!(tensor_flow.iter().all(|&value| value == 0.0));
        let bicubic = resized(Resize::BicubicAntialiased, &image, 4);
        for row in bicubic.chunks_exact(4) {
            assert_eq!(row, [117.583_336, 128.668_03, 126.331_97, 137.416_67]);
        }
    }

    #[test]
    fn overshoot_is_clipped() {
        let image = [
            0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255,
        ];
        let bicubic = resized(Resize::BicubicAntialiased, &image, 16);
        let range = 0.0..=255.0;
        assert!(bicubic.iter().all(|value| range.contains(value)));
        assert!(bicubic.contains(&0.0) && bicubic.contains(&255.0));
    }
}
