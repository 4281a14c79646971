//! A folder of images taken as they are, for measuring: no cutting, no tissue, no split.

use std::path::Path;

use super::folder;
use crate::error::{Result, refuse};
use crate::images::Pixels;

/// Every image below `folder`, in the order of their names.
///
/// Refuses a folder without images, an image that does not decode, and images that are not squares of one size: nothing is
/// resized silently.
pub fn read_whole(folder: &Path) -> Result<Pixels> {
    if !folder.is_dir() {
        return Err(refuse(
            format!("no folder `{}` to read images from", folder.display()),
            "give a run, a patch store or a folder of images",
        ));
    }
    let mut bytes = Vec::new();
    let mut count = 0;
    let mut size = None;
    for path in folder::list(folder)? {
        let image = folder::read(&path).map_err(|error| {
            refuse(
                format!("cannot decode `{}`: {error:#}", path.display()),
                "repair it or take it out of the folder",
            )
        })?;
        let (width, height) = image.dimensions();
        let expected = *size.get_or_insert(width);
        if width != height || width != expected {
            return Err(refuse(
                format!(
                    "`{}` is {width} x {height}, expected {expected} x {expected}",
                    path.display()
                ),
                "measure square images of one size; `histogen data import` cuts larger ones into patches",
            ));
        }
        bytes.extend(image.into_raw());
        count += 1;
    }
    Ok(Pixels::new(count, size.unwrap_or(0) as usize, bytes))
}
