//! A training set: which images a classifier learns from and which it is validated on, batch by batch.

use crate::classifier::{ClassicAugmentation, TrainingSet};
use crate::data::{PatchStore, Symmetry, turn};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::random::Random;

/// An image of a training set: which store, which of its patches, which class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    store: usize,
    patch: usize,
    class: usize,
}

/// A training set whose images are read as they are asked for.
pub(in crate::experiment) struct Set<'a> {
    stores: Vec<&'a PatchStore>,
    training: Vec<Place>,
    validation: Vec<Place>,
    /// What it is, as the run's configuration has it.
    pub(in crate::experiment) about: TrainingSet,
}

impl<'a> Set<'a> {
    /// One without images.
    pub(in crate::experiment) fn new(augmentation: Option<ClassicAugmentation>) -> Self {
        Self {
            stores: Vec::new(),
            training: Vec::new(),
            validation: Vec::new(),
            about: TrainingSet {
                training: 0,
                validation: 0,
                real: None,
                generated: None,
                augmentation,
            },
        }
    }

    /// What is added from now on lies in `store`.
    pub(in crate::experiment) fn begin(&mut self, store: &'a PatchStore) {
        self.stores.push(store);
    }

    /// Adds an image of the store that was begun last.
    pub(in crate::experiment) fn add(&mut self, patch: usize, class: usize, is_validation: bool) {
        let store = self.stores.len() - 1;
        let side = if is_validation {
            &mut self.validation
        } else {
            &mut self.training
        };
        side.push(Place {
            store,
            patch,
            class,
        });
    }

    /// The set, if there is enough in it for the row called `row`.
    ///
    /// # Errors
    /// Refuses fewer than two images to train on, and none to validate on.
    pub(in crate::experiment) fn finish(mut self, row: &str) -> Result<Self> {
        let (training, validation) = (self.training.len(), self.validation.len());
        if training < 2 || validation == 0 {
            return Err(refuse(
                format!(
                    "row `{row}` has {training} images to train on and {validation} to validate on"
                ),
                "give it more images, or set `downstream.classifier.validation` nearer to 0.3",
            ));
        }
        self.about.training = training;
        self.about.validation = validation;
        Ok(self)
    }

    /// The images that are validated on.
    pub(super) fn validation(&self) -> &[Place] {
        &self.validation
    }

    /// Reads images with the class of each.
    pub(super) fn read(&self, places: &[Place]) -> Result<(Images, Vec<usize>)> {
        let mut images = Vec::with_capacity(places.len());
        for place in places {
            images.push(self.stores[place.store].read(&[place.patch])?.to_images());
        }
        let first = images.first().expect("there are images");
        let (channels, size) = (first.channels, first.size);
        let values = images.into_iter().flat_map(|image| image.values).collect();
        let classes = places.iter().map(|place| place.class).collect();
        Ok((Images::new(places.len(), channels, size, values), classes))
    }

    /// The images of step `step`, which is the one at `within` of pass `epoch`: in a new random order every time that all were shown.
    pub(super) fn batch(
        &self,
        random: Random,
        step: u64,
        [epoch, within]: [u64; 2],
        batch: usize,
        shows_all: bool,
    ) -> Vec<Place> {
        let count = self.training.len();
        // Orders are counted over the whole training; a pass that shows all ends with what is left.
        let first = if shows_all {
            epoch as usize * count + within as usize * batch
        } else {
            step as usize * batch
        };
        let last = if shows_all {
            (first + batch).min((epoch as usize + 1) * count)
        } else {
            first + batch
        };
        let mut places = Vec::with_capacity(last - first);
        let mut known: Option<(usize, Vec<usize>)> = None;
        for position in first..last {
            let round = position / count;
            if known.as_ref().is_none_or(|(known, _)| *known != round) {
                let mut stream = random.at(round as u64).stream("batches");
                known = Some((round, stream.permutation(count)));
            }
            let (_, order) = known.as_ref().expect("it was just made");
            places.push(self.training[order[position % count]]);
        }
        places
    }
}

/// Images as classic augmentation shows them at step `step`.
pub(super) fn augmented(
    augmentation: &ClassicAugmentation,
    images: &Images,
    random: Random,
    step: u64,
) -> Images {
    let random = random.at(step);
    let mut stream = random.stream("symmetries");
    let symmetries: Vec<Symmetry> = (0..images.count)
        .map(|_| Symmetry::new(stream.below(Symmetry::COUNT)))
        .collect();
    let mut images = augmentation
        .views()
        .views(images, &mut random.stream("views"));
    turn(&mut images, &symmetries);
    images
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: usize) -> Set<'static> {
        let place = |patch| Place {
            store: 0,
            patch,
            class: 0,
        };
        let mut set = Set::new(None);
        set.training = (0..count).map(place).collect();
        set
    }

    #[test]
    fn a_pass_shows_each_image_once_and_its_last_batch_is_what_is_left() {
        let (set, random) = (set(10), Random::new(3));
        let pass = |epoch: u64| -> Vec<usize> {
            let batches = (0..3).map(|within| {
                let batch = set.batch(random, 3 * epoch + within, [epoch, within], 4, true);
                assert_eq!(batch.len(), if within < 2 { 4 } else { 2 });
                batch
                    .into_iter()
                    .map(|place| place.patch)
                    .collect::<Vec<_>>()
            });
            batches.flatten().collect()
        };
        let (one, two) = (pass(0), pass(1));
        assert_ne!(one, two);
        for mut pass in [one, two] {
            pass.sort_unstable();
            assert_eq!(pass, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn steps_of_a_fixed_number_go_round_a_small_set() {
        let (set, random) = (set(6), Random::new(3));
        let shown: Vec<usize> = (0..6)
            .flat_map(|step| set.batch(random, step, [step / 2, step % 2], 4, false))
            .map(|place| place.patch)
            .collect();
        assert_eq!(shown.len(), 24);
        for round in shown.chunks(6) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, (0..6).collect::<Vec<_>>());
        }
    }
}
