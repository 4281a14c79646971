//! What every slide looks like before its stain is normalised: fitted to patches of it that were drawn, all of them up to a number,
//! so that a patch is changed as its slide is and not by what it happens to show.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::DataConfig;
use super::images::Images;
use super::pixels::{Outcome, PatchPlace, cut};
use super::source::Source;
use super::stain::{Look, Normalisation};
use super::tiles::Tiles;
use crate::error::Result;

/// Most patches that the look of a slide is fitted to: of more, these are spread evenly over them.
const MOST: usize = 256;

/// The looks of slides, or why there are none.
pub(super) enum Looks {
    /// An entry a slide, none for slides with hardly any tissue; empty where stains stay as they are.
    Known(Vec<Option<Look>>),
    /// An image is damaged where a patch lies, and the settings say to go on without it.
    Not(Outcome),
}

/// The looks of the slides of `source` whose patches were drawn.
///
/// # Errors
/// If an image is damaged and the settings do not say to skip it, and as [`Normalisation::look`].
pub(super) fn looks(
    source: &Source,
    settings: &DataConfig,
    stain: Option<&Normalisation>,
    images: &Images,
    tiles: &[Tiles],
    drawn: &[PatchPlace],
) -> Result<Looks> {
    let Some(stain) = stain else {
        return Ok(Looks::Known(Vec::new()));
    };
    let mut of_slides: BTreeMap<usize, Vec<PatchPlace>> = BTreeMap::new();
    for place in drawn {
        let slide = of_slides.entry(place.slide as usize).or_default();
        slide.push(*place);
    }
    let mut looks = vec![None; source.slides.len()];
    for (slide, places) in of_slides {
        let count = places.len().min(MOST);
        let shown = (0..count).map(|number| places[number * places.len() / count]);
        let shown: Vec<PatchPlace> = shown.collect();
        let patches: Vec<(usize, Result<Vec<u8>>)> = shown
            .par_iter()
            .map(|place| {
                let tile = &tiles[slide].places[place.tile as usize];
                let image = tile.image as usize;
                let view = images.view(&source.slides[slide].images[image], settings);
                (image, view.and_then(|view| cut(&view, tile, settings)))
            })
            .collect();
        let mut whole = Vec::with_capacity(patches.len());
        for (image, patch) in patches {
            let image = &source.slides[slide].images[image];
            match patch {
                Ok(patch) => whole.push(patch),
                Err(error) if settings.skip_unreadable => {
                    return Ok(Looks::Not(Outcome::Unreadable {
                        slide,
                        image: image.name.clone(),
                        reason: crate::error::explained(&error),
                    }));
                }
                Err(error) => return Err(image.unreadable(&error)),
            }
        }
        looks[slide] = stain.look(&source.slides[slide].name, &whole)?;
    }
    Ok(Looks::Known(looks))
}
