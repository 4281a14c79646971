//! Measuring images, or features made elsewhere, against real ones: one feature pass, every metric, each number with its
//! protocol.

mod difference;
mod records;
mod side;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use crate::config::EvaluationConfig;
use crate::error::{Refusal, Result, explained, refuse};
use crate::features::{self, Extractor, FeatureFile, Features, Statistics, extract_cached};
use crate::images::{ImageSource, kind};
use crate::metrics::{self, GaussianSide, Metric, MetricSettings, Protocol, STANDARD};
use crate::samplers::Samplers;
use crate::tracker::ScoreRecord;

use side::{Kept, Side, gaussians_suffice};

pub use difference::Difference;

/// Measures sets of images against one set of real images, the reference: by features that an extractor makes of both, or
/// that a file has of both, or by statistics of them.
pub struct Evaluator {
    metrics: Vec<&'static dyn Metric>,
    settings: MetricSettings,
    reference: ReferenceId,
    real: Kept,
    /// The class of each image of the reference, where they have classes.
    real_classes: Option<Vec<String>>,
    /// The images that models were trained on, in a few words, and their features; for metrics that need them.
    training: Option<(String, Features)>,
    features: FeatureSource,
    /// The samplers of generated images, for protocols.
    sampler: String,
}

/// What a protocol says of the reference.
struct ReferenceId {
    name: String,
    hash: String,
    /// How many images; 0 where that is not known.
    count: usize,
    /// What is to be said of equal ones among them.
    copies: String,
}

/// Where features come from.
enum FeatureSource {
    /// By an extractor, from images of one size and number of channels; what was computed once is kept.
    Extractor {
        extractor: Box<dyn Extractor>,
        image_size: usize,
        channels: usize,
        cache: PathBuf,
    },
    /// A file that another program wrote.
    File,
}

impl Evaluator {
    /// Loads the extractor and extracts the features of the reference: `images`, called `reference` in protocols. `names` are
    /// scores or families; the standard ones if empty. Features are kept in `cache`.
    ///
    /// # Errors
    /// Refuses unknown names, weights that do not fit, and images that the extractor does not take.
    pub fn new(
        config: &EvaluationConfig,
        names: &[String],
        reference: &str,
        images: &dyn ImageSource,
        device: &Device,
        cache: &Path,
    ) -> Result<Self> {
        let metrics = select_or_standard(names)?;
        let name = Some(config.features.extractor.as_str());
        check_extractor(&metrics, name)?;
        let extractor = features::load(&config.features, device)?;
        let hash = images.hash()?;
        let features = extract_cached(extractor.as_ref(), images, &hash, cache)?;
        let gaussian = gaussians_suffice(&metrics, &config.metrics);
        let real = Side::of(metrics::REAL, features.rows, features.blocks(), gaussian)?;
        Ok(Self {
            real: real.kept,
            real_classes: images.classes(),
            training: None,
            metrics,
            settings: config.metrics.clone(),
            reference: ReferenceId {
                name: reference.to_owned(),
                hash,
                count: images.count(),
                copies: real.copies,
            },
            features: FeatureSource::Extractor {
                extractor,
                image_size: images.size(),
                channels: images.channels(),
                cache: cache.to_owned(),
            },
            sampler: String::new(),
        })
    }

    /// For images that `samplers` draw: their protocols say so.
    #[must_use]
    pub fn with_samplers(self, samplers: &Samplers) -> Self {
        Self {
            sampler: samplers.describe(),
            ..self
        }
    }

    /// Whether a metric looks at the images that models were trained on.
    pub fn needs_training(&self) -> bool {
        self.metrics.iter().any(|metric| metric.needs_training())
    }

    /// With `images`, called `name` in protocols, that models were trained on.
    ///
    /// # Errors
    /// Refuses images that differ in size from the reference.
    pub fn with_training(self, name: &str, images: &dyn ImageSource) -> Result<Self> {
        let file = self.features(images)?;
        let features = Features::join(file.rows, file.blocks())?;
        let shown = format!("{} of `{name}` ({})", images.count(), &images.hash()?[..8]);
        Ok(Self {
            training: Some((shown, features)),
            ..self
        })
    }

    /// Takes the features of the reference from a file; `names` as in [`Self::new`].
    ///
    /// # Errors
    /// Refuses unknown names and a file that cannot be read.
    pub fn of_features(
        settings: &MetricSettings,
        names: &[String],
        reference: &str,
        file: &FeatureFile,
    ) -> Result<Self> {
        let (evaluator, _) = Self::of_files(settings, names, reference, file, None)?;
        Ok(evaluator)
    }

