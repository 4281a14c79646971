//! Accuracy on labelled images of whatever tells classes apart: a classifier, or a system whose discriminator has a class head.

use std::collections::{BTreeMap, BTreeSet};

use crate::classifier::Predictions;
use crate::data::{Augmentation, PatchStore};
use crate::error::{Result, refuse};
use crate::images::Images;
use crate::metrics::Protocol;
use crate::random::Random;
use crate::tracker::ScoreRecord;

/// Images that are classified at a time.
const BLOCK: usize = 256;

/// The probability of each class for each image, images x classes.
pub(super) type Probabilities<'a> = dyn Fn(&Images) -> Result<Vec<f64>> + 'a;

/// Refuses patches of one class: there is nothing to tell apart.
pub(super) fn refuse_one_class(store: &PatchStore) -> Result<()> {
    let names = store.classes();
    if names.len() >= 2 {
        return Ok(());
    }
    Err(refuse(
        format!(
            "a classifier tells classes apart, and `{}` has one: {}",
            store.name(),
            names.join(", ")
        ),
        "give a folder with a subfolder for each class, and leave `data.classes` empty",
    ))
}

/// Labelled images of a store.
pub(super) struct LabelledImages<'a> {
    store: &'a PatchStore,
    patches: Vec<usize>,
    /// The slide of each, as a number.
    slides: Vec<usize>,
    /// Normal noise of a standard deviation from 0 to this is added, of RGB in [0, 1].
    noise: f64,
}

impl<'a> LabelledImages<'a> {
    /// The patches of `store` at `patches`.
    pub(super) fn new(store: &'a PatchStore, patches: Vec<usize>) -> Self {
        let slide = |patch: usize| store.records()[patch].slide.as_str();
        let names: BTreeSet<&str> = patches.iter().map(|&patch| slide(patch)).collect();
        let numbers: BTreeMap<&str, usize> = names.into_iter().zip(0..).collect();
        let slides = patches.iter().map(|&patch| numbers[slide(patch)]);
        Self {
            slides: slides.collect(),
            store,
            patches,
            noise: 0.0,
        }
    }

    /// With noise added, the same to an image each time.
    pub(super) fn with_noise(self, noise: f64) -> Self {
        Self { noise, ..self }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.patches.len()
    }

    /// What is said of them.
    ///
    /// # Errors
    /// Those of `probabilities`; refuses a class without images, and probabilities that are not finite.
    pub(super) fn predict(&self, probabilities: &Probabilities<'_>) -> Result<Predictions> {
        let mut all = Vec::with_capacity(self.patches.len() * self.store.classes().len());
        for (number, block) in (0u64..).zip(self.patches.chunks(BLOCK)) {
            let mut images = self.store.read(block)?.to_images();
            if self.noise > 0.0 {
                let noise = Augmentation {
                    brightness: 0.0,
                    contrast: 0.0,
                    noise: self.noise,
                };
                let mut stream = Random::new(0).at(number).stream("noise of a shifted set");
                images = noise.views(&images, &mut stream);
            }
            all.extend(probabilities(&images)?);
        }
        let classes = self.patches.iter();
        let classes = classes.map(|&patch| self.store.class_indices()[patch]);
        Predictions::new(
            self.store.classes().len(),
            classes.collect(),
            all,
            self.slides.clone(),
        )
    }
}

/// A set of labelled images and the protocol of accuracy on it.
pub(super) struct AccuracyTest<'a> {
    pub(super) images: LabelledImages<'a>,
    /// What stands before the names of its scores.
    prefix: &'static str,
    protocol: Protocol,
}

impl<'a> AccuracyTest<'a> {
    /// Accuracy on `images`, which protocols call `reference`.
    pub(super) fn new(images: LabelledImages<'a>, prefix: &'static str, reference: &str) -> Self {
        let store = images.store;
        let mut settings = BTreeMap::new();
        if images.noise > 0.0 {
            let noise = format!("normal, deviation up to {}", images.noise);
            settings.insert("noise added".to_owned(), noise);
        }
        let protocol = Protocol {
            images: 0,
            reference: reference.to_owned(),
            reference_images: images.count(),
            reference_hash: store.content_hash().to_owned(),
            image_size: store.patch_size(),
            resize: "none".to_owned(),
            quantise: "none".to_owned(),
            extractor: "each row's own class head".to_owned(),
            extractor_hash: String::new(),
            metric: "accuracy".to_owned(),
            settings,
            sampler: String::new(),
        };
        Self {
            images,
            prefix,
            protocol,
        }
    }

