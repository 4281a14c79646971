//! Measuring any two sets of images, or of features made elsewhere, against each other.

mod scores;

use std::path::Path;

use burn::tensor::Device;

use super::subject::{Subject, split, subset};
use super::{Evaluator, PathEvaluator, load_model};
use crate::config::{Config, RunConfig};
use crate::data::Split;
use crate::error::{Result, refuse};
use crate::features::FeatureFile;
use crate::images::ImageSource;
use crate::metrics::{self, Selection};
use crate::models::GenerativeModel;
use crate::samplers::Samplers;
use crate::samples::{self, Plan};
use crate::tracker::ScoreRecord;
use crate::workspace::Workspace;

pub(super) use scores::is_asked_for;

pub use scores::{Compared, comparison_table};

/// What is compared. Each side is a run, a patch store, a folder of images, or a file of features; features are compared
/// with features only.
#[derive(Clone, Copy, Debug)]
pub struct Comparison<'a> {
    /// What is measured.
    pub generated: &'a Path,
    /// What it is measured against.
    pub real: &'a Path,
    /// Names of scores or of their families; the standard ones if empty.
    pub metrics: &'a [String],
    /// Images of each side; all that there are without it (for a run: as many as the other side has).
    pub images: Option<usize>,
    /// The split of a patch store; the test split without it.
    pub split: Option<&'a str>,
    /// How many times is drawn from a run, each time with another sampling seed; 1 for anything else.
    pub repeat: usize,
}

/// The scores of a comparison under the settings `config`. A metric that fails gives a score without a number.
///
/// # Errors
/// Refuses what cannot be read or compared: unknown names, sides of different kinds or sizes, path lengths of what has no
/// latent space.
pub fn compare(
    config: &Config,
    comparison: &Comparison<'_>,
    workspace: &Workspace,
) -> Result<Vec<Compared>> {
    let selection = metrics::select(comparison.metrics)?;
    let (generated, real) = (
        Subject::of(comparison.generated)?,
        Subject::of(comparison.real)?,
    );
    if comparison.repeat == 0 {
        return Err(refuse("`--repeat` is 0", "measure at least once"));
    }
    if comparison.repeat > 1 && !matches!(generated, Subject::Run(_)) {
        return Err(refuse(
            format!(
                "`--repeat` draws new images each time: `{}` is not a run",
                comparison.generated.display()
            ),
            "give a run first, or leave `--repeat` out",
        ));
    }
    let split = split(comparison.split, [&generated, &real])?;
    let comparing = Comparing {
        config,
        comparison,
        selection: &selection,
        split,
        workspace,
    };
    let mut scores = match (&generated, &real) {
        (Subject::Features(generated), Subject::Features(real)) => {
            comparing.features(generated, real)?
        }
        (Subject::Features(path), other) | (other, Subject::Features(path)) => {
            return Err(refuse(
                format!(
                    "`{}` is a file of features, `{}` holds images: what made the features is not known",
                    path.display(),
                    other.path().display()
                ),
                "give two files of features, or two sets of images",
            ));
        }
        _ => comparing.images(&generated, &real)?,
    };
    scores.retain(|compared| is_asked_for(&compared.score, comparison.metrics));
    Ok(scores)
}

/// A comparison that makes sense so far.
struct Comparing<'a> {
    config: &'a Config,
    comparison: &'a Comparison<'a>,
    selection: &'a Selection,
    split: Split,
    workspace: &'a Workspace,
}

