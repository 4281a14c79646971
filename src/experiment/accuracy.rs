//! Accuracy on labelled images of whatever tells classes apart: a classifier, or a system whose discriminator has a class head.

use std::collections::{BTreeMap, BTreeSet};

use crate::classifier::Predictions;
use crate::data::{Augmentation, PatchStore};
use crate::error::Result;
use crate::images::Images;
use crate::metrics::Protocol;
use crate::random::Random;
use crate::tracker::ScoreRecord;

/// Images that are classified at a time.
const BLOCK: usize = 256;

/// The probability of each class for each image, images x classes.
pub(super) type Probabilities<'a> = dyn Fn(&Images) -> Result<Vec<f64>> + 'a;

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
