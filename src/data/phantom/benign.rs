//! Benign breast tissue: round glands with an open lumen, lined by one even row of oval nuclei, in quiet stroma.

use std::f32::consts::{FRAC_PI_2, TAU};

use super::canvas::{Canvas, Stain};
use super::noise::{Noise, length, ramp};
use super::nucleus::Nucleus;
use super::stroma::Stroma;
use crate::random::Stream;

/// A gland, cut across. Lengths in pixels.
struct Gland {
    x: f32,
    y: f32,
    /// Mean radius to the basement membrane.
    radius: f32,
    /// How much longer than wide.
    stretch: f32,
    angle: f32,
    /// Turns of the second, third and fifth harmonic of the outline.
    turns: [f32; 3],
    /// From the basement membrane to the lumen.
    wall: f32,
    /// Eosin of what the lumen holds.
    secretion: f32,
}

impl Gland {
    /// A gland at (`x`, `y`).
    fn new(x: f32, y: f32, stream: &mut Stream) -> Self {
        let duct = stream.uniform() < 0.2;
        let radius = if duct {
            stream.between(62.0, 88.0)
        } else {
            stream.between(43.0, 68.0)
        };
        Self {
            x,
            y,
            radius: radius as f32,
            stretch: stream.between(1.0, if duct { 1.7 } else { 1.3 }) as f32,
            angle: stream.between(0.0, f64::from(TAU)) as f32,
            turns: [0; 3].map(|_| stream.between(0.0, f64::from(TAU)) as f32),
            wall: stream.between(29.0, 36.0) as f32,
            secretion: if stream.uniform() < 0.3 {
                stream.between(0.1, 0.3) as f32
            } else {
                0.0
            },
        }
    }

    /// The farthest the gland reaches from its centre.
    fn reach(&self) -> f32 {
        self.radius * self.stretch.sqrt() * 1.14
    }

    /// Distance of the basement membrane from the centre, in direction `turn` from the gland's own axis.
    fn outline(&self, turn: f32) -> f32 {
        let bumps = 0.06 * (2.0 * turn + self.turns[0]).sin()
            + 0.05 * (3.0 * turn + self.turns[1]).sin()
            + 0.03 * (5.0 * turn + self.turns[2]).sin();
        let long = self.radius * self.stretch.sqrt();
        let short = self.radius / self.stretch.sqrt();
        let ellipse = 1.0 / length(turn.cos() / long, turn.sin() / short);
        ellipse * (1.0 + bumps)
    }

    /// Paints the wall and the lumen, and returns the nuclei in and on the wall.
    fn paint(&self, canvas: &mut Canvas, noise: &Noise, stream: &mut Stream) -> Vec<Nucleus> {
        let (sin, cos) = self.angle.sin_cos();
        canvas.paint(self.x, self.y, self.reach() + 16.0, |dx, dy, below| {
            let turn = (dy * cos - dx * sin).atan2(dx * cos + dy * sin);
            let (x, y) = (self.x + dx, self.y + dy);
            let ripple = 1.5 * noise.at(x / 12.0, y / 12.0 + 9.0);
            let depth = self.outline(turn) + ripple - length(dx, dy);
            let cloud = noise.rough(x / 13.0 + 5.0, y / 13.0);
            let foam = noise.at(x / 4.0, y / 4.0 + 13.0);
            // Loose, pale stroma rings the gland; the basement membrane is a thin pink line.
            let pale = Stain::new(0.03, 0.10 + 0.03 * foam);
            let outside = below.mix(pale, 0.6 * ramp(-15.0, -4.0, depth));
            let membrane = (-((depth + 1.5) / 1.6).powi(2)).exp();
            let outside = Stain::new(
                outside.haematoxylin + 0.02 * membrane,
                outside.eosin + 0.16 * membrane,
            );
            let cell = Stain::new(
                0.15 + 0.04 * cloud + 0.03 * foam,
                0.15 + 0.03 * cloud + 0.03 * foam,
            );
            let wall = outside.mix(cell, ramp(-0.5, 1.5, depth));
            let brim = self.wall + 2.5 * noise.at(x / 7.0 + 50.0, y / 7.0);
            let border = (-(0.5 * (depth - brim + 1.5)).powi(2)).exp();
            let wall = Stain::new(
                wall.haematoxylin + 0.05 * border,
                wall.eosin + 0.10 * border,
            );
            let film =
                self.secretion * ramp(-0.1, 0.5, cloud) * ramp(brim + 2.0, brim + 9.0, depth);
            wall.mix(
                Stain::new(0.005, 0.012 + film),
                ramp(-1.0, 1.0, depth - brim),
            )
        });
        self.nuclei(stream)
    }

