//! What is drawn on: how much of each stain a slide holds at each pixel, and the colour that gives.

use image::{Rgb, RgbImage};

use super::noise::{Noise, mix, ramp};
use crate::random::Stream;

/// Optical density of haematoxylin in red, green and blue, as a direction (Ruifrok and Johnston 2001).
const HAEMATOXYLIN: [f64; 3] = [0.650, 0.704, 0.286];
/// Optical density of eosin (Ruifrok and Johnston 2001).
const EOSIN: [f64; 3] = [0.072, 0.990, 0.105];

/// Amounts of stain at a pixel, in units of optical density (base 10).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stain {
    /// Binds to nuclei: blue.
    pub(super) haematoxylin: f32,
    /// Binds to protein: pink.
    pub(super) eosin: f32,
    /// How much of the pixel is nucleus, 0 to 1: no stain, but mixed as they are.
    pub(super) nucleus: f32,
}

impl Stain {
    /// `haematoxylin` and `eosin`, outside of nuclei.
    pub(super) fn new(haematoxylin: f32, eosin: f32) -> Self {
        Self {
            haematoxylin,
            eosin,
            nucleus: 0.0,
        }
    }

    /// The same in a nucleus.
    pub(super) fn of_nucleus(self) -> Self {
        Self {
            nucleus: 1.0,
            ..self
        }
    }

    /// From this at `t` = 0 to `other` at `t` = 1.
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        Self {
            haematoxylin: mix(self.haematoxylin, other.haematoxylin, t),
            eosin: mix(self.eosin, other.eosin, t),
            nucleus: mix(self.nucleus, other.nucleus, t),
        }
    }
}

/// A square slide while it is drawn.
pub(super) struct Canvas {
    /// Height and width in pixels.
    pub(super) size: usize,
    stains: Vec<Stain>,
}

impl Canvas {
    /// A slide of `size` x `size` pixels with `stain(x, y)` on it.
    pub(super) fn new(size: usize, stain: impl Fn(f32, f32) -> Stain) -> Self {
        let stains = (0..size * size)
            .map(|place| stain((place % size) as f32, (place / size) as f32))
            .collect();
        Self { size, stains }
    }

    /// Changes the stain of the pixels at most `reach` away from (`x`, `y`) in rows and columns.
    ///
    /// `change` is given the pixel's place from (`x`, `y`) and its stain.
    pub(super) fn paint(
        &mut self,
        x: f32,
        y: f32,
        reach: f32,
        change: impl Fn(f32, f32, Stain) -> Stain,
    ) {
        let span = |centre: f32| {
            let last = self.size as f32;
            let first = (centre - reach).clamp(0.0, last) as usize;
            first..(centre + reach + 1.0).clamp(0.0, last) as usize
        };
        for row in span(y) {
            for column in span(x) {
                let stain = &mut self.stains[row * self.size + column];
                *stain = change(column as f32 - x, row as f32 - y, *stain);
            }
        }
    }

    /// Takes the tissue away beyond a ragged edge along one side, and leaves glass.
    pub(super) fn tear(&mut self, noise: &Noise, stream: &mut Stream) {
        let side = stream.below(4);
        let size = self.size as f32;
        let margin = size * stream.between(-0.05, 0.22) as f32;
        for (place, stain) in self.stains.iter_mut().enumerate() {
            let (x, y) = ((place % self.size) as f32, (place / self.size) as f32);
            let (depth, along) = match side {
                0 => (x, y),
                1 => (y, x),
                2 => (size - x, y),
                _ => (size - y, x),
            };
            let ragged = 30.0 * noise.rough(along / 90.0, 200.5)
                + 7.0 * noise.rough(x / 16.0, y / 16.0 + 90.0);
            let inside = ramp(-2.0, 4.0, depth - margin - ragged);
            *stain = Stain::default().mix(*stain, inside);
        }
    }

    /// 1 at the pixels of which half or more is nucleus, 0 elsewhere.
    pub(super) fn nuclei(&self) -> Vec<u8> {
        let stains = self.stains.iter();
        stains.map(|stain| u8::from(stain.nucleus >= 0.5)).collect()
    }

    /// The picture a microscope would take, by the law of Beer and Lambert.
    ///
    /// The amounts, the directions of the stains and the lamp differ a little from slide to slide.
    pub(super) fn develop(mut self, noise: &Noise, stream: &mut Stream) -> RgbImage {
        for (place, stain) in self.stains.iter_mut().enumerate() {
            let (x, y) = ((place % self.size) as f32, (place / self.size) as f32);
            let grain = 1.0 + 0.13 * noise.at(x * 0.83 + 31.0, y * 0.83);
            stain.haematoxylin *= grain;
            stain.eosin *= grain + 0.12 * noise.at(x * 0.41, y * 0.41 + 57.0);
        }
        let mut direction = |mean: [f64; 3], drift: [f64; 3], spread: f64| {
            let turned: Vec<f64> = (0..3)
                .map(|channel| (mean[channel] + drift[channel] + spread * stream.normal()).max(0.0))
                .collect();
            let length = turned.iter().map(|value| value * value).sum::<f64>().sqrt();
            [0, 1, 2].map(|channel| (turned[channel] / length) as f32)
        };
        let haematoxylin = direction(HAEMATOXYLIN, [0.0; 3], 0.025);
        // Pure eosin of the paper is magenta; slides range from it to salmon.
        let eosin = direction(EOSIN, [0.04, 0.0, 0.16], 0.03);
        let mut strength = || (0.13 * stream.normal()).exp() as f32;
        let (blue, pink) = (strength(), strength());
        let white = stream.between(240.0, 247.0);
        let lamp = [0, 1, 2].map(|_| (white + stream.between(-2.5, 2.5)) as f32);

        let blurred = self.blurred();
        let mut picture = RgbImage::new(self.size as u32, self.size as u32);
        for (pixel, stain) in picture.pixels_mut().zip(blurred) {
            *pixel = Rgb([0, 1, 2].map(|channel| {
                let density = blue * stain.haematoxylin * haematoxylin[channel]
                    + pink * stain.eosin * eosin[channel];
                (lamp[channel] * (-density * std::f32::consts::LN_10).exp()).round() as u8
            }));
        }
        picture
    }

    /// The stains as a lens sees them: each pixel with a quarter of its neighbours, along rows, then along columns.
    fn blurred(&self) -> Vec<Stain> {
        let size = self.size;
        let pass = |stains: &[Stain], step: usize, at: fn(usize, usize) -> usize| -> Vec<Stain> {
            let blur = |place: usize| {
                let here = at(place, size);
                let before = if here > 0 { place - step } else { place };
                let after = if here + 1 < size { place + step } else { place };
                stains[before]
                    .mix(stains[after], 0.5)
                    .mix(stains[place], 0.5)
            };
            (0..stains.len()).map(blur).collect()
        };
        let rows = pass(&self.stains, 1, |place, size| place % size);
        pass(&rows, size, |place, size| place / size)
    }
}
