//! Where things lie in a run's folder.

use std::fs::File;
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

/// Whether a process has the run in `folder` open for writing.
pub fn is_written(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
}
