//! The upload of a run to a tracking server: what its folder says, in order, each value once.
//!
//! The folder is the truth and is only read; what the server has taken is kept in an [`UploadProgress`] there. A process may
//! die at any point, and a request may be lost before the server sees it or after; then it is made again. That is harmless:
//!
//! * A point is (key, value, time, step), and MLflow keeps points that are equal in all four once. What is sent is on disk
//!   before it is sent, as being in flight, and is sent again as it is until it has an answer. So a resumed training, which
//!   writes its last steps again with new times, changes nothing of them.
//! * Parameters are the run's configuration, whose hash names the folder; writing a value again that is there changes nothing.
//! * Tags, the status and files are written over; a grid's name is made from the run, its step and its time.
//! * A run is created with an id that its folder has ([`Destination`]), and looked for by it before that.
//!
//! A request that the server takes after it was given up is not looked for: one that creates the run leaves an empty second
//! run, one that says how it stands the status before the last.
//!
//! Order: a request is made after the one before it was taken, and everything has the order of the ledger.

mod attachments;
mod pending;
mod points;
mod progress;
mod remote_run;
mod summary;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::ensure;
use serde::Serialize;

pub use progress::{InFlight, UploadProgress};

use attachments::{Attachment, grid_name, send_grid};
use pending::{Pending, PendingEvent};
use summary::RunSummary;

use super::mlflow::{
    Answered, Client, Failure, KeyValue, LogBatch, POINTS, Point, RunStatus, Server, retry,
};
use super::{Destination, Event};
use crate::error::Result;
use crate::files::cannot_write;

/// One run's way to one server.
pub struct Upload {
    folder: PathBuf,
    server: Server,
    destination: Destination,
    summary: RunSummary,
    progress: UploadProgress,
    pending: Pending,
    /// Held by the one process that uploads.
    _lock: Option<File>,
}

/// How far a run is uploaded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UploadStatus {
    /// What the server has.
    #[serde(flatten)]
    pub progress: UploadProgress,
    /// Whether that is all that the run's folder has.
    pub is_complete: bool,
}

/// What is to be done next.
enum Work {
    /// Find the experiment and the run at the server, or create them.
    FindRun,
    /// Send something; the progress with it.
    Send(InFlight, Box<UploadProgress>),
    Attach(Attachment),
    /// Say whether the run goes on or how it ended; when it ended.
    Tell(RunStatus, String, Option<i64>),
}

impl Upload {
    /// The upload of the run in `folder` to `server`; `None` while another process is at it.
    ///
    /// # Errors
    /// If the run has no [`Destination`], or its folder cannot be read or written.
    pub fn open(folder: &Path, server: &Server) -> Result<Option<Self>> {
        let path = UploadProgress::path(folder, server).with_extension("lock");
        let lock = File::create(&path).map_err(|error| cannot_write(&path, &error))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        let upload = Self {
            _lock: Some(lock),
            ..Self::read(folder, server)?
        };
        let has_destination = !upload.destination.id.is_empty();
        ensure!(has_destination, "`{}` has no destination", folder.display());
        Ok(Some(upload))
    }

