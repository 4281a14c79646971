//! Intervals of single trainings behind a table of results, a table for each of its scores.

use super::over_seeds::{derived, digits, ends, row};
use crate::error::Result;
use crate::report::{Column, Table, TableCell};

/// A table for each competing column of `table` that has numbers of one seed with an interval over images.
///
/// # Errors
/// Never, as rows and columns fit each other.
pub(super) fn over_images(table: &Table) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for (index, column) in table.columns().iter().enumerate() {
        let rows = table
            .rows()
            .iter()
            .map(|row| (row.name.as_str(), &row.cells[index]));
        let mut kinds: Vec<&str> = Vec::new();
        let titles = [&column.title, "95 % interval"].map(|title| Column::new(title, None));
        let title = format!("{} over images, one seed", column.title);
        let mut made = Table::new(&title, "system", titles.to_vec());
        for (name, cell) in rows {
            let TableCell::Number {
                mean,
                over_images: Some((interval, kind)),
                ..
            } = cell
            else {
                continue;
            };
            if !kinds.contains(&kind.as_str()) {
                kinds.push(kind);
            }
            let digits = digits(cell);
            let cells = vec![derived(*mean, digits), ends(Some(*interval), digits, "")];
            made.push(row(name, cells))?;
        }
        if !kinds.is_empty() {
            made.notes.push(format!(
                "Interval: {}. It covers the draw of generated and of real images, at this number of them; trainings with other \
                 seeds differ besides.",
                kinds.join("; ")
            ));
            tables.push(made);
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Direction;

    #[test]
    fn one_seed_has_the_interval_of_its_images_and_several_have_none() {
        let number = |values: Vec<f64>, over_images: Option<(f64, f64)>| TableCell::Number {
            mean: values[0],
            spread: None,
            interval: None,
            over_images: over_images.map(|ends| (ends, "95 %, bootstrap".to_owned())),
            n: values.len(),
            seeds: (0..values.len() as u64).collect(),
            values,
            digits: 1,
            protocol: "p".to_owned(),
        };
        let column = Column::new("FID", Some(Direction::Lower));
        let mut table = Table::new("Table", "system", vec![column]);
        for (name, cell) in [
            ("dcgan", number(vec![57.4], Some((52.25, 63.0)))),
            ("sngan", number(vec![60.0, 61.0], None)),
        ] {
            table.push(row(name, vec![cell])).unwrap();
        }
        let found = over_images(&table).unwrap();
        assert_eq!(found.len(), 1);
        let text = found[0].markdown();
        assert!(text.contains("| dcgan | 57.4 | 52.2 to 63.0 |"), "{text}");
        assert!(!text.contains("sngan"), "{text}");
        assert!(text.contains("Interval: 95 %, bootstrap."), "{text}");
    }
}
