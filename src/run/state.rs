//! How a run stands, seen from outside.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::{last_mark, lock, recorded_steps};
use crate::error::Result;
use crate::tracker::{Event, Ledger};

/// A process that gave no sign of life for this long is said to be silent.
const SILENCE: Duration = Duration::from_mins(10);

/// How a run stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Nothing was trained yet.
    New,
    /// A process trains it.
    Running {
        /// The process.
        process: u32,
        /// Steps behind it.
        step: u64,
        /// Since the process gave its last sign of life.
        silent: Duration,
    },
    /// Its process ended without closing it.
    Gone {
        /// Steps behind it.
        step: u64,
    },
    /// It was closed.
    Ended {
        /// `finished`, `diverged`, `failed` or `killed`.
        status: String,
        /// Steps behind it.
        step: u64,
        /// Why, unless it finished.
        reason: String,
    },
}

/// How the run in `folder` stands. Fails if its ledger cannot be read.
pub fn state(folder: &Path) -> Result<State> {
    // First who holds it: what that process writes in between is then seen.
    let holder = lock::holder(folder);
    let path = folder.join("ledger.jsonl");
    if !path.exists() {
        return Ok(State::New);
    }
    let events = Ledger::read(&path)?;
    let step = recorded_steps(&events);
    Ok(match (last_mark(&events), holder) {
        (
            Some(Event::End {
                status,
                step,
                reason,
                ..
            }),
            _,
        ) => State::Ended {
            status: status.clone(),
            step: *step,
            reason: reason.clone(),
        },
        (Some(_), Some(holder)) => State::Running {
            process: holder.process,
            step,
            silent: holder.silent,
        },
        (Some(_), None) => State::Gone { step },
        (None, _) => State::New,
    })
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => write!(out, "not begun"),
            Self::Running {
                process,
                step,
                silent,
            } => {
                write!(out, "running (process {process}), step {step}")?;
                if *silent > SILENCE {
                    let minutes = silent.as_secs() / 60;
                    write!(out, ", no sign of life for {minutes} min")?;
                }
                Ok(())
            }
            Self::Gone { step } => write!(out, "stopped: its process is gone at step {step}"),
            Self::Ended {
                status,
                step,
                reason,
            } if reason.is_empty() => write!(out, "{status} after step {step}"),
            Self::Ended {
                status,
                step,
                reason,
            } => write!(out, "{status} after step {step}: {reason}"),
        }
    }
}
