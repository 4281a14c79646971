//! What a training tells, in the terms of burn-train's dashboard.

use std::collections::BTreeSet;
use std::sync::Arc;

use burn_train::metric::{
    MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use burn_train::renderer::{MetricState, MetricsRenderer};

use super::{Shown, Title};

/// The dashboard, behind burn-train's traits.
///
/// burn-train counts epochs, and items of one. Here a command's trainings are its epochs, and steps their items: the first bar
/// is the training's, the second the command's. In the list of metrics both have their names.
pub(super) struct Board {
    renderer: Box<dyn MetricsRenderer>,
    title: Title,
    known: BTreeSet<String>,
}

impl Board {
    pub(super) fn new(mut renderer: Box<dyn MetricsRenderer>, title: Title) -> Self {
        let Title {
            label,
            number,
            count,
            steps,
        } = &title;
        renderer.start(*count, *number, Some(*steps), Some(label));
        renderer.start_split("train", *steps);
        Self {
            renderer,
            title,
            known: BTreeSet::new(),
        }
    }

    pub(super) fn show(&mut self, shown: Shown) {
        match shown {
            Shown::Step {
                step,
                stage,
                numbers,
            } => {
                let Title {
                    number,
                    count,
                    steps,
                    ..
                } = self.title;
                self.text("step", &format!("{step} of {steps}"));
                if count > 1 {
                    self.text("training", &format!("{number} of {count}"));
                }
                if !stage.is_empty() {
                    self.text("stage", stage);
                }
                for (name, value) in numbers {
                    let state = self.number(&name, value, "");
                    self.renderer.update_train(state);
                }
                self.renderer.update_split(step);
            }
            Shown::Score(name, value, step) => {
                let state = self.number(&name, value, &format!(" at step {step}"));
                self.renderer.update_valid(state);
            }
        }
    }

    fn text(&mut self, name: &str, text: &str) {
        let entry = self.entry(name, text.to_owned(), MetricAttributes::None);
        self.renderer.update_train(MetricState::Generic(entry));
    }

    fn number(&mut self, name: &str, value: f64, remark: &str) -> MetricState {
        let text = if value == 0.0 || value.abs() >= 0.001 {
            format!("{value:.4}{remark}")
        } else {
            format!("{value:.2e}{remark}")
        };
        let attributes = NumericAttributes::default().into();
        let entry = self.entry(name, text, attributes);
        MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
    }

    /// An entry of the metric called `name`, which is made known first.
    fn entry(&mut self, name: &str, text: String, attributes: MetricAttributes) -> MetricEntry {
        let shared = Arc::new(name.to_owned());
        let metric_id = MetricId::new(Arc::clone(&shared));
        if self.known.insert(name.to_owned()) {
            self.renderer.register_metric(MetricDefinition {
                metric_id: metric_id.clone(),
                name: shared,
                description: None,
                attributes,
            });
        }
        MetricEntry::new(metric_id, SerializedEntry::new(text.clone(), text))
    }
}

#[cfg(test)]
mod tests;
