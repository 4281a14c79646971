//! idx files (LeCun, Cortes, Burges: the MNIST database): a magic number, big-endian sizes, bytes. With or without gzip.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{
    Dataset, Each, GARMENTS, ImageFiles, Labelled, Part, digit_names, fill, name_of, open,
};
use crate::data::Split;
use crate::error::{Result, refuse};

/// Unsigned bytes in three dimensions, and in one.
const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

/// What the splits are called in file names.
const PARTS: [(&str, Split); 2] = [("train", Split::Train), ("t10k", Split::Test)];

/// The idx files in `folder`; none if it has none.
pub(super) fn find(folder: &Path) -> Result<Option<Dataset>> {
    let mut parts = Vec::new();
    for (name, split) in PARTS {
        let found = (
            existing(folder, name, "images", 3),
            existing(folder, name, "labels", 1),
        );
        let alone = |file: &Path, what: &str, other: &str| {
            refuse(
                format!("`{}` has no {what} beside it", file.display()),
                format!("put `{name}-{other}-ubyte.gz` into the same folder"),
            )
        };
        let (images, labels) = match found {
            (Some(images), Some(labels)) => (images, labels),
            (Some(images), None) => return Err(alone(&images, "labels", "labels-idx1")),
            (None, Some(labels)) => return Err(alone(&labels, "images", "images-idx3")),
            (None, None) => continue,
        };
        let files = vec![ImageFiles::Idx { images, labels }];
        parts.push(Part { name, split, files });
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let name = name_of(folder);
    let classes = if name.to_lowercase().contains("fashion") {
        GARMENTS.map(str::to_owned).to_vec()
    } else {
        digit_names()
    };
    Ok(Some(Dataset {
        name,
        parts,
        classes,
    }))
}

/// The file of `what` of a part, by any of the names that it goes by.
fn existing(folder: &Path, part: &str, what: &str, dimensions: usize) -> Option<PathBuf> {
    let names = ["-", "."].into_iter().flat_map(|sign| {
        let name = format!("{part}-{what}{sign}idx{dimensions}-ubyte");
        [format!("{name}.gz"), name]
    });
    let mut paths = names.map(|name| folder.join(name));
    paths.find(|path| path.is_file())
}

/// Reads images and labels side by side.
pub(super) fn read(images: &Path, labels: &Path, each: &mut Each<'_>) -> Result<()> {
    let (mut image_file, mut label_file) = (open(images)?, open(labels)?);
    let [count, rows, columns] = header(image_file.as_mut(), images, IMAGES)?;
    let [label_count] = header(label_file.as_mut(), labels, LABELS)?;
    if count != label_count {
        return Err(refuse(
            format!(
                "`{}` has {count} images and `{}` {label_count} labels",
                images.display(),
                labels.display()
            ),
            "they are not of one data set: get both again",
        ));
    }
    if rows != columns {
        return Err(refuse(
            format!(
                "the images of `{}` are {columns} x {rows}, and no squares",
                images.display()
            ),
            "patches are squares: crop the images first",
        ));
    }
    let (mut pixels, mut label) = (vec![0; rows * columns], [0]);
    for number in 0..count {
        let what = format!("image {number} of {count}");
        fill(image_file.as_mut(), &mut pixels, images, &what)?;
        let what = format!("label {number} of {count}");
        fill(label_file.as_mut(), &mut label, labels, &what)?;
        each(&Labelled {
            label: usize::from(label[0]),
            size: rows,
            channels: 1,
            pixels: &pixels,
        })?;
    }
    Ok(())
}

/// The sizes of an idx file, one a dimension.
fn header<const D: usize>(file: &mut dyn Read, path: &Path, magic: u32) -> Result<[usize; D]> {
    let mut word = [0; 4];
    let mut next = |file: &mut dyn Read| {
        fill(file, &mut word, path, "the end of its header")?;
        Ok::<_, anyhow::Error>(u32::from_be_bytes(word))
    };
    let found = next(file)?;
    if found != magic {
        return Err(refuse(
            format!(
                "`{}` is no idx file of {}: it begins with {found:#010x} and not with {magic:#010x}",
                path.display(),
                if magic == IMAGES { "images" } else { "labels" }
            ),
            "get the file again, or give it the name of what it is",
        ));
    }
    let mut sizes = [0; D];
    for size in &mut sizes {
        *size = next(file)? as usize;
    }
    Ok(sizes)
}
