//! Stain normalisation: the colours of a slide brought to those of a target, so that slides of different laboratories look alike.
//!
//! What a slide looks like ([`Appearance`]) is fitted to all its patches together, never to one patch: one patch may show one
//! stain only. `macenko` (Macenko et al. 2009) finds the two stains and how strong they are; `reinhard` (Reinhard et al. 2001)
//! the mean and spread of the colours. The target is a published appearance, or that of an image.

mod macenko;
mod reinhard;

use std::path::Path;

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::DataConfig;
use crate::error::{Result, refuse};
use crate::images::{GREY, RGB};
use crate::slides;

use macenko::Stains;
use reinhard::Colours;

/// Most pixels that an appearance is fitted to: of more, every second, fourth and so on is taken. Bounds memory.
const MOST: usize = 1 << 22;
/// Fewest pixels of tissue that have an appearance.
const FEWEST: usize = 100;
/// Pixels that are changed together.
const CHUNK: usize = 1 << 14;

/// How the stain of slides is normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StainMethod {
    /// Not at all.
    #[default]
    None,
    /// Macenko et al. 2009: the concentrations of two stains.
    Macenko,
    /// Reinhard et al. 2001: mean and spread of the colours.
    Reinhard,
}

impl StainMethod {
    /// The methods that change something.
    pub const ALL: [Self; 2] = [Self::Macenko, Self::Reinhard];

    /// The name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Macenko => "macenko",
            Self::Reinhard => "reinhard",
        }
    }
}

/// What the tissue of a slide looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Appearance {
    /// Its two stains.
    Macenko(Stains),
    /// Its colours.
    Reinhard(Colours),
}

impl Appearance {
    /// The published appearance that is the target where no other is given; none for [`StainMethod::None`].
    pub fn published(method: StainMethod) -> Option<Self> {
        match method {
            StainMethod::None => None,
            StainMethod::Macenko => Some(Self::Macenko(Stains::PUBLISHED)),
            StainMethod::Reinhard => Some(Self::Reinhard(Colours::PUBLISHED)),
        }
    }

    /// What the pixels in `images`, bytes of RGB, look like; none where there is hardly any tissue.
    ///
    /// # Errors
    /// Of `macenko`: refuses tissue that shows one stain only, of which no two can be told apart.
    pub fn fit(
        method: StainMethod,
        images: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Option<Self>> {
        let mut sample = Sample::default();
        for image in images {
            sample.add(image.as_ref());
        }
        Ok(match method {
            StainMethod::None => None,
            StainMethod::Macenko => Stains::fit(&sample.pixels)?.map(Self::Macenko),
            StainMethod::Reinhard => Colours::fit(&sample.pixels).map(Self::Reinhard),
        })
    }

    /// Makes `pixels`, bytes of RGB that look like this, look like `target`, which must be of the same method.
    pub fn bring_to(&self, target: &Self, pixels: &mut [u8]) {
        let change: Box<dyn Fn([u8; RGB]) -> [u8; RGB] + Sync> = match (self, target) {
            (Self::Macenko(from), Self::Macenko(to)) => Box::new(from.towards(to)),
            (Self::Reinhard(from), Self::Reinhard(to)) => Box::new(from.towards(to)),
            _ => unreachable!("both are of one method"),
        };
        pixels.par_chunks_mut(CHUNK * RGB).for_each(|pixels| {
            for pixel in pixels.as_chunks_mut::<RGB>().0 {
                *pixel = change(*pixel);
            }
        });
    }
}

/// Pixels at equal steps, at most [`MOST`].
struct Sample {
    pixels: Vec<[u8; RGB]>,
    step: usize,
    seen: usize,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            pixels: Vec::new(),
            step: 1,
            seen: 0,
        }
    }
}

impl Sample {
    fn add(&mut self, pixels: &[u8]) {
        for &pixel in pixels.as_chunks::<RGB>().0 {
            if self.seen.is_multiple_of(self.step) {
                if self.pixels.len() == MOST {
                    let mut place = 0;
                    self.pixels.retain(|_| {
                        place += 1;
                        place % 2 == 1
                    });
                    self.step *= 2;
                }
                if self.seen.is_multiple_of(self.step) {
                    self.pixels.push(pixel);
                }
            }
            self.seen += 1;
        }
    }
}

/// The normalisation that settings ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    method: StainMethod,
    target: Appearance,
}

impl Normalisation {
    /// That of `config`; none if it asks for none.
    ///
    /// # Errors
    /// Refuses grey patches, a target without a method, and a target that cannot be read or shows no tissue or one stain only.
    pub fn of(config: &DataConfig) -> Result<Option<Self>> {
        let has_target = !config.stain_target.as_os_str().is_empty();
        let Some(published) = Appearance::published(config.stain) else {
            if !has_target {
                return Ok(None);
            }
            return Err(refuse(
                "`data.stain_target` is given, but `data.stain` is `none`",
                "add `--set data.stain=macenko` or `reinhard`, or leave the target out",
            ));
        };
        if config.channels == GREY {
            return Err(refuse(
                format!(
                    "`data.stain` is `{}`, and grey patches have no stain",
                    config.stain.name()
                ),
                "set `data.stain` to `none`, or `data.channels` to 3",
            ));
        }
        let target = if has_target {
            Self::target(config.stain, &config.stain_target)?
        } else {
            published
        };
        Ok(Some(Self {
            method: config.stain,
            target,
        }))
    }

    /// What the image at `path` looks like.
    fn target(method: StainMethod, path: &Path) -> Result<Appearance> {
        let no_target = |reason: String| {
            refuse(
                format!(
                    "`{}` cannot be the target of `data.stain`: {reason}",
                    path.display()
                ),
                "give an image of tissue in both stains, or leave `data.stain_target` out",
            )
        };
        let image: RgbImage =
            slides::read(path).map_err(|error| no_target(crate::error::explained(&error)))?;
        let found = Appearance::fit(method, [image.as_raw()]);
        let found = found.map_err(|error| no_target(error.to_string()))?;
        found.ok_or_else(|| no_target("it shows no tissue".to_owned()))
    }

    /// What the patches of one slide, bytes of RGB, look like; none where they show hardly any tissue.
    ///
    /// # Errors
    /// As [`Appearance::fit`], with the name of the slide.
    pub fn look(
        &self,
        slide: &str,
        patches: impl IntoIterator<Item = impl AsRef<[u8]>>,
    ) -> Result<Option<Look>> {
        let found = Appearance::fit(self.method, patches).map_err(|error| {
            refuse(
                format!("the stain of slide `{slide}` cannot be normalised: {error}"),
                "take the slide out, or set `data.stain` to `reinhard`, which asks for no two stains",
            )
        })?;
        Ok(found.map(|found| Look {
            found,
            target: self.target,
        }))
    }
}

/// What a slide looks like, and what it is to look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    found: Appearance,
    target: Appearance,
}

impl Look {
    /// Brings pixels of the slide, bytes of RGB, to the target.
    pub fn apply(&self, pixels: &mut [u8]) {
        self.found.bring_to(&self.target, pixels);
    }
}

/// The mean of values.
fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count();
    values.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests;
