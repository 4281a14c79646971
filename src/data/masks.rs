//! Masks: the class of every pixel of a patch. Drawn with the phantom's slides, or read from a PNG beside each image.
//!
//! A store holds them in `segmentation.npy`, a byte a pixel: the number of the class among `data.mask_classes`, or 0 (background) and
//! 1 (nucleus) for the phantom. (The folder `masks/` of a store holds pictures of the tissue that was found.) Patches and their
//! content hash do not depend on them.

mod picture;
mod table;

use std::fmt::Write;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;

use self::picture::read_png;
use self::table::{Value, table};
use super::npy::{ImageFile, ImagesWriter};
use super::pixels::PatchPlace;
use super::source::{Origin, SlideImage, Source};
use super::store::{SEGMENTATION, SegmentationNotes, content_hash};
use super::tiles::Tiles;
use super::{DataConfig, PHANTOM, phantom};
use crate::digest::{sha256, sha256_file};
use crate::error::{Result, refuse};
use crate::images::GREY;

/// Classes of the phantom's pixels.
const OF_PHANTOM: [&str; 2] = ["background", "nucleus"];

/// Where the masks of a source are from.
pub(super) struct Masks {
    /// The folder of the PNG files; none for the phantom's.
    folder: Option<PathBuf>,
    classes: Vec<String>,
    /// By class.
    values: Vec<Value>,
}

/// The class of every pixel of one image.
struct Mask {
    width: usize,
    height: usize,
    classes: Vec<u8>,
}

impl Masks {
    /// Those that `config` names; none if it names none.
    ///
    /// # Errors
    /// Refuses settings that do not fit together, and a table of classes that cannot be read or is ambiguous.
    pub(super) fn of(config: &DataConfig) -> Result<Option<Self>> {
        let is_phantom = config.masks == PHANTOM;
        if config.masks.is_empty() && config.mask_classes.is_empty() {
            return Ok(None);
        }
        if config.masks.is_empty() {
            return Err(refuse(
                "`data.mask_classes` is set, and there are no masks without `data.masks`",
                "set `data.masks` to the folder of the masks, or leave the classes out",
            ));
        }
        if config.level > 0 || config.micrometres_per_pixel > 0.0 {
            return Err(refuse(
                "`data.masks` have the pixels of the images, and `data.level` or `data.micrometres_per_pixel` has others",
                "cut patches at full resolution, or make them smaller with `data.reduction`",
            ));
        }
        if is_phantom != (config.source == PHANTOM) {
            return Err(refuse(
                format!(
                    "`data.masks` is `{}`, and `data.source` is `{}`",
                    config.masks, config.source
                ),
                "the phantom has masks of its own (`phantom`); those of a folder of images lie in a folder of PNG files",
            ));
        }
        if is_phantom {
            if !config.mask_classes.is_empty() {
                return Err(refuse(
                    "`data.mask_classes` is set for the phantom, whose classes are `background` and `nucleus`",
                    "leave it out",
                ));
            }
            return Ok(Some(Self {
                folder: None,
                classes: OF_PHANTOM.map(str::to_owned).to_vec(),
                values: Vec::new(),
            }));
        }
        let folder = PathBuf::from(&config.masks);
        if !folder.is_dir() {
            return Err(refuse(
                format!("no folder `{}` to read masks from", folder.display()),
                "set `data.masks` to a folder with a PNG for each image, of its path and name",
            ));
        }
        let (classes, values) = table(&config.mask_classes)?;
        Ok(Some(Self {
            folder: Some(folder),
            classes,
            values,
        }))
    }

    /// What determines the masks besides the settings: for a folder, a hash of the files.
    ///
    /// # Errors
    /// If an image has no mask.
    pub(super) fn fingerprint(&self, source: &Source) -> Result<String> {
        if self.folder.is_none() {
            return Ok(PHANTOM.to_owned());
        }
        let mut all = String::new();
        for image in source.slides.iter().flat_map(|slide| &slide.images) {
            let path = self.path(image)?;
            let digest = sha256_file(&path).map_err(|error| {
                refuse(
                    format!(
                        "image `{}` has no mask: cannot read `{}`: {error:#}",
                        image.name,
                        path.display()
                    ),
                    "give every image a PNG of its path and name, or leave the image out of the folder",
                )
            })?;
            let _ = writeln!(all, "{digest} {}", image.name);
        }
        Ok(sha256(all))
    }

    fn path(&self, image: &SlideImage) -> Result<PathBuf> {
        let folder = self.folder.as_ref().context("the phantom has no files")?;
        Ok(folder.join(Path::new(&image.name).with_extension("png")))
    }

