//! Runs: where they are, what their ledgers say, and images from them.

use std::path::PathBuf;

use histogen::error::refuse;
use histogen::experiment;
use histogen::run::{self as runs, RunState};
use histogen::samplers::Samplers;
use histogen::samples::{self, Plan};
use histogen::tracker::Ledger;
use histogen::workspace;
use numpy::{PyArray1, PyArray4, PyArrayMethods};
use pyo3::prelude::*;

use crate::call::{Interrupted, exception, run};

/// Where the settings of samplers have the defaults of their papers.
const EXPERIMENT: &str = "table1";
const PROFILE: &str = "paper";

/// The folders of all runs at `place`, by name.
#[pyfunction]
pub(crate) fn run_folders(place: PathBuf) -> Vec<PathBuf> {
    workspace::run_folders(&place)
}

/// How the run in `folder` stands: a word, steps behind it, and why it ended if it did not finish.
#[pyfunction]
pub(crate) fn state(folder: PathBuf) -> PyResult<(String, u64, String)> {
    let state = runs::state(&folder).map_err(|error| exception(&error))?;
    Ok(match state {
        RunState::New => ("new".to_owned(), 0, String::new()),
        RunState::Running { step, .. } => ("running".to_owned(), step, String::new()),
        RunState::Ended {
            ending,
            step,
            reason,
        } => (ending.to_string(), step, reason),
    })
}

/// The events of a ledger, one JSON object each, with its time in milliseconds since 1970 where it has one.
#[pyfunction]
pub(crate) fn events(py: Python<'_>, folder: PathBuf) -> PyResult<Vec<(Option<i64>, String)>> {
    run(py, None, Interrupted::Leaves, move |_| {
        let ledger = workspace::ledger(&folder);
        if !ledger.exists() {
            return Err(refuse(
                format!(
                    "cannot read the ledger `{}`: there is none",
                    ledger.display()
                ),
                "is it a run?",
            ));
        }
        let events = Ledger::read_with_times(&ledger)?;
        let texts = events
            .into_iter()
            .map(|(time, event)| Ok((time, serde_json::to_string(&event)?)));
        texts.collect()
    })
}

/// `n` images from the run in `folder`: n x height x width x channels.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the options of the command")]
pub(crate) fn sample(
    py: Python<'_>,
    folder: PathBuf,
    n: usize,
    seed: u64,
    step: Option<u64>,
    samplers: Vec<String>,
    settings: Vec<String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'_, PyArray4<u8>>> {
    let pixels = run(py, progress, Interrupted::Leaves, move |teller| {
        if n == 0 {
            return Err(refuse("`n` is 0", "ask for at least one image"));
        }
        let config = experiment::resolve(EXPERIMENT, PROFILE, &settings)?;
        let device = config.compute.open()?;
        let (trained, model) = experiment::load_model(&folder, step, &device)?;
        let samplers = Samplers::new(&samplers, &config.samplers)?;
        let sampler = samplers.of(model.as_ref(), trained.classes.len(), None)?;
        let plan = Plan::without_store(trained.classes.len(), n, seed);
        samples::draw(sampler.as_ref(), &plan, &mut |done| {
            teller.progress("drawing", done, n);
        })
    })?;
    let shape = [pixels.count, pixels.size, pixels.size, pixels.channels];
    PyArray1::from_vec(py, pixels.bytes).reshape(shape)
}
