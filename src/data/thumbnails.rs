//! Thumbnails of slides, one small square each: what the first stage of the MFT-SNN looks at (arXiv 2409.20340,
//! section 3.2.1: "resized to 224x224x3 without patch division").

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

use super::images::Images;
use super::npy::{ImageFile, ImagesWriter};
use super::pixels::of_channels;
use super::source::{Drawn, Source};
use super::store::{SLIDES, SlideRecord, write_slide_records};
use super::view::View;
use super::{DataConfig, PatchRecord, PatchStore, Split, StainMethod};
use crate::error::{Result, refuse};
use crate::images::Pixels;

/// Pixels of a slide that are held at once, unless a row has more.
const BAND: u64 = 1 << 24;

/// Thumbnails of the slides of one side of the split.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    /// One square a slide, grey where the patches are.
    pub pixels: Pixels,
    /// The slides' names, sorted.
    pub names: Vec<String>,
    /// The class of each.
    pub classes: Vec<String>,
}

/// Thumbnails of the slides of `split`, `size` x `size` each, the aspect ratio given up as in the paper.
///
/// They are those that the store keeps, where it does; else the pixels come from the slides themselves. Where `source` is none (the
/// patches came as a store) or the stain of the patches is normalised, what the store keeps in another size is resized, or a slide is
/// put together from its patches, glass where it has none. `progress(done, total)` counts slides.
///
/// # Errors
/// If a slide cannot be read any more.
pub(super) fn thumbnails(
    source: Option<&Source>,
    config: &DataConfig,
    store: &PatchStore,
    split: Split,
    size: usize,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Thumbnails> {
    let kept = store.whole_slides()?;
    let kept = kept.filter(|(images, _)| images.shape.size == size || source.is_none());
    let names = store.slides(split);
    let channels = store.channels();
    let images = Images::default();
    let mut bytes = Vec::with_capacity(names.len() * size * size * channels);
    let mut classes = Vec::with_capacity(names.len());
    for (done, name) in names.iter().enumerate() {
        let members: Vec<usize> = (0..store.len())
            .filter(|&index| store.records()[index].slide == *name)
            .collect();
        let row = |records: &[SlideRecord]| records.iter().position(|row| row.slide == *name);
        let found = kept
            .as_ref()
            .and_then(|(file, records)| Some((file, row(records)?)));
        let picture = match (found, source) {
            (Some((file, row)), _) => from_kept(file, row, size)?,
            (None, Some(source)) if config.stain == StainMethod::None => {
                from_source(source, name, config, size, &images)?
            }
            (None, _) => picture(&from_store(store, &members)?, size)?,
        };
        bytes.extend(of_channels(picture, channels));
        classes.push(class_of(store.records(), &members));
        progress(done + 1, names.len());
    }
    Ok(Thumbnails {
        pixels: Pixels::new(names.len(), size, channels, bytes),
        names: names.into_iter().map(ToOwned::to_owned).collect(),
        classes,
    })
}

/// Writes a picture of each slide that has patches in `records` into `folder`, and gives the hash of what it wrote.
///
/// # Errors
/// If a slide cannot be read any more, or the files not be written.
pub(super) fn write_whole_slides(
    source: &Source,
    config: &DataConfig,
    images: &Images,
    records: &[PatchRecord],
    folder: &Path,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<String> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        members.entry(&record.slide).or_default().push(index);
    }
    let (size, total) = (config.whole_slides, members.len());
    let file = BufWriter::new(File::create(folder.join(SLIDES))?);
    let mut writer = ImagesWriter::new(file, members.len(), size, config.channels)?;
    let mut rows = Vec::with_capacity(members.len());
    for (name, members) in &members {
        progress(rows.len(), total, "whole slides");
        let picture = from_source(source, name, config, size, images)?;
        writer.push(&of_channels(picture, config.channels))?;
        rows.push(SlideRecord {
            slide: (*name).to_owned(),
            class: class_of(records, members),
            split: records[members[0]].split,
        });
    }
    writer.finish()?;
    write_slide_records(folder, &rows)
}

/// The class that most of the patches `members` are of; the first by name of several.
fn class_of(records: &[PatchRecord], members: &[usize]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for &member in members {
        *counts.entry(&records[member].class).or_default() += 1;
    }
    let most = counts.iter().rev().max_by_key(|(_, count)| **count);
    most.map(|(class, _)| (*class).to_owned())
        .unwrap_or_default()
}

/// Pixels, and where their top left corner lies on the slide.
struct Placed {
    x: u64,
    y: u64,
    view: View,
}

/// A picture of a slide of the source.
fn from_source(
    source: &Source,
    name: &str,
    config: &DataConfig,
    size: usize,
    opened: &Images,
) -> Result<RgbImage> {
    let Some(slide) = source.slides.iter().find(|slide| slide.name == name) else {
        return Err(refuse(
            format!("slide `{name}` is no longer in `{}`", source.name),
            "run the command again: the patches are then made anew",
        ));
    };
    let mut placed = Vec::with_capacity(slide.images.len());
    for image in &slide.images {
        let (x, y) = image.place(config.reduction);
        match opened
            .open(image)
            .and_then(|slide| View::small(slide, config, size))
        {
            Ok(view) => placed.push(Placed {
                x: x as u64,
                y: y as u64,
                view,
            }),
            Err(_) if config.skip_unreadable => {}
            Err(error) => return Err(image.unreadable(&error)),
        }
    }
    picture(&placed, size)
}

