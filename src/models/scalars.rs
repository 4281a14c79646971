//! The numbers of a step, left on the device until somebody looks at them.
//!
//! Reading a loss waits for all that the device was told to do before. On a GPU that leaves it idle while the next step is being
//! told; so a step returns its losses where they lie, and those of many steps are read in one wait.

use std::borrow::Cow;

use anyhow::Context;
use burn::tensor::{Tensor, Transaction};

use crate::error::Result;

/// Named numbers of one step: losses, rewards, penalties. A number of one class has the class behind a dot.
pub type Scalars = Vec<(Cow<'static, str>, f64)>;

/// A number of a step: known, or on the device.
#[derive(Clone, Debug)]
pub enum Scalar {
    /// Known.
    Known(f64),
    /// `factor` times the sum of losses on the device, each of one entry, plus `constant`; in f64.
    OnDevice {
        /// Without what they were computed from.
        losses: Vec<Tensor<1>>,
        /// 1 for the sum itself.
        factor: f64,
        /// 0 for the sum itself.
        constant: f64,
    },
}

impl From<f64> for Scalar {
    fn from(value: f64) -> Self {
        Self::Known(value)
    }
}

impl From<&Tensor<1>> for Scalar {
    fn from(loss: &Tensor<1>) -> Self {
        Self::sum(vec![loss.clone().detach()])
    }
}

impl Scalar {
    fn sum(losses: Vec<Tensor<1>>) -> Self {
        let (factor, constant) = (1.0, 0.0);
        Self::OnDevice {
            losses,
            factor,
            constant,
        }
    }

    /// How many losses have to be read.
    fn losses(&self) -> &[Tensor<1>] {
        match self {
            Self::Known(_) => &[],
            Self::OnDevice { losses, .. } => losses,
        }
    }

    /// Its value, whose losses are the next ones that were `read`.
    fn value(&self, read: &mut impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::Known(value) => *value,
            Self::OnDevice {
                losses,
                factor,
                constant,
            } => factor * read.take(losses.len()).sum::<f64>() + constant,
        }
    }
}

/// The numbers of one step by their names, read or not.
#[derive(Clone, Debug, Default)]
pub struct StepScalars(Vec<(Cow<'static, str>, Scalar)>);

impl From<Scalars> for StepScalars {
    fn from(scalars: Scalars) -> Self {
        let scalars = scalars.into_iter();
        Self(scalars.map(|(name, value)| (name, value.into())).collect())
    }
}

impl StepScalars {
    /// One number.
    pub fn of(name: impl Into<Cow<'static, str>>, value: impl Into<Scalar>) -> Self {
        Self(vec![(name.into(), value.into())])
    }

    /// Adds a number.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Scalar>) {
        self.0.push((name.into(), value.into()));
    }

    /// Adds those of `others` behind its own.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Its numbers.
    ///
    /// # Errors
    /// The device lost one.
    pub fn read(self) -> Result<Scalars> {
        Ok(read_all(vec![self])?.remove(0))
    }
}

/// The numbers of `steps`, in one wait for the device.
///
/// # Errors
/// The device lost one.
pub fn read_all(steps: Vec<StepScalars>) -> Result<Vec<Scalars>> {
    let all = steps.iter().flat_map(|step| &step.0);
    let losses: Vec<_> = all.flat_map(|(_, scalar)| scalar.losses()).collect();
    let mut read = Vec::with_capacity(losses.len());
    if !losses.is_empty() {
        let transaction = losses
            .into_iter()
            .fold(Transaction::default(), |transaction, loss| {
                transaction.register(loss.clone())
            });
        let found = transaction.try_execute().context("cannot read losses")?;
        for data in found {
            let values = data.convert::<f32>();
            read.push(f64::from(values.as_slice::<f32>()?[0]));
        }
    }
    let mut read = read.into_iter();
    let steps = steps.into_iter().map(|step| {
        let named = step.0.into_iter();
        named
            .map(|(name, scalar)| (name, scalar.value(&mut read)))
            .collect()
    });
    Ok(steps.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;

    fn loss(value: f32) -> Tensor<1> {
        Tensor::from_data([value], &cpu())
    }

    #[test]
    fn steps_read_together_have_the_numbers_of_each() {
        let step = |at: f32| {
            let mut step = StepScalars::of("critic_loss", &loss(at));
            step.push("tau", 0.5);
            let sum = Scalar::OnDevice {
                losses: vec![loss(0.1), loss(at)],
                factor: 2.0,
                constant: -1.0,
            };
            step.push("sum", sum);
            step
        };
        let together = read_all(vec![step(1.0), StepScalars::default(), step(2.0)]).unwrap();
        let names: Vec<_> = together[0].iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["critic_loss", "tau", "sum"]);
        assert!(together[1].is_empty());
        for (found, at) in [(&together[0], 1.0), (&together[2], 2.0)] {
            let values: Vec<_> = found.iter().map(|(_, value)| *value).collect();
            let sum = f64::from(0.1f32) + at;
            assert_eq!(values, [at, 0.5, 2.0 * sum - 1.0]);
            assert_eq!(found, &step(at as f32).read().unwrap());
        }
    }
}
