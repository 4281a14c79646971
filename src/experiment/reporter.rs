//! What an experiment tells whoever waits for it. The library itself prints nothing.

use std::path::Path;

use crate::device::DeviceKind;
use crate::error::Result;
use crate::models::Scalars;
use crate::tracker::{Ending, Event, ScoreRecord};

/// Listens to an experiment. Every method does nothing unless it is implemented.
#[expect(unused_variables, reason = "the names are for whoever implements them")]
pub trait Reporter {
    /// A sentence on what was found or happened.
    fn note(&mut self, sentence: &str) {}

    /// A part failed, and the whole goes on.
    fn failure(&mut self, error: &anyhow::Error) {}

    /// `done` of `total` units of the phase called `name` are done. The first call begins the phase.
    fn phase(&mut self, name: &str, done: usize, total: usize) {}

    /// The phase has ended, with `result` in words.
    fn phase_end(&mut self, result: &str) {}

    /// The run of a training was opened. It is trained now, or found trained; [`Self::training_end`] follows in any case.
    ///
    /// # Errors
    /// An error given back ends the training before its first step.
    fn training(&mut self, training: &TrainingInfo<'_>) -> Result<()> {
        Ok(())
    }

    /// `step` steps of the training are done. `stage` is the part of the training the last one belongs to, empty where there
    /// are no parts, and `scalars` are its numbers.
    fn step(&mut self, step: u64, stage: &'static str, scalars: &Scalars) {}

    /// A model or a set of images was measured: during the training that was begun last, or else after it.
    fn scores(&mut self, scores: &[ScoreRecord]) {}

    /// The training has ended, or its run was found trained.
    fn training_end(&mut self, ending: TrainingEnd) {}

    /// `done` of `count` runs of the experiment are trained and measured.
    fn runs_done(&mut self, done: usize, count: usize) {}
}

/// Says nothing: for programs that look at the result alone, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {}

/// A training that is about to begin, or was found.
#[derive(Clone, Copy, Debug)]
pub struct TrainingInfo<'a> {
    /// What is trained, for people.
    pub label: &'a str,
    /// Which of the experiment's trainings, counted from 1.
    pub number: usize,
    /// How many the experiment has.
    pub count: usize,
    /// Steps to its end.
    pub steps: u64,
    /// What computes it.
    pub device: DeviceKind,
    /// The run's folder.
    pub folder: &'a Path,
    /// What the run's ledger has so far.
    pub events: &'a [Event],
}

impl TrainingInfo<'_> {
    /// Whether its first step takes longer than the others: on a GPU, unless its ledger says that it is finished.
    pub fn compiles_kernels(&self) -> bool {
        let is_finished = self.events.iter().rev().find_map(|event| match event {
            Event::Start { .. } => Some(false),
            Event::End { ending, .. } => Some(*ending == Ending::Finished),
            _ => None, // it may have been measured since
        });
        self.device != DeviceKind::Cpu && is_finished != Some(true)
    }
}

/// How a training ended for whoever watches it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrainingEnd {
    /// Nothing was trained: it was finished before.
    Found,
    /// It came to its last step.
    Finished,
    /// It did not; an error says why.
    Failed,
}
