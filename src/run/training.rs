//! A training as every run goes through it: step by step, checkpoints on the way, and closed whatever ends it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::account::{Account, words};
use super::{Identity, Run};
use crate::config::LoggingConfig;
use crate::error::{Result, refuse};
use crate::models::{Scalars, StepScalars, read_all};
use crate::shutdown::{self, Stopped};

/// Work that goes step by step, each depending on its number and on what the steps before left.
pub trait Training<C> {
    /// Takes the step at `position`, counted from 0, and returns its named numbers.
    fn step(&mut self, position: u64) -> Result<StepScalars>;

    /// Tells that `step` steps are done, with the numbers of the last.
    fn tell(&mut self, step: u64, scalars: &Scalars);

    /// Whether the numbers of the last steps are read after `step` steps, beside every checkpoint and the end: where reading waits
    /// for a GPU, only now and then, and where [`Self::look`] has something to do.
    fn is_read_at(&self, step: u64) -> bool {
        let _ = step;
        true
    }

    /// Writes all that the next step depends on into an existing folder.
    fn save(&mut self, folder: &Path) -> Result<()>;

    /// Writes down what is due after `step` steps beside the numbers, unless the ledger has it.
    fn look(&mut self, run: &mut Run<C>, step: u64) -> Result<()>;

    /// Whether the training ends here, before the last of its steps: it depends on the ledger alone.
    fn is_over(&self) -> bool {
        false
    }

    /// What to do about numbers that are not finite.
    fn advice(&self) -> &'static str;
}

/// Takes a run from its first `first` steps to its last, and closes it: `finished`, `diverged`, `failed`, or `killed` by a
/// signal after a checkpoint.
///
/// Nothing depends on where it was taken up: what is due is found in the ledger and among the checkpoints.
pub fn conduct<C: Identity>(
    run: &mut Run<C>,
    first: u64,
    logging: &LoggingConfig,
    training: &mut dyn Training<C>,
) -> Result<()> {
    if logging.checkpoints_kept == 0 {
        return Err(refuse(
            "`logging.checkpoints_kept` is 0",
            "keep at least 1: a run is found trained by its last checkpoint",
        ));
    }
    let deferred = shutdown::defer();
    let mut account = Account::open(run, first)?;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        go(run, first, logging, training, &mut account)
    }));
    let ended = ended.unwrap_or_else(|panic| Err(anyhow::anyhow!("panic: {}", words(&*panic))));
    account.close(run, ended)?;
    drop(deferred);
    shutdown::check() // a signal that came after the last step
}

fn go<C: Identity>(
    run: &mut Run<C>,
    first: u64,
    logging: &LoggingConfig,
    training: &mut dyn Training<C>,
    account: &mut Account,
) -> Result<()> {
    let steps = run.config.steps();
    let is_checkpoint_due = |step| is_due(step, steps, logging.checkpoint_every);
    let mut step = first;
    let mut unread = Vec::new();
    loop {
        let looked = training.look(run, step);
        let given_up = matches!(&looked, Err(error) if error.is::<Stopped>());
        if !given_up {
            looked?;
        }
        let is_last = step == steps || training.is_over();
        if is_last || is_checkpoint_due(step) {
            if run.checkpoint_step() != Some(step) {
                run.write_checkpoint(step, |folder| training.save(folder))?;
            }
            run.keep_checkpoints(logging.checkpoints_kept, is_checkpoint_due)?;
        }
        if is_last && !given_up {
            return Ok(());
        }
        if let Some(stopped) = shutdown::requested() {
            write_down(run, step, &mut unread, logging, training)?;
            if step > 0 && run.checkpoint_step() != Some(step) {
                run.write_checkpoint(step, |folder| training.save(folder))?;
            }
            return Err(stopped.into());
        }
        let taken = account.count(|| training.step(step));
        if taken.is_err() {
            // What became of the steps before comes first: it may be why.
            write_down(run, step, &mut unread, logging, training)?;
        }
        unread.push(taken?);
        step += 1;
        if step == steps || is_checkpoint_due(step) || training.is_read_at(step) {
            write_down(run, step, &mut unread, logging, training)?;
        }
    }
}

/// Reads the numbers of the steps up to `step`, writes them down, and tells of them.
fn write_down<C: Identity>(
    run: &mut Run<C>,
    step: u64,
    unread: &mut Vec<StepScalars>,
    logging: &LoggingConfig,
    training: &mut dyn Training<C>,
) -> Result<()> {
    let first = step + 1 - unread.len() as u64;
    for (step, scalars) in (first..).zip(read_all(std::mem::take(unread))?) {
        let advice = training.advice();
        Account::step(run, step, &scalars, advice, logging.dead_critic_steps)?;
        training.tell(step, &scalars);
    }
    Ok(())
}

