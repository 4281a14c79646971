//! The ledger: what happened in a run, one JSON object a line, in order, each with its time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::lines::read_if_there;
use super::{Ending, Environment};
use crate::error::{Result, refuse};
use crate::files::{cannot_write, write_whole};
use crate::metrics::Protocol;

/// What happened: a line of a ledger without its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A process began, or took up again, after `step` steps.
    Start {
        /// Steps behind it.
        step: u64,
        /// What it runs on.
        environment: Environment,
    },
    /// The named numbers of one step. The first step is 1.
    Step {
        /// Which step.
        step: u64,
        /// Losses, rewards, penalties.
        scalars: BTreeMap<String, f64>,
    },
    /// A grid of samples was drawn.
    Samples {
        /// After which step.
        step: u64,
        /// Path of the picture inside the run's folder.
        file: String,
    },
    /// The model was measured.
    Evaluation(Evaluation),
    /// The training ended.
    End {
        /// After which step.
        step: u64,
        /// How.
        #[serde(rename = "status")]
        ending: Ending,
        /// Why, unless it finished.
        reason: String,
        /// Seconds since the last start.
        seconds: f64,
        /// The most memory of the process since the last start, in millions of bytes; none where the system does not say, and
        /// in ledgers of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peak_megabytes: Option<f64>,
        /// Operations of a step in units of 10^9 (a multiply-add is two; convolutions alone), the mean since the last start; none
        /// where nothing counts them, as on a GPU, and in ledgers of earlier versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gigaflop: Option<f64>,
    },
}

/// One line of a ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Line {
    #[serde(flatten)]
    pub(super) event: Event,
    /// When it was written down, in milliseconds since 1970, never before the line above; `None` in a ledger from before
    /// lines had times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<i64>,
}

impl Line {
    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an event is JSON") + "\n"
    }
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Scores of one set of generated images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// After which step.
    pub step: u64,
    /// Seed of the generated images.
    pub seed: u64,
    /// The SHA-256 of the images that were measured, by which their features are found again; empty where those were not
    /// kept, and in ledgers of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub images_hash: String,
    /// Seconds that drawing the images took; none where nothing was drawn, and in ledgers of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawing_seconds: Option<f64>,
    /// Operations of drawing the images, counted as those of a training's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawing_gigaflop: Option<f64>,
    /// The scores.
    pub scores: Vec<ScoreRecord>,
}

impl Evaluation {
    /// Of a model after `step` steps whose images, made with `seed`, are not kept, nor is what drawing them cost.
    pub fn unkept(step: u64, seed: u64, scores: Vec<ScoreRecord>) -> Self {
        Self {
            step,
            seed,
            images_hash: String::new(),
            drawing_seconds: None,
            drawing_gigaflop: None,
            scores,
        }
    }
}

/// One score with its protocol: a number, or why there is none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// Name of the score.
    pub name: String,
    /// The number.
    pub value: Option<f64>,
    /// Its spread, for scores that have one.
    pub spread: Option<f64>,
    /// What the spread is of; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub spread_of: String,
    /// An interval of it from this one measurement, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// What the interval is; empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub interval_of: String,
    /// What a reader must know before quoting the number; empty if nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub warning: String,
    /// Why there is no number, where something went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failure: String,
    /// Why there can be no number, where nothing went wrong.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub absent: String,
    /// Short id of the protocol.
    pub protocol_id: String,
    /// How it was measured.
    pub protocol: Protocol,
}

impl ScoreRecord {
    /// A score called `name` without a number yet.
    pub fn new(name: &str, protocol: Protocol) -> Self {
        Self {
            name: name.to_owned(),
            value: None,
            spread: None,
            spread_of: String::new(),
            interval: None,
            interval_of: String::new(),
            warning: String::new(),
            failure: String::new(),
            absent: String::new(),
            protocol_id: protocol.id(),
            protocol,
        }
    }

    /// Adds a clause, if it says something, to what a reader must know before quoting the number.
    pub fn warn(&mut self, clause: &str) {
        if !self.warning.is_empty() && !clause.is_empty() {
            self.warning.push_str("; ");
        }
        self.warning.push_str(clause);
    }
}

/// The newest measurement of what a training ended as; none while it has not finished. What was never trained has no steps.
pub fn result(events: &[Event]) -> Option<&Evaluation> {
    let end = events.iter().rev().find_map(|event| match event {
        Event::End { ending, step, .. } if *ending == Ending::Finished => Some(Some(*step)),
        Event::Start { .. } | Event::End { .. } => Some(None),
        _ => None,
    });
    let step = end.unwrap_or(Some(0))?;
    events.iter().rev().find_map(|event| match event {
        Event::Evaluation(evaluation) if evaluation.step == step => Some(evaluation),
        _ => None,
    })
}

