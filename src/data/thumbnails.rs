//! Thumbnails of slides, one small square each: what the first stage of the MFT-SNN looks at (arXiv 2409.20340,
//! section 3.2.1: "resized to 224x224x3 without patch division").

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};

use super::source::Source;
use super::{DataConfig, PatchStore, Split, StainMethod};
use crate::error::{Result, refuse};
use crate::images::{GREY, Pixels, RGB, luminance};

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
/// The pixels come from the slides themselves; where `source` is none (the patches came as a store) or the stain
/// of the patches is normalised, a slide is put together from its patches, glass where it has none. `progress(done, total)` counts slides.
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
    let names = store.slides(split);
    let channels = store.channels();
    let mut bytes = Vec::with_capacity(names.len() * size * size * channels);
    let mut classes = Vec::with_capacity(names.len());
    for (done, name) in names.iter().enumerate() {
        let members: Vec<usize> = (0..store.len())
            .filter(|&index| store.records()[index].slide == *name)
            .collect();
        let images = match source {
            Some(source) if config.stain == StainMethod::None => from_source(source, name, config)?,
            _ => from_store(store, &members)?,
        };
        let picture = picture(&images, size).into_raw();
        if channels == GREY {
            bytes.extend(picture.as_chunks::<RGB>().0.iter().copied().map(luminance));
        } else {
            bytes.extend(picture);
        }
        classes.push(store.records()[members[0]].class.clone());
        progress(done + 1, names.len());
    }
    Ok(Thumbnails {
        pixels: Pixels::new(names.len(), size, channels, bytes),
        names: names.into_iter().map(ToOwned::to_owned).collect(),
        classes,
    })
}

/// An image and where its top left corner lies on the slide.
struct Placed {
    x: usize,
    y: usize,
    image: RgbImage,
}

fn from_source(source: &Source, name: &str, config: &DataConfig) -> Result<Vec<Placed>> {
    let Some(slide) = source.slides.iter().find(|slide| slide.name == name) else {
        return Err(refuse(
            format!("slide `{name}` is no longer in `{}`", source.name),
            "run the command again: the patches are then made anew",
        ));
    };
    let mut placed = Vec::with_capacity(slide.images.len());
    for image in &slide.images {
        let (x, y) = image.place(config.reduction);
        match image.load(config.reduction) {
            Ok(image) => placed.push(Placed { x, y, image }),
            Err(_) if config.skip_unreadable => {}
            Err(error) => {
                return Err(refuse(
                    format!("cannot read image `{}`: {error:#}", image.name),
                    "repair or remove it, or leave out what cannot be read with `--skip-unreadable`",
                ));
            }
        }
    }
    Ok(placed)
}

fn from_store(store: &PatchStore, members: &[usize]) -> Result<Vec<Placed>> {
    let side = store.patch_size() as u32;
    let patches = store.read(members)?;
    let patches = patches.to_rgb();
    let placed = members.iter().enumerate().map(|(place, &index)| Placed {
        x: store.records()[index].x,
        y: store.records()[index].y,
        image: RgbImage::from_raw(side, side, patches.image(place).to_vec())
            .expect("a patch has its size"),
    });
    Ok(placed.collect())
}

/// Images laid at their places on white glass, resized to `size` x `size`.
///
/// They are first averaged down by a whole factor, so that a slide of many megapixels needs no canvas of its own size.
fn picture(images: &[Placed], size: usize) -> RgbImage {
    let least = |value: fn(&Placed) -> usize| images.iter().map(value).min().unwrap_or(0);
    let (left, top) = (least(|placed| placed.x), least(|placed| placed.y));
    let most = |value: fn(&Placed) -> usize| images.iter().map(value).max().unwrap_or(0);
    let width = most(|placed| placed.x + placed.image.width() as usize) - left;
    let height = most(|placed| placed.y + placed.image.height() as usize) - top;
    let factor = (width.min(height) / (2 * size)).max(1);
    let columns = width.div_ceil(factor);
    let mut sums = vec![[0u32; 4]; columns * height.div_ceil(factor)];
    for placed in images {
        for (x, y, pixel) in placed.image.enumerate_pixels() {
            let column = (placed.x - left + x as usize) / factor;
            let row = (placed.y - top + y as usize) / factor;
            let sum = &mut sums[row * columns + column];
            for (sum, value) in sum.iter_mut().zip(pixel.0) {
                *sum += u32::from(value);
            }
            sum[3] += 1;
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
    resize(&canvas, size as u32, size as u32, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(x: usize, y: usize, side: u32, colour: [u8; 3]) -> Placed {
        Placed {
            x,
            y,
            image: RgbImage::from_pixel(side, side, Rgb(colour)),
        }
    }

    #[test]
    fn images_lie_where_they_were_and_the_rest_is_glass() {
        let (red, blue) = ([200, 0, 0], [0, 0, 200]);
        // Two squares on the diagonal of a slide that begins at (1000, 500).
        for side in [64, 256] {
            let images = [
                placed(1000, 500, side, red),
                placed(1000 + side as usize, 500 + side as usize, side, blue),
            ];
            let found = picture(&images, 32);
            assert_eq!(found.get_pixel(5, 5).0, red, "side {side}");
            assert_eq!(found.get_pixel(26, 26).0, blue, "side {side}");
            assert_eq!(found.get_pixel(26, 5).0, [255; 3], "side {side}");
        }
    }

    #[test]
    fn a_large_slide_is_averaged_not_sampled() {
        let image = RgbImage::from_fn(512, 256, |x, _| Rgb([if x % 2 == 0 { 0 } else { 200 }; 3]));
        let found = picture(&[Placed { x: 0, y: 0, image }], 16);
        assert!(found.pixels().all(|pixel| pixel.0 == [100; 3]));
    }

    #[test]
    fn a_small_slide_is_enlarged() {
        let found = picture(&[placed(0, 0, 20, [10, 20, 30])], 64);
        assert_eq!(found.dimensions(), (64, 64));
        assert!(found.pixels().all(|pixel| pixel.0 == [10, 20, 30]));
    }
}
