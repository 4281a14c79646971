//! Watching a training: a bar or plain lines, or the dashboard.

use super::dashboard::{Dashboard, Shown, Title, say};
use super::progress::Progress;
use crate::experiment::{TrainingEnd, TrainingInfo};
use crate::models::Scalars;
use crate::shutdown;
use crate::tracker::{Event, ScoreRecord};

/// The watch over one training. It begins with the first step: what is found trained is not watched.
pub(super) struct Watch {
    label: String,
    /// The run's folder.
    folder: String,
    steps: usize,
    progress: Progress,
    /// What the dashboard begins with; none once it has begun, or if there is none.
    title: Option<Title>,
    scores: Vec<Shown>,
    dashboard: Option<Dashboard>,
    step: usize,
}

impl Watch {
    /// The watch over a training that is about to begin, in the dashboard or not. It shows what the ledger has measured.
    pub(super) fn new(training: &TrainingInfo<'_>, dashboard: bool) -> Self {
        let (label, steps) = (training.label.to_owned(), training.steps as usize);
        let mut watch = Self {
            label: label.clone(),
            folder: training.folder.display().to_string(),
            steps,
            progress: Progress::new(label.clone(), steps),
            title: dashboard.then_some(Title {
                label,
                number: training.number,
                count: training.count,
                steps,
            }),
            scores: Vec::new(),
            dashboard: None,
            step: 0,
        };
        if training.compiles_kernels() {
            watch.progress.warm_up("compiling or loading kernels");
        }
        for event in training.events {
            if let Event::Evaluation(evaluation) = event {
                watch.measured(&evaluation.scores, evaluation.step as usize);
            }
        }
        watch
    }

    /// Shows what was measured now.
    pub(super) fn measured_now(&mut self, scores: &[ScoreRecord]) {
        self.measured(scores, self.step);
    }

    fn measured(&mut self, scores: &[ScoreRecord], step: usize) {
        let scores = scores.iter().filter_map(|score| {
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
            if dashboard.show(shown) || shutdown::requested().is_some() {
                return;
            }
        }
        let stage = (!stage.is_empty()).then(|| stage.to_owned());
        let numbers = numbers().map(|(name, value)| format!("{name} {value:.3}"));
        let message: Vec<String> = stage.into_iter().chain(numbers).collect();
        self.progress.update(step, &message.join("  "));
    }

    /// Ends the watch with a line of what came out; an error of the training speaks for itself.
    pub(super) fn end(mut self, ending: TrainingEnd) {
        self.dashboard = None; // which gives the terminal back
        let (label, folder) = (self.label, self.folder);
        match ending {
            TrainingEnd::Found => eprintln!("{label}: already trained, in `{folder}`"),
            TrainingEnd::Finished => {
                let result = format!("{} steps, in `{folder}`", self.steps);
                self.progress.finish(&result);
            }
            TrainingEnd::Failed => {}
        }
    }
}
