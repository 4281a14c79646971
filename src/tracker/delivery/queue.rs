//! What is read of a run and not delivered.

use std::collections::VecDeque;
use std::path::Path;

use super::cursor::Cursor;
use super::entry::{Entry, Standing};
use crate::error::{Result, refuse};
use crate::tracker::lines::{Lines, Tail};
use crate::tracker::system::SystemSample;
use crate::tracker::{Event, places};

/// What the ledger and the system's samples have that is not delivered, as far as it was read.
pub(super) struct Queue {
    ledger: Tail,
    entries: VecDeque<Entry>,
    starts: usize,
    /// As far as the ledger was read.
    pub(super) standing: Standing,
    system: Tail,
    samples: VecDeque<SystemSample>,
    shown: String,
}

impl Queue {
    pub(super) fn new(folder: &Path) -> Self {
        let ledger = places::ledger(folder);
        Self {
            shown: ledger.display().to_string(),
            ledger: Tail::new(&ledger),
            entries: VecDeque::new(),
            starts: 0,
            standing: Standing::New,
            system: Tail::new(&places::system(folder)),
            samples: VecDeque::new(),
        }
    }

    /// What waits, in order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Whether nothing of the ledger waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The first `count` are delivered.
    pub(super) fn take(&mut self, count: usize) {
        self.entries.drain(..count);
    }

    /// Reads on until `points` numbers wait or the ledger has no more.
    pub(super) fn fill(&mut self, cursor: &Cursor, points: usize) -> Result<()> {
        let mut waiting: usize = self.entries.iter().map(|entry| entry.numbers().len()).sum();
        loop {
            if waiting >= points {
                return Ok(());
            }
            let Lines { anew, lines } = self.ledger.read()?;
            if anew {
                self.entries.clear();
                (self.starts, self.standing, waiting) = (0, Standing::New, 0);
            }
            if lines.is_empty() {
                return Ok(());
            }
            for line in &lines {
                let entry = self.read(line)?;
                if let Some(entry) = entry.filter(|entry| !cursor.has(entry)) {
                    waiting += entry.numbers().len();
                    self.entries.push_back(entry);
                }
            }
        }
    }

    fn read(&mut self, line: &str) -> Result<Option<Entry>> {
        let event: Event = serde_json::from_str(line).map_err(|error| {
            refuse(
                format!("a line of `{}` is damaged: {error}", self.shown),
                "restore the file, or delete the run's folder to train it again",
            )
        })?;
        match &event {
            Event::Start { .. } => self.standing = Standing::Open,
            Event::End {
                step,
                status,
                reason,
                ..
            } => {
                self.standing = Standing::Ended {
                    step: *step,
                    status: status.clone(),
                    reason: reason.clone(),
                };
            }
            _ => {}
        }
        let is_start = matches!(event, Event::Start { .. });
        let entry = Entry::of(event, self.starts);
        self.starts += usize::from(is_start);
        Ok(entry)
    }

    /// The system's samples from number `from` on, about `points` numbers of them.
    pub(super) fn system(&mut self, from: u64, points: usize) -> Result<Vec<SystemSample>> {
        self.samples.retain(|sample| sample.step >= from);
        loop {
            let Lines { anew, lines } = self.system.read()?;
            if anew {
                self.samples.clear();
            }
            if lines.is_empty() {
                break;
            }
            let samples = lines
                .iter()
                .filter_map(|line| serde_json::from_str(line).ok());
            self.samples
                .extend(samples.filter(|sample: &SystemSample| sample.step >= from));
        }
        let mut count = 0;
        let fitting = self.samples.iter().take_while(|sample| {
            count += sample.scalars.len();
            count <= points
        });
        Ok(fitting.cloned().collect())
    }
}