    /// [`Self::of_features`], and [`Self::measure_features`] of `generated`. Both sides are taken in at a time: where one has work for
    /// a single core, the other takes the rest.
    ///
    /// # Errors
    /// As both; what is wrong with the reference is said first.
    pub fn compare_features(
        settings: &MetricSettings,
        names: &[String],
        reference: &str,
        file: &FeatureFile,
        generated: &FeatureFile,
    ) -> Result<(Self, Vec<ScoreRecord>)> {
        let (evaluator, side) = Self::of_files(settings, names, reference, file, Some(generated))?;
        let side = side.transpose()?.expect("there is a file of it");
        let records = evaluator.score(&side, None)?;
        Ok((evaluator, records))
    }

    /// For the reference in `file`; and what is kept of `generated`, if there is any.
    fn of_files(
        settings: &MetricSettings,
        names: &[String],
        reference: &str,
        file: &FeatureFile,
        generated: Option<&FeatureFile>,
    ) -> Result<(Self, Option<Result<Side>>)> {
        let metrics = select_or_standard(names)?;
        check_extractor(&metrics, None)?;
        let gaussian = gaussians_suffice(&metrics, settings);
        let side =
            |what: &str, file: &FeatureFile| Side::of(what, file.rows, file.blocks(), gaussian);
        let ((real, hash), generated) = rayon::join(
            || rayon::join(|| side(metrics::REAL, file), || file.hash()),
            || generated.map(|file| side(metrics::GENERATED, file)),
        );
        let real = real?;
        let evaluator = Self {
            real: real.kept,
            real_classes: None,
            training: None,
            metrics,
            settings: settings.clone(),
            reference: ReferenceId {
                name: reference.to_owned(),
                hash: hash?,
                count: file.rows,
                copies: real.copies,
            },
            features: FeatureSource::File,
            sampler: String::new(),
        };
        Ok((evaluator, generated))
    }

    /// Takes statistics that were made elsewhere for the reference, and measures features from files against it; `names` as in
    /// [`Self::new`].
    ///
    /// # Errors
    /// Refuses unknown names, and a covariance that is none.
    pub fn of_statistics(
        settings: &MetricSettings,
        names: &[String],
        reference: &str,
        statistics: &Statistics,
    ) -> Result<Self> {
        Ok(Self {
            real: Kept::Gaussian(GaussianSide::of_statistics(statistics)?),
            real_classes: None,
            training: None,
            metrics: select_or_standard(names)?,
            settings: settings.clone(),
            reference: ReferenceId {
                name: reference.to_owned(),
                hash: statistics.hash.clone(),
                count: 0,
                copies: String::new(),
            },
            features: FeatureSource::File,
            sampler: String::new(),
        })
    }

    /// The same for images like `images` in size and channels, whose features the extractor of `config` makes. That the
    /// statistics are of features of this extractor is for the user to know.
    ///
    /// # Errors
    /// Refuses weights that do not fit.
    pub fn with_extractor(
        self,
        config: &EvaluationConfig,
        [image_size, channels]: [usize; 2],
        device: &Device,
        cache: &Path,
    ) -> Result<Self> {
        check_extractor(&self.metrics, Some(&config.features.extractor))?;
        Ok(Self {
            features: FeatureSource::Extractor {
                extractor: features::load(&config.features, device)?,
                image_size,
                channels,
                cache: cache.to_owned(),
            },
            ..self
        })
    }