fn from_store(store: &PatchStore, members: &[usize]) -> Result<Vec<Placed>> {
    let side = store.patch_size() as u32;
    let patches = store.read(members)?;
    let patches = patches.to_rgb();
    members
        .iter()
        .enumerate()
        .map(|(place, &index)| {
            let image = RgbImage::from_raw(side, side, patches.image(place).to_vec())
                .expect("a patch has its size");
            let record = &store.records()[index];
            Ok(Placed {
                x: record.x as u64,
                y: record.y as u64,
                view: View::new(Arc::new(Drawn::new(image)), &DataConfig::default())?,
            })
        })
        .collect()
}

/// A picture that the store keeps, resized if it is of another size.
fn from_kept(file: &ImageFile, row: usize, size: usize) -> Result<RgbImage> {
    let kept = file.read(&[row])?;
    let side = kept.size as u32;
    let bytes = kept.to_rgb().bytes.clone();
    let image = RgbImage::from_raw(side, side, bytes).expect("a picture has its size");
    if kept.size == size {
        return Ok(image);
    }
    Ok(resize(
        &image,
        size as u32,
        size as u32,
        FilterType::Triangle,
    ))
}

/// Images laid at their places on white glass, resized to `size` x `size`.
///
/// They are first averaged down by a whole factor, so that a slide of many megapixels needs no canvas of its own size.
fn picture(images: &[Placed], size: usize) -> Result<RgbImage> {
    let least = |value: fn(&Placed) -> u64| images.iter().map(value).min().unwrap_or(0);
    let (left, top) = (least(|placed| placed.x), least(|placed| placed.y));
    let most = |value: fn(&Placed) -> u64| images.iter().map(value).max().unwrap_or(0);
    let width = (most(|placed| placed.x + placed.view.width) - left) as usize;
    let height = (most(|placed| placed.y + placed.view.height) - top) as usize;
    let factor = (width.min(height) / (2 * size)).max(1);
    let columns = width.div_ceil(factor);
    let mut sums = vec![[0u32; 4]; columns * height.div_ceil(factor)];
    for placed in images {
        let view = &placed.view;
        let rows = (BAND / view.width.max(1)).max(1);
        for start in (0..view.height).step_by(rows as usize) {
            let count = rows.min(view.height - start) as u32;
            let band = view.region(0, start, view.width as u32, count)?;
            for (x, y, pixel) in band.enumerate_pixels() {
                let column = ((placed.x - left) as usize + x as usize) / factor;
                let row = ((placed.y - top + start) as usize + y as usize) / factor;
                let sum = &mut sums[row * columns + column];
                for (sum, value) in sum.iter_mut().zip(pixel.0) {
                    *sum += u32::from(value);
                }
                sum[3] += 1;
            }
        }
    }
    let rows = sums.len() / columns.max(1);
    let canvas = RgbImage::from_fn(columns as u32, rows as u32, |x, y| {
        let sum = sums[y as usize * columns + x as usize];
        match sum[3] {
            0 => Rgb([255; 3]),
            count => Rgb([sum[0], sum[1], sum[2]].map(|sum| ((sum + count / 2) / count) as u8)),
        }
    });
    Ok(resize(
        &canvas,
        size as u32,
        size as u32,
        FilterType::Triangle,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: u64, y: u64, image: RgbImage) -> Placed {
        let view = View::new(Arc::new(Drawn::new(image)), &DataConfig::default());
        let view = view.unwrap();
        Placed { x, y, view }
    }

    fn placed(x: u64, y: u64, side: u32, colour: [u8; 3]) -> Placed {
        at(x, y, RgbImage::from_pixel(side, side, Rgb(colour)))
    }

    #[test]
    fn images_lie_where_they_were_and_the_rest_is_glass() {
        let (red, blue) = ([200, 0, 0], [0, 0, 200]);
        // Two squares on the diagonal of a slide that begins at (1000, 500).
        for side in [64, 256] {
            let images = [
                placed(1000, 500, side, red),
                placed(1000 + u64::from(side), 500 + u64::from(side), side, blue),
            ];
            let found = picture(&images, 32).unwrap();
            assert_eq!(found.get_pixel(5, 5).0, red, "side {side}");
            assert_eq!(found.get_pixel(26, 26).0, blue, "side {side}");
            assert_eq!(found.get_pixel(26, 5).0, [255; 3], "side {side}");
        }
    }

    #[test]
    fn a_large_slide_is_averaged_not_sampled() {
        let image = RgbImage::from_fn(512, 256, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]));
        let found = picture(&[at(0, 0, image)], 16).unwrap();
        assert!(found.pixels().all(|pixel| pixel.0 == [100; 3]));
    }

    #[test]
    fn a_small_slide_is_enlarged() {
        let found = picture(&[placed(0, 0, 20, [10, 20, 30])], 64).unwrap();
        assert_eq!(found.dimensions(), (64, 64));
        assert!(found.pixels().all(|pixel| pixel.0 == [10, 20, 30]));
    }
}
