//! The tables of classification from few images: accuracy by system and number of training images (arXiv 2201.09120, tables 1, 3 and
//! 4), tau (table 2), and how tight classes lie in the CNN's embedding (figure 8).

mod claims;
mod found;
mod record;

pub use claims::low_data_claims;
pub use record::{LowDataPoint, LowDataRecord, TauRecord};

pub(super) use found::Found;

use std::path::Path;

use super::downstream::percent;
use super::sentences::explain;
use super::tables::{PUBLISHED, cell};
use super::{Column, Published, Record, Row, RunOutcome, Table, TableCell, TableDefinition};
use crate::error::Result;
use crate::metrics::Direction;

/// The row of the CNN.
pub const BASELINE: &str = "baseline-cnn";

/// Accuracy.
const ACCURACY: TableDefinition = TableDefinition::of_its_own(
    "low-data",
    "Classification from few images",
    "Accuracy on held-out images of a CNN and of the class heads of systems that learned from the same images.",
);
/// Accuracy of each class.
const CLASSES: TableDefinition = TableDefinition::of_its_own(
    "low-data-classes",
    "Classification from few images: by class",
    "Accuracy on the test split, balanced and of each class.",
);
/// Tau.
const TAU: TableDefinition = TableDefinition::of_its_own(
    "low-data-tau",
    "Truncation of the prior",
    "The threshold tau of systems with a truncated prior, after the last step.",
);
/// Distances in the embedding.
const CENTRES: TableDefinition = TableDefinition::of_its_own(
    "low-data-centres",
    "How tight classes lie",
    "Distance of images to the centre of their class in the CNN's embedding: of the CNN's row real images, of a system's row its own.",
);

/// Decimal places of percentages.
const PERCENT_DIGITS: usize = 2;
/// Decimal places of tau and of distances.
const DIGITS: usize = 3;

/// All tables of an experiment, accuracy first.
///
/// # Errors
/// Fails if a ledger cannot be read, or if two numbers of a column were measured under different protocols.
pub fn low_data_tables(
    record: &Record,
    about: &LowDataRecord,
    outcomes: &[Vec<RunOutcome>],
    out: &Path,
) -> Result<Vec<(&'static TableDefinition, Table)>> {
    let found = Found {
        record,
        about,
        outcomes,
        out,
    };
    let mut tables = vec![
        (&ACCURACY, found.accuracies()?),
        (&CLASSES, found.classes()?),
    ];
    if !about.tau.is_empty() {
        tables.push((&TAU, found.taus()?));
    }
    tables.push((&CENTRES, found.centres()?));
    let published = Published::of(&record.name);
    explain(&mut tables, record, outcomes, Some(&published));
    Ok(tables)
}

