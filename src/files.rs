//! Writing files so that they are whole or not there.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::error::{Result, refuse};

/// Writes a file under another name and renames it, so that it is never seen half-written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The error of a path that cannot be written.
pub fn cannot_write(path: &Path, reason: &dyn std::fmt::Display) -> anyhow::Error {
    refuse(
        format!("cannot write `{}`: {reason}", path.display()),
        "choose a folder you may write with `--out DIR`",
    )
}
