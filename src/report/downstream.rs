//! The tables of the downstream classification task: what classifiers are worth that were trained on generated and on real images.

mod curve;
mod record;

pub use curve::{Equivalent, equivalent};
pub use record::{CurvePoint, DownstreamRecord};

use super::claims::{Accuracies, contradiction, published_accuracies};
use super::sentences::explain;
use super::tables::{PUBLISHED, cell};
use super::{
    Column, Published, Record, Row, RunOutcome, Summary, Table, TableCell, TableDefinition,
};
use crate::error::Result;
use crate::metrics::Direction;

/// What a row of the table is trained on.
pub struct DownstreamRow {
    /// Its label.
    pub name: &'static str,
    /// Whether there are real patches in it.
    pub real: bool,
    /// Whether there are generated images in it.
    pub generated: bool,
    /// Whether they are augmented classically.
    pub augmented: bool,
}

/// The row of the paper's classifier of generated images.
pub(super) const GENERATED: &str = "generated";
/// The row that the others are compared with.
pub(super) const REAL: &str = "real";

/// The rows of the table.
pub const DOWNSTREAM_ROWS: &[DownstreamRow] = &[
    row(GENERATED, false, true, false),
    row(REAL, true, false, false),
    row("real + generated", true, true, false),
    row("real + classic augmentation", true, false, true),
    row("generated + classic augmentation", false, true, true),
];

const fn row(name: &'static str, real: bool, generated: bool, augmented: bool) -> DownstreamRow {
    DownstreamRow {
        name,
        real,
        generated,
        augmented,
    }
}

/// The main table.
const DOWNSTREAM: TableDefinition = TableDefinition::of_its_own(
    "downstream",
    "Downstream classification",
    "Classifiers trained on generated and on real images, all tested on the same patches of held-out real slides.",
);
/// The intervals of single trainings.
const INTERVALS: TableDefinition = TableDefinition::of_its_own(
    "downstream-intervals",
    "Downstream classification: intervals of single trainings",
    "95 % intervals by bootstrap over held-out slides within each class: patches of one slide are not independent.",
);
/// What each class was taken for.
pub(super) const CONFUSION: TableDefinition = TableDefinition::of_its_own(
    "downstream-confusion",
    "Downstream classification: confusion matrices",
    "What held-out patches of each class were taken for, percent of the class.",
);
/// Accuracy against the number of real patches.
const CURVE: TableDefinition = TableDefinition::of_its_own(
    "downstream-curve",
    "What generated images are worth",
    "Accuracy on held-out real slides against the number of real training patches, without and with generated images beside them.",
);

/// Decimal places of percentages.
const PERCENT_DIGITS: usize = 2;
/// Decimal places of AUC and of what is said of probabilities.
const DIGITS: usize = 4;

/// All tables of an experiment: the main one first, the curve last if it has one.
///
/// # Errors
/// Fails if two numbers of a column were measured under different protocols.
pub fn downstream_tables(
    record: &Record,
    about: &DownstreamRecord,
    outcomes: &[Vec<RunOutcome>],
) -> Result<Vec<(&'static TableDefinition, Table)>> {
    let found = Found {
        record,
        about,
        outcomes,
    };
    let mut tables = vec![
        (&DOWNSTREAM, found.main()?),
        (&INTERVALS, found.intervals()?),
        (&CONFUSION, found.confusion()?),
    ];
    if about
        .curve
        .iter()
        .any(|point| !about.table.contains(&point.row))
    {
        tables.push((&CURVE, found.curve()?));
    }
    explain(&mut tables, record, outcomes, None);
    tables[0].1.protocol.push(Published::load().describe());
    Ok(tables)
}

/// What the ledgers say.
struct Found<'a> {
    record: &'a Record,
    about: &'a DownstreamRecord,
    outcomes: &'a [Vec<RunOutcome>],
}

