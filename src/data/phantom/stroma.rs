//! Connective tissue: wavy bundles of collagen with clefts between them, spindle-shaped nuclei along the fibres.

use std::f32::consts::TAU;

use super::canvas::Stain;
use super::noise::{Noise, ramp};
use super::nucleus::Nucleus;
use crate::random::Stream;

/// The stroma of one slide.
pub(super) struct Stroma<'a> {
    noise: &'a Noise,
    /// Sine and cosine of the direction of the fibres where nothing bends them.
    axis: (f32, f32),
    /// How much of it is clefts, 0 to 1.
    looseness: f32,
    /// Eosin of its fibres.
    density: f32,
}

impl<'a> Stroma<'a> {
    /// Stroma as open as `looseness` (0 to 1) says, its fibres as dark as `density` (eosin).
    pub(super) fn new(noise: &'a Noise, looseness: f64, density: f64, stream: &mut Stream) -> Self {
        Self {
            noise,
            axis: (stream.between(0.0, f64::from(TAU)) as f32).sin_cos(),
            looseness: looseness as f32,
            density: density as f32,
        }
    }

    /// Coordinates along and across the fibres at (`x`, `y`), in pixels.
    pub(super) fn along(&self, x: f32, y: f32) -> (f32, f32) {
        let bend = 55.0 * self.noise.at(x / 170.0 + 11.0, y / 170.0 + 140.0);
        let wave = 9.0 * self.noise.at(x / 34.0 + 120.0, y / 34.0);
        let (sin, cos) = self.axis;
        (x * cos + y * sin, y * cos - x * sin + bend + wave)
    }

    /// The direction of the fibres at (`x`, `y`) in radians.
    pub(super) fn direction(&self, x: f32, y: f32) -> f32 {
        let across = |x, y| self.along(x, y).1;
        let (dx, dy) = (
            across(x + 2.0, y) - across(x - 2.0, y),
            across(x, y + 2.0) - across(x, y - 2.0),
        );
        (-dx).atan2(dy)
    }

    /// The stain at (`x`, `y`).
    pub(super) fn stain(&self, x: f32, y: f32) -> Stain {
        let (u, v) = self.along(x, y);
        let fibres = self.noise.rough(u / 80.0, v / 6.5);
        let threads = self.noise.at(u / 45.0 + 60.0, v / 2.3 + 30.0);
        let bundle = self.noise.rough(x / 150.0 + 77.0, y / 150.0 + 31.0);
        // Where the bundles are loose the troughs between fibres open into clefts.
        let open = 0.9 * self.looseness - 0.6 * bundle - 0.45;
        let cleft = ramp(0.12, -0.18, fibres + 0.25 * threads + 0.45 - open);
        let full = self.density * (1.0 + 0.32 * fibres + 0.26 * threads + 0.45 * bundle);
        Stain::new(
            0.035 + 0.02 * threads.abs(),
            full.max(0.03) * (1.0 - 0.88 * cleft),
        )
    }

    /// The spindle-shaped nucleus of a fibroblast at (`x`, `y`).
    pub(super) fn fibroblast(&self, x: f32, y: f32, stream: &mut Stream) -> Nucleus {
        let long = stream.between(9.0, 17.0) as f32;
        let short = stream.between(2.6, 4.6) as f32;
        let angle = self.direction(x, y) + 0.15 * stream.normal() as f32;
        let depth = stream.between(0.42, 0.75) as f32;
        Nucleus::oval(x, y, long, short, angle, depth).bumpy(0.08, stream)
    }
}
