//! How good generated images are: numbers that compare the features of generated and of real images.
//!
//! One file is one metric or one family of them; [`METRICS`] is the whole registry, and adding a metric is one new
//! file and one line in it. Metrics know features, not images, models or runs. A number never travels without its
//! [`Protocol`]; a metric that cannot be computed is an error with a reason, never a number.

mod authenticity;
mod bootstrap;
mod class_fid;
mod close_pairs;
mod comparison;
mod density_coverage;
mod fid;
mod fid_infinity;
mod fld;
mod gaussian;
mod gaussian_mmd;
mod kid;
mod neighbours;
mod pairs;
mod path_length;
mod precision_recall;
mod protocol;
pub mod paired;
mod unit_rows;
mod vendi;

use serde::{Deserialize, Serialize};

use crate::error::{Refusal, Result, explained, refuse, refuse_repeated, unknown_name};
use crate::features::Features;
use crate::registry::{Named, Registry};

use bootstrap::interval_over_images;

pub use authenticity::{Authenticity, Closest, closest};
pub use bootstrap::{ScoreDifference, difference_over_images};
pub use class_fid::ClassFid;
pub use close_pairs::{ClosePair, ClosePairs, close_pairs};
pub use comparison::{Beside, Comparison};
pub use density_coverage::DensityCoverage;
pub use fid::{Fid, Frechet, frechet, frechet_of_moments, frechet_of_rows};
pub use fid_infinity::FidInfinity;
pub use fld::{Fld, fld, mixture_likelihood};
pub use gaussian::{GaussianMetric, GaussianSide};
pub use gaussian_mmd::{GaussianMmd, gaussian_mmd};
pub use kid::{Kid, KidBlock, kid_biased, kid_unbiased};
pub use path_length::{
    Decode, Interpolation, LatentSpace, Length, PATH_LENGTHS, PathLength, PathSampling,
    PathSettings,
};
pub use precision_recall::{PrecisionRecall, harmonic_mean};
pub use protocol::{GENERATED_STATISTICS, Protocol};
pub use vendi::{Vendi, vendi};

/// Which way a score gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Lower is better.
    Lower,
    /// Higher is better.
    Higher,
}

/// A number that a metric yields: what it is called and how to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ScoreDefinition {
    /// The name in files and on the command line.
    pub name: &'static str,
    /// The name in tables.
    pub title: &'static str,
    /// Which way it gets better.
    pub direction: Direction,
    /// What its spread is; empty where it has none.
    pub spread: &'static str,
}

/// One number.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The name of its [`ScoreDefinition`].
    pub name: &'static str,
    /// The number; finite.
    pub value: f64,
    /// Its spread, where it has one: [`ScoreDefinition::spread`] says of what.
    pub spread: Option<f64>,
    /// Its 95 % interval over images, where one was asked for: see [`MetricSettings::bootstrap`].
    pub interval: Option<(f64, f64)>,
    /// What a reader must know before quoting it; empty if nothing.
    pub warning: String,
}

impl Score {
    /// A number without a spread or a warning.
    pub fn new(name: &'static str, value: f64) -> Self {
        Self {
            name,
            value,
            spread: None,
            interval: None,
            warning: String::new(),
        }
    }
}

/// What the metrics depend on besides the features: `evaluation.metrics` of an experiment, which checks the ranges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, documented::DocumentedFields)]
#[serde(default, deny_unknown_fields)]
pub struct MetricSettings {
    /// How many random subsets KID is the mean over.
    pub kid_subsets: usize,
    /// How many generated and as many real images a subset of KID has.
    pub kid_subset_size: usize,
    /// k of precision and recall: a ball reaches to the k-th nearest neighbour.
    pub precision_neighbours: usize,
    /// k of density and coverage.
    pub density_neighbours: usize,
    /// Draws of the bootstrap interval over images that FID and KID get; 0 for none. Each costs as much as the score itself.
    pub bootstrap: usize,
    /// The seed of the random subsets and draws.
    pub seed: u64,
}

impl Default for MetricSettings {
    /// The settings of the literature: KID of Bińkowski et al. (2018), k of Kynkäänniemi et al. (2019) and Naeem et
    /// al. (2020), the seed of torch-fidelity.
    fn default() -> Self {
        Self {
            kid_subsets: 100,
            kid_subset_size: 1000,
            precision_neighbours: 3,
            density_neighbours: 5,
            bootstrap: 0,
            seed: 2020,
        }
    }
}

/// A metric, or a family of metrics that are computed together.
pub trait Metric: Sync {
    /// The name of the family.
    fn name(&self) -> &'static str;

    /// The numbers it yields, in the order [`Metric::compute`] returns them.
    fn scores(&self) -> &'static [ScoreDefinition];

    /// How many generated and how many real images it needs at least.
    fn minimum_images(&self, settings: &MetricSettings) -> usize;

