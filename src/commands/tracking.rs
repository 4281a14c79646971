//! What the commands that train keep for a tracking server, and upload to it if there is one.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::dashboard::say;
use super::{Answer, Outcome};
use crate::cli::Settings;
use crate::config::{self, Config};
use crate::error::{Result, refuse};
use crate::experiment::{PART_FAILED, execution, keeps_open, mark_open, run_folder};
use crate::files::write_whole;
use crate::run::{Lock, Taken};
use crate::shutdown::Stopped;
use crate::submission::Submission;
use crate::tracker::mlflow::{Client, Failure, Server};
use crate::tracker::{
    Destination, Ending, Environment, Event, Ledger, SystemMonitor, Upload, UploadStatus, Uploader,
    retry,
};
use crate::workspace::{Workspace, ledger, run_folders};

/// Why an execution ended whose jobs were cancelled.
const CANCELLED: &str = "cancelled";

/// The part of a process in an execution.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It does all of it.
    Whole,
    /// It submits it, and leaves it open.
    Submits,
    /// It trains one of its runs, and leaves the execution alone.
    Cell,
    /// It makes the tables of an execution that was submitted, and closes it.
    Reports,
}

/// The execution of an experiment: the runs that a command trains or finds hang below it at the server.
///
/// It has a folder as a run has, named by the experiment's configuration. A command that is repeated goes on with it.
pub(super) struct Tracking {
    part: Part,
    folder: PathBuf,
    /// Its ledger; none where another process writes it.
    own: Option<Own>,
    /// Where its runs are uploaded to.
    of_runs: Destination,
    uploading: Option<(Server, Uploader)>,
    settings: config::Tracking,
    followed: RefCell<Vec<PathBuf>>,
}

