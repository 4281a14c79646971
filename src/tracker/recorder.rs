//! The thread that writes down, while a run trains, when its steps happen and what the machine does.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::lines::{cannot_read, last_lines};
use super::system::SystemMonitor;
use super::{Clock, Event, places};
use crate::error::Result;
use crate::files::cannot_write;

/// Time between two looks at the ledger.
const INTERVAL: Duration = Duration::from_secs(2);

/// A recording that ends, with a last look, when this is dropped. A run never fails because of it.
pub struct Recorder {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Records the run in `folder`, and the system every `system_every` (never if it is zero). `report` gets what went wrong,
    /// once.
    pub fn start(
        folder: &Path,
        system_every: Duration,
        report: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let (stopped, mut recording) = (Arc::clone(&stop), Recording::new(folder));
        let body = move || {
            let mut next_sample = (!system_every.is_zero()).then(|| Instant::now() + system_every);
            let mut complained = false;
            // Shares of time are counted from the start.
            let mut result = recording.begin(next_sample.is_some());
            loop {
                let due = next_sample.is_some_and(|next| Instant::now() >= next);
                if due {
                    next_sample = Some(Instant::now() + system_every);
                }
                result = result.and_then(|()| recording.look(due));
                if let Err(error) = result
                    && !complained
                {
                    complained = true;
                    report(&format!("cannot record when steps happen: {error:#}"));
                }
                result = Ok(());
                if wait(&stopped, INTERVAL) {
                    let _ = recording.look(false);
                    return;
                }
            }
        };
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(body);
        Self {
            stop,
            thread: thread.ok(),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let (stop, woken) = &*self.stop;
        *stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        woken.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Waits for `time` or the end, and returns whether it is the end.
fn wait(stop: &(Mutex<bool>, Condvar), time: Duration) -> bool {
    let (stop, woken) = stop;
    let guard = stop.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = woken.wait_timeout_while(guard, time, |stopped| !*stopped);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Marks how far the run in `folder` has come, unless a process that trains it does so.
pub fn record_once(folder: &Path) -> Result<()> {
    Recording::new(folder).look(false)
}

/// What one process at a time writes down of a run.
struct Recording {
    folder: PathBuf,
    held: Option<(Clock, File)>,
    monitor: Option<SystemMonitor>,
}

impl Recording {
    fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: None,
            monitor: None,
        }
    }

    fn begin(&mut self, with_system: bool) -> Result<()> {
        if with_system {
            self.monitor = Some(SystemMonitor::new(&places::system(&self.folder))?);
        }
        Ok(())
    }

    /// Marks the last step of the ledger, and samples the system if it is due. Nothing while another process does.
    fn look(&mut self, is_sample_due: bool) -> Result<()> {
        if self.held.is_none() {
            self.held = self.hold()?;
        }
        let Some((clock, _)) = &mut self.held else {
            return Ok(());
        };
        let path = places::ledger(&self.folder);
        let written = match fs::metadata(&path).and_then(|metadata| metadata.modified()) {
            Ok(time) => time,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot_read(&path, &error)),
        };
        clock.mark(last_step(&path)?, written)?;
        match &mut self.monitor {
            Some(monitor) if is_sample_due => monitor.sample(),
            _ => Ok(()),
        }
    }

    fn hold(&self) -> Result<Option<(Clock, File)>> {
        let path = places::recording(&self.folder);
        let failed = |error: std::io::Error| cannot_write(&path, &error);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let lock = File::create(&path).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        Ok(Some((Clock::read(&places::clock(&self.folder))?, lock)))
    }
}

/// How many steps the ledger at `path` has behind it.
fn last_step(path: &Path) -> Result<u64> {
    let step = last_lines(path)?
        .iter()
        .find_map(|line| match serde_json::from_str(line) {
            Ok(
                Event::Start { step, .. }
                | Event::Step { step, .. }
                | Event::Samples { step, .. }
                | Event::End { step, .. },
            ) => Some(step),
            // Its step may lie before the last.
            Ok(Event::Evaluation(_)) | Err(_) => None,
        });
    Ok(step.unwrap_or(0))
}