    /// One row of nuclei in the wall, upright and evenly spaced, and flat myoepithelial ones on the basement membrane.
    fn nuclei(&self, stream: &mut Stream) -> Vec<Nucleus> {
        let mut nuclei = Vec::new();
        let shade = stream.between(0.42, 0.58) as f32;
        let circumference = TAU * (self.radius - 0.5 * self.wall);
        let count = (circumference / stream.between(20.5, 24.0) as f32).round();
        let first = stream.between(0.0, f64::from(TAU)) as f32;
        for place in 0..count as usize {
            let turn = first + TAU * (place as f32 + 0.16 * stream.normal() as f32) / count;
            let inward = self.wall * (0.42 + 0.07 * stream.normal() as f32);
            let (x, y, upright) = self.place(turn, inward);
            let long = stream.between(10.5, 12.8) as f32;
            let short = stream.between(8.0, 9.6) as f32;
            let depth = shade * (0.1 * stream.normal()).exp() as f32;
            let angle = upright + 0.15 * stream.normal() as f32;
            let mut nucleus = Nucleus::oval(x, y, long, short, angle, depth).bumpy(0.03, stream);
            nucleus.clumping = 0.55;
            nucleus.nucleolus = if stream.uniform() < 0.25 { 1.8 } else { 0.0 };
            nuclei.push(nucleus);
        }
        let flat = (TAU * self.radius / 45.0) as usize;
        for _ in 0..flat {
            let (x, y, upright) = self.place(stream.between(0.0, f64::from(TAU)) as f32, 1.5);
            let long = stream.between(7.0, 11.0) as f32;
            let short = stream.between(2.6, 4.2) as f32;
            nuclei.push(Nucleus::oval(x, y, long, short, upright + FRAC_PI_2, 0.8));
        }
        nuclei
    }

    /// The point `inward` of the basement membrane in direction `turn`, and the direction from the centre to it.
    fn place(&self, turn: f32, inward: f32) -> (f32, f32, f32) {
        let distance = self.outline(turn) - inward;
        let direction = turn + self.angle;
        (
            self.x + distance * direction.cos(),
            self.y + distance * direction.sin(),
            direction,
        )
    }
}

/// Draws benign tissue on a slide of `size` pixels.
pub(super) fn draw(size: usize, noise: &Noise, stream: &mut Stream) -> Canvas {
    let looseness = stream.between(0.3, 0.9);
    let density = stream.between(0.16, 0.29);
    let stroma = Stroma::new(noise, looseness, density, stream);
    let mut canvas = Canvas::new(size, |x, y| stroma.stain(x, y));
    let glands = glands(size, stream);
    let mut nuclei = Vec::new();
    let area = (size * size) as f64;
    for _ in 0..(area / stream.between(5500.0, 9000.0)) as usize {
        let x = stream.between(0.0, size as f64) as f32;
        let y = stream.between(0.0, size as f64) as f32;
        let clear = |gland: &Gland| length(gland.x - x, gland.y - y) > gland.reach() + 8.0;
        if glands.iter().all(clear) {
            nuclei.push(stroma.fibroblast(x, y, stream));
        }
    }
    for gland in &glands {
        nuclei.extend(gland.paint(&mut canvas, noise, stream));
    }
    for nucleus in nuclei {
        nucleus.paint(&mut canvas, noise);
    }
    canvas
}

/// Glands that do not touch one another, as many as find room in some tries.
fn glands(size: usize, stream: &mut Stream) -> Vec<Gland> {
    let mut glands: Vec<Gland> = Vec::new();
    let area = (size * size) as f64;
    let tries = (area / stream.between(1200.0, 4500.0)) as usize;
    for _ in 0..tries {
        let x = stream.between(-20.0, size as f64 + 20.0) as f32;
        let y = stream.between(-20.0, size as f64 + 20.0) as f32;
        let gland = Gland::new(x, y, stream);
        let apart = |other: &Gland| {
            length(other.x - gland.x, other.y - gland.y) > other.reach() + gland.reach() + 6.0
        };
        if glands.iter().all(apart) {
            glands.push(gland);
        }
    }
    glands
}
