//! The delivery of a run to a tracking server: what its folder says, in order, each thing once.
//!
//! The folder is the truth and is only read; what the server has taken is kept in a [`Cursor`] there. A process may
//! die at any point, and a request may be lost before the server sees it or after; then something is sent again. That is
//! harmless, because **what is sent is a function of what lies on disk**:
//!
//! * A point is (key, value, time, step). Key, value and step are the ledger's; a resumed training rewrites a ledger with equal
//!   values, as training is bit-exact. The time is the [`Clock`]'s, which never changes what it said; a score has the time of
//!   the step that it measures. MLflow keeps points that are equal in all four once.
//! * Parameters are the run's configuration, whose hash names the folder; writing a value again that is there changes nothing.
//! * Tags, states and files are written over; a picture's name is made from the run, its step and its time.
//! * A run is created with an id that its folder has ([`Identity`]), and looked for by it before that.
//!
//! What is not harmless when it is taken late is said in `doubt.rs`, and what is done about it.
//!
//! Order: a request is made after the one before it was taken, and everything has the order of the ledger. A step behind the
//! cursor is never sent again, so a ledger that is rewound and grows again adds nothing but what is new.

mod adoption;
mod balance;
mod contents;
mod cursor;
mod doubt;
mod entry;
mod outline;
mod pictures;
mod queue;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use balance::{Balance, Count};
pub use cursor::Cursor;
pub use outline::Outline;

use contents::POINTS;
use entry::{Standing, tag};
use queue::Queue;

use super::identity::Identity;
use super::mlflow::{Answered, Batch, Client, Failure, Parameter, Server};
use super::{Clock, places};
use crate::error::Result;
use crate::files::cannot_write;

/// Parameters that are sent at once.
const PARAMETERS: usize = 100;

/// One run's way to one server. One process at a time has it.
pub struct Delivery {
    folder: PathBuf,
    identity: Identity,
    outline: Outline,
    cursor: Cursor,
    queue: Queue,
    clock: Clock,
    _lock: File,
}

impl Delivery {
    /// The delivery of the run in `folder` to `server`; `None` while another process is at it. The run has an [`Identity`].
    pub fn open(folder: &Path, server: &Server) -> Result<Option<Self>> {
        let identity = Identity::load(folder)?.with_context(|| {
            format!(
                "`{}` has no identity for a tracking server",
                folder.display()
            )
        })?;
        let path = folder.join(format!("tracking/{}.lock", server.short_name()));
        let lock = File::create(&path).map_err(|error| cannot_write(&path, &error))?;
        if lock.try_lock().is_err() {
            return Ok(None);
        }
        Ok(Some(Self {
            outline: Outline::read(folder, &identity)?,
            cursor: Cursor::load(folder, server)?,
            queue: Queue::new(folder),
            clock: Clock::read(&places::clock(folder))?,
            folder: folder.to_owned(),
            identity,
            _lock: lock,
        }))
    }

    /// How far it is.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Delivers the next thing and says whether there was one. `is_alive`: whether somebody writes the run.
    ///
    /// The cursor is on disk before this returns.
    pub fn advance(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        let moved = self.next(client, is_alive);
        let error = match &moved {
            Ok(_) => String::new(),
            Err(failure) => client.server().scrub(&failure.to_string()),
        };
        if !matches!(moved, Ok(false)) || self.cursor.error != error {
            self.cursor.error = error;
            self.cursor.save(&self.folder, client.server())?;
        }
        moved
    }

    fn next(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        if self.cursor.run.is_empty() {
            self.adopt(client)?;
            return Ok(true);
        }
        if self.cursor.parameters < self.outline.parameters.len() {
            let left = self.outline.parameters[self.cursor.parameters..].iter();
            let parameters: Vec<Parameter> = left
                .take(PARAMETERS)
                .map(|parameter| Parameter {
                    value: client.server().scrub(&parameter.value),
                    ..parameter.clone()
                })
                .collect();
            let count = parameters.len();
            let batch = Batch {
                parameters,
                ..Batch::default()
            };
            self.log(client, batch)?;
            self.cursor.parameters += count;
            return Ok(true);
        }
        if !self.cursor.has_parent
            && let Some(parent) = self.parent(client)?
        {
            let tags = vec![tag("mlflow.parentRunId", &parent)];
            self.log(client, Batch::of_tags(tags))?;
            self.cursor.has_parent = true;
            return Ok(true);
        }
        self.clock.refresh()?;
        self.queue.fill(&self.cursor, POINTS)?;
        if self.deliver_entries(client)?
            || self.deliver_picture(client, is_alive)?
            || self.deliver_system(client)?
        {
            return Ok(true);
        }
        let ended = matches!(self.queue.standing, Standing::Ended { .. });
        if self.deliver_file(client, ended || !is_alive)? {
            return Ok(true);
        }
        // How the run ended is said when all before is delivered.
        let goes_on = is_alive && !ended;
        if !self.queue.is_empty() && !goes_on {
            return Ok(false);
        }
        Ok(self.deliver_standing(client, is_alive)? || self.settle(client)?)
    }

    fn log(&self, client: &Client, mut batch: Batch) -> Answered<()> {
        for tag in &mut batch.tags {
            tag.value = client.server().scrub(&tag.value);
        }
        client
            .log(&self.cursor.run, &batch)
            .map_err(|failure| match failure {
                Failure::Refused {
                    status: 404,
                    code,
                    reason,
                } if !code.is_empty() => Failure::Refused {
                    status: 404,
                    code,
                    reason: format!(
                        "{reason}; delete `{}` to deliver the run from the start",
                        Cursor::path(&self.folder, client.server()).display()
                    ),
                },
                other => other,
            })
    }
}
