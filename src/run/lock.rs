//! Who has a run open: a file that the operating system frees when its process is gone, however it went.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Result, refuse};
use crate::files::cannot_write;

/// Least time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a lock is waited for: [`holder`] takes it for a moment to see whether it is free.
const PATIENCE: Duration = Duration::from_millis(200);

/// The lock of a run, held until it is dropped or its process ends.
pub(super) struct Lock {
    file: File,
    path: PathBuf,
    last_heartbeat: Instant,
}

/// A process that has a run open.
pub(super) struct Holder {
    /// Its id; 0 in the moment before it wrote it down.
    pub(super) process: u32,
    /// Since its last heartbeat.
    pub(super) silent: Duration,
}

impl Lock {
    /// Takes the lock of the run in `folder`, or says who has it.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| cannot_write(&path, &error))?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(5));
                }
                Err(TryLockError::WouldBlock) => {
                    let process = process(&file);
                    return Err(refuse(
                        format!(
                            "run `{}` is open in another process (number {process})",
                            folder.display()
                        ),
                        "wait for it, or choose another folder with `--out DIR`",
                    ));
                }
                Err(TryLockError::Error(error)) => return Err(cannot_write(&path, &error)),
            }
        }
        let mut lock = Self {
            file,
            path,
            last_heartbeat: Instant::now(),
        };
        lock.sign()?;
        Ok(lock)
    }

    /// Gives a heartbeat, unless the last one is young.
    pub(super) fn heartbeat(&mut self) -> Result<()> {
        if self.last_heartbeat.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.sign()
    }

    /// Writes down who holds it; the file's time is the heartbeat.
    fn sign(&mut self) -> Result<()> {
        let text = format!("process {}\n", std::process::id());
        let written = self.file.rewind().and_then(|()| {
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)
        });
        self.last_heartbeat = Instant::now();
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

/// Who has the run in `folder` open, if a process has.
pub(super) fn holder(folder: &Path) -> Option<Holder> {
    let file = File::open(folder.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(Holder {
            process: process(&file),
            silent: file
                .metadata()
                .ok()?
                .modified()
                .ok()?
                .elapsed()
                .unwrap_or_default(),
        }),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

fn process(mut file: &File) -> u32 {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
    let number = text.trim().strip_prefix("process ").map(str::parse);
    match (read, number) {
        (Ok(_), Some(Ok(number))) => number,
        _ => 0,
    }
}
