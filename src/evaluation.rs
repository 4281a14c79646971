//! Measuring images against the held-out real ones: one feature pass, every metric, each number with its protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::config::Evaluation;
use crate::data::{PatchStore, Split};
use crate::digest::sha256;
use crate::error::{Refusal, Result, refuse};
use crate::features::{self, Extractor, Features, extract_cached};
use crate::images::Pixels;
use crate::metrics::{self, Metric, MetricSettings, Protocol, STANDARD};
use crate::random::Random;
use crate::tracker::ScoreRecord;

/// Real images that others are compared with.
pub struct Reference {
    /// Which images: for captions and protocols.
    pub name: String,
    /// The images.
    pub images: Pixels,
}

/// Two disjoint draws of `config.images` held-out patches each: the reference, and the half that is measured against it as
/// if it were generated (the floor).
///
/// Fails if the test split is too small for both: a number at another n would not compare.
pub fn held_out(config: &Evaluation, store: &PatchStore) -> Result<(Reference, Pixels)> {
    let indices = store.indices(Split::Test);
    let needed = 2 * config.images;
    if indices.len() < needed {
        return Err(refuse(
            format!(
                "the test split of `{}` has {} patches; `evaluation.images = {}` needs {needed}, half of them as the \
                 reference and half to measure the floor",
                store.name(),
                indices.len(),
                config.images,
            ),
            format!(
                "use `--set evaluation.images={}` or less, a larger `data.held_out`, or more slides",
                indices.len() / 2
            ),
        ));
    }
    let mut stream = Random::new(config.seed).stream("held-out halves");
    let drawn: Vec<usize> = stream
        .choose(indices.len(), needed)
        .into_iter()
        .map(|place| indices[place])
        .collect();
    let reference = Reference {
        name: format!("test split of {}", store.name()),
        images: store.read(&drawn[..config.images]),
    };
    Ok((reference, store.read(&drawn[config.images..])))
}

/// A reference seen through an extractor, and the metrics to compare with.
pub struct Bench {
    extractor: Box<dyn Extractor>,
    metrics: Vec<&'static dyn Metric>,
    settings: MetricSettings,
    reference: Reference,
    reference_hash: String,
    real: Features,
    cache: PathBuf,
}

impl Bench {
    /// Loads the extractor and looks at the reference through it. `names` are scores or families; the standard ones if empty.
    ///
    /// Fails for unknown names, weights that do not fit, and images that the extractor cannot see.
    pub fn new(
        config: &Evaluation,
        names: &[String],
        reference: Reference,
        device: &Device,
        cache: &Path,
    ) -> Result<Self> {
        let metrics = if names.is_empty() {
            STANDARD.to_vec()
        } else {
            metrics::select(names)?
        };
        let extractor = features::load(&config.features, device)?;
        let real = extract_cached(extractor.as_ref(), &reference.images, cache)?;
        Ok(Self {
            metrics,
            settings: config.metrics.clone(),
            reference_hash: sha256(&reference.images.bytes),
            reference,
            real,
            extractor,
            cache: cache.to_owned(),
        })
    }

    /// How `metric` measures `images` images here.
    pub fn protocol(&self, metric: &dyn Metric, images: usize) -> Protocol {
        let settings: BTreeMap<String, String> = metric
            .settings(&self.settings)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Protocol {
            images,
            reference: self.reference.name.clone(),
            reference_images: self.reference.images.count,
            reference_hash: self.reference_hash.clone(),
            image_size: self.reference.images.size,
            resize: self.extractor.resize().to_owned(),
            quantise: "floor(127.5 x + 128)".to_owned(),
            extractor: self.extractor.describe(),
            extractor_hash: self.extractor.hash(),
            metric: metric.name().to_owned(),
            settings,
        }
    }

    /// The ids of all scores that [`Self::measure`] gives for `images` images, in its order.
    pub fn protocol_ids(&self, images: usize) -> Vec<String> {
        self.metrics
            .iter()
            .flat_map(|metric| {
                let id = self.protocol(*metric, images).id();
                metric.scores().iter().map(move |_| id.clone())
            })
            .collect()
    }

    /// Every score of `images` against the reference. A metric that fails gives records without a number.
    ///
    /// Fails if the images differ in size from the reference or have features that are not finite.
    pub fn measure(&self, images: &Pixels) -> Result<Vec<ScoreRecord>> {
        if images.size != self.reference.images.size {
            return Err(refuse(
                format!(
                    "images of {0} x {0} cannot be compared with real ones of {1} x {1}",
                    images.size, self.reference.images.size
                ),
                "bring both to one size first; nothing is resized silently",
            ));
        }
        let generated = extract_cached(self.extractor.as_ref(), images, &self.cache)?;
        let outcomes = metrics::evaluate(&self.metrics, &generated, &self.real, &self.settings)?;
        let records = outcomes.into_iter().map(|outcome| {
            let protocol = self.protocol(outcome.metric, images.count);
            let failure = outcome
                .score
                .as_ref()
                .err()
                .map(explain)
                .unwrap_or_default();
            let score = outcome.score.ok();
            ScoreRecord {
                name: outcome.definition.name.to_owned(),
                value: score.as_ref().map(|score| score.value),
                spread: score.and_then(|score| score.spread),
                failure,
                protocol_id: protocol.id(),
                protocol,
            }
        });
        Ok(records.collect())
    }
}

/// An error and its hint in a line.
fn explain(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) if !refusal.hint.is_empty() => format!("{error:#}; {}", refusal.hint),
        _ => format!("{error:#}"),
    }
}
