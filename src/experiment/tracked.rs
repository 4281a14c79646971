//! An execution as far as one process has a part in it: its ledger, and the upload of it and of its runs to a tracking server.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::execution::{execution, keeps_open, mark_open};
use crate::config::{Config, TrackingConfig};
use crate::error::Result;
use crate::files::write_whole;
use crate::run::{Lock, Taken};
use crate::tracker::mlflow::{Client, Server};
use crate::tracker::{
    Destination, Ending, Environment, Event, Ledger, SystemMonitor, Upload, UploadStatus, Uploader,
};
use crate::workspace::{Workspace, config_file, ledger};

/// How often a request is made for an execution that is submitted: nobody waits for a server that is down.
const TRIES: u32 = 3;

/// What a process does of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// All of it.
    Whole,
    /// It submits it, and leaves it open.
    Submits,
    /// It trains one of its runs, and leaves the execution alone.
    Cell,
    /// It makes the tables of an execution that was submitted, and closes it.
    Reports,
    /// It closes one whose jobs it has cancelled.
    Cancels,
}

/// The execution of an experiment: the runs that a process trains or finds hang below it at the server.
///
/// It has a folder as a run has, named by the experiment's configuration. A command that is repeated goes on with it.
pub struct TrackedExecution {
    role: Role,
    folder: PathBuf,
    /// Its ledger; none where another process writes it.
    own: Option<OwnLedger>,
    /// Where its runs are uploaded to.
    of_runs: Destination,
    uploading: Option<(Server, Uploader)>,
    settings: TrackingConfig,
    followed: RefCell<Vec<PathBuf>>,
    report: fn(&str),
}

/// What of an execution one process alone has.
struct OwnLedger {
    ledger: Ledger,
    /// When it began, by the machine's clock.
    start: SystemTime,
    _lock: Lock,
}

impl TrackedExecution {
    /// Opens the execution of `config` for a process with this role. `reports` are the files that belong to the whole; `report`
    /// gets a line on the uploads where there is something that a user should know.
    ///
    /// # Errors
    /// Refuses an address that is no server's, and fails where its folder cannot be written.
    pub fn start(
        role: Role,
        config: &Config,
        workspace: &Workspace,
        reports: &Path,
        report: fn(&str),
    ) -> Result<Self> {
        let settings = config.tracking.clone();
        let server = find_server(&settings)?;
        let (name, text) = execution(config);
        let folder = workspace.executions().join(&name);
        // Its ledger, unless another process has it.
        let own = if role == Role::Cell {
            None
        } else {
            write_whole(&config_file(&folder), text.as_bytes())?;
            match Lock::try_take(&folder)? {
                Taken::Ours(lock) => Some(OwnLedger::open(role, &folder, lock)?),
                Taken::Held(..) => None,
            }
        };
        // Where it and its runs are uploaded to.
        let experiment = match settings.experiment.as_str() {
            "" => config.name.clone(),
            name => name.to_owned(),
        };
        let address = server.as_ref().map_or("", |server| server.address());
        let of_runs = Destination {
            experiment,
            parent: Path::new("../experiments").join(name),
            server: address.to_owned(),
            ..Destination::default()
        };
        if role != Role::Cell {
            let reports = reports.strip_prefix(workspace.out()).unwrap_or(reports);
            let destination = Destination {
                parent: PathBuf::new(),
                reports: Path::new("../../..").join(reports),
                ..of_runs.clone()
            };
            Destination::establish(&folder, &destination)?;
        }
        // The upload, if there is a server.
        let uploading = match server.filter(|_| role != Role::Submits) {
            None => None,
            Some(server) => {
                let timeout = Duration::from_secs_f64(settings.timeout_seconds);
                let uploader = Uploader::start(Client::new(server.clone(), timeout)?, report);
                if own.is_some() {
                    uploader.follow(&folder);
                }
                Some((server, uploader))
            }
        };
        Ok(Self {
            role,
            folder,
            own,
            of_runs,
            uploading,
            settings,
            followed: RefCell::default(),
            report,
        })
    }

    /// Leaves it open until its report, and uploads it now: its runs hang below it from their first step on.
    ///
    /// # Errors
    /// If its folder cannot be written. A server that does not take it is reported.
    pub fn leave_open(self) -> Result<()> {
        mark_open(&self.folder, true)?;
        let Some(server) = find_server(&self.settings)? else {
            return Ok(());
        };
        let timeout = Duration::from_secs_f64(self.settings.timeout_seconds);
        let client = Client::new(server.clone(), timeout)?;
        let Some(mut upload) = Upload::open(&self.folder, &server)? else {
            return Ok(());
        };
        if let Err(failure) = upload.finish(&client, || true, TRIES, |_| {}) {
            (self.report)(&format!(
                "{failure}; `histogen track sync` uploads it later"
            ));
        }
        Ok(())
    }

    /// Uploads the run in `folder`, which this process has open, from now on, and records what the machine does until the
    /// result is dropped.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn follow(&self, folder: &Path) -> Result<SystemMonitor> {
        self.upload(folder)?;
        self.followed.borrow_mut().push(folder.to_owned());
        let every = Duration::from_secs_f64(self.settings.system_seconds);
        Ok(SystemMonitor::start(folder, every, self.report))
    }

    /// Uploads the run in `folder` as one of its runs, until the execution ends.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn upload(&self, folder: &Path) -> Result<()> {
        Destination::establish(folder, &self.of_runs)?;
        if let Some((_, uploader)) = &self.uploading {
            uploader.follow(folder);
        }
        Ok(())
    }

    /// Ends it, uploads what can be uploaded soon, and reports whether that is all.
    pub fn end(mut self, ending: Ending, reason: String) {
        // A report that was stopped goes on in another process.
        let stays_open = self.role == Role::Reports && ending == Ending::Killed;
        if let Some(own) = self.own.as_mut().filter(|_| !stays_open) {
            let ended = own.ledger.append(Event::End {
                step: 0,
                ending,
                reason,
                seconds: own.start.elapsed().unwrap_or_default().as_secs_f64(),
                peak_megabytes: None, // it is no training
                gigaflop: None,
            });
            let closed = match self.role {
                Role::Reports | Role::Cancels => {
                    ended.and_then(|()| mark_open(&self.folder, false))
                }
                _ => ended,
            };
            if let Err(error) = closed {
                (self.report)(&format!("cannot note the end: {error:#}"));
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
            Ok(statuses) => (self.report)(&in_short(&statuses, &server)),
            Err(error) => (self.report)(&format!("cannot see what is uploaded: {error:#}")),
        }
    }
}

impl OwnLedger {
    /// Opens the ledger of the execution in `folder`, and notes the start unless it was noted by who submitted it.
    fn open(role: Role, folder: &Path, lock: Lock) -> Result<Self> {
        let mut ledger = lock.open_ledger(&ledger(folder))?;
        let goes_on = role != Role::Whole
            && keeps_open(folder)
            && matches!(ledger.events().last(), Some(Event::Start { .. }));
        let since = ledger.last_time().and_then(|time| u64::try_from(time).ok());
        let since = since.map(|since| SystemTime::UNIX_EPOCH + Duration::from_millis(since));
        let start = since.filter(|_| goes_on).unwrap_or_else(SystemTime::now);
        if !goes_on {
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

/// The tracking server of `settings`, or of the environment.
fn find_server(settings: &TrackingConfig) -> Result<Option<Server>> {
    Server::find(&settings.uri, |name| std::env::var(name).ok())
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
