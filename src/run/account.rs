//! What a training writes into its run's ledger: where it starts, every step, how it ends.

use std::time::Instant;

use super::{Identity, Run};
use crate::error::{Result, refuse};
use crate::tracker::{Environment, Event};

/// The account of one training, from its first step to its end.
pub struct Account {
    start: Instant,
}

impl Account {
    /// Opens the account of a training that goes on after `first` steps: what the ledger has beyond them is undone.
    pub fn open<C: Identity>(run: &mut Run<C>, first: u64) -> Result<Self> {
        run.ledger.rewind(first)?;
        run.ledger.append(Event::Start {
            step: first,
            environment: Environment::capture(),
        })?;
        Ok(Self {
            start: Instant::now(),
        })
    }

    /// Writes down the numbers of step number `step`, counted from 1.
    ///
    /// Closes the run as `diverged` and refuses, with `advice`, a number that is not finite.
    pub fn step<C: Identity>(
        &self,
        run: &mut Run<C>,
        step: u64,
        scalars: &[(&'static str, f64)],
        advice: &str,
    ) -> Result<()> {
        if let Some((name, value)) = scalars.iter().find(|(_, value)| !value.is_finite()) {
            let reason = format!("`{name}` became {value} at step {step}");
            run.ledger
                .append(self.end(step, "diverged", reason.clone()))?;
            return Err(refuse(
                format!("run `{}` diverged: {reason}", run.path().display()),
                advice,
            ));
        }
        run.ledger.append(Event::Step {
            step,
            scalars: scalars
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        })
    }

    /// Closes the run as finished.
    pub fn close<C: Identity>(self, run: &mut Run<C>) -> Result<()> {
        let end = self.end(run.config.steps(), "finished", String::new());
        run.ledger.append(end)
    }

    fn end(&self, step: u64, status: &str, reason: String) -> Event {
        Event::End {
            step,
            status: status.to_owned(),
            reason,
            seconds: self.start.elapsed().as_secs_f64(),
        }
    }
}

/// Whether something that is done every `every` steps (0: never) and at the end of `steps` is done after `step`.
pub fn is_due(step: u64, steps: u64, every: usize) -> bool {
    step == steps || (every > 0 && step.is_multiple_of(every as u64))
}