    /// What to do when there are fewer.
    fn too_few_hint(&self) -> &'static str {
        "give it more images"
    }

    /// The part of the protocol that it depends on, by name: k, subsets, boundary.
    fn settings(&self, settings: &MetricSettings) -> Vec<(&'static str, String)>;

    /// The numbers for two sets of features, one of each definition.
    ///
    /// # Errors
    /// Refuses what [`check_features`] refuses, and too few images.
    fn compute(&self, comparison: &Comparison<'_>) -> Result<Vec<Score>>;

    /// Refuses features that it is not defined on: those of the extractor of that name, none where another program made them.
    ///
    /// # Errors
    /// Says which features it takes.
    fn check_extractor(&self, extractor: Option<&str>) -> Result<()> {
        let _ = extractor;
        Ok(())
    }

    /// Whether it looks at the images that the model was trained on, beside those that it is measured against.
    fn needs_training(&self) -> bool {
        false
    }

    /// Whether its score gets an interval over images where one is asked for: then it yields one score, whose bootstrap
    /// intervals hold what they promise for so many images and features.
    fn has_interval(&self, images: usize, features: usize) -> bool {
        let _ = (images, features);
        false
    }

    /// The metric as one of Gaussians, if it is one. Where all that are asked for are, no features are kept.
    fn of_gaussians(&self) -> Option<&dyn GaussianMetric> {
        None
    }
}

/// What generated images are called in errors.
pub const GENERATED: &str = "the generated images";
/// What real images are called in errors.
pub const REAL: &str = "the real images";

impl Named for dyn Metric {
    fn name(&self) -> &'static str {
        Metric::name(self)
    }
}

/// Every metric there is.
pub static METRICS: Registry<dyn Metric> = Registry::new(
    "metric",
    &[
        &Fid,
        &Kid,
        &PrecisionRecall,
        &DensityCoverage,
        &KidBlock,
        &FidInfinity,
        &Authenticity,
        &GaussianMmd::ANY,
        &GaussianMmd::CMMD,
        &Fld,
        &Vendi,
        &ClassFid,
    ],
);

/// The metrics that are computed where none is named: those of the paper's tables and what stands beside them.
pub const STANDARD: &[&dyn Metric] = &[&Fid, &Kid, &PrecisionRecall, &DensityCoverage];

/// One number asked for: its definition, the metric that yields it, and the number or why there is none.
pub struct ScoreOutcome {
    /// The metric.
    pub metric: &'static dyn Metric,
    /// Which of its numbers.
    pub definition: &'static ScoreDefinition,
    /// The number, or why it could not be computed.
    pub score: Result<Score>,
}

/// What was asked for by name.
#[derive(Default)]
pub struct Selection {
    /// Metrics of features, each once, in order of first mention.
    pub metrics: Vec<&'static dyn Metric>,
    /// Path lengths, likewise.
    pub path_lengths: Vec<&'static PathLength>,
}

/// What `names` stand for: scores, families of scores, path lengths.
///
/// # Errors
/// Refuses a name that is none of these, with the nearest known one, and a name that is given twice.
pub fn select(names: &[String]) -> Result<Selection> {
    refuse_repeated("the list of metrics", names, "name each once")?;
    let mut selection = Selection::default();
    let all = METRICS.all();
    for name in names {
        let length = PATH_LENGTHS
            .iter()
            .find(|length| length.definition.name == name);
        let mut metrics = all.iter().copied();
        let metric = metrics.find(|metric| known_names(*metric).any(|known| known == name));
        match (length, metric) {
            (Some(length), _) => {
                let known = &mut selection.path_lengths;
                if known.iter().all(|other| other.definition.name != name) {
                    known.push(length);
                }
            }
            (None, Some(metric)) => {
                let known = &mut selection.metrics;
                if known
                    .iter()
                    .all(|other| Metric::name(*other) != Metric::name(metric))
                {
                    known.push(metric);
                }
            }
            (None, None) => {
                let metrics = all.iter().flat_map(|metric| known_names(*metric));
                let lengths = PATH_LENGTHS.iter().map(|length| length.definition.name);
                return Err(unknown_name("metric", name, metrics.chain(lengths)));
            }
        }
    }
    Ok(selection)
}

/// The names of a metric's scores, and the family's where it is another.
fn known_names(metric: &'static dyn Metric) -> impl Iterator<Item = &'static str> {
    let scores = metric.scores().iter().map(|score| score.name);
    let family = Some(Metric::name(metric));
    let family = family.filter(|name| scores.clone().all(|score| score != *name));
    scores.chain(family)
}

/// Everything that has a number: the scores of every metric, and every path length.
pub fn definitions() -> impl Iterator<Item = &'static ScoreDefinition> {
    let scores = METRICS.all().into_iter().flat_map(Metric::scores);
    scores.chain(PATH_LENGTHS.iter().map(|length| &length.definition))
}

/// The definition of the score called `name`, if there is one.
pub fn definition(name: &str) -> Option<&'static ScoreDefinition> {
    let known = definitions().find(|definition| definition.name == name);
    known.or_else(|| paired::definition(name))
}

