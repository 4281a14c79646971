//! Two sets against the same reference: which is better, and by how much.

use std::path::Path;

use super::super::evaluator::Difference;
use super::super::subject::{Subject, split};
use super::{Comparing, Evaluator, SetComparison, refuse_path_lengths, refuse_unlike};
use crate::config::Config;
use crate::error::Result;
use crate::experiment::load_model;
use crate::features::FeatureFile;
use crate::images::ImageSource;
use crate::metrics;
use crate::report::{Column, Row, Table, TableCell};
use crate::samples::{self, Plan};
use crate::workspace::Workspace;

/// The draws of an interval where `evaluation.metrics.bootstrap` asks for none.
const DRAWS: usize = 200;

/// The scores of the two sets of `comparison`, and intervals of their differences.
///
/// # Errors
/// As [`super::compare`]; refuses statistics, and sets of different numbers of images.
pub fn compare_two(
    config: &Config,
    comparison: &SetComparison<'_>,
    workspace: &Workspace,
) -> Result<Vec<Difference>> {
    let selection = metrics::select(comparison.metrics)?;
    let [first, second] = comparison.generated else {
        anyhow::bail!("two sets are compared, not {}", comparison.generated.len());
    };
    let real = comparison.real.subject()?;
    let sides = [first.subject()?, second.subject()?, real];
    if let Some(statistics) = sides
        .iter()
        .find(|side| matches!(side, Subject::Statistics(_)))
    {
        return Err(statistics.no_images("give images or features: draws are of single images"));
    }
    let split = split(comparison.split, &sides)?;
    for side in &sides[..2] {
        refuse_unlike(side, &real)?;
        refuse_path_lengths(&selection, side.path())?;
    }
    let mut config = config.clone();
    let settings = &mut config.evaluation.metrics;
    if settings.bootstrap == 0 {
        settings.bootstrap = DRAWS;
    }
    let comparing = Comparing {
        config: &config,
        comparison,
        selection: &selection,
        split,
        workspace,
        real,
    };
    let (mut evaluator, count) = comparing.evaluator_of_rows()?;
    if sides[..2]
        .iter()
        .any(|side| matches!(side, Subject::Run(_)))
    {
        evaluator = evaluator.with_samplers(&comparing.samplers()?);
    }
    let [first, second] = [sides[0], sides[1]].map(|side| comparing.file(&evaluator, &side, count));
    let ((first, of_first), (second, of_second)) = (first?, second?);
    let mut found = evaluator.differences([&first, &second])?;
    for one in &mut found {
        let said = [one.warning.as_str(), of_first.as_str(), of_second.as_str()];
        let said = said.into_iter().filter(|clause| !clause.is_empty());
        one.warning = said.collect::<Vec<_>>().join("; ");
    }
    found.retain(|one| {
        let names = comparison.metrics;
        names.is_empty() || names.contains(&one.score) || names.contains(&one.protocol.metric)
    });
    Ok(found)
}

impl Comparing<'_> {
    /// What holds the features of the reference, and how many images that has.
    fn evaluator_of_rows(&self) -> Result<(Evaluator, usize)> {
        let (evaluation, names) = (&self.config.evaluation, self.comparison.metrics);
        if self.real.is_features() {
            let (file, name) = (self.rows(&self.real)?, self.real.name());
            let evaluator = Evaluator::of_features(&evaluation.metrics, names, &name, &file)?;
            return Ok((evaluator, file.rows));
        }
        let device = self.config.compute.open()?;
        let (images, name) = self.reference(&device)?;
        let (images, cache) = (images.as_ref(), self.workspace.features());
        let evaluator = Evaluator::new(evaluation, names, &name, images, &device, &cache)?;
        Ok((evaluator, images.count()))
    }

    /// The features of one set; of a run as many images are drawn as the reference has, or as are asked for, and what its sampler
    /// has to say of them.
    fn file(
        &self,
        evaluator: &Evaluator,
        side: &Subject<'_>,
        count: usize,
    ) -> Result<(FeatureFile, String)> {
        let seed = self.config.evaluation.seed;
        let mut note = String::new();
        let images: Box<dyn ImageSource> = match side {
            side if side.is_features() => return Ok((self.rows(side)?, note)),
            Subject::Run(path) => {
                let (run, model) = load_model(path, None, &self.config.compute.open()?)?;
                let samplers = self.samplers()?;
                let sampler = samplers.of(model.as_ref(), run.classes.len(), None)?;
                let plan = Plan::without_store(run.classes.len(), count, seed);
                let images = samples::spool(sampler.as_ref(), &plan, &self.workspace.features())?;
                note = sampler.note();
                Box::new(images)
            }
            side => side.images(self.split, self.comparison.images, seed)?,
        };
        Ok((evaluator.features(images.as_ref())?, note))
    }
}

/// Differences as a table, with how they were measured under it.
///
/// # Errors
/// Refuses a number that is not finite.
pub fn differences_table(found: &[Difference], [first, second]: [&Path; 2]) -> Result<Table> {
    let columns = ["A", "B", "A - B", "95 % interval", "protocol"];
    let columns = columns.map(|title| Column::new(title, None)).to_vec();
    let title = format!("A: {}. B: {}", first.display(), second.display());
    let mut table = Table::new(title, "score", columns);
    let mut draws = 0;
    for one in found {
        let none = || TableCell::Failed(one.failure.clone());
        let number = |value: Option<f64>| {
            value.map_or_else(none, |value| TableCell::Text(format!("{value:.6}")))
        };
        let interval = match one.interval {
            Some((low, high)) => TableCell::Text(format!("{low:.6} to {high:.6}")),
            None if !one.failure.is_empty() => none(),
            None => TableCell::Absent(
                "no interval is known to hold for this score and so few images".to_owned(),
            ),
        };
        draws = draws.max(one.draws);
        table.push(Row {
            name: one.score.clone(),
            reference: false,
            cells: vec![
                number(one.values.map(|[first, _]| first)),
                number(one.values.map(|[_, second]| second)),
                number(one.difference),
                interval,
                TableCell::Text(one.protocol_id.clone()),
            ],
        })?;
        let warning = (!one.warning.is_empty()).then(|| format!("Warning: {}.", one.warning));
        for note in [one.protocol.describe()].into_iter().chain(warning) {
            if !table.notes.contains(&note) {
                table.notes.push(note);
            }
        }
    }
    if draws > 0 {
        table.notes.push(format!(
            "Intervals: paired bootstrap over images, {draws} draws, for these two trainings; one that holds 0 tells no difference."
        ));
    }
    Ok(table)
}
