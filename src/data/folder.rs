//! Slides from a folder of images: PNG, JPEG and TIFF, with a sub-folder for each class or none.
//!
//! - The first-level sub-folder is the class, however deep the image lies below it. Images in the folder itself are all
//!   of the class `all`; they may not stand beside class folders. Hidden files and folders are passed over.
//! - Each image is a slide, named by its path in the folder without the extension.
//! - Except patches that were cut before: a name that ends in `__x0128_y0064` is the piece at column 128, row 64 of the
//!   slide named by what stands before, so that the pieces of a slide stay on one side of the split.
//! - Pixels become 8-bit RGB: grey is repeated, 16 bits are scaled to 8, transparency is laid on white.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use image::{DynamicImage, ImageReader, Rgb, RgbImage};
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::source::{Origin, Part, Slide, Source};
use crate::digest::sha256;
use crate::error::{Result, refuse};

/// File extensions that are read, in lower case.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];
/// The class of images that lie in no class folder.
const ONE_CLASS: &str = "all";

/// An image found in a folder.
struct Found {
    /// Path from the folder, with `/` on every system.
    name: String,
    path: PathBuf,
}

/// Lists the slides of `folder`, an existing folder, in the order of their names.
///
/// Refuses a folder without images, images beside class folders, and two images that would be one slide.
pub(super) fn source(folder: &Path) -> Result<Source> {
    let found = find(folder)?;
    let fingerprint: Vec<String> = found
        .par_iter()
        .map(|image| {
            let bytes = fs::read(&image.path)
                .with_context(|| format!("cannot read `{}`", image.path.display()))?;
            Ok(format!("{} {}", sha256(bytes), image.name))
        })
        .collect::<Result<_>>()?;
    // The name of `.` or of `slides/..` is that of the folder it leads to.
    let real = folder.canonicalize()?;
    let name = real.file_name().map_or_else(
        || folder.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(Source {
        name,
        slides: slides(found)?,
        fingerprint: fingerprint.join("\n"),
    })
}

/// The paths of all images below `folder`, sorted by name.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(find(folder)?.into_iter().map(|image| image.path).collect())
}

/// All images below `folder`, sorted by name.
fn find(folder: &Path) -> Result<Vec<Found>> {
    let visible = |entry: &DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut found = Vec::new();
    for entry in WalkDir::new(folder)
        .follow_links(true)
        .into_iter()
        .filter_entry(visible)
    {
        let entry = entry.with_context(|| format!("cannot list `{}`", folder.display()))?;
        if entry.file_type().is_file() && is_image(entry.path()) {
            let relative = entry.path().strip_prefix(folder)?;
            let steps: Vec<_> = relative.iter().map(|step| step.to_string_lossy()).collect();
            found.push(Found {
                name: steps.join("/"),
                path: entry.into_path(),
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    if found.is_empty() {
        let extensions = EXTENSIONS.map(|extension| format!("`.{extension}`"));
        return Err(refuse(
            format!("no images in `{}`", folder.display()),
            format!("looked in all sub-folders for {}", extensions.join(", ")),
        ));
    }
    let in_root = found.iter().find(|image| !image.name.contains('/'));
    let in_class = found.iter().find(|image| image.name.contains('/'));
    if let (Some(loose), Some(filed)) = (in_root, in_class) {
        return Err(refuse(
            format!(
                "`{}` has images both beside class folders (`{}`) and in them (`{}`)",
                folder.display(),
                loose.name,
                filed.name
            ),
            "move each image into the folder of its class, or all of them into one folder",
        ));
    }
    Ok(found)
}

/// Whether the extension of `path` is one that is read.
fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    EXTENSIONS.contains(&extension.to_lowercase().as_str())
}

/// Groups images into slides.
fn slides(found: Vec<Found>) -> Result<Vec<Slide>> {
    let mut slides: BTreeMap<String, Slide> = BTreeMap::new();
    for image in found {
        let stem = image.name.rsplit_once('.').map_or("", |(stem, _)| stem);
        let (name, x, y) = match piece(stem) {
            Some((slide, x, y)) => (slide, x, y),
            None => (stem, 0, 0),
        };
        let class = name.split_once('/').map_or(ONE_CLASS, |(class, _)| class);
        let slide = slides.entry(name.to_owned()).or_insert_with(|| Slide {
            name: name.to_owned(),
            class: class.to_owned(),
            parts: Vec::new(),
        });
        let same_place = |part: &&Part| (part.x, part.y) == (x, y);
        if let Some(other) = slide.parts.iter().find(same_place) {
            return Err(refuse(
                format!(
                    "`{}` and `{}` are the same place of slide `{name}`",
                    other.name, image.name
                ),
                "rename or remove one of them",
            ));
        }
        slide.parts.push(Part {
            name: image.name,
            x,
            y,
            origin: Origin::File(image.path),
        });
    }
    Ok(slides.into_values().collect())
}

/// Splits `stem`, the name of a patch that was cut before, into its slide and its place there.
fn piece(stem: &str) -> Option<(&str, usize, usize)> {
    let (slide, place) = stem.rsplit_once("__x")?;
    let (x, y) = place.split_once("_y")?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let named = !slide.is_empty() && !slide.ends_with('/');
    Some((slide, number(x)?, number(y)?)).filter(|_| named)
}

/// Reads the image at `path` as 8-bit RGB. Fails if it is not a whole image of a known format.
pub fn read(path: &Path) -> Result<RgbImage> {
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    reader.no_limits();
    Ok(to_rgb(&reader.decode()?))
}

/// Converts to 8-bit RGB; transparency is laid on white, the colour of glass.
fn to_rgb(image: &DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let image = image.to_rgba8();
    RgbImage::from_fn(image.width(), image.height(), |x, y| {
        let [red, green, blue, alpha] = image.get_pixel(x, y).0.map(u32::from);
        let on_white = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        Rgb([red, green, blue].map(on_white))
    })
}