impl Found<'_> {
    /// What the ledgers of a row say.
    fn row(&self, name: &str) -> &[RunOutcome] {
        let place = self.record.rows.iter().position(|row| row.name == name);
        place.map_or(&[], |place| &self.outcomes[place])
    }

    fn main(&self) -> Result<Table> {
        let higher = Some(Direction::Higher);
        let lower = Some(Direction::Lower);
        let classes = &self.about.classes;
        let mut columns = vec![
            Column::new("accuracy (%)", higher),
            Column::new("balanced (%)", higher),
        ];
        let of_class = |class: &String| Column::new(format!("{class} (%)"), higher);
        columns.extend(classes.iter().map(of_class));
        columns.extend([
            Column::new("AUC", higher),
            Column::new("ECE", lower),
            Column::new("Brier", lower),
        ]);
        let published = ["accuracy (%)", "benign (%)", "invasive (%)"];
        columns.extend(published.map(|title| Column::new(title, None).in_group(PUBLISHED)));
        let mut table = Table::new(DOWNSTREAM.title, "trained on", columns);
        table.baseline = Some(REAL.to_owned());
        let papers = published_accuracies();
        for name in &self.about.table {
            let outcomes = self.row(name);
            let mut cells = Vec::new();
            let of_class = classes.iter().map(|class| format!("accuracy.{class}"));
            let percents = ["accuracy", "balanced_accuracy"].map(str::to_owned);
            for score in percents.into_iter().chain(of_class) {
                cells.push(percent(cell(outcomes, &score, PERCENT_DIGITS)?));
            }
            for score in ["auc", "calibration_error", "brier"] {
                cells.push(cell(outcomes, score, DIGITS)?);
            }
            cells.extend(match name.as_str() {
                GENERATED => printed(&papers.synthetic),
                REAL => printed(&papers.real),
                _ => vec![TableCell::Missing; 3],
            });
            table.push(Row {
                name: name.clone(),
                reference: false,
                cells,
            })?;
        }
        table.notes = vec![
            format!(
                "Balanced: the mean over classes. AUC: of the probability of {}. ECE: expected calibration error, 15 equally wide bins \
                 of confidence. Brier: squared error summed over classes, 0 to 2.",
                match classes.as_slice() {
                    [_, second] => second.clone(),
                    _ => "each class against the rest, mean".to_owned(),
                }
            ),
            format!(
                "Published: arXiv {}, section 5.1, other data and another protocol, so not compared. {}",
                Published::load().arxiv,
                contradiction()
            ),
        ];
        Ok(table)
    }

    /// A row for each training of the main table.
    fn intervals(&self) -> Result<Table> {
        let columns = ["accuracy (%)", "balanced (%)", "AUC"];
        let columns = columns.map(|title| Column::new(title, None)).to_vec();
        let mut table = Table::new(INTERVALS.title, "trained on", columns);
        for name in &self.about.table {
            for outcome in self.row(name) {
                let seed = outcome
                    .seed
                    .map_or_else(String::new, |seed| format!(", seed {seed}"));
                let cells = [
                    ("accuracy", true),
                    ("balanced_accuracy", true),
                    ("auc", false),
                ];
                table.push(Row {
                    name: format!("{name}{seed}"),
                    reference: false,
                    cells: cells
                        .map(|(score, is_percent)| interval(outcome, score, is_percent))
                        .to_vec(),
                })?;
            }
        }
        table.notes = vec![
            "Intervals of one training tell how far the held-out slides are representative; those over seeds (statistics of table \
             `downstream`) how far a training is."
                .to_owned(),
        ];
        Ok(table)
    }

    /// A row for each class of each training set.
    fn confusion(&self) -> Result<Table> {
        let classes = &self.about.classes;
        let column =
            |class: &String| Column::new(format!("{class} (%)"), None).in_group("taken for");
        let columns = classes.iter().map(column).collect();
        let mut table = Table::new(CONFUSION.title, "trained on: class", columns);
        for name in &self.about.table {
            for class in classes {
                let cells = classes
                    .iter()
                    .map(|taken| self.fraction(name, class, taken));
                table.push(Row {
                    name: format!("{name}: {class}"),
                    reference: false,
                    cells: cells.collect::<Result<_>>()?,
                })?;
            }
        }
        Ok(table)
    }

    /// How many percent of a class were taken for another, over seeds.
    fn fraction(&self, name: &str, class: &str, taken: &str) -> Result<TableCell> {
        let outcomes = self.row(name);
        let counts = cell(outcomes, &format!("count.{class}.{taken}"), PERCENT_DIGITS)?;
        let TableCell::Number {
            values,
            seeds,
            protocol,
            ..
        } = counts
        else {
            return Ok(counts);
        };
        // Every training is tested on the same patches.
        let all = self.about.classes.iter().filter_map(|other| {
            outcomes
                .first()?
                .score(&format!("count.{class}.{other}"))?
                .value
        });
        let all: f64 = all.sum();
        let values: Vec<f64> = values.iter().map(|count| 100.0 * count / all).collect();
        number(values, seeds, protocol, PERCENT_DIGITS)
    }
}

