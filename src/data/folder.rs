//! Slides from a folder: PNG, JPEG, TIFF and the formats of scanners, with a sub-folder for each class or none.
//!
//! - The first-level sub-folder is the class, however deep the image lies below it. Images in the folder itself are all
//!   of the class `all`; they may not stand beside class folders. Hidden files and folders are passed over.
//! - Each image is a slide, named by its path in the folder without the extension.
//! - Except tiles made before: a name that ends in `__x0128_y0064` is the tile at column 128, row 64 of the
//!   slide named by what stands before, so that the tiles of a slide stay on one side of the split.
//! - Pixels become 8-bit RGB: grey is repeated, 16 bits are scaled to 8, transparency is laid on white.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use super::source::{Origin, Slide, SlideImage, Source};
use crate::digest::sha256_file;
use crate::error::{Result, refuse};

/// File extensions of images, in lower case.
pub const EXTENSIONS: [&str; 5] = ["png", "jpg", "jpeg", "tif", "tiff"];
/// File extensions of slides as scanners write them, in lower case. Which of them are read is for `slides` to say.
pub const SLIDE_EXTENSIONS: [&str; 9] = [
    "svs", "ndpi", "mrxs", "scn", "vms", "vmu", "svslide", "bif", "czi",
];
/// What folders of splits are called, in lower case.
const SPLIT_FOLDERS: [&str; 7] = [
    "train",
    "training",
    "test",
    "testing",
    "val",
    "valid",
    "validation",
];
/// The class of images that lie in no class folder.
const ONE_CLASS: &str = "all";

/// An image found in a folder.
struct Found {
    /// Path from the folder, with `/` on every system.
    name: String,
    path: PathBuf,
}

