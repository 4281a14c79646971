//! Invasive carcinoma: crowded, irregular, dark nuclei of all sizes in nests, sheets or cords without a lumen.

use std::f32::consts::TAU;

use super::canvas::{Canvas, Stain};
use super::noise::{Noise, length, ramp};
use super::nucleus::Nucleus;
use super::stroma::Stroma;
use crate::random::Stream;

/// Where the tumour grows: its field is above 0 there.
struct Tumour<'a> {
    noise: &'a Noise,
    stroma: &'a Stroma<'a>,
    /// Whether it grows in cords along the fibres instead of nests.
    cords: bool,
    /// Level of the noise at the border.
    border: f32,
}

impl<'a> Tumour<'a> {
    /// A tumour that covers about `fraction` of a slide of `size` pixels.
    fn new(
        size: usize,
        noise: &'a Noise,
        stroma: &'a Stroma<'a>,
        cords: bool,
        fraction: f64,
    ) -> Self {
        let mut tumour = Self {
            noise,
            stroma,
            cords,
            border: 0.0,
        };
        let step = (size / 48).max(1);
        let rows = (0..size).step_by(step);
        let mut levels: Vec<f32> = rows
            .flat_map(|y| (0..size).step_by(step).map(move |x| (x as f32, y as f32)))
            .map(|(x, y)| tumour.field(x, y))
            .collect();
        levels.sort_unstable_by(f32::total_cmp);
        tumour.border = levels[((1.0 - fraction) * (levels.len() - 1) as f64) as usize];
        tumour
    }

    /// Above 0 in the tumour; rises by about 1 in 100 pixels.
    fn field(&self, x: f32, y: f32) -> f32 {
        let rough = 0.07 * self.noise.at(x / 16.0 + 30.0, y / 16.0 + 3.0);
        let level = if self.cords {
            let (u, v) = self.stroma.along(x, y);
            0.55 * self.noise.rough(u / 150.0 + 7.0, v / 42.0 + 88.0)
        } else {
            self.noise.rough(x / 105.0 + 44.0, y / 105.0 + 9.0)
        };
        level + rough - self.border
    }

    /// The stain at (`x`, `y`): cytoplasm within, stroma without, at places a cleft where they part.
    fn stain(&self, x: f32, y: f32) -> Stain {
        let below = self.stroma.stain(x, y);
        let field = self.field(x, y);
        let cloud = self.noise.rough(x / 21.0, y / 21.0 + 66.0);
        let foam = self.noise.at(x / 3.7 + 15.0, y / 3.7);
        let parting = ramp(0.05, 0.5, self.noise.at(x / 60.0 + 3.0, y / 60.0 + 101.0));
        let cleft = parting * (-((field + 0.035) / 0.03).powi(2)).exp();
        let outside = below.mix(Stain::new(0.01, 0.03), 0.9 * cleft);
        let cell = Stain::new(
            0.15 + 0.05 * cloud + 0.03 * foam,
            0.19 + 0.05 * cloud + 0.04 * foam,
        );
        outside.mix(cell, ramp(-0.015, 0.03, field))
    }

    /// Tumour cells, as crowded as their nuclei allow.
    fn nuclei(&self, size: usize, stream: &mut Stream) -> Vec<Nucleus> {
        let mut nuclei: Vec<Nucleus> = Vec::new();
        let mean = stream.between(10.5, 13.0);
        let unevenness = stream.between(0.16, 0.28);
        let vesicular = stream.between(0.1, 0.6);
        let crowding = stream.between(0.86, 1.06) as f32;
        for _ in 0..size * size / 45 {
            let x = stream.between(-8.0, size as f64 + 8.0) as f32;
            let y = stream.between(-8.0, size as f64 + 8.0) as f32;
            if self.field(x, y) < 0.04 {
                continue;
            }
            let radius = (mean * (unevenness * stream.normal()).exp()).clamp(6.5, 24.0) as f32;
            let apart = |other: &Nucleus| {
                let sum = radius + (other.long * other.short).sqrt();
                length(other.x - x, other.y - y) > crowding * sum + 1.0
            };
            if nuclei.iter().all(apart) {
                nuclei.push(pleomorphic(x, y, radius, vesicular, stream));
            }
        }
        nuclei
    }
}

/// The nucleus of a tumour cell: irregular, and either dark throughout or open with a rim and a nucleolus.
fn pleomorphic(x: f32, y: f32, radius: f32, vesicular: f64, stream: &mut Stream) -> Nucleus {
    let stretch = stream.between(1.0, 1.75).sqrt() as f32;
    let angle = stream.between(0.0, f64::from(TAU)) as f32;
    let open = stream.uniform() < vesicular;
    let depth = if open {
        stream.between(0.36, 0.52)
    } else {
        stream.between(0.5, 0.92)
    };
    let bumps = stream.between(0.06, 0.24) as f32;
    let (long, short) = (radius * stretch, radius / stretch);
    let mut nucleus = Nucleus::oval(x, y, long, short, angle, depth as f32).bumpy(bumps, stream);
    nucleus.clumping = if open { 0.95 } else { 0.55 };
    if open && stream.uniform() < 0.7 {
        nucleus.nucleolus = stream.between(1.8, 3.2) as f32;
    }
    nucleus
}

/// Draws invasive carcinoma on a slide of `size` pixels.
pub(super) fn draw(size: usize, noise: &Noise, stream: &mut Stream) -> Canvas {
    let looseness = stream.between(0.1, 0.6);
    let density = stream.between(0.18, 0.31);
    let stroma = Stroma::new(noise, looseness, density, stream);
    let (cords, fraction) = match stream.below(3) {
        0 => (false, stream.between(0.5, 0.65)),
        1 => (false, stream.between(0.75, 0.9)),
        _ => (true, stream.between(0.45, 0.6)),
    };
    let tumour = Tumour::new(size, noise, &stroma, cords, fraction);
    let mut canvas = Canvas::new(size, |x, y| tumour.stain(x, y));
    let area = (size * size) as f64;
    let reaction = stream.between(900.0, 2200.0);
    let lymphocytes = stream.between(0.1, 0.6);
    for _ in 0..(area / reaction) as usize {
        let x = stream.between(0.0, size as f64) as f32;
        let y = stream.between(0.0, size as f64) as f32;
        if tumour.field(x, y) > -0.07 {
            continue;
        }
        if stream.uniform() < lymphocytes {
            let radius = stream.between(5.5, 7.5) as f32;
            Nucleus::oval(x, y, radius, radius * 0.92, 0.0, 0.9).paint(&mut canvas, noise);
        } else {
            stroma.fibroblast(x, y, stream).paint(&mut canvas, noise);
        }
    }
    for nucleus in tumour.nuclei(size, stream) {
        nucleus.paint(&mut canvas, noise);
    }
    canvas
}