/// Asked before something is written; always, or where it was not asked just now.
type Guard = Box<dyn Fn(bool) -> Result<()> + Send + Sync>;

/// A run's ledger, open for appending.
pub struct Ledger {
    path: PathBuf,
    file: File,
    events: Vec<Event>,
    /// The time of each event.
    times: Vec<Option<i64>>,
    was_cut: bool,
    guard: Option<Guard>,
}

impl Ledger {
    /// Opens the ledger at `path`, creating it if it is new. A last line that was cut off is dropped.
    pub fn open(path: &Path) -> Result<Self> {
        let (lines, was_cut) = read(path)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        }
        let mut ledger = Self {
            file: append(path)?,
            path: path.to_owned(),
            events: Vec::new(),
            times: Vec::new(),
            was_cut,
            guard: None,
        };
        if was_cut {
            ledger.replace(lines)?;
        } else {
            ledger.hold(lines);
        }
        Ok(ledger)
    }

    /// The events of the ledger at `path`; none if there is no file, as of what has not begun. A last line that was cut off is left
    /// out; any other bad line is refused.
    pub fn read(path: &Path) -> Result<Vec<Event>> {
        let lines = read(path)?.0.into_iter();
        Ok(lines.map(|line| line.event).collect())
    }

    /// The same, each with its time in milliseconds since 1970; none in a ledger from before lines had times.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_with_times(path: &Path) -> Result<Vec<(Option<i64>, Event)>> {
        let lines = read(path)?.0.into_iter();
        Ok(lines.map(|line| (line.time, line.event)).collect())
    }

    /// Whether the last line was cut off when it was opened, and so is lost.
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// Asks `guard` before each line from now on, and writes none where it fails. A step may rely on an answer of just now; all
    /// else gets `true`, which asks for one of its own.
    pub fn guard(&mut self, guard: impl Fn(bool) -> Result<()> + Send + Sync + 'static) {
        self.guard = Some(Box::new(guard));
    }

    /// Writes the same lines into a new file in its place: whoever has the old one open writes into nothing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn renew(&mut self) -> Result<()> {
        let lines = self.events.drain(..).zip(self.times.drain(..));
        let lines = lines.map(|(event, time)| Line { event, time }).collect();
        self.replace(lines)
    }

    /// Everything recorded so far.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// When the last event was written down, in milliseconds since 1970; none in a ledger from before lines had times.
    pub fn last_time(&self) -> Option<i64> {
        self.times.last().copied().flatten()
    }

    /// Adds an event with the time of now, and hands it to the operating system before returning: all of it or, if that
    /// fails, nothing.
    pub fn append(&mut self, event: Event) -> Result<()> {
        if let Some(guard) = &self.guard {
            guard(!matches!(event, Event::Step { .. }))?;
        }
        let failed = |error: io::Error| cannot_write(&self.path, &error);
        // The machine's clock may be put back; time in a ledger runs forwards.
        let time = Some(milliseconds(SystemTime::now())).max(self.last_time());
        let line = Line { event, time };
        let length = self.file.metadata().map_err(failed)?.len();
        if let Err(error) = self.file.write_all(line.to_json().as_bytes()) {
            self.file.set_len(length).map_err(failed)?;
            return Err(failed(error));
        }
        self.hold([line]);
        Ok(())
    }

    /// Sees everything onto the disk, so that it is there after a loss of power too.
    pub fn sync(&self) -> Result<()> {
        self.file
            .sync_all()
            .map_err(|error| cannot_write(&self.path, &error))
    }

    /// Drops the steps, samples and measurements after `step`: a resumed run writes them again.
    pub fn rewind(&mut self, step: u64) -> Result<()> {
        let stays = |event: &Event| match event {
            Event::Step { step: at, .. } | Event::Samples { step: at, .. } => *at <= step,
            Event::Evaluation(evaluation) => evaluation.step <= step,
            Event::Start { .. } | Event::End { .. } => true,
        };
        if self.events.iter().all(stays) {
            return Ok(());
        }
        let lines = self.events.iter().cloned().zip(&self.times);
        let kept = lines
            .filter(|(event, _)| stays(event))
            .map(|(event, &time)| Line { event, time });
        self.replace(kept.collect())
    }

    fn replace(&mut self, lines: Vec<Line>) -> Result<()> {
        let text: String = lines.iter().map(Line::to_json).collect();
        write_whole(&self.path, text.as_bytes())?;
        self.file = append(&self.path)?;
        self.events.clear();
        self.times.clear();
        self.hold(lines);
        Ok(())
    }

    fn hold(&mut self, lines: impl IntoIterator<Item = Line>) {
        for Line { event, time } in lines {
            self.events.push(event);
            self.times.push(time);
        }
    }
}

