//! Who has a folder open: a lock that the operating system frees when its process is gone, however it went, and beside it the
//! file `owner` for other machines (see `owner`). The time of the file `lock` is the heartbeat.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::file_system;
use super::owner::{Fence, Owner, SILENT, SILENT_RESTART, Verdict, silence, unreadable, verdict};
use crate::error::{Result, refuse};
use crate::files::cannot_write;
use crate::shutdown;
use crate::tracker::Ledger;

/// Least time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long a lock is waited for: [`holder`] takes it for a moment to see whether it is free.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long an earlier start of the same Slurm job is waited for: it stops at its next step or checkpoint.
const HANDOVER: Duration = Duration::from_mins(20);

/// A folder that this process has open, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
    last_heartbeat: Instant,
    fence: Arc<Fence>,
    /// Whether another process was displaced that may not know yet.
    pub(super) displaced: bool,
    /// What is to be known of how it was taken, a sentence each.
    pub(super) notices: Vec<String>,
}

/// A process that has a folder open.
pub(super) struct Holder {
    /// Its id; 0 in the moment before it wrote it down.
    pub(super) process: u32,
    /// Its machine, if that is another.
    pub(super) host: Option<String>,
    /// Since its last heartbeat.
    pub(super) silent: Duration,
}

/// What came of taking a folder.
pub enum Taken {
    /// It is this process' own.
    Ours(Lock),
    /// Another process has it, and stays: which, and what may be done.
    Held(String, String),
}

/// What the operating system said of a lock.
enum Locked {
    Yes,
    /// Another process has it.
    No,
    /// This file system has none.
    Never(io::Error),
}