    fn read(folder: &Path, server: &Server) -> Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            server: server.clone(),
            destination: Destination::load(folder)?.unwrap_or_default(),
            summary: RunSummary::read(folder)?,
            progress: UploadProgress::load(folder, server)?,
            pending: Pending::new(folder),
            _lock: None,
        })
    }

    /// How far the run in `folder` is uploaded to `server`, without asking it. `is_alive`: whether somebody writes the run.
    ///
    /// # Errors
    /// If the run's folder cannot be read.
    pub fn status(folder: &Path, server: &Server, is_alive: bool) -> Result<UploadStatus> {
        let mut upload = Self::read(folder, server)?;
        Ok(UploadStatus {
            is_complete: upload.next(is_alive)?.is_none(),
            progress: upload.progress,
        })
    }

    /// Uploads the next thing and says whether there was one. `is_alive`: whether somebody writes the run.
    ///
    /// The progress is on disk before this returns.
    ///
    /// # Errors
    /// If the server does not take it, or the run's folder cannot be read or written.
    pub fn advance(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        let moved = self.take_next(client, is_alive);
        let error = match &moved {
            Ok(_) => String::new(),
            Err(failure) => failure.to_string(),
        };
        if !matches!(moved, Ok(false)) || self.progress.error != error {
            self.progress.error = error;
            self.progress.save(&self.folder, &self.server)?;
        }
        moved
    }

    /// Uploads all that there is. `again` is told of a failure after which the request is made again: `tries` times in a row.
    ///
    /// # Errors
    /// As [`Self::advance`], with the last failure.
    pub fn finish(
        &mut self,
        client: &Client,
        is_alive: impl Fn() -> bool,
        tries: u32,
        again: impl Fn(&Failure),
    ) -> Answered<()> {
        let goes_on = |failures, failure: &Failure| {
            if failures < tries {
                again(failure);
            }
            failures < tries
        };
        while retry(|| self.advance(client, is_alive()), goes_on, thread::sleep)? {}
        Ok(())
    }

    fn take_next(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        match self.next(is_alive)? {
            None => return Ok(false),
            Some(Work::FindRun) => self.find_run(client)?,
            Some(Work::Send(in_flight, after)) => {
                self.progress = *after;
                self.progress.in_flight = Some(in_flight.clone());
                self.progress.save(&self.folder, &self.server)?;
                self.send(client, in_flight)?;
            }
            Some(Work::Attach(file)) => file.send(client, &mut self.progress)?,
            Some(Work::Tell(status, end, time)) => self.tell(client, status, end, time)?,
        }
        Ok(true)
    }

    /// What is to be done next, as far as the run's folder says.
    fn next(&mut self, is_alive: bool) -> Result<Option<Work>> {
        let mut after = self.progress.clone();
        if let Some(in_flight) = after.in_flight.take() {
            return Ok(Some(Work::Send(in_flight, Box::new(after))));
        }
        if after.run.is_empty() {
            return Ok(Some(Work::FindRun));
        }
        if let Some(in_flight) = self.next_to_send(&mut after)? {
            return Ok(Some(Work::Send(in_flight, Box::new(after))));
        }
        let ended = self.pending.has_ended() || !is_alive;
        let file = Attachment::next(&self.folder, &self.destination, &after, ended)?;
        // How the run ended is told when all before is uploaded.
        Ok(file.map(Work::Attach).or_else(|| self.to_tell(is_alive)))
    }

    /// What is to be sent next: parameters, the parent, what the ledger says, what the machine did. `after` becomes the progress
    /// with it.
    fn next_to_send(&mut self, after: &mut UploadProgress) -> Result<Option<InFlight>> {
        let mut batch = LogBatch::default();
        if after.parameters < self.summary.parameters.len() {
            batch.parameters = self.summary.parameters[after.parameters..].to_vec();
            after.parameters = self.summary.parameters.len();
        }
        if !after.has_parent
            && let Some(parent) = self.parent()?
        {
            batch
                .tags
                .push(KeyValue::tag("mlflow.parentRunId", &parent));
            after.has_parent = true;
        }
        self.pending.fill(after, POINTS)?;
        for (place, pending) in self.pending.events.iter().enumerate() {
            let time = pending.time.unwrap_or(self.summary.created);
            if let Event::Samples { step, file } = &pending.event {
                if place == 0 && *after == self.progress {
                    after.take(pending);
                    let (file, name) = (file.clone(), grid_name(&self.destination.id, *step, time));
                    return Ok(Some(InFlight::Grid { file, name }));
                }
                break;
            }
            let numbers = after.left_of(&pending.event);
            if place > 0 && batch.points.len() + numbers.len() > POINTS {
                break;
            }
            add_event(&mut batch, pending, numbers, time);
            after.take(pending);
        }
        // What the machine did goes with what the training did, where there is room.
        let room = POINTS.saturating_sub(batch.points.len());
        for sample in self.pending.system(after.system, room)? {
            after.system = sample.step + 1;
            for (key, value) in sample.scalars {
                let (timestamp, step) = (sample.time, sample.step);
                batch.points.push(Point {
                    key,
                    value,
                    timestamp,
                    step,
                });
            }
        }
        let is_new = *after != self.progress;
        Ok(is_new.then(|| InFlight::Batch(batch.scrubbed(&self.server))))
    }

    /// Sends what is in flight; what of it was not taken stays so.
    fn send(&mut self, client: &Client, mut in_flight: InFlight) -> Answered<()> {
        let sent = match &mut in_flight {
            InFlight::Batch(batch) => client.log(&self.progress.run, batch),
            InFlight::Grid { file, name } => {
                send_grid(client, &self.folder, file, name, &mut self.progress)
            }
        };
        self.progress.in_flight = sent.is_err().then_some(in_flight);
        sent.map_err(|failure| {
            if !failure.is("RESOURCE_DOES_NOT_EXIST") {
                return failure;
            }
            let path = UploadProgress::path(&self.folder, &self.server);
            Failure::here(format!(
                "{failure}; delete `{}` to upload the run from the start",
                path.display()
            ))
        })
    }
}

/// Adds `pending` to `batch`, and those of its numbers that are left.
fn add_event(batch: &mut LogBatch, pending: &PendingEvent, numbers: Vec<(String, f64)>, time: i64) {
    let tags = points::tags(&pending.event, pending.starts);
    batch.tags.extend(tags);
    let step = match &pending.event {
        Event::Step { step, .. } => *step,
        Event::Evaluation(evaluation) => evaluation.step,
        _ => 0,
    };
    for (key, value) in numbers {
        if value.is_finite() {
            batch.points.push(Point {
                key,
                value,
                timestamp: time,
                step,
            });
        } else {
            let key = format!("metric_nonfinite.{key}");
            batch.tags.push(KeyValue::tag(&key, &step.to_string()));
        }
    }
}
