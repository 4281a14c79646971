//! The tables of paired models: what they score on held-out slides, and what a pretrained start is worth.

mod claims;
mod curves;
mod record;

pub use claims::{translation_claims, translation_source};
pub use curves::{LearningCurve, learning_curves, steps_to_reach};
pub use record::{TranslationCase, TranslationRecord, TranslationRow};

use std::path::Path;

use super::sentences::explain;
use super::table::paired;
use super::tables::cell;
use super::{Column, Record, Row, RunOutcome, Table, TableCell, TableDefinition};
use crate::error::Result;
use crate::metrics::{Direction, paired as metrics};

/// What each row scores.
const SCORES: TableDefinition = TableDefinition::of_its_own(
    "translation",
    "Paired models",
    "Scores of paired models on patches of held-out slides, each output against its own target.",
);
/// What a pretrained start is worth.
const STARTS: TableDefinition = TableDefinition::of_its_own(
    "translation-starts",
    "What a pretrained start is worth",
    "Networks that start from random weights and the same networks that start from a pretraining without labels, on the same patches.",
);

/// Decimal places of scores.
const DIGITS: usize = 4;

/// The tables of an experiment: the scores, and the starts where rows have both.
///
/// # Errors
/// Fails if two numbers of a column were measured under different protocols, or a ledger cannot be read.
pub fn translation_tables(
    record: &Record,
    about: &TranslationRecord,
    outcomes: &[Vec<RunOutcome>],
    out: &Path,
) -> Result<Vec<(&'static TableDefinition, Table)>> {
    let found = Found {
        record,
        about,
        outcomes,
        out,
    };
    let mut tables = vec![(&SCORES, found.scores()?)];
    if about
        .cases()
        .iter()
        .any(|case| case.random.is_some() && case.pretrained.is_some())
    {
        tables.push((&STARTS, found.starts()?));
    }
    explain(&mut tables, record, outcomes, None);
    Ok(tables)
}

/// What the ledgers say.
struct Found<'a> {
    record: &'a Record,
    about: &'a TranslationRecord,
    outcomes: &'a [Vec<RunOutcome>],
    out: &'a Path,
}

