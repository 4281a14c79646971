//! The table of a transfer.

use super::{Measured, TransferRecord};
use crate::data::StainMethod;
use crate::error::Result;
use crate::report::{Column, Row, Table, TableCell};

/// Home and away beside each other: a row a score and treatment of the stain.
///
/// # Errors
/// Refuses numbers that are not finite.
pub fn transfer_table(record: &TransferRecord) -> Result<Table> {
    let titles = [
        "home",
        "away",
        "difference",
        "home floor",
        "away floor",
        "protocols",
    ];
    let columns = titles.map(|title| Column::new(title, None)).to_vec();
    let mut table = Table::new("Transfer", "score", columns);
    for row in &record.rows {
        let name = match row.stain {
            StainMethod::None => row.score.clone(),
            method => format!("{}, away by {}", row.score, method.name()),
        };
        let difference = match row.difference() {
            Some(difference) => TableCell::Text(format!("{difference:+.4}")),
            None => TableCell::Missing,
        };
        table.push(Row {
            name,
            reference: false,
            cells: vec![
                cell(&row.home),
                cell(&row.away),
                difference,
                cell(&row.home_floor),
                cell(&row.away_floor),
                TableCell::Text(format!("{} / {}", id(&row.home), id(&row.away))),
            ],
        })?;
    }
    table.notes.clone_from(&record.notes);
    Ok(table)
}

fn id(measured: &Measured) -> &str {
    match measured.protocol.as_str() {
        "" => "-",
        id => id,
    }
}

fn cell(measured: &Measured) -> TableCell {
    match measured.value {
        Some(value) => TableCell::Text(format!("{value:.4}")),
        None if !measured.absent.is_empty() => TableCell::Absent(measured.absent.clone()),
        None => TableCell::Failed(measured.failure.clone()),
    }
}