impl Found<'_> {
    /// What a column about `size` images is called.
    fn size_title(&self, size: usize, unit: &str) -> String {
        match self.about.sizes.as_slice() {
            [_] => format!("{size} training images{unit}"),
            _ => format!("{size} images{unit}"),
        }
    }

    /// Accuracy by system: a column for each test set and number of images.
    fn accuracies(&self) -> Result<Table> {
        let about = self.about;
        let mut sets = vec![("accuracy", "test split")];
        if !about.shifted.is_empty() {
            sets.push(("shifted_accuracy", "shifted images"));
        }
        let mut columns = Vec::new();
        for (_, group) in &sets {
            columns.extend(about.sizes.iter().map(|&size| {
                Column::new(self.size_title(size, " (%)"), Some(Direction::Higher)).in_group(group)
            }));
        }
        let published = self.published_columns("accuracy");
        let titles = published.iter().map(|(title, _)| title);
        columns.extend(titles.map(|title| Column::new(title, None).in_group(PUBLISHED)));
        let mut table = Table::new(ACCURACY.title, "system", columns);
        table.baseline = Some(BASELINE.to_owned());
        for system in &about.systems {
            let mut cells = Vec::new();
            for (score, _) in &sets {
                for &size in &about.sizes {
                    cells.push(percent(cell(
                        self.outcomes(system, size),
                        score,
                        PERCENT_DIGITS,
                    )?));
                }
            }
            cells.extend(published.iter().map(|(_, key)| self.published(system, key)));
            table.push(row(system, cells))?;
        }
        table.notes.push(format!(
            "All rows of a seed learn from the same images, as many of each class, and keep the same {} of them for validation; fewer images are \
             always among more.",
            about.validation
        ));
        if !about.shifted.is_empty() {
            table
                .notes
                .push(format!("Shifted images: {}.", about.shifted));
        }
        Ok(table)
    }

    /// A row for each system and number of images.
    fn classes(&self) -> Result<Table> {
        let names = self.about.classes.iter().map(String::as_str);
        let columns = std::iter::once("balanced").chain(names);
        let columns = columns
            .map(|name| Column::new(format!("{name} (%)"), None))
            .collect();
        let mut table = Table::new(CLASSES.title, "system, training images", columns);
        for point in &self.about.points {
            let outcomes = self.outcomes(&point.system, point.size);
            let of_class = self
                .about
                .classes
                .iter()
                .map(|class| format!("accuracy.{class}"));
            let scores = std::iter::once("balanced_accuracy".to_owned()).chain(of_class);
            let cells = scores.map(|score| Ok(percent(cell(outcomes, &score, PERCENT_DIGITS)?)));
            table.push(row(&point.row, cells.collect::<Result<_>>()?))?;
        }
        Ok(table)
    }

    /// Tau by system and number of images.
    fn taus(&self) -> Result<Table> {
        let about = self.about;
        let sizes = about.sizes.iter();
        let mut columns: Vec<Column> = sizes
            .map(|&size| Column::new(self.size_title(size, ""), None).in_group("tau"))
            .collect();
        let published = self.published_columns("tau");
        let titles = published.iter().map(|(title, _)| title);
        columns.extend(titles.map(|title| Column::new(title, None).in_group(PUBLISHED)));
        let mut table = Table::new(TAU.title, "system", columns);
        for tau in &about.tau {
            let sizes = about.sizes.iter();
            let mut cells: Vec<TableCell> = sizes
                .map(|&size| self.tau_cell(&tau.system, size, DIGITS))
                .collect::<Result<_>>()?;
            let keys = published.iter();
            cells.extend(keys.map(|(_, key)| self.published(&tau.system, key)));
            table.push(row(&tau.system, cells))?;
            table.notes.push(format!("{}: {}.", tau.system, tau.found));
        }
        Ok(table)
    }

    /// Distances to the centres of classes, by system: their mean and their deviation for each number of images.
    fn centres(&self) -> Result<Table> {
        let about = self.about;
        let scores = ["centre_distance", "centre_distance_deviation"];
        let mut columns = Vec::new();
        for &size in &about.sizes {
            let group = self.size_title(size, "");
            let titles = ["mean", "standard deviation"];
            columns.extend(titles.map(|title| Column::new(title, None).in_group(&group)));
        }
        let published = self.published_columns("distance");
        let titles = published.iter().map(|(title, _)| title);
        columns.extend(titles.map(|title| Column::new(title, None).in_group(PUBLISHED)));
        let mut table = Table::new(CENTRES.title, "system", columns);
        for system in &about.systems {
            let mut cells = Vec::new();
            for &size in &about.sizes {
                for score in scores {
                    cells.push(cell(self.outcomes(system, size), score, DIGITS)?);
                }
            }
            cells.extend(published.iter().map(|(_, key)| self.published(system, key)));
            table.push(row(system, cells))?;
        }
        table.notes = vec![format!(
            "{} images of each row; the embedding is what stands before the last layer of the CNN that learned from the same images, another \
             one for each number of images and seed: compare rows, not columns. A small distance alone is no merit: images that are all alike have none.",
            about.embedded
        )];
        Ok(table)
    }

    /// The paper's numbers of this experiment that belong to `kind` and to a number of images that is there: title and key.
    fn published_columns(&self, kind: &str) -> Vec<(String, String)> {
        let published = Published::of(&self.record.name);
        let Some(table) = published.tables.get(&self.record.name) else {
            return Vec::new();
        };
        let keys = table.systems.values().flat_map(|numbers| numbers.keys());
        let mut found: Vec<(usize, String, String)> = keys
            .filter_map(|key| {
                let (of, detail) = key.split_once('@')?;
                let place = match detail.parse::<usize>() {
                    Ok(size) if self.about.sizes.contains(&size) => size,
                    Ok(_) => return None,
                    Err(_) => 0,
                };
                let title = if place > 0 {
                    format!("{place} images")
                } else {
                    detail.to_owned()
                };
                (of == kind).then(|| (place, title, key.clone()))
            })
            .collect();
        found.sort();
        found.dedup();
        found
            .into_iter()
            .map(|(_, title, key)| (title, key))
            .collect()
    }

    fn published(&self, system: &str, key: &str) -> TableCell {
        let name = &self.record.name;
        let published = Published::of(name);
        let number = published.lookup(name, system, key);
        number.map_or(TableCell::Missing, |number| TableCell::Published {
            value: number.value,
            printed: number.printed.clone(),
        })
    }
}

fn row(name: &str, cells: Vec<TableCell>) -> Row {
    Row {
        name: name.to_owned(),
        reference: false,
        cells,
    }
}
