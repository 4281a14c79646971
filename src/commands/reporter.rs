//! What an experiment tells, on the terminal: bars, lines or the dashboard. Its trainings are followed for a tracking server.

use std::time::{Duration, Instant};

use super::output::print_error;
use super::progress::Progress;
use super::watch::Watch;
use crate::error::Result;
use crate::experiment::{Reporter, TrackedExecution, TrainingEnd, TrainingInfo};
use crate::models::Scalars;
use crate::report::duration;
use crate::tracker::{ScoreRecord, SystemMonitor};

/// Tells the terminal of an experiment.
pub(super) struct Terminal<'a> {
    execution: Option<&'a TrackedExecution>,
    dashboard: bool,
    start: Instant,
    phase: Option<(String, Progress)>,
    /// The training that has begun, and what records it.
    training: Option<(Watch, Option<SystemMonitor>)>,
}

impl<'a> Terminal<'a> {
    /// For commands that train nothing.
    pub(super) fn new() -> Self {
        Self {
            execution: None,
            dashboard: false,
            start: Instant::now(),
            phase: None,
            training: None,
        }
    }

    /// For trainings that `execution` follows, watched in the dashboard or not.
    pub(super) fn tracked(execution: &'a TrackedExecution, dashboard: bool) -> Self {
        Self {
            execution: Some(execution),
            dashboard,
            ..Self::new()
        }
    }

    /// The time since its beginning.
    pub(super) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Reporter for Terminal<'_> {
    fn note(&mut self, sentence: &str) {
        eprintln!("{sentence}");
    }

    fn failure(&mut self, error: &anyhow::Error) {
        print_error(error);
    }

    fn phase(&mut self, name: &str, done: usize, total: usize) {
        let is_same = |(known, _): &&mut (String, Progress)| known == name;
        match self.phase.as_mut().filter(is_same) {
            Some((_, progress)) => progress.update(done, ""),
            None => self.phase = Some((name.to_owned(), Progress::new(name, total))),
        }
    }

    fn phase_end(&mut self, result: &str) {
        if let Some((_, progress)) = self.phase.take() {
            progress.finish(result);
        }
    }

    fn training(&mut self, training: &TrainingInfo<'_>) -> Result<()> {
        let follow = |execution: &TrackedExecution| execution.follow(training.folder);
        let recorder = self.execution.map(follow).transpose()?;
        self.training = Some((Watch::new(training, self.dashboard), recorder));
        Ok(())
    }

    fn step(&mut self, step: u64, stage: &'static str, scalars: &Scalars) {
        if let Some((watch, _)) = &mut self.training {
            watch.step(step as usize, stage, scalars);
        }
    }

    fn scores(&mut self, scores: &[ScoreRecord]) {
        if let Some((watch, _)) = &mut self.training {
            watch.measured_now(scores);
        } else {
            let scores: Vec<String> = scores.iter().map(in_short).collect();
            eprintln!("  {}", scores.join("  "));
        }
    }

    fn training_end(&mut self, ending: TrainingEnd) {
        if let Some((watch, _recorder)) = self.training.take() {
            watch.end(ending);
        }
    }

    fn runs_done(&mut self, done: usize, count: usize) {
        let left = self.elapsed().mul_f64((count - done) as f64 / done as f64);
        eprintln!("{done} of {count} done, about {} left", duration(left));
    }
}

fn in_short(score: &ScoreRecord) -> String {
    match score.value {
        Some(value) => format!("{} {value:.4}", score.name),
        None if !score.absent.is_empty() => format!("{}: {}", score.name, score.absent),
        None => format!("{} failed: {}", score.name, score.failure),
    }
}