/// A cell of the mean over seeds.
pub(super) fn number(
    values: Vec<f64>,
    seeds: Vec<u64>,
    protocol: String,
    digits: usize,
) -> Result<TableCell> {
    let summary = Summary::of(&values)?;
    Ok(TableCell::Number {
        mean: summary.mean,
        spread: summary.deviation,
        interval: summary.interval,
        over_images: None,
        n: summary.count,
        values,
        seeds,
        digits,
        protocol,
    })
}

/// A fraction in percent.
pub(super) fn percent(fraction: TableCell) -> TableCell {
    match fraction {
        TableCell::Number {
            mean,
            spread,
            interval,
            over_images: _,
            n,
            values,
            seeds,
            digits,
            protocol,
        } => TableCell::Number {
            mean: 100.0 * mean,
            spread: spread.map(|spread| 100.0 * spread),
            interval: interval.map(|(low, high)| (100.0 * low, 100.0 * high)),
            over_images: None,
            n,
            values: values.into_iter().map(|value| 100.0 * value).collect(),
            seeds,
            digits,
            protocol,
        },
        other => other,
    }
}

/// The paper's accuracies as it prints them.
fn printed(accuracies: &Accuracies) -> Vec<TableCell> {
    let values = [accuracies.overall, accuracies.benign, accuracies.invasive];
    let cell = |value: f64| TableCell::Published {
        value,
        printed: if value.fract() == 0.0 {
            format!("{value:.1}")
        } else {
            value.to_string()
        },
    };
    values.map(cell).to_vec()
}

/// A score of one training with its bootstrap interval.
fn interval(outcome: &RunOutcome, score: &str, is_percent: bool) -> TableCell {
    if !outcome.state.is_complete() {
        let reason = outcome.state.to_string();
        return if outcome.state.is_open() {
            TableCell::Unfinished(reason)
        } else {
            TableCell::Failed(reason)
        };
    }
    let value = |name: &str| outcome.score(name)?.value;
    let found = (
        value(score),
        value(&format!("{score}_low")),
        value(&format!("{score}_high")),
    );
    let absent = outcome
        .score(&format!("{score}_low"))
        .map(|score| score.absent.as_str());
    let (middle, low, high) = match (found, absent) {
        ((Some(middle), Some(low), Some(high)), _) => (middle, low, high),
        (_, Some(reason)) if !reason.is_empty() => return TableCell::Absent(reason.to_owned()),
        _ => return TableCell::Missing,
    };
    let shown = if is_percent {
        format!(
            "{:.2} ({:.1} to {:.1})",
            100.0 * middle,
            100.0 * low,
            100.0 * high
        )
    } else {
        format!("{middle:.4} ({low:.3} to {high:.3})")
    };
    TableCell::Text(shown)
}
