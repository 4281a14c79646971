//! What a training writes into its run's ledger: where it starts, every step, how it ends.

use std::any::Any;
use std::time::Instant;

use super::{Fenced, Identity, Run, recorded_steps};
use crate::error::{Result, refuse};
use crate::kernels;
use crate::models::Scalars;
use crate::shutdown::Stopped;
use crate::tracker::{Ending, Environment, Event, PeakMemory};

/// The scalar that tells whether a critic still reacts to its images.
const CRITIC_LOSS: &str = "critic_loss";
/// Loss of a critic that moves less than this over many steps is constant: what one batch differs from the next by moves the
/// loss of a critic that looks at it by more.
const STILL: f64 = 1e-4;

/// A training cannot go on: its numbers or its images say so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{culprit}")]
pub struct Diverged {
    /// The step.
    pub step: u64,
    /// What became of what, at which step.
    pub culprit: String,
    /// What to do about it.
    pub advice: String,
}

/// The account of one training, from its first step to its end.
pub(super) struct Account {
    start: Instant,
    memory: PeakMemory,
    /// Operations of the steps that were taken, and how many those are.
    gigaflop: f64,
    steps: u64,
}

impl Account {
    /// Opens the account of a training that goes on after `first` steps: what the run has beyond them is undone.
    pub(super) fn open<C: Identity>(run: &mut Run<C>, first: u64) -> Result<Self> {
        run.rewind(first)?;
        run.ledger.append(Event::Start {
            step: first,
            environment: Environment::capture(),
        })?;
        Ok(Self {
            start: Instant::now(),
            memory: PeakMemory::start(),
            gigaflop: 0.0,
            steps: 0,
        })
    }

    /// Takes a step, and counts its operations.
    pub(super) fn count<T>(&mut self, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let before = kernels::operations();
        let taken = step()?;
        self.gigaflop += kernels::gigaflop_since(before).unwrap_or(0.0);
        self.steps += 1;
        Ok(taken)
    }

    /// Writes down the numbers of step number `step`, counted from 1.
    ///
    /// Fails with [`Diverged`] and `advice` if a number is not finite, or if the critic has been dead for `dead_critic_steps`
    /// steps (0: never asked).
    pub(super) fn step<C: Identity>(
        run: &mut Run<C>,
        step: u64,
        scalars: &Scalars,
        advice: &str,
        dead_critic_steps: usize,
    ) -> Result<()> {
        if let Some((name, value)) = scalars.iter().find(|(_, value)| !value.is_finite()) {
            return Err(Diverged {
                step,
                culprit: format!("`{name}` became {value} at step {step}"),
                advice: advice.to_owned(),
            }
            .into());
        }
        run.ledger.append(Event::Step {
            step,
            scalars: scalars
                .iter()
                .map(|(name, value)| (name.to_string(), *value))
                .collect(),
        })?;
        if let Some(loss) = dead_critic(run.ledger.events(), dead_critic_steps) {
            return Err(Diverged {
                step,
                culprit: format!(
                    "the critic is dead at step {step}: `{CRITIC_LOSS}` stood at {loss} for {dead_critic_steps} steps, \
                     whatever the images"
                ),
                advice: format!(
                    "{advice}; `logging.dead_critic_steps` says how long is waited, 0 for ever"
                ),
            }
            .into());
        }
        run.lock.heartbeat()
    }

    /// Closes the run as its training ended, and passes on why it did not finish.
    pub(super) fn close<C: Identity>(self, run: &mut Run<C>, ended: Result<()>) -> Result<()> {
        let seconds = self.start.elapsed().as_secs_f64();
        let peak_megabytes = self.memory.megabytes();
        let gigaflop = (self.gigaflop > 0.0).then(|| self.gigaflop / self.steps as f64);
        let step = recorded_steps(run.ledger.events());
        let mut end = |step: u64, ending: Ending, reason: String| {
            run.ledger.append(Event::End {
                step,
                ending,
                reason,
                seconds,
                peak_megabytes,
                gigaflop,
            })?;
            run.ledger.sync()
        };
        let Err(error) = ended else {
            return end(step, Ending::Finished, String::new());
        };
        if let Some(diverged) = error.downcast_ref::<Diverged>() {
            end(diverged.step, Ending::Diverged, diverged.culprit.clone())?;
            return Err(refuse(
                format!("run `{}` diverged: {diverged}", run.folder.display()),
                diverged.advice.clone(),
            ));
        }
        if error.is::<Fenced>() {
            return Err(error); // the ledger is another's
        }
        let ending = match error.downcast_ref::<Stopped>() {
            Some(_) => Ending::Killed,
            None => Ending::Failed,
        };
        // Where this cannot be written, as on a full disk, the next command sees that the process is gone.
        let _ = end(step, ending, format!("{error:#}"));
        Err(error)
    }
}

/// The loss at which the critic has stood for the last `steps` steps that have one, if it did.
///
/// A critic whose loss is the same for every batch either gives all images one score or tells them apart so surely that its
/// loss is at its floor. Its gradient is nothing in both cases, and it has nothing left to tell the generator apart by.
fn dead_critic(events: &[Event], steps: usize) -> Option<f64> {
    let losses = events.iter().rev().filter_map(|event| match event {
        Event::Step { scalars, .. } => scalars.get(CRITIC_LOSS).copied(),
        _ => None,
    });
    let (mut lowest, mut highest, mut count) = (f64::INFINITY, f64::NEG_INFINITY, 0);
    for loss in losses.take(steps) {
        (lowest, highest) = (lowest.min(loss), highest.max(loss));
        if highest - lowest >= STILL {
            return None;
        }
        count += 1;
    }
    (steps > 0 && count == steps).then_some(highest)
}

/// What a panic said.
pub(super) fn words(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(words), _) => words,
        (None, Some(words)) => words,
        (None, None) => "it said nothing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn events(losses: &[f64]) -> Vec<Event> {
        let step = |(place, loss): (usize, &f64)| Event::Step {
            step: place as u64 + 1,
            scalars: BTreeMap::from([(CRITIC_LOSS.to_owned(), *loss)]),
        };
        losses.iter().enumerate().map(step).collect()
    }

    #[test]
    fn a_critic_is_dead_when_its_loss_stands_still_for_the_whole_window() {
        let alive = [1.4, 1.386, 1.3861, 1.3859];
        let saturated = [0.7, 2e-5, 0.0, 3e-6];
        let constant = [0.9, 1.386_294, 1.386_294, 1.386_294];
        assert_eq!(dead_critic(&events(&alive), 3), None);
        assert_eq!(dead_critic(&events(&saturated), 3), Some(2e-5));
        assert_eq!(dead_critic(&events(&constant), 3), Some(1.386_294));
        assert_eq!(dead_critic(&events(&constant), 4), None, "not that long");
        assert_eq!(
            dead_critic(&events(&constant[1..]), 4),
            None,
            "too few steps"
        );
        assert_eq!(dead_critic(&events(&constant), 0), None, "never asked");
        assert_eq!(dead_critic(&[], 3), None);
    }
}
