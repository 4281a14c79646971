//! What the commands that train keep for a tracking server, and deliver to it if there is one.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::dashboard::say;
use super::{Answer, Outcome};
use crate::cli::Settings;
use crate::config::{self, Config};
use crate::data::without_rgb;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::{cannot_write, write_whole};
use crate::stop::Stopped;
use crate::tracker::mlflow::{Client, Server};
use crate::tracker::{
    Balance, Courier, Environment, Event, Identity, Ledger, Recorder, record_once,
};
use crate::workspace::run_folders;

/// The execution of an experiment: the runs that a command trains or finds hang below it at the server.
///
/// It has a folder as a run has, named by the experiment's configuration. A command that is repeated goes on with it.
pub(super) struct Tracking {
    folder: PathBuf,
    ledger: Ledger,
    start: Instant,
    /// What its runs are to the server.
    of_runs: Identity,
    delivering: Option<(Server, Courier)>,
    settings: config::Tracking,
    followed: RefCell<Vec<PathBuf>>,
    /// Says that it goes on. Another command at the same experiment may have it.
    _lock: File,
}

impl Tracking {
    /// Does `work`, what it trains being followed, and delivers what can be delivered soon. `reports` are the files that
    /// belong to the whole.
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
        let server = Server::find(&tracking.uri, |name| std::env::var(name).ok())?;
        let address = server.as_ref().map_or("", |server| server.address());
        let config_sent = Config {
            tracking: config::Tracking::default(),
            ..config.clone()
        };
        let text = without_rgb(&config_sent.to_toml());
        let name = format!("{}-{}", config.name, &sha256(&text)[..12]);
        let folder = settings.out.join("runs/experiments").join(&name);
        write_whole(&folder.join("config.toml"), text.as_bytes())?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|error| cannot_write(&lock_path, &error))?;
        let _ = lock.try_lock();
        let mut ledger = Ledger::open(&folder.join("ledger.jsonl"))?;
        ledger.append(Event::Start {
            step: 0,
            environment: Environment::capture(),
        })?;
        let experiment = match tracking.experiment.as_str() {
            "" => config.name.clone(),
            name => name.to_owned(),
        };
        let identity = Identity {
            experiment,
            server: address.to_owned(),
            ..Identity::default()
        };
        let reports = reports.strip_prefix(&settings.out).unwrap_or(reports);
        let own = Identity {
            reports: Path::new("../../..").join(reports),
            ..identity.clone()
        };
        Identity::establish(&folder, &own)?;
        record_once(&folder)?;
        let delivering = match server {
            None => None,
            Some(server) => {
                let courier = Courier::start(Client::new(server.clone(), timeout)?, report);
                courier.follow(&folder);
                Some((server, courier))
            }
        };
        Ok(Self {
            folder,
            ledger,
            start: Instant::now(),
            of_runs: Identity {
                parent: Path::new("../experiments").join(name),
                ..identity
            },
            delivering,
            settings: tracking.clone(),
            followed: RefCell::default(),
            _lock: lock,
        })
    }

    /// Records the run in `folder` until the result is dropped, and delivers it from now on.
    pub(super) fn follow(&self, folder: &Path) -> Result<Recorder> {
        Identity::establish(folder, &self.of_runs)?;
        self.followed.borrow_mut().push(folder.to_owned());
        if let Some((_, courier)) = &self.delivering {
            courier.follow(folder);
        }
        let every = Duration::from_secs_f64(self.settings.system_seconds);
        Ok(Recorder::start(folder, every, report))
    }

    fn end(mut self, outcome: &Outcome) {
        let (status, reason) = match outcome {
            Ok(Answer::Yes) => ("finished", String::new()),
            Ok(Answer::No) => ("failed", "part of it failed".to_owned()),
            Err(error) => {
                let stopped = error.downcast_ref::<Stopped>();
                (stopped.map_or("failed", |_| "killed"), format!("{error:#}"))
            }
        };
        let ended = self.ledger.append(Event::End {
            step: 0,
            status: status.to_owned(),
            reason,
            seconds: self.start.elapsed().as_secs_f64(),
        });
        if let Err(error) = ended {
            report(&format!("cannot note the end: {error:#}"));
        }
        let Some((server, courier)) = self.delivering else {
            return;
        };
        courier.end(Duration::from_secs_f64(self.settings.wait_seconds));
        let mut folders = self.followed.into_inner();
        folders.push(self.folder.clone());
        let balances = folders
            .iter()
            .map(|folder| Balance::of(folder, &server, false));
        let balances: Result<Vec<Balance>> = balances.collect();
        match balances {
            Ok(balances) => report(&in_short(&balances, &server)),
            Err(error) => report(&format!("cannot see what is delivered: {error:#}")),
        }
    }
}

/// How much of the runs the server has.
fn in_short(balances: &[Balance], server: &Server) -> String {
    let address = server.address();
    if balances.iter().all(Balance::is_delivered) {
        return format!("all is delivered to `{address}`");
    }
    let left: u64 = balances.iter().map(Balance::left).sum();
    if left == 0 && balances.iter().any(|balance| balance.doubt.is_some()) {
        return format!(
            "all is delivered to `{address}`, but a request that had no answer may be taken late; `histogen track sync` looks \
             when it cannot any more"
        );
    }
    let error = balances.iter().find(|balance| !balance.error.is_empty());
    let error = error.map_or(String::new(), |balance| format!(" ({})", balance.error));
    format!(
        "{left} values and files are not delivered to `{address}`{error}; `histogen track sync` delivers them"
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
    let places = ["runs/experiments", "runs"];
    let folders = places
        .iter()
        .flat_map(|place| run_folders(&out.join(place)));
    folders
        .filter(|folder| folder.join("ledger.jsonl").exists())
        .collect()
}