impl Found<'_> {
    /// What the ledgers of a row say.
    fn row(&self, name: Option<&str>) -> &[RunOutcome] {
        let mut rows = self.record.rows.iter();
        let place = rows.position(|row| Some(row.name.as_str()) == name);
        place.map_or(&[], |place| &self.outcomes[place])
    }

    /// The names of all scores, in the order of the ledgers.
    fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = Vec::new();
        for score in self
            .outcomes
            .iter()
            .flatten()
            .flat_map(|outcome| &outcome.scores)
        {
            if let Some(definition) = metrics::definition(&score.name)
                && !names.contains(&definition.name)
            {
                names.push(definition.name);
            }
        }
        names
    }

    fn scores(&self) -> Result<Table> {
        let names = self.names();
        let columns = names.iter().filter_map(|name| metrics::definition(name));
        let columns = columns.map(|score| Column::new(score.title, Some(score.direction)));
        let mut table = Table::new(SCORES.title, "paired model", columns.collect());
        table.baseline = self.about.rows.first().map(|row| row.row.clone());
        for row in &self.about.rows {
            let outcomes = self.row(Some(&row.row));
            let cells = names.iter().map(|name| cell(outcomes, name, DIGITS));
            table.push(Row {
                name: row.row.clone(),
                reference: false,
                cells: cells.collect::<Result<_>>()?,
            })?;
        }
        table.notes = vec![
            format!("Task: {}.", self.about.task),
            "Scores are means over images; their standard deviations over images are in the ledgers. Dice and IoU: a class in neither \
             mask of an image counts 1; pooled: over the pixels of all images."
                .to_owned(),
        ];
        if let Some(line) = self.over_images() {
            table.notes.insert(1, line);
        }
        Ok(table)
    }

    /// Number and spread of the images that the main score of the first row is a mean of.
    fn over_images(&self) -> Option<String> {
        let outcome = self
            .outcomes
            .iter()
            .flatten()
            .find(|outcome| !outcome.scores.is_empty())?;
        let score = outcome.score(&self.about.score)?;
        let spread = score.spread?;
        Some(format!(
            "{} patches of held-out slides; over them the {} of `{}`{} has a standard deviation of {spread:.3}.",
            score.protocol.reference_images,
            self.title(),
            outcome.row,
            outcome
                .seed
                .map_or_else(String::new, |seed| format!(", seed {seed},")),
        ))
    }

    fn title(&self) -> &'static str {
        metrics::definition(&self.about.score).map_or("score", |score| score.title)
    }

    fn starts(&self) -> Result<Table> {
        let score = self.about.score.as_str();
        let title = self.title();
        let columns = [
            "random",
            "pretrained",
            "difference",
            "95 % interval",
            "steps of random",
            "steps of pretrained to get there",
        ];
        let columns = columns.map(|title| Column::new(title, None)).to_vec();
        let mut table = Table::new(STARTS.title, "network and patches", columns);
        for case in self.about.cases() {
            let (random, pretrained) = (self.row(case.random), self.row(case.pretrained));
            if random.is_empty() || pretrained.is_empty() {
                continue;
            }
            let cells = [
                cell(random, score, DIGITS)?,
                cell(pretrained, score, DIGITS)?,
            ];
            let (difference, interval) = match paired(&cells[1], &cells[0]) {
                Some(paired) => (
                    TableCell::Derived {
                        value: paired.summary.mean,
                        shown: format!("{:+.4}", paired.summary.mean),
                    },
                    match paired.summary.interval {
                        Some((low, high)) => TableCell::Text(format!("{low:+.4} to {high:+.4}")),
                        None => TableCell::Absent("one seed has no interval".to_owned()),
                    },
                ),
                None => (TableCell::Missing, TableCell::Missing),
            };
            let (steps, reached) = self.steps(random, pretrained)?;
            let [random, pretrained] = cells;
            table.push(Row {
                name: format!("{}, {} patches", case.backbone, case.patches),
                reference: false,
                cells: vec![random, pretrained, difference, interval, steps, reached],
            })?;
        }
        let better = match self.direction() {
            Direction::Lower => "lower",
            Direction::Higher => "higher",
        };
        table.notes = vec![
            format!("{title} ({better} is better), mean over seeds; the difference is that of pairs of one seed."),
            "Steps to get there: the first measured step at which the pretrained network is at least as good as the random one in the \
             end, mean over the seeds where it gets there. It is measured on the held-out patches, every some steps; the steps of the \
             pretraining itself are not in it."
                .to_owned(),
        ];
        Ok(table)
    }

    fn direction(&self) -> Direction {
        metrics::definition(&self.about.score).map_or(Direction::Higher, |score| score.direction)
    }

    /// The steps of the random networks, and those that the pretrained ones need for the same score.
    fn steps(
        &self,
        random: &[RunOutcome],
        pretrained: &[RunOutcome],
    ) -> Result<(TableCell, TableCell)> {
        let curves =
            |outcomes: &[RunOutcome]| learning_curves(outcomes, &self.about.score, self.out);
        let (random, pretrained) = (curves(random)?, curves(pretrained)?);
        let Some(steps) = random
            .iter()
            .filter_map(LearningCurve::end)
            .map(|end| end.0)
            .max()
        else {
            return Ok((TableCell::Missing, TableCell::Missing));
        };
        let shown = TableCell::Derived {
            value: steps as f64,
            shown: steps.to_string(),
        };
        let pairs = random.iter().filter_map(|random| {
            let same = pretrained.iter().find(|other| other.seed == random.seed)?;
            Some((random.end()?.1, same))
        });
        let needed: Vec<Option<u64>> = pairs
            .map(|(score, curve)| steps_to_reach(&curve.points, score, self.direction()))
            .collect();
        let reached: Vec<u64> = needed.iter().copied().flatten().collect();
        if reached.is_empty() {
            let reason = "it does not get there in its steps".to_owned();
            return Ok((
                shown,
                if needed.is_empty() {
                    TableCell::Missing
                } else {
                    TableCell::Absent(reason)
                },
            ));
        }
        let mean = reached.iter().sum::<u64>() as f64 / reached.len() as f64;
        let seeds = format!("{mean:.0} ({} of {} seeds)", reached.len(), needed.len());
        Ok((shown, TableCell::Text(seeds)))
    }
}
