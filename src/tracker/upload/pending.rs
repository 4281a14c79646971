//! What a run's folder has that is not uploaded.

use std::collections::VecDeque;
use std::path::Path;

use super::progress::UploadProgress;
use crate::error::{Result, refuse};
use crate::tracker::Event;
use crate::tracker::ledger::Line;
use crate::tracker::lines::{Lines, Tail};
use crate::tracker::system::{SystemSample, system_log};
use crate::workspace;

/// A line of the ledger.
#[derive(Clone, Debug)]
pub(super) struct PendingEvent {
    pub(super) event: Event,
    /// Starts up to it, itself included.
    pub(super) starts: usize,
    /// Milliseconds since 1970; none in a ledger from before lines had times.
    pub(super) time: Option<i64>,
}

/// Where a run stands, as far as its ledger says.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    /// Its last start or end.
    pub(super) mark: Option<Event>,
    /// Starts so far.
    pub(super) starts: usize,
    /// The last step.
    pub(super) step: u64,
    /// The time of the first line and of the last.
    pub(super) times: Option<[i64; 2]>,
}

/// What the ledger and the system's samples have that is not uploaded, as far as it was read.
pub(super) struct Pending {
    ledger: Tail,
    pub(super) events: VecDeque<PendingEvent>,
    pub(super) position: Position,
    system: Tail,
    samples: VecDeque<SystemSample>,
    shown: String,
}

impl Pending {
    pub(super) fn new(folder: &Path) -> Self {
        let ledger = workspace::ledger(folder);
        Self {
            shown: ledger.display().to_string(),
            ledger: Tail::new(&ledger),
            events: VecDeque::new(),
            position: Position::default(),
            system: Tail::new(&system_log(folder)),
            samples: VecDeque::new(),
        }
    }

    /// Whether the ledger says how the training ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.position.mark, Some(Event::End { .. }))
    }

    /// Drops what is uploaded, and reads on until `count` lines wait or the ledger has no more.
    pub(super) fn fill(&mut self, progress: &UploadProgress, count: usize) -> Result<()> {
        self.events.retain(|pending| !progress.has(pending));
        while self.events.len() < count {
            let Lines { anew, lines } = self.ledger.read()?;
            if anew {
                self.events.clear();
                self.position = Position::default();
            }
            if lines.is_empty() {
                break;
            }
            for line in &lines {
                let pending = self.read(line)?;
                if !progress.has(&pending) {
                    self.events.push_back(pending);
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, line: &str) -> Result<PendingEvent> {
        let Line { event, time } = serde_json::from_str(line).map_err(|error| {
            refuse(
                format!("a line of `{}` is damaged: {error}", self.shown),
                "restore the file, or delete the run's folder to train it again",
            )
        })?;
        let position = &mut self.position;
        match &event {
            Event::Start { step, .. } => {
                position.starts += 1;
                position.step = *step;
            }
            Event::Step { step, .. } => position.step = *step,
            _ => {}
        }
        if matches!(event, Event::Start { .. } | Event::End { .. }) {
            position.mark = Some(event.clone());
        }
        if let Some(time) = time {
            let first = position.times.map_or(time, |times| times[0]);
            position.times = Some([first, time]);
        }
        let starts = position.starts;
        Ok(PendingEvent {
            event,
            starts,
            time,
        })
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
