//! How far a run is uploaded to one server: a file in the run's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pending::PendingEvent;
use super::points::numbers;
use crate::digest::sha256;
use crate::error::Result;
use crate::files::write_whole;
use crate::tracker::lines::read_if_there;
use crate::tracker::mlflow::{LogBatch, RemoteRun, RunStatus, Server};
use crate::tracker::{Evaluation, Event};

/// What is sent and has no answer yet. It is sent again as it is until it has one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InFlight {
    /// Points, parameters and tags.
    Batch(LogBatch),
    /// A grid of samples.
    Grid {
        /// Its path in the run's folder.
        file: String,
        /// Its path among the artifacts, without its ending.
        name: String,
    },
}

/// What is sent to a server, and what of it has no answer yet. Losing it costs only that all of it is sent again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UploadProgress {
    /// Address of the server.
    pub server: String,
    /// Id of the run there; empty until it is found or created.
    pub run: String,
    /// Where the run's artifacts go.
    pub artifacts: String,
    /// Id of the experiment there.
    pub experiment: String,
    /// Whether the run hangs below its parent.
    pub has_parent: bool,
    /// How many parameters, in their order.
    pub parameters: usize,
    /// How many starts.
    pub starts: usize,
    /// The last step.
    pub step: u64,
    /// The step of the last grid of samples.
    #[serde(alias = "picture")]
    pub grid: u64,
    /// Scores, as key, step and value.
    pub scores: BTreeSet<String>,
    /// How many samples of the system.
    pub system: u64,
    /// Files, and the SHA-256 of each.
    pub files: BTreeMap<String, String>,
    /// Whether the server was told that the run has grids.
    #[serde(alias = "has_pictures")]
    pub has_grids: bool,
    /// Grids and files that nobody can upload: gone from the run's folder, or the server keeps none.
    pub skipped: BTreeSet<String>,
    /// The status of the run.
    pub status: Option<RunStatus>,
    /// What was said of its end.
    pub end: String,
    /// Of all this, what has no answer yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<InFlight>,
    /// Why the last try failed; empty if it did not.
    pub error: String,
}

impl UploadProgress {
    /// Where the progress of the run in `folder` to `server` is kept.
    pub fn path(folder: &Path, server: &Server) -> PathBuf {
        folder.join(format!("tracking/{}.json", server.short_name()))
    }

    /// How far the run in `folder` is uploaded to `server`: nothing of it if no file says so, or if it is damaged.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn load(folder: &Path, server: &Server) -> Result<Self> {
        let bytes = read_if_there(&Self::path(folder, server))?;
        let progress: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let progress = progress.filter(|progress| progress.server == server.address());
        Ok(progress.unwrap_or_else(|| Self {
            server: server.address().to_owned(),
            ..Self::default()
        }))
    }

    pub(super) fn save(&self, folder: &Path, server: &Server) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).expect("text and numbers are JSON");
        write_whole(&Self::path(folder, server), &text)
    }

    pub(super) fn remote(&self) -> RemoteRun {
        RemoteRun {
            id: self.run.clone(),
            artifacts: self.artifacts.clone(),
        }
    }

    /// The numbers of `event` that are not uploaded.
    pub(super) fn left_of(&self, event: &Event) -> Vec<(String, f64)> {
        let mut numbers = numbers(event);
        if let Event::Evaluation(Evaluation { step, .. }) = event {
            numbers.retain(|(key, value)| !self.scores.contains(&score_name(key, *step, *value)));
        }
        numbers
    }

    /// Whether all of `pending` is uploaded. A step behind the last one never is again, so a ledger that is rewound and grows
    /// again adds what is new.
    pub(super) fn has(&self, pending: &PendingEvent) -> bool {
        match &pending.event {
            Event::Start { .. } => pending.starts <= self.starts,
            Event::Step { step, .. } => *step <= self.step,
            Event::Samples { step, .. } => *step <= self.grid,
            Event::Evaluation(evaluation) => self.scores.contains(&measurement(evaluation)),
            Event::End { .. } => true,
        }
    }

    /// `pending` is uploaded.
    pub(super) fn take(&mut self, pending: &PendingEvent) {
        match &pending.event {
            Event::Start { .. } => self.starts = pending.starts,
            Event::Step { step, .. } => self.step = *step,
            Event::Samples { step, .. } => self.grid = *step,
            Event::Evaluation(evaluation) => {
                self.scores.insert(measurement(evaluation));
                let numbers = numbers(&pending.event).into_iter();
                let names = numbers.map(|(key, value)| score_name(&key, evaluation.step, value));
                self.scores.extend(names);
            }
            Event::End { .. } => {}
        }
    }
}

fn score_name(key: &str, step: u64, value: f64) -> String {
    format!("{key} at {step}: {value}")
}

/// Names a measurement with all its remarks.
fn measurement(evaluation: &Evaluation) -> String {
    let json = serde_json::to_string(evaluation).expect("an evaluation is JSON");
    format!("evaluation {}", &sha256(json)[..12])
}