    /// Writes the masks of the patches at `drawn` into the store that is built in `folder`.
    ///
    /// # Errors
    /// Refuses a mask of another size than its image, or with a value that no class has; fails if a file cannot be read or written.
    pub(super) fn write(
        &self,
        source: &Source,
        settings: &DataConfig,
        tiles: &[Tiles],
        drawn: &[PatchPlace],
        folder: &Path,
    ) -> Result<SegmentationNotes> {
        let (size, reduction) = (settings.patch_size, settings.reduction);
        let path = folder.join(SEGMENTATION);
        let target = BufWriter::new(File::create(&path)?);
        let mut writer = ImagesWriter::new(target, drawn.len(), size, GREY)?;
        let mut last: Option<((usize, usize), Mask)> = None;
        for place in drawn {
            let slide = place.slide as usize;
            let tile = tiles[slide].places[place.tile as usize];
            let key = (slide, tile.image as usize);
            let mask = match &last {
                Some((known, mask)) if *known == key => mask,
                _ => {
                    let mask = self.read(&source.slides[slide].images[key.1])?;
                    &last.insert((key, mask)).1
                }
            };
            let at = [tile.x as usize, tile.y as usize];
            writer.push(&mask.cut(at, size, reduction, self.classes.len()))?;
        }
        writer.finish()?;
        let written = ImageFile::open(&path).map_err(anyhow::Error::msg)?;
        Ok(SegmentationNotes {
            sha256: content_hash(&written, &[])?,
            classes: self.classes.clone(),
        })
    }

    /// The mask of an image.
    fn read(&self, image: &SlideImage) -> Result<Mask> {
        if let Origin::Phantom(recipe) = &image.origin {
            let (picture, nuclei) = phantom::draw_with_nuclei(recipe);
            return Ok(Mask {
                width: picture.width() as usize,
                height: picture.height() as usize,
                classes: nuclei,
            });
        }
        let path = self.path(image)?;
        let (width, height, found) = read_png(&path)?;
        let (wide, high) = {
            let slide = image.open()?;
            (slide.levels()[0].width, slide.levels()[0].height)
        };
        if (width as u64, height as u64) != (wide, high) {
            return Err(refuse(
                format!(
                    "the mask `{}` has {width} x {height} pixels, its image {wide} x {high}",
                    path.display()
                ),
                "a mask has a pixel for each of its image",
            ));
        }
        let classes = found.iter().enumerate().map(|(at, pixel)| {
            let is_it = |value: &Value| match value {
                Value::Index(index) => pixel.index == Some(*index),
                Value::Colour(colour) => pixel.colour == *colour,
            };
            let class = self.values.iter().position(is_it);
            class.map(|class| class as u8).ok_or_else(|| {
                let (x, y) = (at % width, at / width);
                let [red, green, blue] = pixel.colour;
                let colour = format!("#{red:02x}{green:02x}{blue:02x}");
                let value = pixel.index.map_or(colour, |index| index.to_string());
                refuse(
                    format!(
                        "the mask `{}` has the value {value} at column {x}, row {y}, which no class has",
                        path.display()
                    ),
                    "name it in `data.mask_classes`, for example `nucleus=1` for an index or a grey value, `nucleus=#ff0000` for a colour",
                )
            })
        });
        Ok(Mask {
            width,
            height,
            classes: classes.collect::<Result<_>>()?,
        })
    }
}

impl Mask {
    /// The classes of the patch at `at`, in pixels of a picture `reduction` times as small: each the most frequent of its
    /// `reduction` x `reduction` pixels, the first of equally frequent ones.
    fn cut(&self, [x, y]: [usize; 2], size: usize, reduction: usize, classes: usize) -> Vec<u8> {
        let mut cut = Vec::with_capacity(size * size);
        let mut counts = vec![0usize; classes];
        for row in y..y + size {
            for column in x..x + size {
                counts.fill(0);
                for line in row * reduction..((row + 1) * reduction).min(self.height) {
                    for place in column * reduction..((column + 1) * reduction).min(self.width) {
                        counts[usize::from(self.classes[line * self.width + place])] += 1;
                    }
                }
                let most = counts.iter().max().copied().unwrap_or(0);
                let class = counts.iter().position(|count| *count == most);
                cut.push(class.unwrap_or(0) as u8);
            }
        }
        cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_mask_has_the_most_frequent_class_of_each_square() {
        let mask = Mask {
            width: 4,
            height: 2,
            classes: vec![0, 1, 1, 2, 1, 1, 2, 1],
        };
        assert_eq!(mask.cut([0, 0], 1, 2, 3), [1]);
        assert_eq!(
            mask.cut([1, 0], 1, 2, 3),
            [1],
            "the first of equally frequent ones"
        );
        assert_eq!(mask.cut([2, 0], 2, 1, 3), [1, 2, 2, 1]);
    }
}
