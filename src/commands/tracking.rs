//! What the commands that train keep for a tracking server, and upload to it if there is one.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::dashboard::say;
use super::{Answer, Outcome};
use crate::cli::Settings;
use crate::config::{self, Config};
use crate::data::as_hashed;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::{cannot_write, write_whole};
use crate::shutdown::Stopped;
use crate::tracker::mlflow::{Client, Server};
use crate::tracker::{
    Destination, Ending, Environment, Event, Ledger, SystemMonitor, Upload, UploadStatus, Uploader,
};
use crate::workspace::{Workspace, ledger, run_folders};

/// The execution of an experiment: the runs that a command trains or finds hang below it at the server.
///
/// It has a folder as a run has, named by the experiment's configuration. A command that is repeated goes on with it.
pub(super) struct Tracking {
    folder: PathBuf,
    ledger: Ledger,
    start: Instant,
    /// Where its runs are uploaded to.
    of_runs: Destination,
    uploading: Option<(Server, Uploader)>,
    settings: config::Tracking,
    followed: RefCell<Vec<PathBuf>>,
    /// Says that it goes on. Another command at the same experiment may have it.
    _lock: File,
}

impl Tracking {
    /// Does `work`, what it trains being followed, and uploads what can be uploaded soon. `reports` are the files that belong to
    /// the whole.
    pub(super) fn during(
        config: &Config,
        settings: &Settings,
        reports: &Path,
        work: impl FnOnce(&Self) -> Outcome,
    ) -> Outcome {
        let tracking = Self::start(config, settings, reports)?;
        let outcome = work(&tracking);
        tracking.end(&outcome);
        outcome
    }

    fn start(config: &Config, settings: &Settings, reports: &Path) -> Result<Self> {
        let tracking = &config.tracking;
        let timeout = seconds(tracking.timeout_seconds, "tracking.timeout_seconds")?;
        seconds(tracking.wait_seconds, "tracking.wait_seconds")?;
        seconds(tracking.system_seconds, "tracking.system_seconds")?;
        // The execution is named by its settings but those of tracking.
        let server = Server::find(&tracking.uri, |name| std::env::var(name).ok())?;
        let address = server.as_ref().map_or("", |server| server.address());
        let config_sent = Config {
            tracking: config::Tracking::default(),
            ..config.clone()
        };
        let text = as_hashed(&config_sent.to_toml());
        let name = format!("{}-{}", config.name, &sha256(&text)[..12]);
        let folder = Workspace::new(&settings.out).executions().join(&name);
        write_whole(&folder.join("config.toml"), text.as_bytes())?;
        // Its ledger.
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|error| cannot_write(&lock_path, &error))?;
        let _ = lock.try_lock();
        let mut ledger = Ledger::open(&folder.join("ledger.jsonl"))?;
        ledger.append(Event::Start {
            step: 0,
            environment: Environment::capture(),
        })?;
        // Where it and its runs are uploaded to.
        let experiment = match tracking.experiment.as_str() {
            "" => config.name.clone(),
            name => name.to_owned(),
        };
        let of_runs = Destination {
            experiment,
            parent: Path::new("../experiments").join(name),
            server: address.to_owned(),
            ..Destination::default()
        };
        let reports = reports.strip_prefix(&settings.out).unwrap_or(reports);
        let own = Destination {
            parent: PathBuf::new(),
            reports: Path::new("../../..").join(reports),
            ..of_runs.clone()
        };
        Destination::establish(&folder, &own)?;
        // The upload, if there is a server.
        let uploading = match server {
            None => None,
            Some(server) => {
                let uploader = Uploader::start(Client::new(server.clone(), timeout)?, report);
                uploader.follow(&folder);
                Some((server, uploader))
            }
        };
        Ok(Self {
            folder,
            ledger,
            start: Instant::now(),
            of_runs,
            uploading,
            settings: tracking.clone(),
            followed: RefCell::default(),
            _lock: lock,
        })
    }

    /// Uploads the run in `folder`, which this process has open, from now on, and records what the machine does until the
    /// result is dropped.
    pub(super) fn follow(&self, folder: &Path) -> Result<SystemMonitor> {
        Destination::establish(folder, &self.of_runs)?;
        self.followed.borrow_mut().push(folder.to_owned());
        if let Some((_, uploader)) = &self.uploading {
            uploader.follow(folder);
        }
        let every = Duration::from_secs_f64(self.settings.system_seconds);
        Ok(SystemMonitor::start(folder, every, report))
    }

    fn end(mut self, outcome: &Outcome) {
        let (ending, reason) = match outcome {
            Ok(Answer::Yes) => (Ending::Finished, String::new()),
            Ok(Answer::No) => (Ending::Failed, "part of it failed".to_owned()),
            Err(error) if error.is::<Stopped>() => (Ending::Killed, format!("{error:#}")),
            Err(error) => (Ending::Failed, format!("{error:#}")),
        };
        let ended = self.ledger.append(Event::End {
            step: 0,
            ending,
            reason,
            seconds: self.start.elapsed().as_secs_f64(),
            peak_megabytes: None, // it is no training
            gigaflop: None,
        });
        if let Err(error) = ended {
            report(&format!("cannot note the end: {error:#}"));
        }
        let Some((server, uploader)) = self.uploading else {
            return;
        };
        uploader.end(Duration::from_secs_f64(self.settings.wait_seconds));
        let mut folders = self.followed.into_inner();
        folders.push(self.folder.clone());
        let statuses = folders
            .iter()
            .map(|folder| Upload::status(folder, &server, false));
        match statuses.collect::<Result<Vec<_>>>() {
            Ok(statuses) => report(&in_short(&statuses, &server)),
            Err(error) => report(&format!("cannot see what is uploaded: {error:#}")),
        }
    }
}

/// Whether the server has all of the runs.
fn in_short(statuses: &[UploadStatus], server: &Server) -> String {
    let address = server.address();
    let left = statuses.iter().filter(|status| !status.is_complete).count();
    if left == 0 {
        return format!("all is uploaded to `{address}`");
    }
    let mut errors = statuses.iter().map(|status| &status.progress.error);
    let error = errors.find(|error| !error.is_empty());
    let error = error.map_or(String::new(), |error| format!(" ({error})"));
    format!(
        "{left} of {} runs are not all uploaded to `{address}`{error}; `histogen track sync` uploads the rest",
        statuses.len()
    )
}

/// `value` as a time.
fn seconds(value: f64, key: &str) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        refuse(
            format!("`{key}` is {value}"),
            "give a number of seconds, 0 or more",
        )
    })
}

fn report(line: &str) {
    say(&format!("tracking: {line}"));
}

/// The folders of all executions and runs under `out`, executions first.
pub(super) fn folders(out: &Path) -> Vec<PathBuf> {
    let workspace = Workspace::new(out);
    let places = [workspace.executions(), workspace.runs()];
    let folders = places.iter().flat_map(|place| run_folders(place));
    folders.filter(|folder| ledger(folder).exists()).collect()
}