    /// How `metric` measures `images` images here.
    pub fn protocol(&self, metric: &dyn Metric, images: usize) -> Protocol {
        let mut settings: BTreeMap<String, String> = metric
            .settings(&self.settings)
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        if let (true, Some((training, _))) = (metric.needs_training(), &self.training) {
            settings.insert("fitted_to".to_owned(), training.clone());
        }
        let unknown = || "unknown".to_owned();
        let (image_size, resize, quantise, extractor, extractor_hash) = match &self.features {
            FeatureSource::Extractor {
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
            FeatureSource::File => (0, unknown(), unknown(), unknown(), unknown()),
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
            sampler: self.sampler.clone(),
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

    /// The scores that get an interval over images here, for `images` images.
    pub fn wants_intervals(&self, images: usize) -> Vec<&'static str> {
        let features = match &self.real {
            Kept::Features(real) if self.settings.bootstrap > 0 => real.columns,
            _ => return Vec::new(),
        };
        let metrics = self.metrics.iter();
        metrics
            .filter(|metric| metric.has_interval(images.min(self.reference.count), features))
            .flat_map(|metric| metric.scores().iter().map(|score| score.name))
            .collect()
    }

    /// Every score of `images` against the reference. A metric that fails gives records without a number.
    ///
    /// # Errors
    /// Refuses images that differ in size from the reference or have features that are not finite.
    pub fn measure(&self, images: &dyn ImageSource) -> Result<Vec<ScoreRecord>> {
        let generated = self.features(images)?;
        let generated = self.side(generated.rows, generated.blocks())?;
        self.score(&generated, images.classes().as_deref())
    }

    /// The same for images that `samplers` drew: their protocols say so.
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn measure_drawn(
        &self,
        images: &dyn ImageSource,
        samplers: &Samplers,
    ) -> Result<Vec<ScoreRecord>> {
        let mut records = self.measure(images)?;
        for record in &mut records {
            record.protocol.sampler = samplers.describe();
            record.protocol_id = record.protocol.id();
        }
        Ok(records)
    }

    /// The same for images that will not be seen again: their features are not kept.
    pub fn measure_once(&self, images: &dyn ImageSource) -> Result<Vec<ScoreRecord>> {
        let (extractor, _) = self.extractor(images)?;
        let blocks = images.blocks().map(|block| extractor.extract(&block?));
        let generated = self.side(images.count(), blocks)?;
        self.score(&generated, images.classes().as_deref())
    }

    /// Every score of generated features against the reference, as [`Self::measure`] gives it.
    pub fn measure_features(&self, generated: &FeatureFile) -> Result<Vec<ScoreRecord>> {
        self.score(&self.side(generated.rows, generated.blocks())?, None)
    }

    /// Every score of generated images of which only statistics are known, made elsewhere.
    ///
    /// # Errors
    /// Refuses a covariance that is none, and statistics of other features than the reference's.
    pub fn measure_statistics(&self, generated: &Statistics) -> Result<Vec<ScoreRecord>> {
        let fitted = GaussianSide::of_statistics(generated)?;
        let protocol = |metric: &dyn Metric| {
            let mut protocol = self.protocol(metric, 0);
            let (name, hash) = (metrics::GENERATED_STATISTICS, generated.hash.clone());
            protocol.settings.insert(name.to_owned(), hash);
            protocol
        };
        let mut records = match &self.real {
            Kept::Gaussian(real) => self.of_gaussians(&fitted, real, &protocol)?,
            Kept::Features(real) => {
                let real = GaussianSide::of(metrics::REAL, std::iter::once(Ok(real.clone())))?;
                self.of_gaussians(&fitted, &real, &protocol)?
            }
        };
        self.note_copies(&mut records, "");
        Ok(records)
    }

    /// As much of generated features as is kept of the reference's.
    fn side(&self, rows: usize, blocks: impl Iterator<Item = Result<Features>>) -> Result<Side> {
        let gaussian = matches!(self.real, Kept::Gaussian(_));
        Side::of(metrics::GENERATED, rows, blocks, gaussian)
    }

    /// The features of images, as those of the reference were made.
    ///
    /// # Errors
    /// Refuses images that differ in size from the reference.
    pub fn features(&self, images: &dyn ImageSource) -> Result<FeatureFile> {
        let (extractor, cache) = self.extractor(images)?;
        extract_cached(extractor, images, &images.hash()?, cache)
    }

    /// The extractor for `images`, and where their features are kept.
    fn extractor(&self, images: &dyn ImageSource) -> Result<(&dyn Extractor, &Path)> {
        let FeatureSource::Extractor {
            extractor,
            image_size,
            channels,
            cache,
        } = &self.features
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
    /// # Errors
    /// Fails where no metric of this evaluator needs the features of the reference.
    pub fn closest(&self, images: &dyn ImageSource) -> Result<Vec<usize>> {
        let Kept::Features(real) = &self.real else {
            anyhow::bail!("the features of the reference were not kept: no metric needs them");
        };
        let file = self.features(images)?;
        let features = Features::join(file.rows, file.blocks())?;
        metrics::check_features(&features, real)?;
        let closest = metrics::closest(&features, real);
        Ok(closest.into_iter().map(|closest| closest.real).collect())
    }
}

fn check_extractor(metrics: &[&dyn Metric], extractor: Option<&str>) -> Result<()> {
    let mut metrics = metrics.iter();
    metrics.try_for_each(|metric| metric.check_extractor(extractor))
}

fn select_or_standard(names: &[String]) -> Result<Vec<&'static dyn Metric>> {
    if names.is_empty() {
        return Ok(STANDARD.to_vec());
    }
    Ok(metrics::select(names)?.metrics)
}

/// An error and its hint in a line.
pub(super) fn explain(error: &anyhow::Error) -> String {
    match error.downcast_ref::<Refusal>() {
        Some(refusal) if !refusal.hint.is_empty() => {
            format!("{}; {}", explained(error), refusal.hint)
        }
        _ => explained(error),
    }
}
