//! The pixels of the patches that were drawn: read by region by all threads, written in their order.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use image::RgbImage;
use rayon::prelude::*;

use super::DataConfig;
use super::images::Images;
use super::journal::Journal;
use super::npy::ImagesWriter;
use super::source::Source;
use super::stain::Look;
use super::store::PATCHES;
use super::tiles::{Tile, Tiles};
use super::view::View;
use crate::digest::Sha256Writer;
use crate::error::Result;
use crate::images::{GREY, RGB, luminance};

/// Bytes of patches that are read before they are written.
const BATCH: usize = 1 << 25;
/// How often it is noted how many patches are on the disk: what a kill costs at most.
const NOTED: Duration = Duration::from_millis(500);

/// A patch of the store to be: which tile of which slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PatchPlace {
    pub(super) slide: u32,
    pub(super) tile: u32,
}

/// How the writing of patches ended.
pub(super) enum Outcome {
    /// All of them are written; the hash of the file so far.
    Whole(Sha256Writer),
    /// An image is damaged where a patch lies, and the settings say to go on without it.
    Unreadable {
        slide: usize,
        image: String,
        reason: String,
    },
}

/// Patches of one image.
struct Run<'a> {
    slide: usize,
    image: usize,
    places: &'a [PatchPlace],
}

/// Writes `patches.npy` with the patches at `drawn` into `folder`, from the first that `journal` does not have. `looks` has an entry
/// a slide where stains are normalised, and is empty where not.
///
/// # Errors
/// If an image is damaged and the settings do not say to skip it, and if the file cannot be written.
#[expect(
    clippy::too_many_arguments,
    reason = "one step of a build, with what that has"
)]
pub(super) fn write(
    source: &Source,
    settings: &DataConfig,
    looks: &[Option<Look>],
    images: &Images,
    tiles: &[Tiles],
    drawn: &[PatchPlace],
    folder: &Path,
    journal: &Journal,
    progress: &mut dyn FnMut(usize, usize, &str),
) -> Result<Outcome> {
    let (size, channels) = (settings.patch_size, settings.channels);
    let length = size * size * channels;
    let (file, mut done, hasher) = open(folder, drawn.len(), size, channels, journal.written()?)?;
    let tile = |place: &PatchPlace| &tiles[place.slide as usize].places[place.tile as usize];
    let of_run = |place: &PatchPlace| (place.slide, tile(place).image);
    let per_batch = (BATCH / length).max(1);
    // A thread of its own hashes and writes what is there while the next patches are read.
    let (sender, receiver) = sync_channel::<Written>(1);
    thread::scope(|scope| {
        let writer = scope.spawn(|| write_all(file, hasher, receiver, journal));
        let mut read_all = || -> Result<Option<Outcome>> {
            let mut told = Instant::now();
            while done < drawn.len() {
                let batch = &drawn[done..drawn.len().min(done + per_batch)];
                let runs: Vec<Run<'_>> = batch
                    .chunk_by(|one, other| of_run(one) == of_run(other))
                    .map(|places| Run {
                        slide: places[0].slide as usize,
                        image: tile(&places[0]).image as usize,
                        places,
                    })
                    .collect();
                // Images side by side; of a single one its patches.
                let is_one = runs.len() == 1;
                let read: Vec<Result<Vec<u8>>> = runs
                    .par_iter()
                    .map(|run| {
                        let view =
                            images.view(&source.slides[run.slide].images[run.image], settings)?;
                        let cut = |place: &PatchPlace| cut(&view, tile(place), settings);
                        let patches: Vec<Vec<u8>> = if is_one {
                            run.places.par_iter().map(cut).collect::<Result<_>>()?
                        } else {
                            run.places.iter().map(cut).collect::<Result<_>>()?
                        };
                        let mut patches = patches.concat();
                        if let Some(Some(look)) = looks.get(run.slide) {
                            look.apply(&mut patches);
                        }
                        Ok(patches)
                    })
                    .collect();
                for (run, bytes) in runs.iter().zip(read) {
                    let image = &source.slides[run.slide].images[run.image];
                    done += run.places.len();
                    match bytes {
                        Ok(bytes) => {
                            let written = Written {
                                bytes,
                                patches: done,
                            };
                            if sender.send(written).is_err() {
                                return Ok(None); // the writer says why
                            }
                        }
                        Err(error) if settings.skip_unreadable => {
                            return Ok(Some(Outcome::Unreadable {
                                slide: run.slide,
                                image: image.name.clone(),
                                reason: crate::error::explained(&error),
                            }));
                        }
                        Err(error) => return Err(image.unreadable(&error)),
                    }
                }
                if told.elapsed() >= NOTED {
                    told = Instant::now();
                    progress(done, drawn.len(), "patches read");
                }
            }
            Ok(None)
        };
        let read = read_all();
        drop(sender);
        let hasher = writer.join().expect("the writer does not panic");
        match read? {
            Some(outcome) => Ok(outcome),
            None => Ok(Outcome::Whole(hasher?)),
        }
    })
}

