//! Testing the rows: accuracy of class heads, and how tight classes lie in the CNN's embedding. What a ledger has under the same protocol
//! is not measured again.

use std::collections::BTreeMap;

use crate::classifier::{Classifier, ClassifierRunConfig, centre_distance};
use crate::config::RunConfig;
use crate::data::{PatchStore, Split, StainMethod, TrainingPlaces};
use crate::digest::sha256;
use crate::error::Result;
use crate::experiment::accuracy::{AccuracyTest, LabelledImages, Probabilities};
use crate::experiment::training::draw;
use crate::experiment::{Context, Reporter};
use crate::images::Pixels;
use crate::metrics::Protocol;
use crate::models::{GenerativeModel, class_probabilities};
use crate::random::Random;
use crate::run::{Identity, Run};
use crate::samples::Plan;
use crate::tracker::{self, Evaluation, Event, ScoreRecord};

/// Scores of [`centre_distance`].
const DISTANCE: &str = "centre_distance";
const DEVIATION: &str = "centre_distance_deviation";

/// What every row is tested on.
pub(super) struct Tests<'a> {
    context: &'a Context<'a>,
    /// The test split, and shifted images where there are any.
    accuracy: Vec<AccuracyTest<'a>>,
    /// What the shifted images are; empty without.
    shifted: String,
    /// Held-out images that are embedded, and as many of every system.
    embedded: Vec<usize>,
}

impl<'a> Tests<'a> {
    /// Those of `context`, and of the images in `shifted`.
    pub(super) fn open(context: &'a Context<'a>, shifted: Option<&'a PatchStore>) -> Self {
        let (config, store) = (context.config, &context.store);
        let held_out = store.indices(Split::Test);
        let test = LabelledImages::new(store, held_out.clone());
        let reference = format!("test split of {}", store.name());
        let mut accuracy = vec![AccuracyTest::new(test, "", &reference)];
        let mut name = String::new();
        if let Some(store) = shifted {
            let settings = &config.low_data;
            let stain = match settings.shifted_stain {
                StainMethod::None => String::new(),
                method => format!(", stain brought to another's by {}", method.name()),
            };
            let noise = match settings.shifted_noise {
                0.0 => String::new(),
                noise => format!(", with noise of deviation up to {noise}"),
            };
            let reference = format!("all images of {}{stain}", store.name());
            name = format!("{reference}{noise}");
            let images = LabelledImages::new(store, (0..store.len()).collect());
            let images = images.with_noise(settings.shifted_noise);
            accuracy.push(AccuracyTest::new(images, "shifted_", &reference));
        }
        let mut embedded = held_out;
        let seed = Random::new(config.evaluation.seed);
        seed.stream("embedded").shuffle(&mut embedded);
        embedded.truncate(config.evaluation.images);
        Self {
            context,
            accuracy,
            shifted: name,
            embedded,
        }
    }

    /// What the shifted images are; empty without.
    pub(super) fn shifted_name(&self) -> String {
        self.shifted.clone()
    }

    /// How many images of each row are embedded.
    pub(super) fn embedded(&self) -> usize {
        self.embedded.len()
    }

    /// Tests the CNN, and measures real images in its embedding.
    pub(super) fn of_classifier(
        &self,
        run: &mut Run<ClassifierRunConfig>,
        network: &dyn Classifier,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        let mut scores = Scores::of(run, self.context);
        for test in &self.accuracy {
            scores.test(test, &|images| network.probabilities(images))?;
        }
        let protocol = self.of_distance();
        if scores.lacks(DISTANCE, &protocol.id()) {
            let store = &self.context.store;
            let images = store.read(&self.embedded)?;
            let classes = self.embedded.iter();
            let classes: Vec<usize> = classes.map(|&patch| store.class_indices()[patch]).collect();
            scores
                .new
                .extend(self.distance(Some(network), &images, &classes, &protocol)?);
        }
        scores.keep(run, reporter)
    }

    /// Tests the class head of a system, and measures its images in the embedding of the CNN that learned from the same images.
    pub(super) fn of_system(
        &self,
        run: &mut Run<RunConfig>,
        model: &dyn GenerativeModel,
        cnn: Option<&dyn Classifier>,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        let mut scores = Scores::of(run, self.context);
        for test in &self.accuracy {
            scores.test(test, &|images| probabilities(model, images))?;
        }
        let protocol = self.of_distance();
        if scores.lacks(DISTANCE, &protocol.id()) {
            let count = self.embedded.len();
            let drawn = draw(self.context, model, count, &mut |_| {})?;
            let seed = self.context.config.evaluation.seed;
            let plan = Plan::of(&self.context.store, Split::Test, count, seed);
            let found = self.distance(cnn, &drawn.pixels, plan.classes(), &protocol)?;
            scores.new.extend(found);
        }
        scores.keep(run, reporter)
    }

