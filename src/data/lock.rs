//! Who is building a store: the folder that it is built in is one process's at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::builder::create;
use crate::error::Result;
use crate::files::cannot_write;

/// Between two looks at whether the lock is free.
const PAUSE: Duration = Duration::from_millis(100);

/// A folder that is this process's until it is dropped, or the process ends.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the folder at `path`, and creates it if it is not there.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub(super) fn wait(path: &Path) -> Result<Self> {
        let lock: PathBuf = path.join("lock");
        loop {
            create(path)?;
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&lock);
            let file = match opened {
                Ok(file) => file,
                // Another process has just finished, and removed the folder.
                Err(_) if !path.exists() => continue,
                Err(error) => return Err(cannot_write(&lock, &error)),
            };
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::WouldBlock) => sleep(PAUSE),
                    Err(TryLockError::Error(error)) => return Err(cannot_write(&lock, &error)),
                }
            }
            // Who held it may have removed the folder: then this is the lock of nothing.
            if is_at(&file, &lock) {
                return Ok(Self { _file: file });
            }
        }
    }
}

/// Whether `file` is still what lies at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let same = |one: fs::Metadata, other: fs::Metadata| {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    };
    let (file, there) = (file.metadata(), fs::metadata(path));
    file.ok()
        .zip(there.ok())
        .is_some_and(|(one, other)| same(one, other))
}

/// Whether `file` is still what lies at `path`: a file that is open cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    fs::metadata(path).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn one_at_a_time_has_the_folder_though_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("building");
        let inside = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..5 {
                        let lock = Lock::wait(&path).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        sleep(Duration::from_millis(1));
                        fs::remove_dir_all(&path).unwrap();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
