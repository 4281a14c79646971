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
use super::source::{Origin, Slide, SlideImage, Source};
use crate::error::{Result, refuse};
use crate::random::Random;

use noise::Noise;

/// The classes; the slide with index k is of class k modulo their number.
const CLASSES: [&str; 2] = ["benign", "invasive"];
/// Raised when the drawing changes, so that stores of the old one are not taken for the new.
const VERSION: u32 = 1;

/// How many synthetic slides, and how large.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, documented::DocumentedFields)]
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
    let mut slides = Vec::new();
    for (offset, class) in CLASSES.into_iter().enumerate() {
        for number in 0..slides_per_class {
            let name = format!("{class}/phantom-{number:03}");
            slides.push(Slide {
                name: name.clone(),
                class: class.to_owned(),
                group: None,
                regions: None,
                images: vec![SlideImage {
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

/// Draws a slide; the same recipe gives the same pixels, but for the rounding of another platform's sines.
pub fn draw(recipe: &Recipe) -> RgbImage {
    draw_with_nuclei(recipe).0
}

/// The same, and its mask, row by row: 1 at the pixels of nuclei, 0 elsewhere.
pub fn draw_with_nuclei(recipe: &Recipe) -> (RgbImage, Vec<u8>) {
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
    let nuclei = canvas.nuclei();
    (canvas.develop(&noise, &mut stream), nuclei)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tissue::TissueMask;

    fn slide(seed: u64, index: usize) -> RgbImage {
        draw(&Recipe {
            seed,
            index,
            size: 256,
        })
    }

    /// Fraction of the tissue that is as dark in red as a nucleus: eosin hardly takes red away.
    fn nuclear(image: &RgbImage) -> f64 {
        let dark = image.pixels().filter(|pixel| pixel[0] < 150).count();
        let area = f64::from(image.width() * image.height());
        dark as f64 / (area * TissueMask::new(image).coverage())
    }

    #[test]
    fn a_slide_depends_on_its_recipe_alone() {
        assert_eq!(slide(0, 3), slide(0, 3));
        assert_ne!(slide(0, 3), slide(1, 3));
        assert_ne!(slide(0, 3), slide(0, 5));
    }

    #[test]
    fn slides_are_mostly_tissue_and_invasive_ones_are_crowded_with_nuclei() {
        for number in 0..6 {
            let (benign, invasive) = (slide(0, 2 * number), slide(0, 2 * number + 1));
            for image in [&benign, &invasive] {
                let coverage = TissueMask::new(image).coverage();
                assert!(coverage > 0.5, "slide {number}: {coverage}");
            }
            let (quiet, crowded) = (nuclear(&benign), nuclear(&invasive));
            assert!(
                quiet > 0.02 && crowded > 1.2 * quiet,
                "slide {number}: {quiet}, {crowded}"
            );
        }
    }

    #[test]
    fn the_mask_has_the_nuclei_that_were_drawn() {
        for index in 0..4 {
            let recipe = Recipe {
                seed: 0,
                index,
                size: 256,
            };
            let (image, mask) = draw_with_nuclei(&recipe);
            assert_eq!(image, draw(&recipe));
            let red = |class: u8| {
                let of_class = image
                    .pixels()
                    .zip(&mask)
                    .filter(|(_, found)| **found == class);
                let values: Vec<f64> = of_class.map(|(pixel, _)| f64::from(pixel[0])).collect();
                values.iter().sum::<f64>() / values.len() as f64
            };
            // Haematoxylin takes red away, eosin hardly.
            assert!(
                red(1) + 40.0 < red(0),
                "slide {index}: {} {}",
                red(1),
                red(0)
            );
            let nuclei: u32 = mask.iter().map(|class| u32::from(*class)).sum();
            let fraction = f64::from(nuclei) / 65_536.0;
            assert!((0.02..0.6).contains(&fraction), "slide {index}: {fraction}");
        }
    }

    #[test]
    fn slides_that_cannot_be_cut_are_refused() {
        let refusal = |slide_size| {
            let config = DataConfig {
                phantom: PhantomConfig {
                    slide_size,
                    ..PhantomConfig::default()
                },
                ..DataConfig::default()
            };
            source(&config).err().unwrap().to_string()
        };
        assert_eq!(
            refusal(48),
            "`data.phantom.slide_size` is 48, smaller than a patch of 64 x 64"
        );
    }
}