impl Lock {
    /// Takes `folder`, or says who has it.
    ///
    /// # Errors
    /// Refuses a folder that another process has open, and fails if it cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Self> {
        match Self::try_take(folder)? {
            Taken::Ours(lock) => Ok(lock),
            Taken::Held(by, hint) => Err(refuse(
                format!("run `{}` is open in another process {by}", folder.display()),
                hint,
            )),
        }
    }

    /// Takes `folder`, which exists, unless another process has it open.
    ///
    /// # Errors
    /// Fails if the folder cannot be written.
    pub fn try_take(folder: &Path) -> Result<Taken> {
        Self::take_as(&Owner::this(), folder, &try_lock)
    }

    fn take_as(owner: &Owner, folder: &Path, try_lock: &dyn Fn(&File) -> Locked) -> Result<Taken> {
        let path = folder.join("lock");
        let options = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let file = options.map_err(|error| cannot_write(&path, &error))?;
        let start = Instant::now();
        let mut locked = try_lock(&file);
        while matches!(locked, Locked::No) && start.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
            locked = try_lock(&file);
        }
        let found = Owner::read(folder).map_err(|error| unreadable(folder, &error))?;
        let mut lock = Self {
            fence: Arc::new(Fence::new(folder, owner)),
            file,
            path,
            last_heartbeat: Instant::now(),
            displaced: false,
            notices: Vec::new(),
        };
        if let Locked::Never(error) = &locked {
            lock.notices.push(format!(
                "`{}` cannot be locked here ({error}); the file `owner` keeps others out",
                lock.path.display()
            ));
        }
        lock.notices.extend(file_system::doubt(folder));
        let is_ours = match &found {
            None if matches!(locked, Locked::No) => return Ok(lock.held_by_number()),
            None => owner.claim(folder)?,
            Some(found) => {
                let silent = silence(folder, &lock.path)?;
                // Locks hold between processes of one system: who is beside and has none is gone.
                let lives = |found: &Owner| !matches!(locked, Locked::Yes) && found.lives();
                match verdict(found, owner, silent, lives) {
                    Verdict::Stays => return Ok(lock.held_by(owner, found, silent)),
                    // The lock is another's, who has not written down its name yet.
                    Verdict::Gone if matches!(locked, Locked::No) => {
                        return Ok(lock.held_by_number());
                    }
                    Verdict::Gone => {
                        if !found.is_beside(owner) {
                            lock.displaced = true;
                            lock.notices.push(format!(
                                "{} gave no heartbeat for {} min and is taken for gone",
                                found.describe(),
                                silent.as_secs() / 60
                            ));
                        }
                        owner.take_over(folder, found)?
                    }
                    Verdict::Earlier => {
                        let is_ours = owner.take_over(folder, found)?;
                        if is_ours {
                            lock.displaced = true;
                            lock.notices.push(format!(
                                "{} is an earlier start of this job: the run was taken from it",
                                found.describe()
                            ));
                            lock.await_silence(folder, found, locked, try_lock)?;
                        }
                        is_ours
                    }
                }
            }
        };
        if !is_ours {
            return Ok(lock.held_by_number());
        }
        lock.sign()?;
        Ok(Taken::Ours(lock))
    }

    /// Waits until `earlier`, from which the folder was taken, writes no more: it gave its lock back, it is seen gone, or it was
    /// silent for long enough.
    fn await_silence(
        &self,
        folder: &Path,
        earlier: &Owner,
        mut locked: Locked,
        try_lock: &dyn Fn(&File) -> Locked,
    ) -> Result<()> {
        let start = Instant::now();
        let had_to_wait = matches!(locked, Locked::No);
        loop {
            let is_free = !matches!(locked, Locked::No);
            let is_gone = earlier.is_beside(&Owner::this()) && !earlier.lives();
            let silent = silence(folder, &self.path)?;
            // A lock that was held and is free now is one that holds between both.
            if is_free && (had_to_wait || is_gone || silent >= SILENT_RESTART) {
                return Ok(());
            }
            self.fence.check()?;
            shutdown::check()?;
            if start.elapsed() > HANDOVER {
                return Err(refuse(
                    format!(
                        "{} goes on with `{}`, and does not see that it was taken from it",
                        earlier.describe(),
                        folder.display()
                    ),
                    "end that process, and submit again",
                ));
            }
            sleep(Duration::from_millis(500));
            locked = try_lock(&self.file);
        }
    }

    /// What a process knows of a holder that has not said more than its number.
    fn held_by_number(&self) -> Taken {
        Taken::Held(
            format!("(number {})", process(&self.file)),
            "wait for it, or choose another folder with `--out DIR`".to_owned(),
        )
    }

    fn held_by(&self, owner: &Owner, found: &Owner, silent: Duration) -> Taken {
        if found.is_beside(owner) {
            return self.held_by_number();
        }
        let hint = format!(
            "wait for it; it gave its last heartbeat {} s ago, and is taken for gone after {} min without. If you know that it is \
             gone, delete `{}`",
            silent.as_secs(),
            SILENT.as_secs() / 60,
            self.path.with_file_name("owner").display()
        );
        Taken::Held(
            format!("(number {} on `{}`)", found.process, found.host),
            hint,
        )
    }

    /// Opens the ledger at `path` in the folder: it takes lines while the folder is this process' own.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn open_ledger(&self, path: &Path) -> Result<Ledger> {
        let mut ledger = Ledger::open(path)?;
        if self.displaced {
            // Who was displaced may add a line before it sees that: to the file that was there.
            ledger.renew()?;
        }
        ledger.guard(self.guard());
        Ok(ledger)
    }

    /// What asks whether the folder still is this process' own.
    pub(super) fn fence(&self) -> Arc<Fence> {
        Arc::clone(&self.fence)
    }

    /// A guard for the ledger in the folder: fails once the folder is another's. It looks now and then, or, for what must not be
    /// written twice, always.
    fn guard(&self) -> impl Fn(bool) -> Result<()> + Send + Sync + 'static {
        let fence = self.fence();
        move |always| if always { fence.check() } else { fence.look() }
    }

    /// Gives a heartbeat, unless the last one is young.
    ///
    /// # Errors
    /// Fails with [`super::Fenced`] if the folder is another's.
    pub(super) fn heartbeat(&mut self) -> Result<()> {
        if self.last_heartbeat.elapsed() < HEARTBEAT {
            return Ok(());
        }
        self.sign()
    }

    /// Writes down who holds it; the file's time is the heartbeat.
    fn sign(&mut self) -> Result<()> {
        self.fence.check()?;
        let text = format!("process {}\n", std::process::id());
        let written = self.file.rewind().and_then(|()| {
            self.file.write_all(text.as_bytes())?;
            self.file.set_len(text.len() as u64)
        });
        self.last_heartbeat = Instant::now();
        written.map_err(|error| cannot_write(&self.path, &error))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.fence.release();
    }
}

fn try_lock(file: &File) -> Locked {
    match file.try_lock() {
        Ok(()) => Locked::Yes,
        Err(TryLockError::WouldBlock) => Locked::No,
        Err(TryLockError::Error(error)) => Locked::Never(error),
    }
}

/// Who has `folder` open, if a process has.
pub(super) fn holder(folder: &Path) -> Option<Holder> {
    let path = folder.join("lock");
    let file = File::open(&path).ok()?;
    let locked = file.try_lock_shared();
    let this = Owner::this();
    let owner = Owner::read(folder).ok().flatten();
    let time = file.metadata().ok()?.modified().ok()?;
    let silent = time.elapsed().unwrap_or_default();
    let elsewhere = owner.as_ref().filter(|owner| !owner.is_beside(&this));
    let is_held = match (locked, &owner) {
        (Err(TryLockError::WouldBlock), _) => true,
        (_, Some(_)) if elsewhere.is_some() => silent < SILENT,
        (Err(TryLockError::Error(_)), Some(owner)) => owner.lives(),
        _ => false,
    };
    is_held.then(|| Holder {
        process: elsewhere.map_or_else(|| process(&file), |owner| owner.process),
        host: elsewhere.map(|owner| owner.host.clone()),
        silent,
    })
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

#[cfg(test)]
mod tests;
