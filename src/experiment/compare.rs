//! Measuring sets of images, or of features made elsewhere, against another set.

mod against;
mod scores;
mod two;

use std::path::Path;

use burn::tensor::Device;

use super::image_set::says_no_count;
use super::subject::{Subject, split, subset};
use super::{Evaluator, PathEvaluator, load_model};
use crate::config::{Config, RunConfig};
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::features::{FeatureFile, Statistics};
use crate::images::ImageSource;
use crate::metrics::{self, Selection};
use crate::models::GenerativeModel;
use crate::samplers::Samplers;
use crate::samples::{self, Plan};
use crate::tracker::ScoreRecord;
use crate::workspace::Workspace;

use against::Against;

pub use scores::{Compared, SetScores, comparison_csv, comparison_table, is_asked_for, sets_table};
pub use two::{compare_two, differences_table};

/// What is compared. A side is a run, a patch store, a folder or an array of images, a file of features, or statistics of
/// features. Features are compared with features and statistics only.
#[derive(Clone, Copy, Debug)]
pub struct SetComparison<'a> {
    /// What is measured: one set or several.
    pub generated: &'a [ComparedSet<'a>],
    /// What each is measured against.
    pub real: ComparedSet<'a>,
    /// Names of scores or of their families; the standard ones if empty.
    pub metrics: &'a [String],
    /// Images of each side; all that there are without it (for a run: as many as the other side has).
    pub images: Option<usize>,
    /// The split of a patch store; the test split without it.
    pub split: Option<&'a str>,
    /// How many times is drawn from a run, each time with another sampling seed; 1 for anything else.
    pub repeat: usize,
}

/// A side of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum ComparedSet<'a> {
    /// Whatever lies at a path.
    Path(&'a Path),
    /// Features, in memory perhaps.
    Features(&'a FeatureFile),
}

impl<'a> ComparedSet<'a> {
    fn subject(self) -> Result<Subject<'a>> {
        match self {
            Self::Path(path) => Subject::of(path),
            Self::Features(file) => Ok(Subject::InMemory(file)),
        }
    }
}

/// The scores of every set of a comparison under the settings `config`, in their order. A metric that fails gives a score
/// without a number. The features of the reference are computed once.
///
/// # Errors
/// Refuses what cannot be read or compared: unknown names, sides of different kinds or sizes, path lengths of what has no
/// latent space.
pub fn compare(
    config: &Config,
    comparison: &SetComparison<'_>,
    workspace: &Workspace,
) -> Result<Vec<SetScores>> {
    let selection = metrics::select(comparison.metrics)?;
    let generated = comparison.generated.iter();
    let generated = generated
        .map(|set| set.subject())
        .collect::<Result<Vec<_>>>()?;
    let real = comparison.real.subject()?;
    if comparison.repeat == 0 {
        return Err(refuse("`--repeat` is 0", "measure at least once"));
    }
    let is_run = |subject: &&Subject<'_>| matches!(subject, Subject::Run(_));
    let other = generated.iter().find(|subject| !is_run(subject));
    if let (2.., Some(other)) = (comparison.repeat, other) {
        return Err(refuse(
            format!(
                "`--repeat` draws new images each time: `{}` is not a run",
                other.path().display()
            ),
            "give a run first, or leave `--repeat` out",
        ));
    }
    let mut sides = generated.clone();
    sides.push(real);
    let split = split(comparison.split, &sides)?;
    for subject in &generated {
        refuse_unlike(subject, &real)?;
        if !is_run(&subject) {
            refuse_path_lengths(&selection, subject.path())?;
        }
    }
    let comparing = Comparing {
        config,
        comparison,
        selection: &selection,
        split,
        workspace,
        real,
    };
    let mut sets = if generated.iter().chain([&real]).any(Subject::has_images) {
        comparing.images(&generated)?
    } else {
        comparing.features(&generated)?
    };
    for set in &mut sets {
        let asked = |compared: &Compared| is_asked_for(&compared.score, comparison.metrics);
        set.scores.retain(asked);
    }
    Ok(sets)
}