/// Patches to be written, and how many there are with them.
struct Written {
    bytes: Vec<u8>,
    patches: usize,
}

/// Writes what arrives, and notes from time to time how much of it is on the disk. Returns the hash of the whole file.
fn write_all(
    mut file: File,
    mut hasher: Sha256Writer,
    arriving: Receiver<Written>,
    journal: &Journal,
) -> Result<Sha256Writer> {
    let mut noted = Instant::now();
    for Written { bytes, patches } in arriving {
        thread::scope(|scope| {
            let hashed = scope.spawn(|| hasher.write_all(&bytes));
            file.write_all(&bytes).context("cannot write patches")?;
            Ok::<_, anyhow::Error>(hashed.join().expect("hashing does not panic")?)
        })?;
        if noted.elapsed() >= NOTED {
            file.sync_data()?;
            journal.note_written(patches)?;
            noted = Instant::now();
        }
    }
    file.sync_all()?;
    Ok(hasher)
}

/// The file of patches with its header and the first `written` of `count` patches, how many there are (none where the file is not
/// what was noted), and the hash of that.
fn open(
    folder: &Path,
    count: usize,
    size: usize,
    channels: usize,
    written: usize,
) -> Result<(File, usize, Sha256Writer)> {
    let path = folder.join(PATCHES);
    let mut header = Vec::new();
    ImagesWriter::new(&mut header, count, size, channels)?.finish()?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    let mut found = vec![0; header.len()];
    let whole = header.len() as u64 + (written * size * size * channels) as u64;
    let goes_on = written <= count
        && file.metadata()?.len() >= whole
        && file.read_exact(&mut found).is_ok()
        && found == header;
    let mut hasher = Sha256Writer::default();
    if goes_on {
        file.set_len(whole)?;
        file.rewind()?;
        io::copy(&mut file, &mut hasher)?;
        return Ok((file, written, hasher));
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&header)?;
    hasher.write_all(&header)?;
    Ok((file, 0, hasher))
}

/// The bytes of a patch.
pub(super) fn cut(view: &View, tile: &Tile, settings: &DataConfig) -> Result<Vec<u8>> {
    let size = settings.patch_size as u32;
    let patch = view.region(tile.x.into(), tile.y.into(), size, size)?;
    Ok(of_channels(patch, settings.channels))
}

/// The bytes of a picture, 3 or 1 a pixel.
pub(super) fn of_channels(picture: RgbImage, channels: usize) -> Vec<u8> {
    let bytes = picture.into_raw();
    match channels {
        GREY => bytes
            .as_chunks::<RGB>()
            .0
            .iter()
            .copied()
            .map(luminance)
            .collect(),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::write_whole;

    #[test]
    fn a_file_goes_on_from_what_was_noted_or_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PATCHES);
        let (mut file, done, _) = open(folder.path(), 3, 2, 1, 0).unwrap();
        assert_eq!(done, 0);
        file.write_all(&[7; 11]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        // Two of the eleven bytes are half a patch that was not noted.
        let (_, done, _) = open(folder.path(), 3, 2, 1, 2).unwrap();
        assert_eq!(done, 2);
        assert_eq!(std::fs::read(&path).unwrap(), whole[..whole.len() - 3]);
        // Shorter than noted, or of another number of patches.
        for (count, noted) in [(3, 3), (4, 2)] {
            write_whole(&path, &whole).unwrap();
            assert_eq!(open(folder.path(), count, 2, 1, noted).unwrap().1, 0);
            assert_eq!(std::fs::read(&path).unwrap().len(), whole.len() - 11);
        }
    }
}