/// Every score of every metric in `metrics`; a metric that fails gives failed scores, and the others go on.
///
/// # Errors
/// Refuses features that no metric could use: see [`check_features`].
pub fn evaluate(
    metrics: &[&'static dyn Metric],
    generated: &Features,
    real: &Features,
    settings: &MetricSettings,
) -> Result<Vec<ScoreOutcome>> {
    evaluate_beside(metrics, generated, real, Beside::default(), settings)
}

/// The same where more than features is known, for metrics that look at it.
///
/// # Errors
/// Those of [`evaluate`].
pub fn evaluate_beside(
    metrics: &[&'static dyn Metric],
    generated: &Features,
    real: &Features,
    beside: Beside<'_>,
    settings: &MetricSettings,
) -> Result<Vec<ScoreOutcome>> {
    check_features(generated, real)?;
    // KID goes through the pairs that other metrics go through as well.
    let keeps = metrics.len() > 1
        && metrics
            .iter()
            .any(|metric| Metric::name(*metric) == Metric::name(&Kid));
    let comparison = Comparison::shared(generated, real, settings, keeps).with(beside);
    let images = generated.rows.min(real.rows);
    let computed = metrics.iter().flat_map(|&metric| {
        let mut scores = metric.compute(&comparison);
        if let Ok([score]) = scores.as_deref_mut()
            && settings.bootstrap > 0
            && metric.has_interval(images, real.columns)
        {
            let value = score.value;
            match interval_over_images(metric, value, generated, real, settings) {
                Ok(interval) => score.interval = Some(interval),
                Err(error) => scores = Err(error),
            }
        }
        outcomes(metric, &scores)
    });
    Ok(computed.collect())
}

/// The same for metrics that compare Gaussians, as features in memory give it, bit for bit.
///
/// # Errors
/// Refuses sides with different numbers of features.
pub fn evaluate_gaussians(
    metrics: &[&'static dyn GaussianMetric],
    generated: &GaussianSide,
    real: &GaussianSide,
    settings: &MetricSettings,
) -> Result<Vec<ScoreOutcome>> {
    check_columns(generated.features, real.features)?;
    let computed = metrics.iter().flat_map(|&metric| {
        let [of_generated, of_real] =
            [generated.images, real.images].map(|images| images.unwrap_or(usize::MAX));
        let scores = check_images(metric, settings, of_generated, of_real)
            .and_then(|()| metric.compare(generated, real));
        outcomes(metric, &scores)
    });
    Ok(computed.collect())
}

/// What a metric computed, or why it did not, for each of its scores.
fn outcomes(metric: &'static dyn Metric, computed: &Result<Vec<Score>>) -> Vec<ScoreOutcome> {
    let definitions = metric.scores().iter().enumerate();
    let outcomes = definitions.map(|(index, definition)| ScoreOutcome {
        metric,
        definition,
        score: match computed {
            Ok(scores) => finite(scores[index].clone()),
            Err(error) => Err(same_reason(error)),
        },
    });
    outcomes.collect()
}

/// Refuses features that are not finite, and generated and real features of different sizes.
pub fn check_features(generated: &Features, real: &Features) -> Result<()> {
    check_columns(generated.columns, real.columns)?;
    generated.check_finite(GENERATED, 0)?;
    real.check_finite(REAL, 0)
}

fn check_columns(generated: usize, real: usize) -> Result<()> {
    if generated == real {
        return Ok(());
    }
    Err(refuse(
        format!("generated images have {generated} features and real images {real}"),
        "take both from the same extractor",
    ))
}

/// Refuses what no metric can compute from: features that [`check_features`] refuses, and fewer images than `metric` needs.
///
/// # Errors
/// Either of these, by name.
pub fn check(metric: &dyn Metric, comparison: &Comparison<'_>) -> Result<()> {
    let (generated, real) = (comparison.generated, comparison.real);
    check_features(generated, real)?;
    check_images(metric, comparison.settings, generated.rows, real.rows)
}

/// Refuses fewer images on a side than `metric` needs.
fn check_images(
    metric: &dyn Metric,
    settings: &MetricSettings,
    generated: usize,
    real: usize,
) -> Result<()> {
    let needed = metric.minimum_images(settings);
    for (side, given) in [("generated", generated), ("real", real)] {
        if given < needed {
            return Err(refuse(
                format!(
                    "`{}` needs at least {needed} {side} images, given {given}",
                    metric.name()
                ),
                metric.too_few_hint(),
            ));
        }
    }
    Ok(())
}

fn finite(score: Score) -> Result<Score> {
    if score.value.is_finite() && score.spread.is_none_or(f64::is_finite) {
        return Ok(score);
    }
    Err(refuse(
        format!("`{}` comes out as {}", score.name, score.value),
        "look for features that are huge",
    ))
}

/// A copy of an error, for each of the scores it took down.
fn same_reason(error: &anyhow::Error) -> anyhow::Error {
    let hint = error
        .downcast_ref::<Refusal>()
        .map_or("", |refusal| &refusal.hint);
    refuse(explained(error), hint)
}

#[cfg(test)]
mod examples;
#[cfg(test)]
#[allow(clippy::float_cmp, reason = "these numbers are exact")]
mod tests;
