//! Features that were computed before, found again by content: the extractor's weights and the images' bytes.

use std::fs;
use std::path::Path;

use anyhow::Context;
use npyz::WriterBuilder;

use super::{Extractor, Features};
use crate::digest::sha256;
use crate::error::Result;
use crate::images::Pixels;

/// The features of `images`, from `folder` if they are there, and left there if not.
///
/// A file is written under another name and renamed, so that a broken one is never read as whole.
pub fn extract_cached(
    extractor: &dyn Extractor,
    images: &Pixels,
    folder: &Path,
) -> Result<Features> {
    let key = format!(
        "{}|{}|{}|{}|{}",
        extractor.describe(),
        extractor.hash(),
        extractor.resize(),
        images.size,
        sha256(&images.bytes),
    );
    let path = folder.join(format!("{}.npy", &sha256(key)[..32]));
    if let Some(features) = read(&path, images.count)? {
        return Ok(features);
    }
    let features = extractor.extract(images)?;
    write(&path, &features)?;
    Ok(features)
}

fn read(path: &Path, rows: usize) -> Result<Option<Features>> {
    if !path.exists() {
        return Ok(None);
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let damaged = || {
        format!(
            "`{}` is damaged: delete it, and it is computed again",
            path.display()
        )
    };
    let file = npyz::NpyFile::new(&bytes[..]).with_context(damaged)?;
    let columns = file.shape().last().copied().unwrap_or(0) as usize;
    let values: Vec<f32> = file.into_vec().with_context(damaged)?;
    anyhow::ensure!(values.len() == rows * columns, damaged());
    Ok(Some(Features::new(rows, columns, values)))
}

fn write(path: &Path, features: &Features) -> Result<()> {
    let folder = path.parent().context("a cached file lies in a folder")?;
    let failed = || format!("cannot write `{}`", path.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[features.rows as u64, features.columns as u64])
        .writer(std::io::BufWriter::new(&mut file))
        .begin_nd()
        .with_context(failed)?;
    writer
        .extend(features.values.iter().copied())
        .with_context(failed)?;
    writer.finish().with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}