/// What of an execution one process alone has.
struct Own {
    ledger: Ledger,
    /// When it began, by the machine's clock.
    start: SystemTime,
    _lock: Lock,
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
        let workspace = Workspace::new(&settings.out);
        Self::during_part(Part::Whole, config, &workspace, reports, work)
    }

    /// The same for a `part` of an execution that has several processes.
    pub(super) fn during_part(
        part: Part,
        config: &Config,
        workspace: &Workspace,
        reports: &Path,
        work: impl FnOnce(&Self) -> Outcome,
    ) -> Outcome {
        let tracking = Self::start(part, config, workspace, reports)?;
        let outcome = work(&tracking);
        let (ending, reason) = match &outcome {
            Ok(Answer::Yes) => (Ending::Finished, String::new()),
            Ok(Answer::No) => (Ending::Failed, PART_FAILED.to_owned()),
            Err(error) if error.is::<Stopped>() => (Ending::Killed, format!("{error:#}")),
            Err(error) => (Ending::Failed, format!("{error:#}")),
        };
        tracking.end(ending, reason);
        outcome
    }

    /// Opens an execution until its report: its runs hang below it from their first step on.
    pub(super) fn submitted(config: &Config, workspace: &Workspace, reports: &Path) -> Result<()> {
        let tracking = Self::start(Part::Submits, config, workspace, reports)?;
        mark_open(&tracking.folder, true)?;
        let Some(server) = find_server(config)? else {
            return Ok(());
        };
        let timeout = seconds(config.tracking.timeout_seconds, "tracking.timeout_seconds")?;
        let client = Client::new(server.clone(), timeout)?;
        let Some(mut upload) = Upload::open(&tracking.folder, &server)? else {
            return Ok(());
        };
        loop {
            let goes_on = |failures, _: &Failure| failures < 3;
            match retry(|| upload.advance(&client, true), goes_on, thread::sleep) {
                Ok(true) => {}
                Ok(false) => break,
                Err(failure) => {
                    report(&format!(
                        "{failure}; `histogen track sync` uploads it later"
                    ));
                    break;
                }
            }
        }
        Ok(())
    }

    /// Closes an execution whose jobs were cancelled.
    pub(super) fn cancelled(config: &Config, workspace: &Workspace, reports: &Path) -> Result<()> {
        if keeps_open(&workspace.executions().join(execution(config).0)) {
            let tracking = Self::start(Part::Reports, config, workspace, reports)?;
            tracking.end(Ending::Killed, CANCELLED.to_owned());
        }
        Ok(())
    }

    fn start(part: Part, config: &Config, workspace: &Workspace, reports: &Path) -> Result<Self> {
        let tracking = &config.tracking;
        let timeout = seconds(tracking.timeout_seconds, "tracking.timeout_seconds")?;
        seconds(tracking.wait_seconds, "tracking.wait_seconds")?;
        seconds(tracking.system_seconds, "tracking.system_seconds")?;
        // The execution is named by its settings but those of tracking.
        let server = find_server(config)?;
        let address = server.as_ref().map_or("", |server| server.address());
        let (name, text) = execution(config);
        let folder = workspace.executions().join(&name);
        // Its ledger, unless another process has it.
        let own = if part == Part::Cell {
            None
        } else {
            write_whole(&folder.join("config.toml"), text.as_bytes())?;
            match Lock::try_take(&folder)? {
                Taken::Ours(lock) => Some(Own::open(part, &folder, lock)?),
                Taken::Held(..) => None,
            }
        };
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
        if part != Part::Cell {
            let reports = reports.strip_prefix(workspace.out()).unwrap_or(reports);
            let destination = Destination {
                parent: PathBuf::new(),
                reports: Path::new("../../..").join(reports),
                ..of_runs.clone()
            };
            Destination::establish(&folder, &destination)?;
        }
        // The upload, if there is a server.
        let uploading = match server.filter(|_| part != Part::Submits) {
            None => None,
            Some(server) => {
                let uploader = Uploader::start(Client::new(server.clone(), timeout)?, report);
                if own.is_some() {
                    uploader.follow(&folder);
                }
                Some((server, uploader))
            }
        };
        Ok(Self {
            part,
            folder,
            own,
            of_runs,
            uploading,
            settings: tracking.clone(),
            followed: RefCell::default(),
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

    /// Uploads what is left of every run that the cells of `submission` have made: a reward model may have been done before the
    /// execution was known to the server.
    pub(super) fn upload_cells(&self, submission: &Submission) -> Result<()> {
        let (config, workspace) = (&submission.config, submission.workspace());
        for cell in &submission.cells {
            let folder = run_folder(config, cell, &submission.store, &workspace)?;
            if let Some(folder) = folder.filter(|folder| ledger(folder).exists()) {
                Destination::establish(&folder, &self.of_runs)?;
                if let Some((_, uploader)) = &self.uploading {
                    uploader.follow(&folder);
                }
            }
        }
        Ok(())
    }

    fn end(mut self, ending: Ending, reason: String) {
        // A report that was stopped goes on in another process.
        let stays_open =
            self.part == Part::Reports && ending == Ending::Killed && reason != CANCELLED;
        if let Some(own) = self.own.as_mut().filter(|_| !stays_open) {
            let ended = own.ledger.append(Event::End {
                step: 0,
                ending,
                reason,
                seconds: own.start.elapsed().unwrap_or_default().as_secs_f64(),
                peak_megabytes: None, // it is no training
                gigaflop: None,
            });
            let closed = match self.part {
                Part::Reports => ended.and_then(|()| mark_open(&self.folder, false)),
                _ => ended,
            };
            if let Err(error) = closed {
                report(&format!("cannot note the end: {error:#}"));
            }
        }
        let Some((server, uploader)) = self.uploading else {
            return;
        };
        uploader.end(Duration::from_secs_f64(self.settings.wait_seconds));
        let mut folders = self.followed.into_inner();
        folders.extend(self.own.map(|_| self.folder));
        let statuses = folders
            .iter()
            .map(|folder| Upload::status(folder, &server, false));
        match statuses.collect::<Result<Vec<_>>>() {
            Ok(statuses) => report(&in_short(&statuses, &server)),
            Err(error) => report(&format!("cannot see what is uploaded: {error:#}")),
        }
    }
}

impl Own {
    /// Opens the ledger of the execution in `folder`, and notes the start unless it was noted by who submitted it.
    fn open(part: Part, folder: &Path, lock: Lock) -> Result<Self> {
        let path = ledger(folder);
        let mut ledger = lock.open_ledger(&path)?;
        let goes_on = part != Part::Whole
            && keeps_open(folder)
            && matches!(ledger.events().last(), Some(Event::Start { .. }));
        let mut start = SystemTime::now();
        if goes_on {
            let last = Ledger::read_with_times(&path)?
                .pop()
                .and_then(|(time, _)| time);
            let since = last.and_then(|time| u64::try_from(time).ok());
            start = since.map_or(start, |since| {
                SystemTime::UNIX_EPOCH + Duration::from_millis(since)
            });
        } else {
            ledger.append(Event::Start {
                step: 0,
                environment: Environment::capture(),
            })?;
        }
        Ok(Self {
            ledger,
            start,
            _lock: lock,
        })
    }
}

/// The tracking server of `config`, or of the environment.
fn find_server(config: &Config) -> Result<Option<Server>> {
    Server::find(&config.tracking.uri, |name| std::env::var(name).ok())
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
