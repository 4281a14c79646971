//! `histogen list runs`: how each run stands, and its last score.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::output::{lines, show};
use crate::error::Result;
use crate::run::{RunState, state};
use crate::tracker::{Event, Ledger};
use crate::workspace::{ledger, run_folders};

/// A run.
#[derive(Serialize)]
struct Row {
    run: PathBuf,
    /// `new`, `running`, or how it ended.
    state: String,
    /// Steps behind it.
    step: u64,
    /// The same and more in words.
    described: String,
    /// The first score of its last measurement; none without one.
    score: Option<LastScore>,
}

#[derive(Serialize)]
struct LastScore {
    name: String,
    value: f64,
    step: u64,
    protocol_id: String,
}

impl Row {
    fn new(run: PathBuf) -> Result<Self> {
        let found = state(&run)?;
        let (name, step) = match &found {
            RunState::New => ("new".to_owned(), 0),
            RunState::Running { step, .. } => ("running".to_owned(), *step),
            RunState::Ended { ending, step, .. } => (ending.to_string(), *step),
        };
        let events = Ledger::read(&ledger(&run))?;
        let score = events.iter().rev().find_map(|event| match event {
            Event::Evaluation(evaluation) => evaluation.scores.first().and_then(|score| {
                Some(LastScore {
                    name: score.name.clone(),
                    value: score.value?,
                    step: evaluation.step,
                    protocol_id: score.protocol_id.clone(),
                })
            }),
            _ => None,
        });
        Ok(Self {
            run,
            state: name,
            step,
            described: found.to_string(),
            score,
        })
    }

    fn line(&self) -> String {
        let score = self.score.as_ref().map(|score| {
            let (name, value, step, id) =
                (&score.name, score.value, score.step, &score.protocol_id);
            format!("{name} {value:.4} at step {step} ({id})")
        });
        let score = score.unwrap_or_default();
        format!("{}  {}  {score}", self.run.display(), self.described)
    }
}

pub(super) fn list(folder: &Path, json: bool) -> Result<()> {
    let runs: Vec<Row> = run_folders(folder)
        .into_iter()
        .map(Row::new)
        .collect::<Result<_>>()?;
    if runs.is_empty() && !json {
        eprintln!("no runs in `{}`", folder.display());
    }
    show(json, &runs, |runs| Ok(lines(runs.iter().map(Row::line))))
}
