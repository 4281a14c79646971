//! What the ledgers of runs say now.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::error::Result;
use crate::report::duration;
use crate::run::{RunState, state};
use crate::tracker::{Event, Ledger};
use crate::workspace::{Workspace, config_file, ledger, run_folders};

/// Width and height of a curve, in its own units.
pub(super) const CURVE: (f64, f64) = (300.0, 80.0);
/// Points of a curve at most: each is the mean of as many steps.
const POINTS: usize = 150;

/// How a run stands.
#[derive(Clone, Debug, Serialize)]
pub(super) struct View {
    pub(super) name: String,
    /// In words.
    pub(super) state: String,
    pub(super) running: bool,
    pub(super) step: u64,
    /// Steps to its end; none where its configuration does not say.
    pub(super) steps: Option<u64>,
    /// Until its end, in words; empty where it does not run or the ledger has no times.
    pub(super) left: String,
    pub(super) curves: Vec<Curve>,
    /// The newest grid of samples, inside its folder.
    pub(super) samples: Option<String>,
}

/// A number over the training.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Curve {
    pub(super) name: String,
    /// Its last value, in words.
    pub(super) last: String,
    /// As the points of a line of SVG.
    pub(super) points: String,
}

/// The runs that were looked at. A ledger that has not changed since, of a run that does not go on, is not read again.
#[derive(Default)]
pub(super) struct Runs {
    known: HashMap<PathBuf, ((u64, Option<SystemTime>), View)>,
}

impl Runs {
    /// All of them, running ones first, then by name.
    pub(super) fn all(&mut self, workspace: &Workspace) -> Result<Vec<View>> {
        let folders = run_folders(&workspace.runs());
        let mut views: Vec<View> = folders
            .iter()
            .map(|folder| self.look(folder))
            .collect::<Result<_>>()?;
        views.sort_by_key(|view| !view.running);
        Ok(views)
    }

    /// The run whose folder is called `name`; none if there is none.
    pub(super) fn one(&mut self, workspace: &Workspace, name: &str) -> Result<Option<View>> {
        let folders = run_folders(&workspace.runs());
        let is_it = |folder: &&PathBuf| folder.file_name().is_some_and(|found| found == name);
        let folder = folders.iter().find(is_it);
        folder.map(|folder| self.look(folder)).transpose()
    }

    fn look(&mut self, folder: &Path) -> Result<View> {
        let data = fs::metadata(ledger(folder)).ok();
        let mark = data.map_or((0, None), |data| (data.len(), data.modified().ok()));
        if let Some((known, view)) = self.known.get(folder)
            && *known == mark
            && !view.running
        {
            return Ok(view.clone());
        }
        let view = View::read(folder)?;
        self.known.insert(folder.to_owned(), (mark, view.clone()));
        Ok(view)
    }
}

impl View {
    /// What the ledger in `folder` says up to its last whole line.
    fn read(folder: &Path) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let state = state(folder)?;
        let events = Ledger::read_with_times(&ledger(folder))?;
        let mut series: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let mut samples = None;
        for (_, event) in &events {
            match event {
                Event::Step { scalars, .. } => {
                    for (name, value) in scalars {
                        series.entry(name).or_default().push(*value);
                    }
                }
                Event::Samples { file, .. } => samples = Some(file.clone()),
                _ => {}
            }
        }
        let (running, step) = match &state {
            RunState::New => (false, 0),
            RunState::Running { step, .. } => (true, *step),
            RunState::Ended { step, .. } => (false, *step),
        };
        let steps = steps(folder);
        let left = steps
            .filter(|_| running)
            .and_then(|steps| left(&events, steps));
        Ok(Self {
            name: name.into_owned(),
            state: state.to_string(),
            running,
            step,
            steps,
            left: left.map(duration).unwrap_or_default(),
            curves: series
                .iter()
                .map(|(name, values)| curve(name, values))
                .collect(),
            samples,
        })
    }
}

