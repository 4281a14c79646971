//! Where things lie in a run's folder.

use std::fs::File;
use std::path::{Path, PathBuf};

pub(super) fn ledger(folder: &Path) -> PathBuf {
    folder.join("ledger.jsonl")
}

pub(super) fn clock(folder: &Path) -> PathBuf {
    folder.join("tracking/clock.jsonl")
}

pub(super) fn system(folder: &Path) -> PathBuf {
    folder.join("system.jsonl")
}

/// Held by the process that writes clock and system samples.
pub(super) fn recording(folder: &Path) -> PathBuf {
    folder.join("tracking/recording.lock")
}

/// Whether a process has the run in `folder` open for writing.
pub fn is_written(folder: &Path) -> bool {
    let lock = File::open(folder.join("lock"));
    lock.is_ok_and(|lock| lock.try_lock_shared().is_err())
}