    /// The name of its overall accuracy.
    pub(super) fn accuracy(&self) -> String {
        format!("{}accuracy", self.prefix)
    }

    /// The id of its protocol.
    pub(super) fn id(&self) -> String {
        self.protocol.id()
    }

    /// Accuracy: overall, balanced, and of each class.
    ///
    /// # Errors
    /// Those of [`LabelledImages::predict`].
    pub(super) fn scores(&self, probabilities: &Probabilities<'_>) -> Result<Vec<ScoreRecord>> {
        let found = self.images.predict(probabilities)?;
        let prefix = self.prefix;
        let score = |name: String, value: f64| ScoreRecord {
            value: Some(value),
            ..ScoreRecord::new(&name, self.protocol.clone())
        };
        let mut scores = vec![
            score(self.accuracy(), found.accuracy()),
            score(
                format!("{prefix}balanced_accuracy"),
                found.balanced_accuracy(),
            ),
        ];
        let names = self.images.store.classes().iter().zip(found.by_class());
        scores.extend(names.map(|(name, value)| score(format!("{prefix}accuracy.{name}"), value)));
        Ok(scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Drawn, keep_drawn};
    use crate::images::Pixels;

    /// A store whose images are their own numbers: six of the first class, two of the second.
    fn store(cache: &std::path::Path) -> PatchStore {
        let classes = ["a", "a", "a", "a", "a", "a", "b", "b"];
        let images = classes.iter().zip(0..);
        let drawn = Drawn {
            name: "numbers",
            key: "numbers",
            size: 2,
            channels: 1,
            images: images
                .map(|(class, image)| ((*class).to_owned(), format!("slide {}", image / 2)))
                .collect(),
        };
        keep_drawn(drawn, cache, &mut |range| {
            let bytes = range.clone().flat_map(|image| [image as u8; 4]);
            Ok(Pixels::new(range.len(), 2, 1, bytes.collect()))
        })
        .unwrap()
    }

    #[test]
    fn accuracy_is_that_of_a_known_confusion() {
        let cache = tempfile::tempdir().unwrap();
        let store = store(cache.path());
        let images = LabelledImages::new(&store, (0..8).collect());
        let test = AccuracyTest::new(images, "shifted_", "numbers");
        // The confusion ((5, 1), (1, 1)): image 0 is taken for b, image 7 for a.
        let taken = [1usize, 0, 0, 0, 0, 0, 1, 0];
        let scores = test
            .scores(&|images| {
                let pixels = images.quantise();
                let numbers = pixels
                    .bytes
                    .chunks_exact(4)
                    .map(|image| taken[usize::from(image[0])]);
                Ok(numbers
                    .flat_map(|class| if class == 0 { [0.9, 0.1] } else { [0.1, 0.9] })
                    .collect())
            })
            .unwrap();
        let found: Vec<(&str, f64)> = scores
            .iter()
            .map(|score| (score.name.as_str(), score.value.unwrap()))
            .collect();
        let expected = [
            ("shifted_accuracy", 6.0 / 8.0),
            ("shifted_balanced_accuracy", f64::midpoint(5.0 / 6.0, 0.5)),
            ("shifted_accuracy.a", 5.0 / 6.0),
            ("shifted_accuracy.b", 0.5),
        ];
        assert_eq!(found.len(), expected.len());
        for ((name, value), (expected_name, expected)) in found.into_iter().zip(expected) {
            assert_eq!(name, expected_name);
            assert!((value - expected).abs() < 1e-12, "{name}: {value}");
        }
        let protocol = &scores[0].protocol;
        assert_eq!(
            (protocol.reference_images, protocol.reference_hash.as_str()),
            (8, store.content_hash())
        );
    }

    #[test]
    fn noise_is_the_same_each_time_and_part_of_the_protocol() {
        let cache = tempfile::tempdir().unwrap();
        let store = store(cache.path());
        let of = |noise: f64| {
            let images = LabelledImages::new(&store, (0..8).collect()).with_noise(noise);
            AccuracyTest::new(images, "", "numbers")
        };
        let seen = |test: &AccuracyTest<'_>| {
            let seen = std::cell::RefCell::new(Vec::new());
            test.images
                .predict(&|images| {
                    seen.borrow_mut().extend(images.values.clone());
                    Ok(vec![0.5; 2 * images.count])
                })
                .unwrap();
            seen.into_inner()
        };
        let (plain, noisy) = (of(0.0), of(0.2));
        assert_ne!(plain.id(), noisy.id());
        assert_eq!(seen(&noisy), seen(&of(0.2)));
        assert_ne!(seen(&noisy), seen(&plain));
    }
}
