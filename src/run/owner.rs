//! Whose a folder is, in a file that other machines see: `owner`. It holds where locks do not: on network disks that grant one
//! lock to several nodes or none to anybody.
//!
//! The file is made by `link(2)` of a private one, which is atomic on network disks too. Who finds another's there takes it over
//! only where [`verdict`] allows it. Its owner reads it before it writes anything that counts ([`Fence`]): once it has another
//! token, the owner was fenced, and writes nothing more.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use uuid::Uuid;

use crate::error::{Result, refuse};
use crate::files::{UNFINISHED, cannot_write};

/// The file's name.
const FILE: &str = "owner";
/// An owner on another machine without a heartbeat for this long is taken for gone.
pub(super) const SILENT: Duration = Duration::from_mins(10);
/// The same for an earlier start of the same Slurm job, which the cluster has given up already.
pub(super) const SILENT_RESTART: Duration = Duration::from_mins(1);
/// Between two looks of [`Fence::look`].
const GLANCE: Duration = Duration::from_secs(2);
/// How often a file that cannot be read is tried again, a second apart: a network disk may stop for a moment.
const TRIES: u32 = 10;

/// A process that a folder belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// Name of its machine.
    pub(super) host: String,
    /// What process numbers count in: the start of the system, and the namespace of processes.
    pub(super) boot: String,
    /// Its number.
    pub(super) process: u32,
    /// When the process started, in ticks since the start of the system; empty where the system does not say.
    pub(super) started: String,
    /// Its Slurm job, with the task of an array; empty outside Slurm.
    pub(super) job: String,
    /// How often that job was restarted.
    pub(super) restart: u64,
    /// 32 random digits: no two are equal.
    pub(super) token: String,
}

impl Owner {
    /// This process, under a new token.
    pub(super) fn this() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let array = (
            variable("SLURM_ARRAY_JOB_ID"),
            variable("SLURM_ARRAY_TASK_ID"),
        );
        let job = match array {
            (job, task) if !job.is_empty() && !task.is_empty() => format!("{job}_{task}"),
            _ => variable("SLURM_JOB_ID"),
        };
        let process = std::process::id();
        Self {
            host: sysinfo::System::host_name().unwrap_or_default(),
            boot: boot(),
            process,
            started: started(process).unwrap_or_default(),
            job,
            restart: variable("SLURM_RESTART_COUNT").parse().unwrap_or_default(),
            token: Uuid::new_v4().simple().to_string(),
        }
    }

    /// Who `folder` belongs to.
    pub(super) fn read(folder: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read_to_string(folder.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        toml::from_str(&text)
            .map(Some)
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error.message().to_owned()))
    }

    /// Makes `folder` its own, if it is nobody's. Says whether it was.
    pub(super) fn claim(&self, folder: &Path) -> Result<bool> {
        let private = self.private(folder)?;
        link(&private, &folder.join(FILE))
    }

    /// Makes `folder` its own, which is `found`'s. Says whether it still was: another may have come first.
    pub(super) fn take_over(&self, folder: &Path, found: &Self) -> Result<bool> {
        let place = folder.join(FILE);
        let failed = |error: io::Error| cannot_write(&place, &error);
        // Of those who come after one owner the first is the next: this name is made once.
        let next = folder.join(format!("{FILE}.after-{}", found.token));
        let private = self.private(folder)?;
        if age(&next, &private).is_some_and(|age| age > SILENT) {
            let _ = fs::remove_file(&next); // its maker has died in between
        }
        if !link(&private, &next)? {
            return Ok(false);
        }
        let is_unchanged = Self::read(folder).map_err(failed)?.as_ref() == Some(found);
        let replaced = if is_unchanged {
            let private = private.into_temp_path();
            private.persist(&place).map_err(|error| failed(error.error))
        } else {
            Ok(())
        };
        let _ = fs::remove_file(&next);
        replaced?;
        Ok(is_unchanged && Self::read(folder).map_err(failed)?.as_ref() == Some(self))
    }

    /// Its own file in `folder`, which nobody else knows.
    fn private(&self, folder: &Path) -> Result<NamedTempFile> {
        let failed = |error: io::Error| cannot_write(&folder.join(FILE), &error);
        let mut file = tempfile::Builder::new()
            .prefix(&format!(".{FILE}."))
            .suffix(UNFINISHED)
            .tempfile_in(folder)
            .map_err(failed)?;
        let text = toml::to_string(self).expect("text and numbers");
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        Ok(file)
    }

    /// Whether both are processes of one running system, so that one sees whether the other lives.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.host == other.host && self.boot == other.boot && !self.boot.is_empty()
    }

    /// Whether it lives: it runs beside this process.
    pub(super) fn lives(&self) -> bool {
        started(self.process).is_some_and(|started| started == self.started)
    }

    /// Whether `other` is the same job, restarted later.
    fn is_before(&self, other: &Self) -> bool {
        !self.job.is_empty() && self.job == other.job && self.restart < other.restart
    }
}

/// Links `file` to `place`, unless something is there. On a network disk the answer of a link may be lost: the count of names
/// has the truth.
fn link(file: &NamedTempFile, place: &Path) -> Result<bool> {
    let failed = |error: io::Error| cannot_write(place, &error);
    match fs::hard_link(file.path(), place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => names(file).map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a file has a second name.
fn names(file: &NamedTempFile) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(fs::metadata(file.path())?.nlink() > 1)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        Ok(false)
    }
}

