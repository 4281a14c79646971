//! Testing classifiers on the held-out slides. What a ledger has under the same protocol is not measured again.

use std::collections::BTreeMap;

use crate::classifier::{
    BINS, Classifier, ClassifierRunConfig, ClassifierStart, Predictions, REDRAWN,
};
use crate::data::Split;
use crate::error::Result;
use crate::experiment::accuracy::LabelledImages;
use crate::experiment::{Context, Reporter};
use crate::metrics::Protocol;
use crate::random::Random;
use crate::run::Run;
use crate::tracker::{self, Event, ScoreRecord};

/// The held-out patches.
pub(super) struct Test<'a> {
    context: &'a Context<'a>,
    /// The patches of the test split.
    images: LabelledImages<'a>,
    protocol: Protocol,
}

impl<'a> Test<'a> {
    /// Those of `context`, for classifiers that start from the pretrained weights with the SHA-256 `weights`.
    pub(super) fn open(context: &'a Context<'a>, weights: &str) -> Self {
        let (store, settings) = (&context.store, &context.config.downstream.classifier);
        let images = LabelledImages::new(store, store.indices(Split::Test));
        let start = match settings.pretrained {
            ClassifierStart::ImageNet => format!(
                "weights of ImageNet, last {} layers learning",
                settings.trainable_layers
            ),
            ClassifierStart::None => "random weights".to_owned(),
        };
        let passes = match settings.steps_per_epoch {
            0 => format!("{}", settings.epochs),
            steps => format!("{} of {steps} steps", settings.epochs),
        };
        let text = |value: &dyn ToString| value.to_string();
        let about = BTreeMap::from([
            (
                "bins of the calibration error",
                text(&format!("{BINS}, equally wide over [0, 1]")),
            ),
            ("bootstrap", text(&format!("{REDRAWN} samples of slides"))),
            ("passes", passes),
            ("batch", text(&settings.batch)),
            (
                "learning rate",
                format!(
                    "{}, times {} every {} passes",
                    settings.learning_rate, settings.decay, settings.decay_every
                ),
            ),
            ("validation", text(&settings.validation)),
            (
                "weights",
                text(&if settings.keep_best {
                    "of the lowest validation loss"
                } else {
                    "the last"
                }),
            ),
        ]);
        let protocol = Protocol {
            images: 0,
            reference: format!("test split of {}", store.name()),
            reference_images: images.count(),
            reference_hash: store.content_hash().to_owned(),
            image_size: store.patch_size(),
            resize: "none".to_owned(),
            quantise: "none".to_owned(),
            extractor: format!("{} ({start})", settings.network),
            extractor_hash: weights.to_owned(),
            metric: "classification".to_owned(),
            settings: about
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            sampler: String::new(),
        };
        Self {
            context,
            images,
            protocol,
        }
    }

    /// Measures `network` into the ledger of `run`, unless it has been.
    pub(super) fn measure(
        &self,
        run: &mut Run<ClassifierRunConfig>,
        network: &dyn Classifier,
        reporter: &mut dyn Reporter,
    ) -> Result<()> {
        let id = self.protocol.id();
        let is_known = tracker::result(run.ledger.events()).is_some_and(|known| {
            let mut scores = known.scores.iter();
            !known.scores.is_empty() && scores.all(|score| score.protocol_id == id)
        });
        if is_known {
            return Ok(());
        }
        let found = self
            .images
            .predict(&|images| network.probabilities(images))?;
        let scores = self.scores(&found);
        reporter.scores(&scores[..2]);
        let step = run.checkpoint_step().unwrap_or_default();
        run.ledger
            .append(Event::Evaluation(tracker::Evaluation::unkept(
                step,
                run.config.seed,
                scores,
            )))
    }

    fn scores(&self, found: &Predictions) -> Vec<ScoreRecord> {
        let mut scores = Vec::new();
        let mut add = |name: &str, value: Option<f64>| {
            let absent = match value {
                Some(_) => "",
                None => "one held-out slide of a class",
            };
            scores.push(ScoreRecord {
                value,
                absent: absent.to_owned(),
                ..ScoreRecord::new(name, self.protocol.clone())
            });
        };
        let calibration = found.calibration();
        add("accuracy", Some(found.accuracy()));
        add("balanced_accuracy", Some(found.balanced_accuracy()));
        let names = self.context.store.classes();
        for (name, value) in names.iter().zip(found.by_class()) {
            add(&format!("accuracy.{name}"), Some(value));
        }
        add("auc", Some(found.auc()));
        add("calibration_error", Some(calibration.error));
        add("brier", Some(calibration.brier));
        let intervals = found.intervals(Random::new(0));
        let of = ["accuracy", "balanced_accuracy", "auc"];
        for (place, name) in of.into_iter().enumerate() {
            let interval = intervals.map(|all| all[place]);
            add(&format!("{name}_low"), interval.map(|(low, _)| low));
            add(&format!("{name}_high"), interval.map(|(_, high)| high));
        }
        for (class, row) in names.iter().zip(found.confusion()) {
            for (taken, count) in names.iter().zip(row) {
                add(&format!("count.{class}.{taken}"), Some(count as f64));
            }
        }
        scores
    }
}
