//! `histogen weights list`: which files are there.

use std::path::PathBuf;

use indicatif::HumanBytes;
use serde::Serialize;

use super::super::output::{lines, show};
use crate::error::Result;
use crate::weights::{Cache, KNOWN, KnownFile, OWN, OwnFile, short};

/// A file in `weights list`.
#[derive(Serialize)]
struct Listed<F> {
    #[serde(flatten)]
    file: F,
    present: bool,
    path: PathBuf,
}

impl<F> Listed<F> {
    fn new(file: F, path: PathBuf) -> Self {
        let present = path.exists();
        Self {
            file,
            present,
            path,
        }
    }

    fn there(&self) -> &'static str {
        if self.present { "present" } else { "missing" }
    }
}

/// Published files, then those that everybody gets a copy of their own of.
#[derive(Serialize)]
#[serde(untagged)]
enum AnyFile {
    Known(Listed<KnownFile>),
    Own(Listed<OwnFile>),
}

impl AnyFile {
    fn line(&self) -> String {
        match self {
            Self::Known(listed) => {
                let file = &listed.file;
                let bytes = file.bytes.map(|bytes| HumanBytes(bytes).to_string());
                format!(
                    "{:17} {:8} {:>11}  {}  {}",
                    file.name,
                    listed.there(),
                    bytes.unwrap_or_default(),
                    short(file.sha256),
                    file.used_by
                )
            }
            Self::Own(listed) => {
                let (name, from) = (listed.file.name, listed.file.from);
                format!(
                    "{name:17} {:8} {:>11}  your copy  from {from}",
                    listed.there(),
                    ""
                )
            }
        }
    }
}

pub(super) fn list(cache: &Cache, json: bool) -> Result<()> {
    let known = KNOWN
        .iter()
        .map(|known| AnyFile::Known(Listed::new(*known, cache.path(known))));
    let own = OWN
        .iter()
        .map(|own| AnyFile::Own(Listed::new(*own, cache.own_path(own))));
    let files: Vec<AnyFile> = known.chain(own).collect();
    show(json, &files, |files| {
        Ok(lines(files.iter().map(AnyFile::line)))
    })?;
    if !json {
        eprintln!("in `{}`", cache.folder().display());
    }
    Ok(())
}
