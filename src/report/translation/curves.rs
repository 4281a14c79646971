//! Learning curves: a score on held-out patches over the steps of a training.

use std::path::Path;

use crate::error::Result;
use crate::metrics::Direction;
use crate::report::RunOutcome;
use crate::tracker::{Event, Ledger};
use crate::workspace::ledger;

/// The measurements of one training.
#[derive(Clone, Debug, PartialEq)]
pub struct LearningCurve {
    /// The seed.
    pub seed: Option<u64>,
    /// Steps, growing, and the score after them.
    pub points: Vec<(u64, f64)>,
}

impl LearningCurve {
    /// The last measurement.
    pub fn end(&self) -> Option<(u64, f64)> {
        self.points.last().copied()
    }
}

/// The curves of a row's trainings that finished.
///
/// # Errors
/// Fails if a ledger cannot be read.
pub fn learning_curves(
    outcomes: &[RunOutcome],
    score: &str,
    out: &Path,
) -> Result<Vec<LearningCurve>> {
    let finished = outcomes
        .iter()
        .filter(|outcome| outcome.state.is_complete());
    finished
        .map(|outcome| {
            let mut points: Vec<(u64, f64)> = Vec::new();
            for event in Ledger::read(&out.join(ledger(&outcome.folder)))? {
                let Event::Evaluation(evaluation) = event else {
                    continue;
                };
                let found = evaluation.scores.iter().find(|found| found.name == score);
                if let Some(value) = found.and_then(|found| found.value) {
                    // A step that was measured again is replaced.
                    points.retain(|(step, _)| *step != evaluation.step);
                    points.push((evaluation.step, value));
                }
            }
            points.sort_by_key(|(step, _)| *step);
            Ok(LearningCurve {
                seed: outcome.seed,
                points,
            })
        })
        .collect()
}

/// The first step of a curve at which it is at least as good as `score`; none if it never is.
pub fn steps_to_reach(points: &[(u64, f64)], score: f64, direction: Direction) -> Option<u64> {
    let is_reached = |value: f64| match direction {
        Direction::Lower => value <= score,
        Direction::Higher => value >= score,
    };
    let reached = points.iter().find(|(_, value)| is_reached(*value));
    reached.map(|(step, _)| *step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_reached_at_the_first_step_that_is_as_good() {
        let curve = [(10, 0.4), (20, 0.7), (30, 0.6), (40, 0.8)];
        let higher = |score| steps_to_reach(&curve, score, Direction::Higher);
        assert_eq!(higher(0.4), Some(10));
        assert_eq!(higher(0.65), Some(20));
        assert_eq!(higher(0.75), Some(40));
        assert_eq!(higher(0.9), None);
        assert_eq!(steps_to_reach(&curve, 0.5, Direction::Lower), Some(10));
        assert_eq!(steps_to_reach(&[], 0.5, Direction::Lower), None);
    }
}
