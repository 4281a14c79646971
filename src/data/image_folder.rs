//! A folder of images taken as they are, for measuring: no tiles, no tissue, no split.

use std::ops::Range;
use std::path::{Path, PathBuf};

use image::RgbImage;
use rayon::prelude::*;

use super::folder;
use crate::error::{Result, explained, refuse};
use crate::images::{ImageSource, Pixels, RGB};
use crate::slides;

/// Images of a folder, each decoded when it is asked for.
///
/// An image that does not decode, or is no square of the size of the folder's first one, is refused then: nothing is resized
/// silently.
pub struct ImageFolder {
    folder: PathBuf,
    paths: Vec<PathBuf>,
    size: usize,
}

impl ImageFolder {
    /// Every image below `folder`, in the order of their names.
    ///
    /// # Errors
    /// For a folder without images, and one whose first image does not decode.
    pub fn open(folder: &Path) -> Result<Self> {
        if !folder.is_dir() {
            return Err(refuse(
                format!("no folder `{}` to read images from", folder.display()),
                "give a run, a patch store or a folder of images",
            ));
        }
        let paths = folder::list(folder)?;
        let size = decode(&paths[0])?.width() as usize;
        Ok(Self {
            folder: folder.to_owned(),
            paths,
            size,
        })
    }

    /// Where each image lies, in their order.
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// The images at `indices` of these, in that order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let subset = indices.iter().map(|&index| self.paths[index].clone());
        Self {
            folder: self.folder.clone(),
            paths: subset.collect(),
            size: self.size,
        }
    }

    /// The bytes of one image.
    fn image(&self, path: &Path) -> Result<Vec<u8>> {
        let image = decode(path)?;
        let (width, height) = image.dimensions();
        let expected = self.size as u32;
        if width != expected || height != expected {
            return Err(refuse(
                format!(
                    "`{}` is {width} x {height}, expected {expected} x {expected}",
                    path.display()
                ),
                "measure square images of one size; `histogen data import` tiles larger ones",
            ));
        }
        Ok(image.into_raw())
    }
}

fn decode(path: &Path) -> Result<RgbImage> {
    slides::read(path).map_err(|error| {
        refuse(
            format!("cannot decode `{}`: {}", path.display(), explained(&error)),
            "repair it or take it out of the folder",
        )
    })
}

impl ImageSource for ImageFolder {
    fn count(&self) -> usize {
        self.paths.len()
    }

    fn size(&self) -> usize {
        self.size
    }

    fn channels(&self) -> usize {
        RGB
    }

    fn read(&self, range: Range<usize>) -> Result<Pixels> {
        let count = range.len();
        let paths = self.paths[range].par_iter();
        let images: Vec<Result<Vec<u8>>> = paths.map(|path| self.image(path)).collect();
        let mut bytes = Vec::with_capacity(count * self.size * self.size * RGB);
        for image in images {
            bytes.extend(image?);
        }
        Ok(Pixels::new(count, self.size, RGB, bytes))
    }

    fn classes(&self) -> Option<Vec<String>> {
        // As in a folder that is imported: the first folder is the class.
        let class = |path: &PathBuf| {
            let mut steps = path.strip_prefix(&self.folder).ok()?.iter();
            let (first, _) = (steps.next()?, steps.next()?);
            Some(first.to_string_lossy().into_owned())
        };
        self.paths.iter().map(class).collect()
    }
}
