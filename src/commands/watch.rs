//! Watching a training: a bar or plain lines, or the dashboard.

use super::dashboard::{Dashboard, Shown, Title, say};
use super::progress::Progress;
use crate::error::Result;
use crate::models::Scalars;
use crate::stop;
use crate::tracker::{Evaluation, Event};

/// What is watched, and how.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    /// Name of the training.
    pub(super) label: String,
    /// Which of how many, counted from 1.
    pub(super) number: usize,
    /// How many the command has.
    pub(super) count: usize,
    /// Whether by the dashboard.
    pub(super) dashboard: bool,
}

/// The watch over one training. It begins with the first step: what is found trained is not watched.
pub(super) struct Watch {
    progress: Progress,
    /// What the dashboard begins with; none once it has begun, or if there is none.
    title: Option<Title>,
    scores: Vec<Shown>,
    dashboard: Option<Dashboard>,
    step: usize,
}

impl Watch {
    pub(super) fn new(watched: &Watched, steps: usize) -> Self {
        let Watched {
            label,
            number,
            count,
            dashboard,
        } = watched.clone();
        Self {
            progress: Progress::new(label.clone(), steps),
            title: dashboard.then_some(Title {
                label,
                number,
                count,
                steps,
            }),
            scores: Vec::new(),
            dashboard: None,
            step: 0,
        }
    }

    /// Shows what was measured before the training goes on.
    pub(super) fn before(&mut self, events: &[Event]) {
        for event in events {
            if let Event::Evaluation(evaluation) = event {
                self.measured(evaluation, evaluation.step as usize);
            }
        }
    }

    /// Shows what was measured now.
    pub(super) fn measured_now(&mut self, evaluation: &Evaluation) {
        self.measured(evaluation, self.step);
    }

    fn measured(&mut self, evaluation: &Evaluation, step: usize) {
        let scores = evaluation.scores.iter();
        let scores = scores.filter_map(|score| {
            let value = score.value?;
            Some(Shown::Score(score.name.clone(), value, step))
        });
        self.scores.extend(scores);
        if let Some(dashboard) = &self.dashboard {
            for score in self.scores.drain(..) {
                dashboard.show(score);
            }
        }
    }

    /// Shows a step and its numbers. `stage` is the part of the training it belongs to; empty where it has none.
    pub(super) fn step(&mut self, step: usize, stage: &'static str, scalars: &Scalars) {
        self.step = step;
        if let Some(title) = self.title.take() {
            match Dashboard::open(title) {
                Ok(dashboard) => {
                    for score in self.scores.drain(..) {
                        dashboard.show(score);
                    }
                    self.dashboard = Some(dashboard);
                }
                Err(error) => say(&format!("no dashboard: {error}")),
            }
        }
        let numbers = || scalars.iter().filter(|(name, _)| !name.contains('.')); // of one class
        if let Some(dashboard) = &self.dashboard {
            let numbers = numbers().map(|(name, value)| (name.to_string(), *value));
            let numbers = numbers.collect();
            let shown = Shown::Step {
                step,
                stage,
                numbers,
            };
            // What a signal closed stays closed: the training is at its end.
            if dashboard.show(shown) || stop::requested().is_some() {
                return;
            }
        }
        let stage = (!stage.is_empty()).then(|| stage.to_owned());
        let numbers = numbers().map(|(name, value)| format!("{name} {value:.3}"));
        let message: Vec<String> = stage.into_iter().chain(numbers).collect();
        self.progress.update(step, &message.join("  "));
    }

    /// Ends the watch with a line of what came out. Fails if a signal came that nobody else has seen.
    pub(super) fn finish(mut self, result: &str) -> Result<()> {
        self.dashboard = None; // closes it
        self.progress.finish(result);
        stop::check()
    }
}
