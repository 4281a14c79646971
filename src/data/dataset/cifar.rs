//! The binary batches of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): an image is one label (CIFAR-100: a coarse and a fine one), then
//! three planes of 32 x 32.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::{Dataset, Each, ImageFiles, Labelled, Part, fill, name_of, open};
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::images::RGB;

const SIZE: usize = 32;

/// Files of the two splits, how many labels stand before an image, and the file of the names of the last of them.
const SETS: [(&[&str], &str, usize, &str); 2] = [
    (
        &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        "test_batch.bin",
        1,
        "batches.meta.txt",
    ),
    (&["train.bin"], "test.bin", 2, "fine_label_names.txt"),
];

/// The batches in `folder`; none if it has none.
pub(super) fn find(folder: &Path) -> Result<Option<Dataset>> {
    let has = |name: &str| folder.join(name).is_file();
    let is_whole = |names: &str| has(names);
    let Some((train, test, labels, names)) = SETS
        .into_iter()
        .find(|(train, _, _, names)| is_whole(names) && train.iter().any(|file| has(file)))
    else {
        return Ok(None);
    };
    for file in train.iter().chain([&test]) {
        if !has(file) {
            return Err(refuse(
                format!("`{}` has `{}` and not `{file}`", folder.display(), names),
                "put all batches of the data set into one folder",
            ));
        }
    }
    let text = fs::read_to_string(folder.join(names))
        .with_context(|| format!("cannot read `{}`", folder.join(names).display()))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let files = |names: &[&str]| {
        let of = |name: &&str| ImageFiles::Cifar {
            batch: folder.join(name),
            labels,
        };
        names.iter().map(of).collect()
    };
    Ok(Some(Dataset {
        name: name_of(folder),
        parts: vec![
            Part {
                name: "train",
                split: Split::Train,
                files: files(train),
            },
            Part {
                name: "test",
                split: Split::Test,
                files: files(&[test]),
            },
        ],
        classes: lines.map(str::to_owned).collect(),
    }))
}

/// Reads image after image of a batch; its label is the last of `labels`.
pub(super) fn read(path: &Path, labels: usize, each: &mut Each<'_>) -> Result<()> {
    let plane = SIZE * SIZE;
    let mut record = vec![0; labels + RGB * plane];
    let mut pixels = vec![0; RGB * plane];
    let length = fs::metadata(path)?.len();
    let count = length.div_ceil(record.len() as u64);
    let mut file = open(path)?;
    for number in 0..count {
        let what = format!("the end of image {number}");
        fill(file.as_mut(), &mut record, path, &what)?;
        let planes = &record[labels..];
        for (place, pixel) in pixels.chunks_exact_mut(RGB).enumerate() {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = planes[channel * plane + place];
            }
        }
        each(&Labelled {
            label: usize::from(record[labels - 1]),
            size: SIZE,
            channels: RGB,
            pixels: &pixels,
        })?;
    }
    Ok(())
}
