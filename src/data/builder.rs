//! Building a patch store: every slide looked at for tissue and tiled, the slides split, the patches drawn, and only those read;
//! then the files are written.
//!
//! Nothing is held that grows with a slide's pixels. What is done is noted in a journal, so that an import that was killed goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;

use super::DataConfig;
use super::images::Images;
use super::journal::Journal;
use super::looks::{Looks, looks};
use super::masks::Masks;
use super::pixels::{self, Outcome, PatchPlace};
use super::source::{Origin, Slide, Source};
use super::splits::{Candidate, SlideClasses, Split, assign, assign_groups, draw, draw_per_class};
use super::stain::Normalisation;
use super::store::{Notes, PatchRecord, write_description, write_records};
use super::thumbnails::write_whole_slides;
use super::tiles::{Tiles, tile};
use crate::error::{Result, refuse};
use crate::random::Random;

/// Slides tiled at a time for each thread: enough to keep all busy, few enough to hold in memory.
const SLIDES_PER_THREAD: usize = 2;
/// Bytes of a file from which on it has all threads to itself.
const LARGE: u64 = 1 << 26;
/// The folder of the pictures of tissue masks in a store.
const MASKS: &str = "masks";

/// Writes the store of `source` into `folder`, below `building`, where the journal is. Both exist, and hold what an import of the
/// same source and settings that was interrupted has left.
///
/// The same source and settings give the same bytes.
///
/// # Errors
/// What tiling and splitting refuse, and a source without enough tissue for a single patch.
pub(super) fn build(
    source: &Source,
    settings: &DataConfig,
    stain: Option<&Normalisation>,
    segmentation: Option<&Masks>,
    folder: &Path,
    building: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<()> {
    let (mut journal, known) = Journal::open(building)?;
    let images = Images::default();
    let masks = folder.join(MASKS);
    let mut tiles = tile_all(
        source,
        settings,
        &images,
        &masks,
        &mut journal,
        known,
        progress,
    )?;
    let (drawn, splits, hasher) = loop {
        let splits = split(source, &tiles, settings)?;
        let drawn = drawn(&tiles, &splits, settings)?;
        let looks = looks(source, settings, stain, &images, &tiles, &drawn)?;
        let outcome = match looks {
            Looks::Known(looks) => pixels::write(
                source, settings, &looks, &images, &tiles, &drawn, folder, &journal, progress,
            )?,
            Looks::Not(outcome) => outcome,
        };
        match outcome {
            Outcome::Whole(hasher) => break (drawn, splits, hasher),
            // A slide that turns out to be damaged is left out as a whole, and the rest drawn anew.
            Outcome::Unreadable {
                slide,
                image,
                reason,
            } => {
                tiles[slide] = Tiles {
                    skipped: [tiles[slide].skipped.clone(), vec![(image, reason)]].concat(),
                    ..Tiles::default()
                };
                journal.note_tiles(slide, &tiles[slide])?;
                journal.note_written(0)?;
            }
        }
    };
    let records: Vec<PatchRecord> = drawn
        .iter()
        .map(|place| record(source, &tiles, &splits, settings, *place))
        .collect();
    write_records(folder, &records)?;
    let mut notes = Notes {
        skipped: tiles
            .iter()
            .flat_map(|tiles| tiles.skipped.clone())
            .collect(),
        groups: groups(source, &records),
        slides: None,
        segmentation: None,
        patches: Some(hasher),
    };
    if let Some(segmentation) = segmentation {
        notes.segmentation = Some(segmentation.write(source, settings, &tiles, &drawn, folder)?);
    }
    if settings.whole_slides > 0 {
        let hash = write_whole_slides(source, settings, &images, &records, folder, progress)?;
        notes.slides = Some(hash);
    }
    write_description(folder, &source.name, settings, &records, notes)
}

/// The tiles of every slide, in order; those of `known` slides are not looked for again.
fn tile_all(
    source: &Source,
    settings: &DataConfig,
    images: &Images,
    masks: &Path,
    journal: &mut Journal,
    mut known: BTreeMap<usize, Tiles>,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<Vec<Tiles>> {
    let total = source.slides.len();
    let missing: Vec<usize> = (0..total)
        .filter(|slide| !known.contains_key(slide))
        .collect();
    let mut done = known.len();
    progress(done, total, "slides tiled");
    let window = SLIDES_PER_THREAD * rayon::current_num_threads();
    let is_large = |&slide: &usize| is_large(&source.slides[slide]);
    for alike in missing.chunk_by(|one, other| is_large(one) == is_large(other)) {
        // A large slide alone, as its bands are read by all threads; small ones side by side.
        let window = if is_large(&alike[0]) { 1 } else { window };
        for slides in alike.chunks(window) {
            let of = |&slide: &usize| tile(&source.slides[slide], settings, images, masks);
            let tiled: Vec<Result<Tiles>> = match slides {
                [slide] => vec![of(slide)],
                slides => slides.par_iter().map(of).collect(),
            };
            for (&slide, tiles) in slides.iter().zip(tiled) {
                let tiles = tiles?;
                journal.note_tiles(slide, &tiles)?;
                known.insert(slide, tiles);
                done += 1;
                progress(done, total, "slides tiled");
            }
        }
    }
    Ok(known.into_values().collect())
}

/// Whether a slide is a file so large that all threads work on it.
fn is_large(slide: &Slide) -> bool {
    let length = |path: &PathBuf| fs::metadata(path).map_or(0, |file| file.len());
    slide.images.iter().any(|image| match &image.origin {
        Origin::File(path) => length(path) >= LARGE,
        Origin::Phantom(_) => false,
    })
}

/// The side of each slide; of no meaning for slides without tiles.
fn split(source: &Source, tiles: &[Tiles], settings: &DataConfig) -> Result<Vec<Split>> {
    let with_tiles: Vec<usize> = (0..tiles.len())
        .filter(|&slide| !tiles[slide].places.is_empty())
        .collect();
    if with_tiles.is_empty() {
        return Err(nothing(source, settings, tiles));
    }
    let mut splits = vec![Split::Train; tiles.len()];
    if settings.held_out == 0.0 {
        return Ok(splits);
    }
    let slides: Vec<SlideClasses<'_>> = with_tiles
        .iter()
        .map(|&slide| SlideClasses {
            name: &source.slides[slide].name,
            group: source.slides[slide].group.as_deref(),
            classes: tiles[slide].classes.iter().map(String::as_str).collect(),
        })
        .collect();
    let random = Random::new(settings.seed);
    let is_plain = |slide: &SlideClasses<'_>| slide.group.is_none() && slide.classes.len() == 1;
    let assigned = if slides.iter().all(is_plain) {
        let plain: Vec<(&str, &str)> = slides
            .iter()
            .flat_map(|slide| slide.classes.iter().map(|class| (slide.name, *class)))
            .collect();
        assign(&plain, settings.held_out, random)?
    } else {
        assign_groups(&slides, settings.held_out, random)?
    };
    for (slide, split) in with_tiles.into_iter().zip(assigned) {
        splits[slide] = split;
    }
    Ok(splits)
}

/// The patches that the store gets, in its order.
fn drawn(tiles: &[Tiles], splits: &[Split], settings: &DataConfig) -> Result<Vec<PatchPlace>> {
    let places = || {
        tiles.iter().enumerate().flat_map(|(slide, tiles)| {
            (0..tiles.places.len()).map(move |tile| PatchPlace {
                slide: slide as u32,
                tile: tile as u32,
            })
        })
    };
    let random = Random::new(settings.seed);
    let maximum = settings.maximum_patches;
    let pick = |chosen: Vec<usize>| -> Vec<PatchPlace> {
        let mut chosen = chosen.into_iter().peekable();
        let all = places().enumerate();
        all.filter(|(index, _)| chosen.next_if_eq(index).is_some())
            .map(|(_, place)| place)
            .collect()
    };
    if settings.patches_per_class > 0 {
        let classes: BTreeSet<&str> = tiles
            .iter()
            .flat_map(|tiles| &tiles.classes)
            .map(String::as_str)
            .collect();
        let number = |name: &String| {
            classes
                .iter()
                .position(|class| class == name)
                .expect("every class is listed")
        };
        let numbers: Vec<Vec<usize>> = tiles
            .iter()
            .map(|tiles| tiles.classes.iter().map(number).collect())
            .collect();
        let candidates: Vec<Candidate> = places()
            .map(|PatchPlace { slide, tile }| {
                let (slide, tile) = (slide as usize, tile as usize);
                Candidate {
                    slide,
                    class: numbers[slide][usize::from(tiles[slide].places[tile].class)],
                    split: splits[slide],
                }
            })
            .collect();
        let chosen = draw_per_class(&candidates, settings.patches_per_class, random);
        if maximum > 0 && maximum < chosen.len() {
            return Err(refuse(
                format!(
                    "`data.patches_per_class = {}` draws {} patches, and `data.maximum_patches = {maximum}` allows fewer",
                    settings.patches_per_class,
                    chosen.len()
                ),
                "set `data.maximum_patches` to 0 (profiles may set it), or `data.patches_per_class` to less",
            ));
        }
        return Ok(pick(chosen));
    }
    let of_places: Vec<Split> = places().map(|place| splits[place.slide as usize]).collect();
    Ok(pick(draw(&of_places, maximum, random)))
}

/// The row of a patch.
fn record(
    source: &Source,
    tiles: &[Tiles],
    splits: &[Split],
    settings: &DataConfig,
    place: PatchPlace,
) -> PatchRecord {
    let number = place.slide as usize;
    let (slide, tiles) = (&source.slides[number], &tiles[number]);
    let tile = tiles.places[place.tile as usize];
    let (left, top) = slide.images[tile.image as usize].place(settings.reduction);
    PatchRecord {
        slide: slide.name.clone(),
        class: tiles.classes[usize::from(tile.class)].clone(),
        x: left + tile.x as usize,
        y: top + tile.y as usize,
        level: tiles.level,
        tissue: f64::from(tile.tissue) / 1e4,
        split: splits[number],
    }
}

/// The group of each slide of the store that has one.
fn groups(source: &Source, records: &[PatchRecord]) -> BTreeMap<String, String> {
    let kept: BTreeSet<&str> = records.iter().map(|record| record.slide.as_str()).collect();
    let slides = source
        .slides
        .iter()
        .filter(|slide| kept.contains(slide.name.as_str()));
    slides
        .filter_map(|slide| Some((slide.name.clone(), slide.group.clone()?)))
        .collect()
}

/// Why a source gives no patches.
fn nothing(source: &Source, settings: &DataConfig, tiles: &[Tiles]) -> anyhow::Error {
    let images: usize = source.slides.iter().map(|slide| slide.images.len()).sum();
    let skipped: Vec<&(String, String)> = tiles.iter().flat_map(|tiles| &tiles.skipped).collect();
    if skipped.len() == images {
        return refuse(
            format!(
                "none of the {images} images of `{}` can be read",
                source.name
            ),
            format!("look at `{}` first", skipped[0].0),
        );
    }
    refuse(
        format!(
            "no patch of `{}` is tissue enough for `data.minimum_tissue = {}`",
            source.name, settings.minimum_tissue
        ),
        "lower `data.minimum_tissue` (0 keeps every patch), or look at whether the images are stained tissue",
    )
}

/// A folder that is created, with those above it.
pub(super) fn create(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot create the folder `{}`", folder.display()))
}