/// The lines of the ledger at `path`, none if there is no file, and whether the last one was cut off.
fn read(path: &Path) -> Result<(Vec<Line>, bool)> {
    let bytes = read_if_there(path)?.unwrap_or_default();
    // Every line ends with a line feed; what stands behind the last one was cut off.
    let whole = bytes
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |last| last + 1);
    let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
    let lines = lines.enumerate().map(|(number, line)| {
        serde_json::from_slice(line).map_err(|error| {
            refuse(
                format!(
                    "line {} of `{}` is damaged: {error}",
                    number + 1,
                    path.display()
                ),
                "restore the file, or delete the run's folder to train it again",
            )
        })
    });
    Ok((lines.collect::<Result<_>>()?, whole < bytes.len()))
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|error| cannot_write(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64) -> Event {
        Event::Step {
            step,
            scalars: BTreeMap::from([("critic_loss".to_owned(), 0.1 * step as f64)]),
        }
    }

    #[test]
    fn a_cut_last_line_is_dropped_and_the_rest_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        for number in 1..=3 {
            ledger.append(step(number)).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 5]).unwrap();
        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.events(), [step(1), step(2)]);
        assert_eq!(Ledger::read(&path).unwrap(), [step(1), step(2)]);
    }

    #[test]
    fn a_bad_line_in_the_middle_is_refused_by_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        fs::write(&path, "nonsense\n{}\n").unwrap();
        let message = Ledger::read(&path).unwrap_err().to_string();
        assert!(message.starts_with("line 1 of `"), "{message}");
    }

    #[test]
    fn the_result_is_measured_at_the_end_of_what_finished() {
        let evaluation = |step: u64| {
            let scores = Vec::new();
            Evaluation {
                step,
                seed: 0,
                images_hash: String::new(),
                drawing_seconds: None,
                drawing_gigaflop: None,
                scores,
            }
        };
        let end = |ending| Event::End {
            step: 4,
            ending,
            reason: String::new(),
            seconds: 0.0,
            peak_megabytes: None,
            gigaflop: None,
        };
        let measured = |step: u64| Event::Evaluation(evaluation(step));
        assert_eq!(result(&[]), None);
        assert_eq!(
            result(&[measured(0)]),
            Some(&evaluation(0)),
            "never trained"
        );
        let on_the_way = [measured(2), measured(4), end(Ending::Finished), measured(2)];
        assert_eq!(result(&on_the_way), Some(&evaluation(4)));
        assert_eq!(result(&[measured(2), end(Ending::Diverged)]), None);
        assert_eq!(result(&[measured(2), end(Ending::Finished)]), None);
    }

    #[test]
    fn rewinding_drops_later_steps_and_keeps_the_times_of_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let mut ledger = Ledger::open(&path).unwrap();
        for number in 1..=5 {
            ledger.append(step(number)).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap();
        ledger.rewind(2).unwrap();
        ledger.append(step(3)).unwrap();
        assert_eq!(Ledger::read(&path).unwrap(), [step(1), step(2), step(3)]);
        let after = fs::read_to_string(&path).unwrap();
        let kept = |text: &str| text.lines().take(2).collect::<Vec<_>>().join("\n");
        assert_eq!(kept(&after), kept(&before));
        let times = read(&path).unwrap().0.into_iter().map(|line| line.time);
        let times: Vec<Option<i64>> = times.collect();
        assert!(times.is_sorted() && times[0].is_some(), "{times:?}");
    }

    #[test]
    fn a_ledger_without_times_is_read_and_gets_times_from_now_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let old = "{\"event\":\"step\",\"step\":1,\"scalars\":{\"critic_loss\":0.1}}\n\
                   {\"event\":\"end\",\"step\":1,\"status\":\"killed\",\"reason\":\"\",\"seconds\":0.5}\n";
        fs::write(&path, old).unwrap();
        let mut ledger = Ledger::open(&path).unwrap();
        let end = Event::End {
            step: 1,
            ending: Ending::Killed,
            reason: String::new(),
            seconds: 0.5,
            peak_megabytes: None,
            gigaflop: None,
        };
        assert_eq!(ledger.events(), [step(1), end]);
        ledger.append(step(2)).unwrap();
        let new = fs::read_to_string(&path).unwrap();
        let added = new.strip_prefix(old).expect("old lines stay as they are");
        assert!(added.starts_with("{\"event\":\"step\",\"step\":2,"));
        assert!(read(&path).unwrap().0[2].time > Some(1_600_000_000_000));
    }
}
