//! What reaches burn-train's traits, written down.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use burn_train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn_train::metric::MetricDefinition;
use burn_train::renderer::{
    EvaluationName, MetricState, MetricsRenderer, MetricsRendererEvaluation,
    MetricsRendererTraining,
};

use super::*;

/// A dashboard that writes down what it is told, a line each.
#[derive(Clone, Default)]
struct Recording {
    lines: Arc<Mutex<Vec<String>>>,
    known: BTreeSet<String>,
}

impl Recording {
    fn note(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn state(&self, split: &str, state: &MetricState) {
        let (entry, value) = match state {
            MetricState::Generic(entry) => (entry, None),
            MetricState::Numeric(entry, value) => (entry, value.as_ref()),
        };
        let id = format!("{:?}", entry.metric_id);
        // The real one panics at a metric that it does not know.
        assert!(self.known.contains(&id), "{id} is not registered");
        let name = id.split('"').nth(1).unwrap();
        let text = &entry.serialized_entry.formatted;
        let value = value.map(NumericEntry::current);
        self.note(format!("{split} {name}: {text} {value:?}"));
    }
}

impl MetricsRendererTraining for Recording {
    fn update_train(&mut self, state: MetricState) {
        self.state("train", &state);
    }

    fn update_valid(&mut self, state: MetricState) {
        self.state("valid", &state);
    }
}

impl MetricsRendererEvaluation for Recording {
    fn update_test(&mut self, _: EvaluationName, _: MetricState) {
        unreachable!("nothing is a test");
    }
}

impl MetricsRenderer for Recording {
    fn manual_close(&mut self) {}

    fn register_metric(&mut self, definition: MetricDefinition) {
        assert!(
            self.known.insert(format!("{:?}", definition.metric_id)),
            "{definition:?} is registered twice"
        );
    }
}

impl TrainingProgressLogger for Recording {
    fn start(&mut self, total: usize, first: usize, items: Option<usize>, label: Option<&str>) {
        self.note(format!("start {first} of {total}, {items:?}, {label:?}"));
    }

    fn update_epoch(&mut self, _: usize) {}

    fn start_split(&mut self, split: &str, items: usize) {
        self.note(format!("split {split}, {items}"));
    }

    fn update_split(&mut self, items: usize) {
        self.note(format!("done {items}"));
    }

    fn end_split(&mut self) {}

    fn end(&mut self) {}

    fn log_event_training(&mut self, _: String) {}
}

impl EvaluationProgressLogger for Recording {
    fn start_global_progress(&mut self, _: usize) {}

    fn start_test(&mut self, _: &str, _: usize) {}

    fn update_test_progress(&mut self, _: usize) {}

    fn end_test(&mut self) {}

    fn end_global_progress(&mut self) {}

    fn log_event_evaluation(&mut self, _: String) {}
}

/// What the dashboard of training `number` of `count` is told.
fn told(number: usize, count: usize, shown: Vec<Shown>) -> Vec<String> {
    let recording = Recording::default();
    let title = Title {
        label: "dcgan seed 0".to_owned(),
        number,
        count,
        steps: 60,
    };
    let mut board = Board::new(Box::new(recording.clone()), title);
    for shown in shown {
        board.show(shown);
    }
    recording.lines.lock().unwrap().clone()
}

fn step(step: usize, stage: &'static str, numbers: &[(&str, f64)]) -> Shown {
    let numbers = numbers.iter();
    Shown::Step {
        step,
        stage,
        numbers: numbers
            .map(|(name, value)| ((*name).to_owned(), *value))
            .collect(),
    }
}

#[test]
fn losses_reward_scores_and_progress_are_shown_under_their_names() {
    let lines = told(
        3,
        9,
        vec![
            Shown::Score("fid".to_owned(), 12.5, 0),
            step(7, "", &[("critic_loss", 1.25), ("reward", -0.0004)]),
            step(8, "", &[("critic_loss", 0.0), ("reward", 1234.5)]),
        ],
    );
    assert_eq!(
        lines,
        [
            "start 3 of 9, Some(60), Some(\"dcgan seed 0\")",
            "split train, 60",
            "valid fid: 12.5000 at step 0 Some(12.5)",
            "train step: 7 of 60 None",
            "train training: 3 of 9 None",
            "train critic_loss: 1.2500 Some(1.25)",
            "train reward: -4.00e-4 Some(-0.0004)",
            "done 7",
            "train step: 8 of 60 None",
            "train training: 3 of 9 None",
            "train critic_loss: 0.0000 Some(0.0)",
            "train reward: 1234.5000 Some(1234.5)",
            "done 8",
        ]
    );
}

#[test]
fn a_training_alone_says_its_stage_and_not_its_number() {
    let lines = told(1, 1, vec![step(1, "patches", &[("loss", 0.5)])]);
    assert_eq!(
        lines[2..],
        [
            "train step: 1 of 60 None",
            "train stage: patches None",
            "train loss: 0.5000 Some(0.5)",
            "done 1",
        ]
    );
}