/// Whether anything of `paths` is to be seen through an extractor.
///
/// # Errors
/// Refuses what cannot be read.
pub fn needs_extractor<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<bool> {
    for path in paths {
        if Subject::of(path)?.has_images() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses features on one side where the other has images. Statistics are compared with either.
fn refuse_unlike(generated: &Subject<'_>, real: &Subject<'_>) -> Result<()> {
    let (features, images) = match (generated, real) {
        (features, other) | (other, features) if features.is_features() && other.has_images() => {
            (features.path(), other.path())
        }
        _ => return Ok(()),
    };
    Err(refuse(
        format!(
            "`{}` is a file of features, `{}` holds images: what made the features is not known",
            features.display(),
            images.display()
        ),
        "give two files of features, or two sets of images",
    ))
}

/// A comparison that makes sense so far.
struct Comparing<'a> {
    config: &'a Config,
    comparison: &'a SetComparison<'a>,
    selection: &'a Selection,
    split: Split,
    workspace: &'a Workspace,
    real: Subject<'a>,
}

/// A run and its model.
type Loaded = (RunConfig, Box<dyn GenerativeModel>);

impl Comparing<'_> {
    /// Features and statistics alone.
    fn features(&self, generated: &[Subject<'_>]) -> Result<Vec<SetScores>> {
        let (settings, names) = (&self.config.evaluation.metrics, self.comparison.metrics);
        let name = self.real.name();
        let mut first = None;
        let evaluator = match (self.real, generated.first()) {
            (Subject::Statistics(path), _) => {
                Evaluator::of_statistics(settings, names, &name, &Statistics::open(path)?)?
            }
            (real, None | Some(Subject::Statistics(_))) => {
                Evaluator::of_features(settings, names, &name, &self.rows(&real)?)?
            }
            (real, Some(set)) => {
                let (real, set) = (self.rows(&real)?, self.rows(set)?);
                let (evaluator, scores) =
                    Evaluator::compare_features(settings, names, &name, &real, &set)?;
                first = Some(scores);
                evaluator
            }
        };
        let sets = generated.iter().map(|subject| {
            let scores = match (first.take(), subject) {
                (Some(scores), _) => scores,
                (None, Subject::Statistics(path)) => {
                    evaluator.measure_statistics(&Statistics::open(path)?)?
                }
                (None, other) => evaluator.measure_features(&self.rows(other)?)?,
            };
            Ok(SetScores::once(subject.path(), scores))
        });
        sets.collect()
    }

    /// The features that a side is, or as many of them as are asked for.
    fn rows(&self, side: &Subject<'_>) -> Result<FeatureFile> {
        let (count, seed) = (self.comparison.images, self.config.evaluation.seed);
        let file = match side {
            Subject::InMemory(file) => (*file).clone(),
            side => FeatureFile::open(side.path())?,
        };
        Ok(match subset(side.path(), "rows", file.rows, count, seed)? {
            Some(places) => file.select(places),
            None => file,
        })
    }

    /// Images, on one side at least.
    fn images(&self, generated: &[Subject<'_>]) -> Result<Vec<SetScores>> {
        let (config, selection) = (self.config, self.selection);
        let device = config.compute.open()?;
        // Path lengths alone need no real images.
        let wants_features = self.comparison.metrics.is_empty() || !selection.metrics.is_empty();
        let mut against = Against::default();
        let sets = generated.iter().map(|subject| {
            let model = match subject {
                Subject::Run(path) => Some(load_model(path, None, &device)?),
                _ => None,
            };
            let mut set = SetScores {
                set: subject.path().to_path_buf(),
                scores: Vec::new(),
            };
            if wants_features {
                let scores = self.against_real(subject, model.as_ref(), &mut against, &device)?;
                set.scores.extend(scores);
            }
            if let (Some((run, model)), false) = (&model, selection.path_lengths.is_empty()) {
                let (lengths, evaluation) = (&selection.path_lengths, &config.evaluation);
                let (size, channels) = (run.image_size, run.channels);
                let evaluator = PathEvaluator::new(evaluation, lengths, size, channels, &device)?;
                let lengths = evaluator.measure(model.as_ref()).into_iter();
                set.scores.extend(lengths.map(Compared::once));
            }
            Ok(set)
        });
        sets.collect()
    }

    /// The scores of one set against the reference. `model` is the set's, if that is a run.
    fn against_real(
        &self,
        generated: &Subject<'_>,
        model: Option<&Loaded>,
        against: &mut Against,
        device: &Device,
    ) -> Result<Vec<Compared>> {
        let (seed, count) = (self.config.evaluation.seed, self.comparison.images);
        match (generated, model) {
            (Subject::Statistics(path), _) => {
                let statistics = Statistics::open(path)?;
                let (evaluator, _) = against.images(self, device)?;
                let scores = evaluator.measure_statistics(&statistics)?;
                Ok(scores.into_iter().map(Compared::once).collect())
            }
            (Subject::Features(_) | Subject::InMemory(_), _) => {
                let scores = against.statistics(self, None, device)?;
                let scores = scores.measure_features(&self.rows(generated)?)?;
                Ok(scores.into_iter().map(Compared::once).collect())
            }
            (_, Some((run, model))) => {
                let (evaluator, count) = match (self.real, count) {
                    (Subject::Statistics(_), Some(count)) => {
                        let like = Some([run.image_size, run.channels]);
                        (against.statistics(self, like, device)?, count)
                    }
                    (Subject::Statistics(_), None) => {
                        return Err(says_no_count(generated.path()));
                    }
                    _ => against.images(self, device)?,
                };
                self.drawn(evaluator, count, (run, model.as_ref()))
            }
            (_, None) => {
                // The reference first: what is wrong with it is said first.
                let evaluator = match self.real {
                    Subject::Statistics(_) => None,
                    _ => Some(against.images(self, device)?.0),
                };
                let images = generated.images(self.split, count, seed)?;
                let evaluator = if let Some(evaluator) = evaluator {
                    evaluator
                } else {
                    let like = Some([images.size(), images.channels()]);
                    against.statistics(self, like, device)?
                };
                let scores = evaluator.measure(images.as_ref())?.into_iter();
                Ok(scores.map(Compared::once).collect())
            }
        }
    }

    /// The scores of `count` images of a run, drawn with one seed or several.
    fn drawn(
        &self,
        evaluator: &Evaluator,
        count: usize,
        (run, model): (&RunConfig, &dyn GenerativeModel),
    ) -> Result<Vec<Compared>> {
        let (seed, cache) = (self.config.evaluation.seed, self.workspace.features());
        let samplers = self.samplers()?;
        let sampler = samplers.of(model, run.classes.len(), None)?;
        // Opening a store reads all of it: only for a model that is told of its patches.
        let is_told = !run.classes.is_empty() || run.input.is_some();
        let store = if is_told { self.real.store()? } else { None };
        let store =
            store.filter(|store| *run.classes == **store.classes() || run.classes.is_empty());
        let seeds: Vec<u64> = (seed..).take(self.comparison.repeat).collect();
        let mut measured: Vec<Vec<ScoreRecord>> = Vec::new();
        for &seed in &seeds {
            let plan = match &store {
                Some(store) => Plan::of(store, self.split, count, seed),
                None => Plan::without_store(run.classes.len(), count, seed),
            };
            let images = samples::spool(sampler.as_ref(), &plan, &cache)?;
            let images = images.with_classes(&plan, &run.classes);
            let mut scores = evaluator.measure_drawn(&images, &samplers)?;
            for score in &mut scores {
                score.warn(&sampler.note());
            }
            measured.push(scores);
        }
        Compared::over_all(&seeds, &measured)
    }

    /// `evaluator` with the training split of the reference, where a metric looks at it and the reference is a test split.
    fn fitted_to_training(&self, evaluator: Evaluator) -> Result<Evaluator> {
        let is_test = matches!(self.real, Subject::Store(_)) && self.split == Split::Test;
        if !is_test || !evaluator.needs_training() {
            return Ok(evaluator);
        }
        let seed = self.config.evaluation.seed;
        let training = self.real.images(Split::Train, None, seed)?;
        let name = format!("{} split of {}", Split::Train.name(), self.real.name());
        evaluator.with_training(&name, training.as_ref())
    }

    fn samplers(&self) -> Result<Samplers> {
        Samplers::new(&self.config.evaluation.samplers, &self.config.samplers)
    }

    /// The images of the reference, and what protocols call them.
    fn reference(&self, device: &Device) -> Result<(Box<dyn ImageSource>, String)> {
        let (real, seed) = (self.real, self.config.evaluation.seed);
        let images: Box<dyn ImageSource> = match real {
            Subject::Run(path) => {
                let count = self.comparison.images.ok_or_else(|| says_no_count(path))?;
                let (run, model) = load_model(path, None, device)?;
                let samplers = self.samplers()?;
                let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
                let plan = Plan::without_store(run.classes.len(), count, seed);
                let cache = self.workspace.features();
                let images = samples::spool(sampler.as_ref(), &plan, &cache)?;
                Box::new(images.with_classes(&plan, &run.classes))
            }
            _ => real.images(self.split, self.comparison.images, seed)?,
        };
        let name = match real {
            Subject::Store(_) => format!("{} split of {}", self.split.name(), real.name()),
            _ => real.name(),
        };
        Ok((images, name))
    }
}

/// Refuses path lengths of what has no latent space.
fn refuse_path_lengths(selection: &Selection, path: &Path) -> Result<()> {
    match selection.path_lengths.first() {
        None => Ok(()),
        Some(length) => Err(refuse(
            format!(
                "`{}` needs a latent space: `{}` is not a run",
                length.definition.name,
                path.display()
            ),
            "give a run first, or leave that metric out",
        )),
    }
}
