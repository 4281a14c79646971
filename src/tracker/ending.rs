//! How a training or a command ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a training or a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// All of it was done.
    Finished,
    /// Its process is gone and did not say why. Seen from outside; no ledger has it.
    Stopped,
    /// By a signal, after a checkpoint.
    Killed,
    /// Its numbers or its images make no sense any more.
    Diverged,
    /// By an error or a panic.
    Failed,
}

impl Ending {
    /// The ending in a line: after which step, unless that is 0, and why, if there is a reason.
    pub fn describe(self, step: u64, reason: &str) -> String {
        let after = match step {
            0 => String::new(),
            step => format!(" after step {step}"),
        };
        let colon = if reason.is_empty() { "" } else { ": " };
        format!("{self}{after}{colon}{reason}")
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
        })
    }
}
