//! Which patches make up a training step: a pure function of the step, so that a resumed run needs to store nothing.

use super::Symmetry;
use crate::error::{Result, refuse};
use crate::random::Random;

/// Batches of one size over the same patches, in a new random order every epoch.
#[derive(Clone, Debug)]
pub struct Batches {
    indices: Vec<usize>,
    batch: usize,
    random: Random,
    /// Whether patches are turned and mirrored.
    symmetries: bool,
    /// The epoch whose order is at hand, and that order.
    current: Option<(u64, Vec<usize>)>,
}

impl Batches {
    /// Batches of `batch` patches out of `indices`, ordered by the streams of `random` called `batches`.
    ///
    /// # Errors
    /// If the batch is empty, or there are fewer patches than one batch takes.
    pub fn new(indices: Vec<usize>, batch: usize, random: Random) -> Result<Self> {
        if batch == 0 {
            return Err(refuse(
                "`training.batch` is 0",
                "set `training.batch` to at least 1",
            ));
        }
        if indices.len() < batch {
            let patches = indices.len();
            return Err(refuse(
                format!("{patches} training patches do not fill a batch of {batch}"),
                format!(
                    "lower `training.batch` to at most {patches}, or raise `data.maximum_patches`"
                ),
            ));
        }
        Ok(Self {
            indices,
            batch,
            random,
            symmetries: false,
            current: None,
        })
    }

    /// The same with every patch turned and mirrored as the streams called `symmetries` say.
    #[must_use]
    pub fn with_symmetries(mut self) -> Self {
        self.symmetries = true;
        self
    }

    /// How each patch of step `step` is turned and mirrored: not at all, or by one of the eight at random.
    pub fn symmetries_at(&self, step: u64) -> Vec<Symmetry> {
        if !self.symmetries {
            return vec![Symmetry::default(); self.batch];
        }
        let mut stream = self.random.at(step).stream("symmetries");
        (0..self.batch)
            .map(|_| Symmetry::new(stream.below(Symmetry::COUNT)))
            .collect()
    }

    /// How many whole batches the patches give; the rest of an epoch's order is left out.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.indices.len() / self.batch) as u64
    }

    /// The patches of step `step`, counted from 0 over all epochs: members of `indices`.
    ///
    /// Depends on nothing that was asked before; steps asked in order share the epoch's permutation.
    pub fn at(&mut self, step: u64) -> Vec<usize> {
        let epoch = step / self.steps_per_epoch();
        let order = match self.current.take() {
            Some((current, order)) if current == epoch => order,
            _ => {
                let mut stream = self.random.at(epoch).stream("batches");
                stream.permutation(self.indices.len())
            }
        };
        let first = (step % self.steps_per_epoch()) as usize * self.batch;
        let places = &order[first..first + self.batch];
        let patches = places.iter().map(|&place| self.indices[place]).collect();
        self.current = Some((epoch, order));
        patches
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;

    #[test]
    fn an_epoch_shows_each_patch_at_most_once_and_the_next_another_order() {
        let indices: Vec<usize> = (100..123).collect();
        let mut batches = Batches::new(indices, 5, Random::new(0)).unwrap();
        assert_eq!(batches.steps_per_epoch(), 4);
        let epoch = |batches: &mut Batches, first: u64| -> Vec<usize> {
            (first..first + 4)
                .flat_map(|step| batches.at(step))
                .collect()
        };
        let (one, two) = (epoch(&mut batches, 0), epoch(&mut batches, 4));
        assert_ne!(one, two);
        for mut patches in [one, two] {
            patches.sort_unstable();
            patches.dedup();
            assert_eq!(patches.len(), 20);
            assert!(patches.iter().all(|patch| (100..123).contains(patch)));
        }
    }

    #[test]
    fn a_batch_depends_on_its_step_alone() {
        let make = || Batches::new((0..50).collect(), 8, Random::new(3)).unwrap();
        let mut in_order = make();
        let expected: Vec<Vec<usize>> = (0..20).map(|step| in_order.at(step)).collect();
        for step in [19, 0, 7, 7, 12] {
            assert_eq!(make().at(step), expected[step as usize]);
            assert_eq!(in_order.at(step), expected[step as usize]);
        }
    }

    #[test]
    fn too_few_patches_are_refused() {
        let error = Batches::new((0..90).collect(), 128, Random::new(0)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "90 training patches do not fill a batch of 128"
        );
        let hint = &error.downcast_ref::<Refusal>().unwrap().hint;
        assert_eq!(
            hint,
            "lower `training.batch` to at most 90, or raise `data.maximum_patches`"
        );
        let error = Batches::new(vec![], 0, Random::new(0)).unwrap_err();
        assert_eq!(error.to_string(), "`training.batch` is 0");
    }
}