/// Steps to the end of the run in `folder`, all stages together.
fn steps(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(config_file(folder)).ok()?;
    let table: toml::Table = text.parse().ok()?;
    let number = |value: &toml::Value| {
        value
            .as_integer()
            .and_then(|steps| u64::try_from(steps).ok())
    };
    match table.get("steps")? {
        toml::Value::Array(stages) => stages.iter().map(number).sum(),
        steps => number(steps),
    }
}

/// How long the steps that are left take, if they take as long as those since the last start.
fn left(events: &[(Option<i64>, Event)], steps: u64) -> Option<Duration> {
    let start = events
        .iter()
        .rposition(|(_, event)| matches!(event, Event::Start { .. }))?;
    let mut taken = events[start..]
        .iter()
        .filter_map(|(time, event)| match event {
            Event::Step { step, .. } => Some(((*time)?, *step)),
            _ => None,
        });
    let (first, last) = (taken.next()?, taken.next_back()?);
    let each = u64::try_from(last.0 - first.0).ok()? as f64 / (last.1 - first.1) as f64;
    let left = steps.saturating_sub(last.1) as f64 * each;
    Some(Duration::from_millis(left as u64))
}

/// A curve of means of neighbouring steps, between its least and its largest.
fn curve(name: &str, values: &[f64]) -> Curve {
    let size = values.len().div_ceil(POINTS).max(1);
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = values
        .chunks(size)
        .map(mean)
        .filter(|mean| mean.is_finite())
        .collect();
    let least = means.iter().copied().fold(f64::INFINITY, f64::min);
    let most = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut points = String::new();
    for (place, mean) in means.iter().enumerate() {
        let x = CURVE.0 * place as f64 / (means.len() - 1).max(1) as f64;
        let y = CURVE.1 * (1.0 - (mean - least) / (most - least).max(f64::MIN_POSITIVE));
        let _ = write!(points, "{x:.1},{y:.1} ");
    }
    Curve {
        name: name.to_owned(),
        last: values
            .last()
            .map_or_else(String::new, |last| format!("{last:.4}")),
        points: points.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_runs_from_its_largest_to_its_least_and_leaves_out_what_is_no_number() {
        assert_eq!(
            curve("loss", &[3.0, 2.0, 1.0]).points,
            "0.0,0.0 150.0,40.0 300.0,80.0"
        );
        assert_eq!(
            curve("loss", &[3.0, f64::NAN, 1.0]).points,
            "0.0,0.0 300.0,80.0"
        );
        assert_eq!(curve("loss", &[2.0]).points, "0.0,80.0");
        let long = curve("loss", &vec![1.0; 1000]);
        assert!(long.points.split(' ').count() <= POINTS, "{}", long.points);
    }

    #[test]
    fn a_half_line_at_the_end_of_a_ledger_is_not_read() {
        let out = tempfile::tempdir().unwrap();
        let folder = Workspace::new(out.path()).runs().join("dcgan-s0-1");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), "steps = [4, 6]\n").unwrap();
        let step = |step: u64| {
            format!(
                "{{\"event\":\"step\",\"step\":{step},\"scalars\":{{\"loss\":0.5}},\"time\":{step}000}}\n"
            )
        };
        let start = "{\"event\":\"start\",\"step\":0,\"environment\":{\"histogen\":\"\",\"commit\":\"\",\"platform\":\"\",\"threads\":1},\"time\":0}\n";
        let text = format!("{start}{}{}{}", step(1), step(2), step(3));
        fs::write(ledger(&folder), &text[..text.len() - 9]).unwrap();
        let lock = fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let mut runs = Runs::default();
        let view = runs
            .one(&Workspace::new(out.path()), "dcgan-s0-1")
            .unwrap()
            .unwrap();
        assert_eq!((view.running, view.step, view.steps), (true, 2, Some(10)));
        assert_eq!(view.left, "8 s", "8 steps of a second");
        assert_eq!(view.curves[0].last, "0.5000");
        drop(lock);
        let view = runs
            .one(&Workspace::new(out.path()), "dcgan-s0-1")
            .unwrap()
            .unwrap();
        assert!(!view.running && view.left.is_empty(), "{}", view.state);
        assert!(
            runs.one(&Workspace::new(out.path()), "none")
                .unwrap()
                .is_none()
        );
    }
}
