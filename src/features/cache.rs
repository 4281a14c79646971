//! Features that were computed before, found again by content: the extractor's weights and the images' bytes.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use npyz::WriterBuilder;

use super::{Extractor, FeatureFile, Features};
use crate::digest::{Sha256Writer, sha256};
use crate::error::{Result, explained, refuse};
use crate::files::temporary_in;
use crate::images::ImageSource;

/// The features of `images`, whose bytes have the SHA-256 `hash`: a file in `folder`, written now if it is not there.
///
/// Neither images nor features are ever all in memory. A file is written under another name and renamed, so that a broken
/// one is never read as whole.
///
/// # Errors
/// Refuses images that no longer have that hash.
pub fn extract_cached(
    extractor: &dyn Extractor,
    images: &dyn ImageSource,
    hash: &str,
    folder: &Path,
) -> Result<FeatureFile> {
    let path = folder.join(file_name(
        &extractor.describe_for(images.channels()),
        &extractor.hash(),
        extractor.resize(),
        images.size(),
        hash,
    ));
    if !path.exists() {
        write(&path, extractor, images, hash)?;
    }
    let file = open(&path)?;
    anyhow::ensure!(file.rows == images.count(), damaged(&path));
    Ok(file)
}

/// The features that [`extract_cached`] left in `folder`, without an extractor: its name, the SHA-256 of its weights and how it
/// resizes images as protocols have them, the images' height and width in pixels, and the SHA-256 of their bytes. None where
/// there are none.
///
/// # Errors
/// Fails if the file is damaged.
pub fn cached(
    folder: &Path,
    extractor: &str,
    weights: &str,
    resize: &str,
    size: usize,
    hash: &str,
) -> Result<Option<FeatureFile>> {
    let path = folder.join(file_name(extractor, weights, resize, size, hash));
    path.exists().then(|| open(&path)).transpose()
}

fn file_name(extractor: &str, weights: &str, resize: &str, size: usize, hash: &str) -> String {
    let key = format!("{extractor}|{weights}|{resize}|{size}|{hash}");
    format!("{}.npy", &sha256(key)[..32])
}

fn open(path: &Path) -> Result<FeatureFile> {
    let file = FeatureFile::open(path).map_err(|error| anyhow!(explained(&error)));
    file.with_context(|| damaged(path))
}

fn damaged(path: &Path) -> String {
    format!(
        "`{}` is damaged: delete it, and it is computed again",
        path.display()
    )
}

fn write(
    path: &Path,
    extractor: &dyn Extractor,
    images: &dyn ImageSource,
    hash: &str,
) -> Result<()> {
    let folder = path.parent().context("a cached file lies in a folder")?;
    let failed = || format!("cannot write `{}`", path.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let mut file = temporary_in(folder).with_context(failed)?;
    let mut digest = Sha256Writer::default();
    let mut blocks = images.blocks().map(|block| -> Result<Features> {
        let block = block?;
        digest.write_all(&block.bytes)?;
        extractor.extract(&block)
    });
    let first = blocks.next().context("images have at least one block")??;
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[images.count() as u64, first.columns as u64])
        .writer(BufWriter::new(&mut file))
        .begin_nd()
        .with_context(failed)?;
    for block in std::iter::once(Ok(first)).chain(blocks) {
        writer.extend(block?.values).with_context(failed)?;
    }
    writer.finish().with_context(failed)?;
    if digest.finish() != hash {
        return Err(refuse(
            "the images changed while their features were computed",
            "measure them once nobody writes to them",
        ));
    }
    file.persist(path).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::ops::Range;

    use tempfile::TempDir;

    use super::*;
    use crate::images::Pixels;

    /// Images of 1 x 1 that say how many of them were ever asked for at once; after `honest` blocks they are others.
    struct Watched {
        count: usize,
        most: Cell<usize>,
        honest: Cell<usize>,
    }

    impl Watched {
        fn new(count: usize, honest: usize) -> Self {
            Self {
                count,
                most: Cell::new(0),
                honest: Cell::new(honest),
            }
        }
    }

    impl ImageSource for Watched {
        fn count(&self) -> usize {
            self.count
        }

        fn size(&self) -> usize {
            1
        }

        fn channels(&self) -> usize {
            3
        }

        fn read(&self, range: Range<usize>) -> Result<Pixels> {
            self.most.set(self.most.get().max(range.len()));
            let change = u8::from(self.honest.get() == 0);
            self.honest.set(self.honest.get().saturating_sub(1));
            let bytes = range
                .clone()
                .flat_map(|index| [(index % 250) as u8 + change; 3]);
            Ok(Pixels::new(range.len(), 1, 3, bytes.collect()))
        }
    }

    /// Takes the bytes as they are, and says how many images it saw, and how many at once at most.
    #[derive(Default)]
    struct Bytes {
        seen: Cell<usize>,
        most: Cell<usize>,
    }

    impl Extractor for Bytes {
        fn describe(&self) -> String {
            "bytes".to_owned()
        }

        fn hash(&self) -> String {
            "none".to_owned()
        }

        fn resize(&self) -> &'static str {
            "none"
        }

        fn extract(&self, images: &Pixels) -> Result<Features> {
            self.seen.set(self.seen.get() + images.count);
            self.most.set(self.most.get().max(images.count));
            let values = images.bytes.iter().map(|&value| f32::from(value));
            Ok(Features::new(images.count, 3, values.collect()))
        }
    }

    fn extract(extractor: &Bytes, images: &Watched, folder: &Path) -> Result<FeatureFile> {
        let hash = (images as &dyn ImageSource).hash()?;
        extract_cached(extractor, images, &hash, folder)
    }

    #[test]
    fn features_are_computed_once_and_never_all_in_memory() {
        let folder = TempDir::new().unwrap();
        let mut most = Vec::new();
        for count in [0, 1, 1000, 5000] {
            let (images, extractor) = (Watched::new(count, usize::MAX), Bytes::default());
            let file = extract(&extractor, &images, folder.path()).unwrap();
            assert_eq!((file.rows, file.columns), (count, 3));
            let features = Features::join(count, file.blocks()).unwrap();
            assert!((0..count).all(|index| features.row(index) == [(index % 250) as f32; 3]));
            let again = extract(&extractor, &images, folder.path()).unwrap();
            assert_eq!(Features::join(count, again.blocks()).unwrap(), features);
            assert_eq!(extractor.seen.get(), count);
            most.push((images.most.get(), extractor.most.get()));
        }
        assert_eq!(most[2], most[3], "images held at a time");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
    }

    #[test]
    fn images_that_change_on_the_way_leave_nothing_behind() {
        let folder = TempDir::new().unwrap();
        let error = extract(&Bytes::default(), &Watched::new(300, 3), folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the images changed while their features were computed"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let folder = TempDir::new().unwrap();
        let (images, extractor) = (Watched::new(20, usize::MAX), Bytes::default());
        extract(&extractor, &images, folder.path()).unwrap();
        let mut files = fs::read_dir(folder.path()).unwrap();
        let path = files.next().unwrap().unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let error = extract(&extractor, &images, folder.path()).unwrap_err();
        let expected = format!(
            "`{}` is damaged: delete it, and it is computed again",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
    }
}
