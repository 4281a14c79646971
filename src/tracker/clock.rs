//! When the steps of a run happened.
//!
//! A ledger has no times: a run that is resumed must write the same bytes again. So the times lie beside it, as marks: now
//! and then, a step and a time, in a file that only grows. The time of a step is a function of that file which
//! further marks do not change: between the first mark that reaches the step and the mark written before that one it runs
//! evenly. A step that no mark reaches yet has no time. So whoever delivers a step, whenever and however often, gives
//! it the same time, and a tracking server that takes equal points once has each point once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::lines::{Lines, Tail};
use crate::error::Result;
use crate::files::cannot_write;

/// A step, and when it had been made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    step: u64,
    /// Milliseconds since 1970.
    time: i64,
}

/// The steps after `from` and up to `to`.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    from: Mark,
    to: Mark,
}

/// The marks of a run.
#[derive(Debug)]
pub struct Clock {
    path: PathBuf,
    tail: Tail,
    first: Option<Mark>,
    last: Option<Mark>,
    /// Those that reach beyond all before them.
    stretches: Vec<Stretch>,
}

impl Clock {
    /// The marks in the file at `path`; none if there is no file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut clock = Self {
            path: path.to_owned(),
            tail: Tail::new(path),
            first: None,
            last: None,
            stretches: Vec::new(),
        };
        clock.refresh()?;
        Ok(clock)
    }

    /// Reads the marks that came since.
    pub fn refresh(&mut self) -> Result<()> {
        loop {
            let Lines { anew, lines } = self.tail.read()?;
            if anew {
                (self.first, self.last) = (None, None);
                self.stretches.clear();
            }
            if lines.is_empty() {
                return Ok(());
            }
            for line in &lines {
                // A line that power loss left damaged has never been used: marks are on disk before they are.
                if let Ok(mark) = serde_json::from_str(line) {
                    self.add(mark);
                }
            }
        }
    }

    fn add(&mut self, mark: Mark) {
        let from = self.last.unwrap_or(mark);
        if mark.step > self.reach().unwrap_or(mark.step) {
            self.stretches.push(Stretch { from, to: mark });
        }
        self.first = self.first.or(Some(mark));
        self.last = Some(mark);
    }

    /// The last step that has a time.
    pub fn reach(&self) -> Option<u64> {
        let last = self.stretches.last().map(|stretch| stretch.to);
        last.or(self.first).map(|mark| mark.step)
    }

    /// When `step` had been made, in milliseconds since 1970; `None` if no mark reaches it.
    pub fn time(&self, step: u64) -> Option<i64> {
        let first = self.first?;
        if step <= first.step {
            return Some(first.time);
        }
        let place = self
            .stretches
            .partition_point(|stretch| stretch.to.step < step);
        let Stretch { from, to } = self.stretches.get(place)?;
        let steps = i128::from(to.step - from.step);
        let passed = i128::from(to.time - from.time) * i128::from(step - from.step) / steps;
        Some(from.time + i64::try_from(passed).expect("less than the whole"))
    }

    /// Marks that `step` had been made at `time`, on disk, unless the last mark says so. One process at a time may.
    pub fn mark(&mut self, step: u64, time: SystemTime) -> Result<()> {
        if self.last.is_some_and(|last| last.step == step) {
            return Ok(());
        }
        // Time does not run backwards, whatever the machine's clock does.
        let time = milliseconds(time).max(self.last.map_or(i64::MIN, |last| last.time));
        let mark = Mark { step, time };
        append_line(&self.path, &mark)?
            .sync_data()
            .map_err(|error| cannot_write(&self.path, &error))?;
        self.refresh()
    }
}

/// Adds a line to a file whose last line may be cut off, which is then dropped.
pub(super) fn append_line(path: &Path, value: &impl Serialize) -> Result<File> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(failed)?;
    super::lines::drop_cut_line(path, &file).map_err(failed)?;
    let line = serde_json::to_string(value).expect("numbers and text are JSON") + "\n";
    file.write_all(line.as_bytes()).map_err(failed)?;
    Ok(file)
}

/// Milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    #[test]
    fn time_runs_evenly_between_marks_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut clock = Clock::read(&folder.path().join("clock.jsonl")).unwrap();
        assert_eq!(clock.time(0), None);
        clock.mark(10, at(1000)).unwrap();
        clock.mark(20, at(3000)).unwrap();
        let times: Vec<_> = [0, 10, 11, 15, 20, 21].map(|step| clock.time(step)).into();
        assert_eq!(
            times,
            [
                Some(1000),
                Some(1000),
                Some(1200),
                Some(2000),
                Some(3000),
                None
            ]
        );
    }

    #[test]
    fn further_marks_change_no_time_that_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.jsonl");
        let mut clock = Clock::read(&path).unwrap();
        let mut given: Vec<(u64, i64)> = Vec::new();
        // Resumed twice, and the machine's clock put back once.
        let marks = [
            (0, 100),
            (7, 900),
            (20, 950),
            (12, 5000),
            (19, 5100),
            (33, 6000),
            (33, 6500),
            (5, 7000),
            (90, 200),
        ];
        for (step, time) in marks {
            clock.mark(step, at(time)).unwrap();
            let read = Clock::read(&path).unwrap();
            for (step, time) in &given {
                assert_eq!(clock.time(*step), Some(*time), "step {step}");
                assert_eq!(read.time(*step), Some(*time), "step {step}, read again");
            }
            let reach = clock.reach().unwrap();
            given = (0..=reach)
                .map(|step| (step, clock.time(step).unwrap()))
                .collect();
            assert_eq!(clock.time(reach + 1), None);
        }
        assert!(given.is_sorted_by_key(|(_, time)| *time));
        assert_eq!(clock.time(25), Some(5100 + 900 * 6 / 14));
    }

    #[test]
    fn a_mark_that_was_cut_off_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clock.jsonl");
        let mut clock = Clock::read(&path).unwrap();
        clock.mark(1, at(10)).unwrap();
        clock.mark(2, at(20)).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 4]).unwrap();
        let mut clock = Clock::read(&path).unwrap();
        assert_eq!(clock.reach(), Some(1));
        clock.mark(3, at(30)).unwrap();
        assert_eq!(Clock::read(&path).unwrap().time(3), Some(30));
    }
}
