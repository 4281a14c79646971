//! Which training sets there are: the rows of the table, and the points of the curve.

use crate::classifier::DownstreamConfig;
use crate::error::{Result, refuse};
use crate::report::{CurvePoint, DOWNSTREAM_ROWS};

/// Fewest real patches of a class at a point of the curve: below it there is nothing to validate on.
const FEWEST: usize = 4;

/// One training set.
pub(super) struct PlannedRow {
    /// Its label.
    pub(super) name: String,
    /// Real patches of each class.
    pub(super) real: usize,
    /// Whether all generated images are in it.
    pub(super) generated: bool,
    /// Whether images are augmented classically.
    pub(super) augmented: bool,
    /// Whether it is a row of the table, and not of the curve alone.
    pub(super) in_table: bool,
}

/// All training sets where each class has `real` real patches: those of the table, then those of the curve alone.
///
/// # Errors
/// Refuses points of the curve that `real` patches do not reach, or that are too small.
pub(super) fn rows(settings: &DownstreamConfig, real: usize) -> Result<Vec<PlannedRow>> {
    let of_table = DOWNSTREAM_ROWS.iter().map(|row| PlannedRow {
        name: row.name.to_owned(),
        real: if row.real { real } else { 0 },
        generated: row.generated,
        augmented: row.augmented,
        in_table: true,
    });
    let mut rows: Vec<PlannedRow> = of_table.collect();
    let mut sizes = settings.curve.clone();
    sizes.sort_unstable();
    for size in sizes {
        if size < FEWEST {
            return Err(refuse(
                format!("`downstream.curve` has {size} patches of each class"),
                format!("set {FEWEST} or more: some of them are kept for validation"),
            ));
        }
        if size > real {
            return Err(refuse(
                format!(
                    "`downstream.curve` asks for {size} real patches of each class, there are {real} to train on"
                ),
                format!("leave out what is above {real}, or give more slides"),
            ));
        }
        if size == real {
            continue; // a row of the table
        }
        for generated in [false, true] {
            let more = if generated { " + generated" } else { "" };
            rows.push(PlannedRow {
                name: format!("{size} real of each class{more}"),
                real: size,
                generated,
                augmented: false,
                in_table: false,
            });
        }
    }
    Ok(rows)
}

/// Generated images of each class where there are `real` real patches of it.
pub(super) fn generated_per_class(settings: &DownstreamConfig, real: usize) -> usize {
    match settings.generated_images {
        0 => real,
        images => images,
    }
}

/// The names of the rows of the table.
pub(super) fn table(rows: &[PlannedRow]) -> Vec<String> {
    let rows = rows.iter().filter(|row| row.in_table);
    rows.map(|row| row.name.clone()).collect()
}

/// The points of the curve, by growing number of real patches. Those of the table are among them.
pub(super) fn curve(rows: &[PlannedRow]) -> Vec<CurvePoint> {
    let points = rows.iter().filter(|row| !row.augmented);
    let mut points: Vec<CurvePoint> = points
        .map(|row| CurvePoint {
            real: row.real,
            generated: row.generated,
            row: row.name.clone(),
        })
        .collect();
    points.sort_by_key(|point| (point.real, point.generated));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_has_a_point_with_and_without_generated_images_for_each_size() {
        let settings = DownstreamConfig {
            curve: vec![32, 8, 100],
            ..DownstreamConfig::default()
        };
        let rows = rows(&settings, 100).unwrap();
        assert_eq!(rows.len(), 5 + 4, "100 is a row of the table");
        let points: Vec<(usize, bool)> = curve(&rows)
            .iter()
            .map(|point| (point.real, point.generated))
            .collect();
        let expected = [
            (0, true),
            (8, false),
            (8, true),
            (32, false),
            (32, true),
            (100, false),
            (100, true),
        ];
        assert_eq!(points, expected);
        assert_eq!(table(&rows).len(), 5);
    }

    #[test]
    fn more_patches_than_there_are_and_too_few_are_refused() {
        let error = |curve: Vec<usize>| {
            let settings = DownstreamConfig {
                curve,
                ..DownstreamConfig::default()
            };
            rows(&settings, 50).err().unwrap().to_string()
        };
        assert_eq!(
            error(vec![8, 51]),
            "`downstream.curve` asks for 51 real patches of each class, there are 50 to train on"
        );
        assert_eq!(
            error(vec![1]),
            "`downstream.curve` has 1 patches of each class"
        );
    }
}
