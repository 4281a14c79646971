//! Measuring images against the held-out real ones: one feature pass, every metric, each number with its protocol.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::config::Evaluation;
use crate::data::{PatchStore, Split};
use crate::error::{Refusal, Result, refuse};
use crate::features::{
    self, Extractor, FeatureFile, Features, PerceptualDistance, extract_cached, load_perceptual,
};
use crate::images::{ImageSource, Pixels, kind};
use crate::metrics::{
    self, GaussianMetric, GaussianSide, LatentSpace, Metric, MetricSettings, PathLength,
    PathSettings, Protocol, STANDARD,
};
use crate::models::GenerativeModel;
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
        images: store.read(&drawn[..config.images])?,
    };
    Ok((reference, store.read(&drawn[config.images..])?))
}

/// Patches that the models were trained on, at most `config.training_images` of them.
///
/// # Errors
/// If the store can no longer be read.
pub fn trained_on(config: &Evaluation, store: &PatchStore) -> Result<Reference> {
    let indices = store.indices(Split::Train);
    let count = indices.len().min(config.training_images);
    let mut stream = Random::new(config.seed).stream("training patches");
    let drawn = stream.choose(indices.len(), count);
    let drawn: Vec<usize> = drawn.into_iter().map(|place| indices[place]).collect();
    Ok(Reference {
        name: format!("training split of {}", store.name()),
        images: store.read(&drawn)?,
    })
}

/// Real images seen through an extractor, or features of them from a file, and the metrics to compare with.
pub struct Bench {
    metrics: Vec<&'static dyn Metric>,
    settings: MetricSettings,
    reference: Facts,
    real: Real,
    sight: Sight,
}

/// What is kept of the reference.
enum Real {
    /// Its features.
    Features(Features),
    /// The Gaussian fitted to them, where all metrics need no more.
    Gaussian {
        metrics: Vec<&'static dyn GaussianMetric>,
        fitted: GaussianSide,
    },
}

impl Real {
    /// What `metrics` need of the features in `file`.
    fn of(metrics: &[&'static dyn Metric], file: &FeatureFile) -> Result<Self> {
        let gaussian = metrics.iter().map(|metric| metric.of_gaussians());
        Ok(match gaussian.collect::<Option<Vec<_>>>() {
            Some(metrics) => Self::Gaussian {
                metrics,
                fitted: GaussianSide::of(metrics::REAL, file.blocks())?,
            },
            None => Self::Features(Features::join(file.rows, file.blocks())?),
        })
    }
}

/// What a protocol says of the reference.
struct Facts {
    name: String,
    hash: String,
    count: usize,
}

/// How images become features.
enum Sight {
    /// By an extractor, from images of one size and number of channels; what was computed once is kept.
    Extractor {
        extractor: Box<dyn Extractor>,
        image_size: usize,
        channels: usize,
        cache: PathBuf,
    },
    /// In another program.
    Elsewhere,
}

impl Bench {
    /// Loads the extractor and looks at the reference, `images` that are called `reference`, through it. `names` are scores
    /// or families; the standard ones if empty.
    ///
    /// Fails for unknown names, weights that do not fit, and images that the extractor cannot see.
    pub fn new(
        config: &Evaluation,
        names: &[String],
        reference: &str,
        images: &dyn ImageSource,
        device: &Device,
        cache: &Path,
    ) -> Result<Self> {
        let metrics = select_or_standard(names)?;
        let extractor = features::load(&config.features, device)?;
        let hash = images.hash()?;
        let features = extract_cached(extractor.as_ref(), images, &hash, cache)?;
        Ok(Self {
            real: Real::of(&metrics, &features)?,
            metrics,
            settings: config.metrics.clone(),
            reference: Facts {
                name: reference.to_owned(),
                hash,
                count: images.count(),
            },
            sight: Sight::Extractor {
                extractor,
                image_size: images.size(),
                channels: images.channels(),
                cache: cache.to_owned(),
            },
        })
    }