    /// The accuracy of a system's class head on the validation images.
    pub(super) fn validate(
        &self,
        run: &mut Run<RunConfig>,
        model: &dyn GenerativeModel,
        images: &TrainingPlaces,
        reporter: &mut dyn Reporter,
    ) -> Result<f64> {
        let store = &self.context.store;
        let kept = LabelledImages::new(store, images.validation.clone());
        let reference = format!("images of {} kept for validation", store.name());
        let test = AccuracyTest::new(kept, "validation_", &reference);
        let mut scores = Scores::of(run, self.context);
        scores.test(&test, &|images| probabilities(model, images))?;
        let accuracy = scores.value(&test.accuracy());
        scores.keep(run, reporter)?;
        Ok(accuracy)
    }

    /// The protocol of distances in the embedding. One for all rows: the number of images and how what embeds them was trained.
    fn of_distance(&self) -> Protocol {
        let Context { config, store, .. } = self.context;
        let cnn = toml::to_string(&config.downstream.classifier).expect("settings are a table");
        let settings = BTreeMap::from([(
            "images of the CNN's row".to_owned(),
            "real ones of the test split".to_owned(),
        )]);
        Protocol {
            images: self.embedded.len(),
            reference: format!("test split of {}", store.name()),
            reference_images: self.embedded.len(),
            reference_hash: store.content_hash().to_owned(),
            image_size: store.patch_size(),
            resize: "none".to_owned(),
            quantise: "floor(127.5 x + 128)".to_owned(),
            extractor: "the CNN that was trained on the same images with the same seed".to_owned(),
            extractor_hash: sha256(format!("width = {}\n{cnn}", config.backbone.critic_width)),
            metric: "distance to the centre of the own class".to_owned(),
            settings,
            sampler: self.context.samplers.describe(),
        }
    }

    fn distance(
        &self,
        cnn: Option<&dyn Classifier>,
        images: &Pixels,
        classes: &[usize],
        protocol: &Protocol,
    ) -> Result<[ScoreRecord; 2]> {
        let scores = [DISTANCE, DEVIATION].map(|name| ScoreRecord::new(name, protocol.clone()));
        let Some(cnn) = cnn else {
            return Ok(scores.map(|score| ScoreRecord {
                absent: "the CNN's training did not come to its end".to_owned(),
                ..score
            }));
        };
        let count = self.context.store.classes().len();
        let found = centre_distance(classes, count, &mut |range| {
            let block = images.select(&range.collect::<Vec<_>>());
            cnn.embeddings(&block.to_images())
        })?;
        let [mut mean, mut deviation] = scores;
        (mean.value, deviation.value) = (Some(found.mean), Some(found.deviation));
        Ok([mean, deviation])
    }
}

/// What the class head of `model` gives.
fn probabilities(model: &dyn GenerativeModel, images: &crate::images::Images) -> Result<Vec<f64>> {
    let found = class_probabilities(model, images)?;
    Ok(found.expect("a plan has systems with a class head alone"))
}

/// The scores that a ledger has of a run's end, and new ones.
struct Scores {
    known: Evaluation,
    new: Vec<ScoreRecord>,
}

impl Scores {
    fn of<C: Identity>(run: &Run<C>, context: &Context<'_>) -> Self {
        let step = run.checkpoint_step().unwrap_or_default();
        let seed = context.config.evaluation.seed;
        let known = tracker::result(run.ledger.events()).cloned();
        let known = known.unwrap_or_else(|| Evaluation::unkept(step, seed, Vec::new()));
        Self {
            known,
            new: Vec::new(),
        }
    }

    fn lacks(&self, name: &str, id: &str) -> bool {
        let mut known = self.known.scores.iter();
        !known.any(|score| score.name == name && score.protocol_id == id)
    }

    fn test(&mut self, test: &AccuracyTest<'_>, probabilities: &Probabilities<'_>) -> Result<()> {
        if self.lacks(&test.accuracy(), &test.id()) {
            self.new.extend(test.scores(probabilities)?);
        }
        Ok(())
    }

    /// The value of `name`, which was measured now or before.
    fn value(&self, name: &str) -> f64 {
        let mut all = self.new.iter().chain(&self.known.scores);
        let found = all.find(|score| score.name == name);
        found
            .and_then(|score| score.value)
            .unwrap_or(f64::NEG_INFINITY)
    }

    /// Writes what is new into the ledger, with what was known besides.
    fn keep<C: Identity>(self, run: &mut Run<C>, reporter: &mut dyn Reporter) -> Result<()> {
        if self.new.is_empty() {
            return Ok(());
        }
        let shown = self.new.iter().filter(|score| !score.name.contains('.'));
        reporter.scores(&shown.cloned().collect::<Vec<_>>());
        let is_other = |old: &ScoreRecord| self.new.iter().all(|new| new.name != old.name);
        let others = self
            .known
            .scores
            .iter()
            .filter(|old| is_other(old))
            .cloned();
        let scores = self.new.iter().cloned().chain(others).collect();
        run.ledger.append(Event::Evaluation(Evaluation {
            scores,
            ..self.known
        }))
    }
}
