//! What the ledgers of an experiment say in the end: the one place that reads how its trainings stand and what was measured.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Record, RowRecord};
use crate::error::{Result, refuse};
use crate::run;
use crate::tracker::{self, Ending, Event, Ledger, ScoreRecord};
use crate::workspace::config_file;

/// What one ledger says in the end: one row with one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOutcome {
    /// The label of its row.
    pub row: String,
    /// Whether the row only frames the others.
    pub reference: bool,
    /// The seed of its training; none where nothing was trained, or not yet.
    pub seed: Option<u64>,
    /// How its training stands.
    pub state: TrainingState,
    /// What was measured of its last step; empty until it has finished and was measured.
    pub scores: Vec<ScoreRecord>,
    /// Seconds that its trainings took, one after another as far as they were closed; none before the first was.
    pub seconds: Option<f64>,
    /// Its folder, relative to the output folder.
    pub folder: PathBuf,
}

/// How a training stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainingState {
    /// There is no training to speak of: real images, an untrained generator.
    Untrained,
    /// There is no ledger yet, or nothing in it.
    NotStarted,
    /// A process trains it.
    Running {
        /// Steps behind it.
        step: u64,
    },
    /// It ended.
    Ended {
        /// How.
        ending: Ending,
        /// Steps behind it.
        step: u64,
        /// Why, unless it finished.
        reason: String,
    },
}

impl TrainingState {
    /// One word or two: `finished`, `running`, `killed`, `diverged`, `failed`, `stopped`, `not started`, `not trained`.
    pub fn word(&self) -> String {
        match self {
            Self::Untrained => "not trained".to_owned(),
            Self::NotStarted => "not started".to_owned(),
            Self::Running { .. } => "running".to_owned(),
            Self::Ended { ending, .. } => ending.to_string(),
        }
    }

    /// Whether it can still become a result: it runs, or a repeated command begins it or takes it up again.
    pub fn is_open(&self) -> bool {
        match self {
            Self::NotStarted | Self::Running { .. } => true,
            Self::Ended { ending, .. } => matches!(ending, Ending::Killed | Ending::Stopped),
            Self::Untrained => false,
        }
    }

    /// Whether a measurement of it is a result.
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Untrained => true,
            Self::Ended { ending, .. } => *ending == Ending::Finished,
            Self::NotStarted | Self::Running { .. } => false,
        }
    }
}

impl fmt::Display for TrainingState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { step } => write!(out, "running, after step {step}"),
            Self::Ended {
                ending,
                step,
                reason,
            } => out.write_str(&ending.describe(*step, reason)),
            Self::Untrained | Self::NotStarted => out.write_str(&self.word()),
        }
    }
}

impl RunOutcome {
    /// What the ledgers of a row say, in their order: one a seed.
    ///
    /// # Errors
    /// Fails if a ledger or the configuration beside it is damaged. A ledger that is not there is a training that did not
    /// start.
    pub fn of_row(row: &RowRecord, out: &Path) -> Result<Vec<Self>> {
        let read = |ledger: &PathBuf| Self::read(row, ledger, out);
        row.ledgers.iter().map(read).collect()
    }

    /// What the ledgers of every row of a record say.
    ///
    /// # Errors
    /// As [`Self::of_row`].
    pub fn of_rows(record: &Record, out: &Path) -> Result<Vec<Vec<Self>>> {
        let rows = record.rows.iter();
        rows.map(|row| Self::of_row(row, out)).collect()
    }

    fn read(row: &RowRecord, ledger: &Path, out: &Path) -> Result<Self> {
        let folder = ledger.parent().unwrap_or(Path::new("")).to_owned();
        let path = out.join(ledger);
        let events = Ledger::read(&path)?;
        let seconds = events.iter().filter_map(|event| match event {
            Event::End { seconds, .. } => Some(*seconds),
            _ => None,
        });
        Ok(Self {
            row: row.name.clone(),
            reference: row.reference,
            seed: seed(&out.join(&folder))?,
            state: state(&events, &out.join(&folder)),
            scores: tracker::result(&events)
                .map_or_else(Vec::new, |evaluation| evaluation.scores.clone()),
            seconds: seconds.reduce(|sum, seconds| sum + seconds),
            folder,
        })
    }

    /// What was measured under the name `score`.
    pub fn score(&self, name: &str) -> Option<&ScoreRecord> {
        self.scores.iter().find(|score| score.name == name)
    }
}

