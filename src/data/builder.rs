//! Building a patch store: every slide tiled, the slides split, the patches drawn, three files written.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::Context;
use rayon::prelude::*;

use super::DataConfig;
use super::npy::ImagesWriter;
use super::source::Source;
use super::splits::{Split, assign, draw};
use super::stain::Normalisation;
use super::store::{PATCHES, PatchRecord, write_description, write_records};
use super::tiles::tile;
use crate::error::{Result, refuse};
use crate::random::Random;

/// Slides tiled at a time for each thread: enough to keep all busy, few enough to hold in memory.
const SLIDES_PER_THREAD: usize = 4;

/// Writes the store of `source` into `folder`, which exists and is empty, with space for as much again in `spare`.
///
/// The same source and settings give the same bytes.
///
/// # Errors
/// What tiling and splitting refuse, and a source without enough tissue for a single patch.
pub(super) fn build(
    source: &Source,
    settings: &DataConfig,
    stain: Option<&Normalisation>,
    folder: &Path,
    spare: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<()> {
    // How many patches there are, and which are drawn, is known only after the last slide: until then they wait on disk.
    let waiting = tempfile::tempfile_in(spare).context("cannot write to the cache folder")?;
    let mut writer = BufWriter::new(waiting);
    let (mut records, mut skipped) = (Vec::new(), Vec::new());
    let total = source.slides.len();
    progress(0, total, "slides tiled");
    let window = SLIDES_PER_THREAD * rayon::current_num_threads();
    let mut done = 0;
    for slides in source.slides.chunks(window) {
        let tiled: Vec<_> = slides
            .par_iter()
            .map(|slide| tile(slide, settings))
            .collect();
        for (slide, tiles) in slides.iter().zip(tiled) {
            let mut tiles = tiles?;
            if let Some(stain) = stain {
                stain.apply(&slide.name, &mut tiles.bytes)?;
            }
            writer
                .write_all(&tiles.bytes)
                .context("cannot write to the cache folder")?;
            skipped.extend(tiles.skipped);
            records.extend(tiles.places.iter().map(|tile| PatchRecord {
                slide: slide.name.clone(),
                class: slide.class.clone(),
                x: tile.x,
                y: tile.y,
                level: 0,
                tissue: (tile.tissue * 1e4).round() / 1e4,
                split: Split::Train,
            }));
            done += 1;
            progress(done, total, "slides tiled");
        }
    }
    if records.is_empty() {
        return Err(nothing(source, settings, &skipped));
    }
    split(&mut records, settings)?;
    let random = Random::new(settings.seed);
    let splits: Vec<Split> = records.iter().map(|record| record.split).collect();
    let subset = draw(&splits, settings.maximum_patches, random);

    let mut waiting = writer
        .into_inner()
        .context("cannot write to the cache folder")?;
    let (size, channels) = (settings.patch_size, settings.channels);
    let file = BufWriter::new(File::create_new(folder.join(PATCHES))?);
    let mut patches = ImagesWriter::new(file, subset.len(), size, channels)?;
    let mut patch = vec![0; size * size * channels];
    for &index in &subset {
        waiting.seek(SeekFrom::Start((index * patch.len()) as u64))?;
        waiting.read_exact(&mut patch)?;
        patches.push(&patch)?;
    }
    patches.finish()?;
    let records: Vec<PatchRecord> = subset.iter().map(|&index| records[index].clone()).collect();
    write_records(folder, &records)?;
    write_description(folder, &source.name, settings, &records, skipped)
}

/// Gives each record the split of its slide.
fn split(records: &mut [PatchRecord], settings: &DataConfig) -> Result<()> {
    let slides: BTreeSet<(&str, &str)> = records
        .iter()
        .map(|record| (record.slide.as_str(), record.class.as_str()))
        .collect();
    let slides: Vec<(&str, &str)> = slides.into_iter().collect();
    let splits = assign(&slides, settings.held_out, Random::new(settings.seed))?;
    let of_record: Vec<Split> = records
        .iter()
        .map(|record| {
            let slide = (record.slide.as_str(), record.class.as_str());
            let place = slides
                .binary_search(&slide)
                .expect("every record's slide is listed");
            splits[place]
        })
        .collect();
    for (record, split) in records.iter_mut().zip(of_record) {
        record.split = split;
    }
    Ok(())
}

/// Why a source gives no patches.
fn nothing(source: &Source, settings: &DataConfig, skipped: &[String]) -> anyhow::Error {
    let images: usize = source.slides.iter().map(|slide| slide.images.len()).sum();
    if skipped.len() == images {
        return refuse(
            format!(
                "none of the {images} images of `{}` can be read",
                source.name
            ),
            format!("look at `{}` first", skipped[0]),
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