/// Lists the slides of `folder`, an existing folder, in the order of their names. Where `has_class_folders`, its sub-folders are
/// classes; elsewhere something else says what slides are of.
///
/// # Errors
/// For a folder without images, images beside class folders, folders of splits, and two images that would be one slide.
pub(super) fn source(folder: &Path, has_class_folders: bool) -> Result<Source> {
    let extensions: Vec<&str> = [&EXTENSIONS[..], &SLIDE_EXTENSIONS].concat();
    let found = find(folder, &extensions)?;
    if has_class_folders {
        refuse_mixed(folder, &found)?;
        refuse_splits(folder, &found)?;
    }
    let fingerprint: Vec<String> = found
        .par_iter()
        .map(|image| {
            let digest = sha256_file(&image.path)
                .with_context(|| format!("cannot read `{}`", image.path.display()))?;
            Ok(format!("{digest} {}", image.name))
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
    let found = find(folder, &EXTENSIONS)?;
    refuse_mixed(folder, &found)?;
    Ok(found.into_iter().map(|image| image.path).collect())
}

/// All files below `folder` with one of `extensions`, sorted by name.
fn find(folder: &Path, extensions: &[&str]) -> Result<Vec<Found>> {
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
        if entry.file_type().is_file() && has_extension(entry.path(), extensions) {
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
        let extensions: Vec<String> = extensions
            .iter()
            .map(|extension| format!("`.{extension}`"))
            .collect();
        return Err(refuse(
            format!("no images in `{}`", folder.display()),
            format!("looked in all sub-folders for {}", extensions.join(", ")),
        ));
    }
    Ok(found)
}

/// Refuses images both in the folder itself and in folders below, which would be classes.
fn refuse_mixed(folder: &Path, found: &[Found]) -> Result<()> {
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
    Ok(())
}

/// Refuses folders that are all called as splits are: they would be classes.
fn refuse_splits(folder: &Path, found: &[Found]) -> Result<()> {
    let first = |image: &Found| {
        image
            .name
            .split_once('/')
            .map(|(first, _)| first.to_owned())
    };
    let folders: BTreeSet<String> = found.iter().filter_map(first).collect();
    let is_split = |name: &String| SPLIT_FOLDERS.contains(&name.to_lowercase().as_str());
    if folders.len() > 1 && folders.iter().all(is_split) {
        let names: Vec<String> = folders.iter().map(|name| format!("`{name}`")).collect();
        return Err(refuse(
            format!(
                "the folders of `{}` are called {}, as splits are, and would be taken for classes",
                folder.display(),
                names.join(" and ")
            ),
            "give a folder with a sub-folder for each class: the split is drawn by slide (`data.held_out`, `data.groups`)",
        ));
    }
    Ok(())
}

/// Whether the extension of `path` is one of `extensions`.
fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    extensions.contains(&extension.to_lowercase().as_str())
}

/// Groups images into slides.
fn slides(found: Vec<Found>) -> Result<Vec<Slide>> {
    let mut slides: BTreeMap<String, Slide> = BTreeMap::new();
    for image in found {
        let stem = image.name.rsplit_once('.').map_or("", |(stem, _)| stem);
        let (name, x, y) = match tile(stem) {
            Some((slide, x, y)) => (slide, x, y),
            None => (stem, 0, 0),
        };
        let class = name.split_once('/').map_or(ONE_CLASS, |(class, _)| class);
        let slide = slides.entry(name.to_owned()).or_insert_with(|| Slide {
            name: name.to_owned(),
            class: class.to_owned(),
            group: None,
            regions: None,
            images: Vec::new(),
        });
        let same_place = |image: &&SlideImage| (image.x, image.y) == (x, y);
        if let Some(other) = slide.images.iter().find(same_place) {
            return Err(refuse(
                format!(
                    "`{}` and `{}` are the same place of slide `{name}`",
                    other.name, image.name
                ),
                "rename or remove one of them",
            ));
        }
        slide.images.push(SlideImage {
            name: image.name,
            x,
            y,
            origin: Origin::File(image.path),
        });
    }
    Ok(slides.into_values().collect())
}

/// Splits `stem`, the name of a tile made before, into its slide and its place there.
fn tile(stem: &str) -> Option<(&str, usize, usize)> {
    let (slide, place) = stem.rsplit_once("__x")?;
    let (x, y) = place.split_once("_y")?;
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let named = !slide.is_empty() && !slide.ends_with('/');
    Some((slide, number(x)?, number(y)?)).filter(|_| named)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Refusal;

    /// A folder with an empty file at each of `paths`.
    fn folder(paths: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in paths {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn refusal(folder: &tempfile::TempDir) -> (String, String) {
        let error = source(folder.path(), true).err().unwrap();
        let Refusal { message, hint } = error.downcast().unwrap();
        let path = folder.path().display().to_string();
        (message.replace(&path, "FOLDER"), hint)
    }

    #[test]
    fn the_first_folder_is_the_class_and_the_path_the_slide() {
        let folder = folder(&[
            "b/z/2.TIF",
            "a/1.png",
            "a/0.jpeg",
            ".git/x.png",
            "a/._1.png",
            "a/notes.txt",
        ]);
        let source = source(folder.path(), true).unwrap();
        let slides: Vec<_> = source
            .slides
            .iter()
            .map(|slide| (&*slide.name, &*slide.class))
            .collect();
        assert_eq!(slides, [("a/0", "a"), ("a/1", "a"), ("b/z/2", "b")]);
        assert_eq!(source.slides[2].images[0].name, "b/z/2.TIF");
    }

    #[test]
    fn without_class_folders_all_is_one_class() {
        let source = source(folder(&["1.png", "2.png"]).path(), true).unwrap();
        assert!(source.slides.iter().all(|slide| slide.class == "all"));
    }

    #[test]
    fn tiles_made_before_belong_to_their_slide() {
        let folder = folder(&[
            "a/s__x0000_y0064.png",
            "a/s__x0128_y0064.png",
            "a/t__x0128_y0064.png",
            "a/u__x_y0.png",
            "a/__x1_y2.png",
        ]);
        let source = source(folder.path(), true).unwrap();
        let places = |slide: &Slide| -> Vec<(usize, usize)> {
            slide
                .images
                .iter()
                .map(|image| (image.x, image.y))
                .collect()
        };
        let slides: Vec<_> = source
            .slides
            .iter()
            .map(|slide| (&*slide.name, places(slide)))
            .collect();
        assert_eq!(
            slides,
            [
                ("a/__x1_y2", vec![(0, 0)]),
                ("a/s", vec![(0, 64), (128, 64)]),
                ("a/t", vec![(128, 64)]),
                ("a/u__x_y0", vec![(0, 0)]),
            ]
        );
    }

    #[test]
    fn folders_that_say_two_things_or_nothing_are_refused() {
        let (message, hint) = refusal(&folder(&["a/notes.txt"]));
        assert_eq!(message, "no images in `FOLDER`");
        assert_eq!(
            hint,
            "looked in all sub-folders for `.png`, `.jpg`, `.jpeg`, `.tif`, `.tiff`, `.svs`, `.ndpi`, `.mrxs`, `.scn`, `.vms`, \
             `.vmu`, `.svslide`, `.bif`, `.czi`"
        );
        let (message, _) = refusal(&folder(&["1.png", "a/2.png"]));
        assert_eq!(
            message,
            "`FOLDER` has images both beside class folders (`1.png`) and in them (`a/2.png`)"
        );
        let (message, _) = refusal(&folder(&["Train/a/1.png", "test/a/2.png"]));
        assert_eq!(
            message,
            "the folders of `FOLDER` are called `Train` and `test`, as splits are, and would be taken for classes"
        );
        let (message, _) = refusal(&folder(&["a/1.png", "a/1.tif"]));
        assert_eq!(
            message,
            "`a/1.png` and `a/1.tif` are the same place of slide `a/1`"
        );
    }
}