/// How the training stands whose ledger has these events.
fn state(events: &[Event], folder: &Path) -> TrainingState {
    let step = events.iter().rev().find_map(|event| match event {
        Event::Step { step, .. } | Event::Start { step, .. } => Some(*step),
        _ => None,
    });
    let step = step.unwrap_or(0);
    let mark = events
        .iter()
        .rev()
        .find(|event| matches!(event, Event::Start { .. } | Event::End { .. }));
    match mark {
        Some(Event::End {
            ending,
            step,
            reason,
            ..
        }) => TrainingState::Ended {
            ending: *ending,
            step: *step,
            reason: reason.clone(),
        },
        Some(_) if run::is_written(folder) => TrainingState::Running { step },
        Some(_) => TrainingState::Ended {
            ending: Ending::Stopped,
            step,
            reason: "its process is gone".to_owned(),
        },
        None if events.is_empty() => TrainingState::NotStarted,
        None => TrainingState::Untrained,
    }
}

/// The seed in the configuration of the run in `folder`; none where there is no configuration.
fn seed(folder: &Path) -> Result<Option<u64>> {
    let path = config_file(folder);
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let damaged = |error: String| {
        refuse(
            format!("`{}` is damaged: {error}", path.display()),
            "restore the file, or delete the run's folder to train it again",
        )
    };
    let table: toml::Table = toml::from_str(&text).map_err(|error| damaged(error.to_string()))?;
    let seed = table.get("seed").and_then(toml::Value::as_integer);
    match seed.map(u64::try_from) {
        Some(Ok(seed)) => Ok(Some(seed)),
        _ => Err(damaged("it has no `seed`".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(folder: &str) -> RowRecord {
        RowRecord {
            name: "dcgan".to_owned(),
            reference: false,
            ledgers: vec![Path::new(folder).join("ledger.jsonl")],
        }
    }

    fn start(ledger: &mut Ledger, step: u64) {
        let environment = tracker::Environment {
            histogen: String::new(),
            commit: String::new(),
            platform: String::new(),
            threads: 1,
        };
        ledger.append(Event::Start { step, environment }).unwrap();
    }

    fn end(ledger: &mut Ledger, ending: Ending, step: u64, reason: &str) {
        let event = Event::End {
            step,
            ending,
            reason: reason.to_owned(),
            seconds: 1.5,
            peak_megabytes: None,
            gigaflop: None,
        };
        ledger.append(event).unwrap();
    }

    #[test]
    fn a_training_is_shown_as_what_it_is() {
        let out = tempfile::tempdir().unwrap();
        let outcome = || {
            RunOutcome::of_row(&row("run"), out.path())
                .unwrap()
                .remove(0)
        };
        assert_eq!(outcome().state.to_string(), "not started");
        assert_eq!((outcome().seed, outcome().seconds), (None, None));

        let folder = out.path().join("run");
        let mut ledger = Ledger::open(&folder.join("ledger.jsonl")).unwrap();
        fs::write(folder.join("config.toml"), "seed = 7\n").unwrap();
        start(&mut ledger, 0);
        assert_eq!(
            outcome().state.to_string(),
            "stopped: its process is gone",
            "nobody holds its lock"
        );
        assert!(outcome().state.is_open());
        let lock = fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(outcome().state.to_string(), "running, after step 0");
        drop(lock);
        end(&mut ledger, Ending::Killed, 40, "by a signal");
        assert_eq!(
            outcome().state.to_string(),
            "killed after step 40: by a signal"
        );
        start(&mut ledger, 40);
        end(&mut ledger, Ending::Diverged, 50, "the loss is NaN");
        let diverged = outcome();
        assert_eq!(
            diverged.state.to_string(),
            "diverged after step 50: the loss is NaN"
        );
        assert!(!diverged.state.is_open() && !diverged.state.is_complete());
        assert_eq!((diverged.seed, diverged.seconds), (Some(7), Some(3.0)));
        assert_eq!(diverged.folder, Path::new("run"));
    }

    #[test]
    fn a_configuration_without_a_seed_is_refused() {
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join("config.toml"), "model = \"dcgan\"\n").unwrap();
        let error = RunOutcome::of_row(&row(""), out.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("is damaged: it has no `seed`"),
            "{error}"
        );
    }
}