/// Whether something that is done every `every` steps (0: never) and at the end of `steps` is done after `step`.
pub fn is_due(step: u64, steps: u64, every: usize) -> bool {
    step == steps || (every > 0 && step > 0 && step.is_multiple_of(every as u64))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use burn::tensor::Tensor;

    use super::*;
    use crate::device::{DeviceKind, cpu};
    use crate::tracker::Event;

    #[derive(Clone)]
    struct Steps(u64);

    impl Identity for Steps {
        fn name(&self) -> String {
            format!("steps-{}", self.0)
        }

        fn to_toml(&self) -> String {
            format!("steps = {}\n", self.0)
        }

        fn steps(&self) -> u64 {
            self.0
        }

        fn device(&self) -> DeviceKind {
            DeviceKind::Cpu
        }
    }

    /// A training that is read every `every` steps, and whose loss is NaN from the step `breaks` on.
    struct Rarely {
        every: u64,
        breaks: u64,
        fails: u64,
        told: Vec<u64>,
    }

    impl Training<Steps> for Rarely {
        fn step(&mut self, position: u64) -> Result<StepScalars> {
            let step = position + 1;
            anyhow::ensure!(step != self.fails, "no step {step}");
            let loss = if step < self.breaks {
                step as f32
            } else {
                f32::NAN
            };
            let loss = Tensor::<1>::from_data([loss], &cpu());
            Ok(StepScalars::of("loss", &loss))
        }

        fn tell(&mut self, step: u64, scalars: &Scalars) {
            assert!((scalars[0].1 - step as f64).abs() < 1e-9);
            self.told.push(step);
        }

        fn is_read_at(&self, step: u64) -> bool {
            step.is_multiple_of(self.every)
        }

        fn save(&mut self, folder: &Path) -> Result<()> {
            Ok(fs::write(folder.join("told"), format!("{:?}", self.told))?)
        }

        fn look(&mut self, _run: &mut Run<Steps>, _step: u64) -> Result<()> {
            Ok(())
        }

        fn advice(&self) -> &'static str {
            "do otherwise"
        }
    }

    /// What became of ten steps with a checkpoint every fourth: the steps of the ledger, and the newest checkpoint.
    fn conducted(every: u64, breaks: u64, fails: u64) -> (Result<()>, Vec<u64>, Option<u64>) {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::open(folder.path(), &Steps(10)).unwrap();
        let logging = LoggingConfig {
            checkpoint_every: 4,
            ..LoggingConfig::default()
        };
        let told = Vec::new();
        let mut training = Rarely {
            every,
            breaks,
            fails,
            told,
        };
        let ended = conduct(&mut run, 0, &logging, &mut training);
        let events = run.ledger.events().iter();
        let steps = events.filter_map(|event| match event {
            Event::Step { step, .. } => Some(*step),
            _ => None,
        });
        let steps: Vec<u64> = steps.collect();
        assert_eq!(steps, training.told);
        (ended, steps, run.checkpoint_step())
    }

    #[test]
    fn a_ledger_has_every_step_however_rarely_numbers_are_read() {
        for every in [1, 3, 25] {
            let (ended, steps, checkpoint) = conducted(every, 99, 99);
            assert!(ended.is_ok(), "{every}");
            assert_eq!(steps, (1..=10).collect::<Vec<_>>(), "{every}");
            assert_eq!(checkpoint, Some(10), "{every}");
        }
    }

    #[test]
    fn a_loss_that_is_read_late_diverges_at_its_own_step_and_gets_into_no_checkpoint() {
        for (every, breaks) in [(1, 7), (3, 7), (25, 7), (25, 8)] {
            let (ended, steps, checkpoint) = conducted(every, breaks, 99);
            let error = ended.unwrap_err().to_string();
            let what = format!("`loss` became NaN at step {breaks}");
            assert!(error.contains(&what), "{error}");
            assert_eq!(steps, (1..breaks).collect::<Vec<_>>(), "{every}");
            assert_eq!(checkpoint, Some(4), "{every}");
        }
    }

    #[test]
    fn steps_before_one_that_fails_are_written_down() {
        for every in [1, 25] {
            let (ended, steps, _) = conducted(every, 99, 7);
            assert_eq!(ended.unwrap_err().to_string(), "no step 7");
            assert_eq!(steps, [1, 2, 3, 4, 5, 6], "{every}");
            // A loss that was no longer finite comes first: it may be why.
            let (ended, ..) = conducted(every, 6, 7);
            let error = ended.unwrap_err().to_string();
            assert!(error.contains("became NaN at step 6"), "{error}");
        }
    }
}