impl Comparing<'_> {
    fn features(&self, generated: &Path, real: &Path) -> Result<Vec<Compared>> {
        refuse_path_lengths(self.selection, generated)?;
        let (evaluation, count) = (&self.config.evaluation, self.comparison.images);
        let open = |path: &Path| -> Result<FeatureFile> {
            let file = FeatureFile::open(path)?;
            let places = subset(path, "rows", file.rows, count, evaluation.seed)?;
            Ok(match places {
                Some(places) => file.select(places),
                None => file,
            })
        };
        let name = Subject::Features(real).name();
        let (real, generated) = (open(real)?, open(generated)?);
        let names = self.comparison.metrics;
        let evaluator = Evaluator::of_features(&evaluation.metrics, names, &name, &real)?;
        let scores = evaluator.measure_features(&generated)?;
        Ok(scores.into_iter().map(Compared::once).collect())
    }

    fn images(&self, generated: &Subject<'_>, real: &Subject<'_>) -> Result<Vec<Compared>> {
        let (config, selection) = (self.config, self.selection);
        let device = config.compute.open()?;
        let model = if let Subject::Run(path) = generated {
            Some(load_model(path, None, &device)?)
        } else {
            refuse_path_lengths(selection, generated.path())?;
            None
        };
        // Path lengths alone need no real images.
        let wants_features = self.comparison.metrics.is_empty() || !selection.metrics.is_empty();
        let mut scores = Vec::new();
        if wants_features {
            scores.extend(self.against_real(generated, model.as_ref(), real, &device)?);
        }
        if let (Some((run, model)), false) = (&model, selection.path_lengths.is_empty()) {
            let (lengths, evaluation) = (&selection.path_lengths, &config.evaluation);
            let (size, channels) = (run.image_size, run.channels);
            let evaluator = PathEvaluator::new(evaluation, lengths, size, channels, &device)?;
            let lengths = evaluator.measure(model.as_ref()).into_iter();
            scores.extend(lengths.map(Compared::once));
        }
        Ok(scores)
    }

    /// The scores of generated against real images. `model` is the generated side's, if that is a run.
    fn against_real(
        &self,
        generated: &Subject<'_>,
        model: Option<&(RunConfig, Box<dyn GenerativeModel>)>,
        real: &Subject<'_>,
        device: &Device,
    ) -> Result<Vec<Compared>> {
        let (evaluation, comparison) = (&self.config.evaluation, self.comparison);
        let (seed, cache) = (evaluation.seed, self.workspace.features());
        let samplers = Samplers::new(&evaluation.samplers, &self.config.samplers)?;
        // The reference.
        let images: Box<dyn ImageSource> = match real {
            Subject::Run(path) => {
                let Some(count) = comparison.images else {
                    return Err(refuse(
                        format!(
                            "`{}` is a run: it can make any number of images",
                            path.display()
                        ),
                        "say how many with `--images N`",
                    ));
                };
                let (run, model) = load_model(path, None, device)?;
                let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
                let plan = Plan::without_store(run.classes.len(), count, seed);
                let images = samples::spool(sampler.as_ref(), &plan, &cache)?;
                Box::new(images.with_classes(&plan, &run.classes))
            }
            _ => real.images(self.split, comparison.images, seed)?,
        };
        let name = match real {
            Subject::Store(_) => format!("{} split of {}", self.split.name(), real.name()),
            _ => real.name(),
        };
        let (count, names) = (images.count(), comparison.metrics);
        let mut evaluator =
            Evaluator::new(evaluation, names, &name, images.as_ref(), device, &cache)?;
        if evaluator.needs_training()
            && matches!(real, Subject::Store(_))
            && self.split == Split::Test
        {
            let training = real.images(Split::Train, None, seed)?;
            let name = format!("{} split of {}", Split::Train.name(), real.name());
            evaluator = evaluator.with_training(&name, training.as_ref())?;
        }
        // What is measured against it.
        let Some((run, model)) = model else {
            let images = generated.images(self.split, comparison.images, seed)?;
            let scores = evaluator.measure(images.as_ref())?.into_iter();
            return Ok(scores.map(Compared::once).collect());
        };
        let evaluator = evaluator.with_samplers(&samplers);
        let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
        // Opening a store reads all of it: only for a model that is told of its patches.
        let is_told = !run.classes.is_empty() || run.input.is_some();
        let store = if is_told { real.store()? } else { None };
        let store =
            store.filter(|store| *run.classes == **store.classes() || run.classes.is_empty());
        let seeds: Vec<u64> = (seed..).take(comparison.repeat).collect();
        let mut measured: Vec<Vec<ScoreRecord>> = Vec::new();
        for &seed in &seeds {
            let plan = match &store {
                Some(store) => Plan::of(store, self.split, count, seed),
                None => Plan::without_store(run.classes.len(), count, seed),
            };
            let images = samples::spool(sampler.as_ref(), &plan, &cache)?;
            let images = images.with_classes(&plan, &run.classes);
            let mut scores = evaluator.measure(&images)?;
            for score in &mut scores {
                score.warn(&sampler.note());
            }
            measured.push(scores);
        }
        Compared::over_all(&seeds, &measured)
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
