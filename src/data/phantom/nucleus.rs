//! A nucleus: an oval with a bumpy outline, a dark rim, clumped chromatin and at times a nucleolus.

use std::f32::consts::TAU;

use super::canvas::{Canvas, Stain};
use super::noise::{Noise, length, ramp};
use crate::random::Stream;

/// A nucleus on a slide. Lengths in pixels.
#[derive(Clone, Debug)]
pub(super) struct Nucleus {
    /// Column of the centre.
    pub(super) x: f32,
    /// Row of the centre.
    pub(super) y: f32,
    /// Half the length.
    pub(super) long: f32,
    /// Half the width.
    pub(super) short: f32,
    /// Direction of the length in radians.
    pub(super) angle: f32,
    /// Depth of the bumps of the outline, as a fraction of the radius.
    pub(super) bumps: f32,
    /// Haematoxylin at its mean.
    pub(super) depth: f32,
    /// How much of it has gone to clumps and to the rim, 0 to 1.
    pub(super) clumping: f32,
    /// Radius of the nucleolus; 0 for none.
    pub(super) nucleolus: f32,
    /// Width of its edge: nuclei above or below the focus have a softer one.
    pub(super) edge: f32,
    /// Two turns that make this outline differ from the next.
    pub(super) turns: [f32; 2],
}

impl Nucleus {
    /// A smooth, evenly stained oval at (`x`, `y`).
    pub(super) fn oval(x: f32, y: f32, long: f32, short: f32, angle: f32, depth: f32) -> Self {
        Self {
            x,
            y,
            long,
            short,
            angle,
            bumps: 0.0,
            depth,
            clumping: 0.3,
            nucleolus: 0.0,
            edge: 0.9,
            turns: [0.0; 2],
        }
    }

    /// The same with an outline that bumps by `bumps`, more or less in focus.
    pub(super) fn bumpy(self, bumps: f32, stream: &mut Stream) -> Self {
        let turns = [0, 1].map(|_| stream.between(0.0, f64::from(TAU)) as f32);
        Self {
            bumps,
            edge: stream.between(0.7, 1.9) as f32,
            turns,
            ..self
        }
    }

    /// Adds the nucleus to a slide.
    pub(super) fn paint(&self, canvas: &mut Canvas, noise: &Noise) {
        let (sin, cos) = self.angle.sin_cos();
        let reach = self.long.max(self.short) * (1.0 + self.bumps) + 3.0;
        let farthest = 1.0 + self.bumps + self.edge / self.short;
        let (eye_sin, eye_cos) = self.turns[0].sin_cos();
        let eye = (eye_cos * 0.3 * self.long, eye_sin * 0.3 * self.short);
        canvas.paint(self.x, self.y, reach, |dx, dy, below| {
            let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
            let radius = length(u / self.long, v / self.short);
            if radius > farthest {
                return below;
            }
            let turn = v.atan2(u);
            let outline = 1.0
                + self.bumps
                    * (0.4 * (2.0 * turn + self.turns[0]).sin()
                        + 0.4 * (3.0 * turn + self.turns[1]).sin()
                        + 0.2 * (5.0 * turn + 2.0 * self.turns[0]).sin());
            // Pixels inside the outline, negative outside.
            let inside = (outline - radius) * self.short;
            let cover = ramp(-self.edge, self.edge, inside);
            if cover == 0.0 {
                return below;
            }
            let rim = (-((inside - 1.6) / 1.3).powi(2)).exp();
            let (x, y) = (self.x + dx, self.y + dy);
            let clumps = noise.rough(x / 5.0 + self.turns[0] * 9.0, y / 5.0 + 40.0);
            let density = 1.0 - 0.35 * self.clumping + self.clumping * (0.4 * rim + 0.75 * clumps);
            let spot = if self.nucleolus > 0.0 {
                ramp(
                    self.nucleolus + 0.8,
                    self.nucleolus - 0.8,
                    length(u - eye.0, v - eye.1),
                )
            } else {
                0.0
            };
            // Nuclei that overlap in the depth of the section darken one another.
            let under = 0.25 * below.haematoxylin;
            let stain = Stain::new(
                self.depth * density.max(0.2) + under + 0.3 * spot,
                0.35 * below.eosin + 0.10 + 0.15 * spot,
            );
            below.mix(stain.of_nucleus(), cover)
        });
    }
}
