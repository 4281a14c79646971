//! How far a run is delivered to one server: a file in the run's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::Entry;
use crate::digest::sha256;
use crate::error::Result;
use crate::files::write_whole;
use crate::tracker::Evaluation;
use crate::tracker::lines::{cannot_read, read_if_there};
use crate::tracker::mlflow::{RemoteRun, RunStatus, Server};

/// What the server has taken. Losing it costs only that all of it is sent again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
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
    pub picture: u64,
    /// Scores, as key, step and value.
    pub scores: BTreeSet<String>,
    /// How many samples of the system.
    pub system: u64,
    /// Files, and the SHA-256 of each.
    pub files: BTreeMap<String, String>,
    /// Whether the server was told that the run has grids.
    pub has_pictures: bool,
    /// Grids and files that nobody can deliver: gone from the run's folder, or the server keeps none.
    pub skipped: BTreeSet<String>,
    /// The state of the run.
    pub status: Option<RunStatus>,
    /// What was said of its end.
    pub end: String,
    /// Until when a request that had no answer may be taken, in milliseconds since 1970; none if each had one, or the server
    /// was looked at since.
    #[serde(default)]
    pub doubt: Option<i64>,
    /// Why the last try failed; empty if it did not.
    pub error: String,
}

impl Cursor {
    /// Where the cursor of the run in `folder` for `server` is.
    pub(super) fn path(folder: &Path, server: &Server) -> PathBuf {
        folder.join(format!("tracking/{}.json", server.short_name()))
    }

    /// How far the run in `folder` is delivered to `server`: nothing of it if no file says so, or if it is damaged.
    pub fn load(folder: &Path, server: &Server) -> Result<Self> {
        let bytes = read_if_there(&Self::path(folder, server))?;
        let cursor: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(cursor
            .filter(|cursor| cursor.server == server.address())
            .unwrap_or_else(|| Self {
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

    /// Whether the file at `place` is among the artifacts as `path`, as it is.
    pub(super) fn is_delivered(&self, path: &str, place: &Path) -> Result<bool> {
        let bytes = std::fs::read(place).map_err(|error| cannot_read(place, &error))?;
        Ok(self.files.get(path) == Some(&sha256(bytes)))
    }

    /// The numbers of `entry` that are not delivered.
    pub(super) fn left_of(&self, entry: &Entry) -> Vec<(String, f64)> {
        let numbers = entry.numbers();
        match entry {
            Entry::Step { step, .. } if *step <= self.step => Vec::new(),
            Entry::Scores(evaluation) => numbers
                .into_iter()
                .filter(|(key, value)| {
                    !self
                        .scores
                        .contains(&score_name(key, evaluation.step, *value))
                })
                .collect(),
            _ => numbers,
        }
    }

    /// Whether all of `entry` is delivered.
    pub(super) fn has(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Start { number, .. } => *number <= self.starts,
            Entry::Step { step, .. } => *step <= self.step,
            Entry::Picture { step, .. } => *step <= self.picture,
            Entry::Scores(evaluation) => self.scores.contains(&remark(evaluation)),
        }
    }

    /// `entry` is delivered.
    pub(super) fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Start { number, .. } => self.starts = *number,
            Entry::Step { step, .. } => self.step = *step,
            Entry::Picture { step, .. } => self.picture = *step,
            Entry::Scores(evaluation) => {
                self.scores.insert(remark(evaluation));
                for (key, value) in entry.numbers() {
                    self.scores.insert(score_name(&key, evaluation.step, value));
                }
            }
        }
    }
}

fn score_name(key: &str, step: u64, value: f64) -> String {
    format!("{key} at {step}: {value}")
}

/// Names a measurement with all its remarks.
fn remark(evaluation: &Evaluation) -> String {
    let json = serde_json::to_string(evaluation).expect("an evaluation is JSON");
    format!("evaluation {}", &sha256(json)[..12])
}
