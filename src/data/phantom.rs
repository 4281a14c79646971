//! Synthetic slides that look like H&E: the source that needs no files.

mod benign;
mod canvas;
mod invasive;
mod noise;
mod nucleus;
mod stroma;

use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::DataConfig;
use super::source::{Origin, Part, Slide, Source};
use crate::error::{Result, refuse};
use crate::random::Random;

use noise::Noise;

/// The classes; the slide with index k is of class k modulo their number.
const CLASSES: [&str; 2] = ["benign", "invasive"];
/// Raised when the drawing changes, so that stores of the old one are not taken for the new.
const VERSION: u32 = 1;

/// How many synthetic slides, and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhantomConfig {
    /// Slides of each of the two classes.
    pub slides_per_class: usize,
    /// Height and width of a slide in pixels.
    pub slide_size: usize,
}

impl Default for PhantomConfig {
    fn default() -> Self {
        Self {
            slides_per_class: 24,
            slide_size: 640,
        }
    }
}

/// What a phantom slide is drawn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recipe {
    /// Seed of all slides.
    pub seed: u64,
    /// Number of the slide; even ones are benign, odd ones invasive.
    pub index: usize,
    /// Height and width in pixels.
    pub size: usize,
}

/// Lists the slides of `config.phantom`.
pub(super) fn source(config: &DataConfig) -> Result<Source> {
    let PhantomConfig {
        slides_per_class,
        slide_size,
    } = config.phantom;
    if slide_size < config.patch_size {
        return Err(refuse(
            format!(
                "`data.phantom.slide_size` is {slide_size}, smaller than a patch of {size} x {size}",
                size = config.patch_size
            ),
            "raise `data.phantom.slide_size` or lower `data.patch_size`",
        ));
    }
    if slides_per_class < 2 {
        return Err(refuse(
            format!(
                "`data.phantom.slides_per_class` is {slides_per_class}: a class needs a slide to train on and one to test on"
            ),
            "set `data.phantom.slides_per_class` to at least 2",
        ));
    }
    let mut slides = Vec::new();
    for (offset, class) in CLASSES.into_iter().enumerate() {
        for number in 0..slides_per_class {
            let name = format!("{class}/phantom-{number:03}");
            slides.push(Slide {
                name: name.clone(),
                class: class.to_owned(),
                parts: vec![Part {
                    name,
                    x: 0,
                    y: 0,
                    origin: Origin::Phantom(Recipe {
                        seed: config.seed,
                        index: CLASSES.len() * number + offset,
                        size: slide_size,
                    }),
                }],
            });
        }
    }
    Ok(Source {
        name: "phantom".to_owned(),
        slides,
        fingerprint: format!("phantom {VERSION}"),
    })
}

/// Draws a slide; the same recipe always gives the same pixels.
pub fn draw(recipe: &Recipe) -> RgbImage {
    let random = Random::new(recipe.seed).at(recipe.index as u64);
    let mut stream = random.stream("phantom");
    let noise = Noise::new(&mut stream);
    let tissue = if recipe.index.is_multiple_of(CLASSES.len()) {
        benign::draw
    } else {
        invasive::draw
    };
    let mut canvas = tissue(recipe.size, &noise, &mut stream);
    canvas.tear(&noise, &mut stream);
    canvas.develop(&noise, &mut stream)
}
