//! Where things lie in a run's folder.

use std::path::{Path, PathBuf};

pub(super) fn ledger(folder: &Path) -> PathBuf {
    folder.join("ledger.jsonl")
}

pub(super) fn config(folder: &Path) -> PathBuf {
    folder.join("config.toml")
}

pub(super) fn system(folder: &Path) -> PathBuf {
    folder.join("system.jsonl")
}
