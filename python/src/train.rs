//! Training one run.

use std::path::PathBuf;

use anyhow::anyhow;
use histogen::config::System;
use histogen::experiment::{self, Reporter, TrainingInfo};
use histogen::models::{MODELS, Scalars};
use histogen::workspace::Workspace;
use pyo3::prelude::*;

use crate::call::{Interrupted, Teller, run};

/// Tells Python how far a training is.
struct Told<'a> {
    teller: &'a Teller,
    label: String,
    steps: usize,
}

impl Reporter for Told<'_> {
    fn phase(&mut self, name: &str, done: usize, total: usize) {
        self.teller.progress(name, done, total);
    }

    fn training(&mut self, training: &TrainingInfo<'_>) -> histogen::error::Result<()> {
        training.label.clone_into(&mut self.label);
        self.steps = training.steps as usize;
        Ok(())
    }

    fn step(&mut self, step: u64, _stage: &'static str, _scalars: &Scalars) {
        self.teller.progress(&self.label, step as usize, self.steps);
    }
}

/// Trains one system of an experiment with one seed, or finds it trained: the folder of its run.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the options of the command")]
pub(crate) fn train(
    py: Python<'_>,
    experiment: String,
    model: String,
    seed: u64,
    profile: String,
    settings: Vec<String>,
    out: PathBuf,
    progress: Option<Py<PyAny>>,
) -> PyResult<PathBuf> {
    run(py, progress, Interrupted::Closes, move |teller| {
        let config = experiment::resolve(&experiment, &profile, &settings)?;
        let mut systems = config.systems.iter();
        let system = match systems.find(|system| system.name == model) {
            Some(system) => system.clone(),
            None => System {
                name: MODELS.find(&model)?.name.to_owned(),
                ..System::default()
            },
        };
        let mut reporter = Told {
            teller,
            label: String::new(),
            steps: 0,
        };
        let workspace = Workspace::new(out);
        let run = experiment::train(&config, &system, seed, &workspace, &mut reporter)?;
        let run =
            run.ok_or_else(|| anyhow!("the training of {model} with seed {seed} diverged"))?;
        Ok(run.path().to_owned())
    })
}