    /// Takes the features of the reference as they are; `names` as in [`Self::new`].
    pub fn of_features(
        settings: &MetricSettings,
        names: &[String],
        reference: &str,
        file: &FeatureFile,
    ) -> Result<Self> {
        let metrics = select_or_standard(names)?;
        let (real, hash) = rayon::join(|| Real::of(&metrics, file), || file.hash());
        Ok(Self {
            real: real?,
            metrics,
            settings: settings.clone(),
            reference: Facts {
                name: reference.to_owned(),
                hash: hash?,
                count: file.rows,
            },
            sight: Sight::Elsewhere,
        })
    }

    /// How `metric` measures `images` images here.
    pub fn protocol(&self, metric: &dyn Metric, images: usize) -> Protocol {
        let settings: BTreeMap<String, String> = metric
            .settings(&self.settings)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let elsewhere = || "unknown".to_owned();
        let (image_size, resize, quantise, extractor, extractor_hash) = match &self.sight {
            Sight::Extractor {
                extractor,
                image_size,
                channels,
                ..
            } => (
                *image_size,
                extractor.resize().to_owned(),
                "floor(127.5 x + 128)".to_owned(),
                extractor.describe_for(*channels),
                extractor.hash(),
            ),
            Sight::Elsewhere => (0, elsewhere(), elsewhere(), elsewhere(), elsewhere()),
        };
        Protocol {
            images,
            reference: self.reference.name.clone(),
            reference_images: self.reference.count,
            reference_hash: self.reference.hash.clone(),
            image_size,
            resize,
            quantise,
            extractor,
            extractor_hash,
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
    pub fn measure(&self, images: &dyn ImageSource) -> Result<Vec<ScoreRecord>> {
        self.measure_features(&self.features(images)?)
    }

    /// The same for images that will not be seen again: their features are not kept.
    pub fn measure_once(&self, images: &dyn ImageSource) -> Result<Vec<ScoreRecord>> {
        let (extractor, _) = self.extractor(images)?;
        let blocks = images.blocks().map(|block| extractor.extract(&block?));
        self.score(images.count(), blocks)
    }

    /// Every score of generated features against the reference, as [`Self::measure`] gives it.
    pub fn measure_features(&self, generated: &FeatureFile) -> Result<Vec<ScoreRecord>> {
        self.score(generated.rows, generated.blocks())
    }

    /// The features of images, as those of the reference were made.
    fn features(&self, images: &dyn ImageSource) -> Result<FeatureFile> {
        let (extractor, cache) = self.extractor(images)?;
        extract_cached(extractor, images, &images.hash()?, cache)
    }

    /// What sees `images`, and where their features are kept.
    fn extractor(&self, images: &dyn ImageSource) -> Result<(&dyn Extractor, &Path)> {
        let Sight::Extractor {
            extractor,
            image_size,
            channels,
            cache,
        } = &self.sight
        else {
            return Err(refuse(
                "images cannot be compared with features that were made elsewhere",
                "give two files of features, or two sets of images",
            ));
        };
        if images.size() != *image_size {
            return Err(refuse(
                format!(
                    "images of {0} x {0} cannot be compared with real ones of {image_size} x {image_size}",
                    images.size()
                ),
                "bring both to one size first; nothing is resized silently",
            ));
        }
        if images.channels() != *channels {
            return Err(refuse(
                format!(
                    "{} images cannot be compared with {} ones",
                    kind(images.channels()),
                    kind(*channels)
                ),
                "bring both to RGB or both to grey first (`data.channels`); nothing is converted silently",
            ));
        }
        Ok((extractor.as_ref(), cache))
    }

    /// The place in the reference of the image that is nearest to each of `images` in feature space.
    ///
    /// Fails where no metric of this bench needs the features of the reference.
    pub fn closest(&self, images: &dyn ImageSource) -> Result<Vec<usize>> {
        let Real::Features(real) = &self.real else {
            anyhow::bail!("the features of the reference were not kept: no metric needs them");
        };
        let file = self.features(images)?;
        let features = Features::join(file.rows, file.blocks())?;
        metrics::check_features(&features, real)?;
        let closest = metrics::closest(&features, real);
        Ok(closest.into_iter().map(|closest| closest.real).collect())
    }

    /// Every score of generated features that arrive in blocks, `rows` of them, against the reference.
    fn score(
        &self,
        rows: usize,
        blocks: impl Iterator<Item = Result<Features>>,
    ) -> Result<Vec<ScoreRecord>> {
        let outcomes = match &self.real {
            Real::Features(real) => {
                let generated = Features::join(rows, blocks)?;
                metrics::evaluate(&self.metrics, &generated, real, &self.settings)?
            }
            Real::Gaussian { metrics, fitted } => {
                let generated = GaussianSide::of(metrics::GENERATED, blocks)?;
                metrics::evaluate_gaussians(metrics, &generated, fitted, &self.settings)?
            }
        };
        let records = outcomes.into_iter().map(|outcome| {
            let protocol = self.protocol(outcome.metric, rows);
            let mut record = ScoreRecord::new(outcome.definition.name, protocol);
            match outcome.score {
                Ok(score) => {
                    record.value = Some(score.value);
                    record.spread = score.spread;
                    if score.spread.is_some() {
                        outcome.definition.spread.clone_into(&mut record.spread_of);
                    }
                    record.warning = score.warning;
                }
                Err(error) => record.failure = explain(&error),
            }
            record
        });
        Ok(records.collect())
    }
}

fn select_or_standard(names: &[String]) -> Result<Vec<&'static dyn Metric>> {
    if names.is_empty() {
        return Ok(STANDARD.to_vec());
    }
    Ok(metrics::select(names)?.metrics)
}

/// A perceptual distance, and the path lengths to measure with it.
pub struct PathBench {
    distance: Box<dyn PerceptualDistance>,
    settings: PathSettings,
    lengths: Vec<&'static PathLength>,
    image_size: usize,
    channels: usize,
}

impl PathBench {
    /// Loads the perceptual distance, for images of `channels` x `image_size` x `image_size`.
    ///
    /// Fails for an unknown distance and weights that do not fit.
    pub fn new(
        config: &Evaluation,
        lengths: &[&'static PathLength],
        image_size: usize,
        channels: usize,
        device: &Device,
    ) -> Result<Self> {
        Ok(Self {
            distance: load_perceptual(&config.perceptual, device)?,
            settings: config.path_length.clone(),
            lengths: lengths.to_vec(),
            image_size,
            channels,
        })
    }

    /// How `length` is measured here.
    fn protocol(&self, length: &PathLength) -> Protocol {
        let settings = (length.settings)(&self.settings).into_iter();
        Protocol {
            images: (length.count)(&self.settings),
            reference: String::new(),
            reference_images: 0,
            reference_hash: String::new(),
            image_size: self.image_size,
            resize: "none".to_owned(),
            quantise: "none".to_owned(),
            extractor: self.distance.describe_for(self.channels),
            extractor_hash: self.distance.hash(),
            metric: length.definition.name.to_owned(),
            settings: settings
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    /// The ids of all scores that [`Self::measure`] gives, in its order.
    pub fn protocol_ids(&self) -> Vec<String> {
        let protocols = self.lengths.iter().map(|length| self.protocol(length));
        protocols.map(|protocol| protocol.id()).collect()
    }

    /// Every path length of `model`. A model without a latent space gives records that say so; a length that fails gives
    /// one without a number.
    pub fn measure(&self, model: &dyn GenerativeModel) -> Vec<ScoreRecord> {
        let measured = self.lengths.iter().map(|length| {
            let definition = &length.definition;
            let mut record = ScoreRecord::new(definition.name, self.protocol(length));
            let Some(latents) = model.latents() else {
                "no latent space that decodes to images".clone_into(&mut record.absent);
                return record;
            };
            let space = LatentSpace {
                dimension: latents.dimension(),
                decode: &|values| latents.decode(values),
            };
            match length.compute(&space, self.distance.as_ref(), &self.settings) {
                Ok(length) => {
                    record.value = Some(length.mean);
                    record.spread = Some(length.deviation);
                    definition.spread.clone_into(&mut record.spread_of);
                }
                Err(error) => record.failure = explain(&error),
            }
            record
        });
        measured.collect()
    }
}

/// An error and its hint in a line.
fn explain(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) if !refusal.hint.is_empty() => format!("{error:#}; {}", refusal.hint),
        _ => format!("{error:#}"),
    }
}
