//! What of a run is delivered and what is left, without asking the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::cursor::Cursor;
use super::doubt;
use super::entry::{Entry, Standing};
use super::outline::{Outline, standing};
use super::queue::Queue;
use crate::error::Result;
use crate::tracker::identity::Identity;
use crate::tracker::mlflow::{RunStatus, Server};

/// How many, and how many of them are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Those that are delivered.
    pub delivered: u64,
    /// All that the run's folder has.
    pub total: u64,
}

impl Count {
    fn add(&mut self, total: usize, left: usize) {
        self.total += total as u64;
        self.delivered += (total - left) as u64;
    }

    /// How many are left.
    pub fn left(self) -> u64 {
        self.total - self.delivered
    }
}

/// What of a run is delivered to a server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Balance {
    /// The run's folder.
    pub folder: PathBuf,
    /// Address of the server.
    pub server: String,
    /// Id of the run there; empty if it is not there.
    pub run: String,
    /// Parameters.
    pub parameters: Count,
    /// Points of metrics: steps and scores.
    pub points: Count,
    /// Points of the system's metrics.
    pub system: Count,
    /// Grids of samples.
    pub pictures: Count,
    /// Files.
    pub files: Count,
    /// The state that the server has been told.
    pub status: Option<RunStatus>,
    /// Whether that is the state of the run, and all that is said beside numbers is delivered.
    pub is_settled: bool,
    /// Grids and files that nobody can deliver: gone from the run's folder, or the server keeps none.
    pub skipped: usize,
    /// Until when a request that had no answer may be taken, in milliseconds since 1970. Then the server is looked at once
    /// more, and nothing is settled before.
    pub doubt: Option<i64>,
    /// Why the last try failed; empty if it did not.
    pub error: String,
}

impl Balance {
    /// The balance of the run in `folder` with `server`. `is_alive`: whether somebody writes the run.
    pub fn of(folder: &Path, server: &Server, is_alive: bool) -> Result<Self> {
        let identity = Identity::load(folder)?.unwrap_or_default();
        let outline = Outline::read(folder, &identity)?;
        let cursor = Cursor::load(folder, server)?;
        let mut balance = Self {
            folder: folder.to_owned(),
            server: server.address().to_owned(),
            run: cursor.run.clone(),
            parameters: Count::default(),
            points: Count::default(),
            system: Count::default(),
            pictures: Count::default(),
            files: Count::default(),
            status: cursor.status,
            is_settled: !cursor.run.is_empty(),
            skipped: cursor.skipped.len(),
            doubt: cursor.doubt,
            error: cursor.error.clone(),
        };
        let parameters = outline.parameters.len();
        let left = parameters.saturating_sub(cursor.parameters);
        balance.parameters.add(parameters, left);
        let mut queue = Queue::new(folder);
        balance.count_entries(&mut queue, &cursor)?;
        loop {
            let samples = queue.system(balance.system.total, usize::MAX)?;
            let Some(last) = samples.last() else { break };
            balance.system.total = last.step + 1;
        }
        balance.system.delivered = cursor.system.min(balance.system.total);
        let ended = matches!(queue.standing, Standing::Ended { .. });
        for (path, place) in outline.files(ended || !is_alive)? {
            let left = !cursor.is_delivered(&path, &place)?;
            balance.files.add(1, usize::from(left));
        }
        let parent = identity.parent.as_os_str();
        let has_parent = !parent.is_empty() && folder.join(parent).exists();
        let (status, end) = standing(&queue.standing, is_alive);
        balance.is_settled &= cursor.status == Some(status)
            && cursor.end == server.scrub(&end)
            && (cursor.has_parent || !has_parent)
            && cursor.doubt.is_none();
        Ok(balance)
    }

    /// Counts the ledger.
    fn count_entries(&mut self, queue: &mut Queue, cursor: &Cursor) -> Result<()> {
        // What is counted, and what is counted or delivered.
        let (mut seen, mut taken) = (Cursor::default(), cursor.clone());
        loop {
            queue.fill(&seen, 1)?;
            let entries: Vec<Entry> = queue.entries().cloned().collect();
            if entries.is_empty() {
                return Ok(());
            }
            queue.take(entries.len());
            for entry in &entries {
                if !seen.has(entry) {
                    if matches!(entry, Entry::Picture { .. }) {
                        self.pictures.add(1, usize::from(!taken.has(entry)));
                    } else {
                        let (total, left) = (seen.left_of(entry), taken.left_of(entry));
                        self.points.add(total.len(), left.len());
                        self.is_settled &= taken.has(entry);
                    }
                }
                seen.take(entry);
                if !taken.has(entry) {
                    taken.take(entry);
                }
            }
        }
    }

    /// How much is left, all kinds together.
    pub fn left(&self) -> u64 {
        let counts = [
            self.parameters,
            self.points,
            self.system,
            self.pictures,
            self.files,
        ];
        counts.iter().map(|count| count.left()).sum()
    }

    /// How much longer a request that had no answer may be taken.
    pub fn doubt_left(&self) -> Option<Duration> {
        self.doubt.map(doubt::left)
    }

    /// Whether nothing is left.
    pub fn is_delivered(&self) -> bool {
        self.left() == 0 && self.is_settled
    }
}