/// By how much the file at `path` is older than `now`, by the clock of the disk they lie on; none if it is not there.
fn age(path: &Path, now: &NamedTempFile) -> Option<Duration> {
    let time = fs::metadata(path).ok()?.modified().ok()?;
    let now = fs::metadata(now.path()).ok()?.modified().ok()?;
    Some(now.duration_since(time).unwrap_or_default())
}

/// How long the file at `path` in `folder` was not written, by the clock of the disk.
pub(super) fn silence(folder: &Path, path: &Path) -> Result<Duration> {
    let now = Owner::default().private(folder)?;
    Ok(age(path, &now).unwrap_or_default())
}

/// What may be done about an owner that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is gone: its place may be taken.
    Gone,
    /// It is an earlier start of the same Slurm job: its place may be taken, and nothing written until it is silent.
    Earlier,
    /// The folder is its own.
    Stays,
}

/// What `newcomer` may do about `found`, which gave its last heartbeat `silent` ago. `lives` is asked of an owner beside it.
pub(super) fn verdict(
    found: &Owner,
    newcomer: &Owner,
    silent: Duration,
    lives: impl Fn(&Owner) -> bool,
) -> Verdict {
    if found.is_beside(newcomer) && !lives(found) {
        return Verdict::Gone;
    }
    if found.is_before(newcomer) {
        return Verdict::Earlier;
    }
    // A process that is seen alive is not gone, however busy it is.
    if !found.is_beside(newcomer) && silent >= SILENT {
        return Verdict::Gone;
    }
    Verdict::Stays
}

/// Another process has taken the folder over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was taken over by {by}")]
pub struct Fenced {
    by: String,
}

/// What an owner asks before it writes: whether it still is the owner.
#[derive(Debug)]
pub(super) struct Fence {
    folder: PathBuf,
    token: String,
    last: Mutex<Instant>,
}

impl Fence {
    pub(super) fn new(folder: &Path, owner: &Owner) -> Self {
        Self {
            folder: folder.to_owned(),
            token: owner.token.clone(),
            last: Mutex::new(Instant::now()),
        }
    }

    /// Asks, unless that was done just now.
    pub(super) fn look(&self) -> Result<()> {
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() < GLANCE {
            return Ok(());
        }
        self.check()
    }

    /// Asks.
    ///
    /// # Errors
    /// Fails with [`Fenced`] if the folder belongs to another process.
    pub(super) fn check(&self) -> Result<()> {
        let mut tries = 0;
        let found = loop {
            match Owner::read(&self.folder) {
                Ok(found) => break found,
                Err(_) if tries < TRIES => sleep(Duration::from_secs(1)),
                Err(error) => return Err(unreadable(&self.folder, &error)),
            }
            tries += 1;
        };
        match found {
            Some(owner) if owner.token == self.token => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                Ok(())
            }
            found => {
                let by = found.map(|by| by.describe());
                let by = by.unwrap_or_else(|| "hand: its `owner` is gone".to_owned());
                let refusal = refuse(
                    format!("nothing more is written to `{}`", self.folder.display()),
                    "nothing is lost: who has it goes on from the last checkpoint",
                );
                Err(refusal.context(Fenced { by }))
            }
        }
    }

    /// Gives the folder back, if it still is its own.
    pub(super) fn release(&self) {
        let found = Owner::read(&self.folder).ok().flatten();
        if found.is_some_and(|owner| owner.token == self.token) {
            let _ = fs::remove_file(self.folder.join(FILE));
        }
    }
}

impl Owner {
    /// It in words.
    pub(super) fn describe(&self) -> String {
        let Self { process, host, .. } = self;
        let job = match self.job.as_str() {
            "" => String::new(),
            job => format!(", Slurm job {job}, restart {}", self.restart),
        };
        format!("process {process} on `{host}`{job}")
    }
}

/// The error of an `owner` that cannot be read.
pub(super) fn unreadable(folder: &Path, error: &io::Error) -> anyhow::Error {
    let path = folder.join(FILE);
    refuse(
        format!("cannot read `{}`: {error}", path.display()),
        "see that the disk is there; if no process writes that folder, delete the file",
    )
}

/// What process numbers count in; empty where the system does not say.
fn boot() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() {
        return sysinfo::System::boot_time()
            .map_or_else(|_| String::new(), |time| time.to_string());
    }
    format!("{} {}", boot.trim(), space.display())
}

/// When `process` started; none if there is no such process, or it has ended and nobody has asked how.
fn started(process: u32) -> Option<String> {
    if !cfg!(target_os = "linux") {
        use sysinfo::{Pid, ProcessesToUpdate, System};
        let (mut system, id) = (System::new().ok()?, Pid::from_u32(process));
        system.refresh_processes(ProcessesToUpdate::Some(&[id]), true);
        return Some(system.process(id)?.start_time().to_string());
    }
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in brackets may hold anything: state and start are the 3rd and the 22nd field.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let is_over = ["Z", "X"].contains(fields.first()?);
    (!is_over).then_some((*fields.get(19)?).to_owned())
}
