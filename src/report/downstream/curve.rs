//! How many real patches a generated image is worth: the table of the curve.

use super::{CURVE, Found, PERCENT_DIGITS, cell, percent};
use crate::error::Result;
use crate::report::table::paired;
use crate::report::{Column, Row, Table, TableCell};

/// The number of real patches whose accuracy is another's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Equivalent {
    /// So many, between two points of the curve.
    Patches(f64),
    /// Fewer than the curve begins with.
    Fewer(f64),
    /// More than the curve ends with.
    More(f64),
    /// The curve does not rise: accuracy does not tell the number of patches.
    Flat,
}

/// The number of real patches at which a curve of real patches reaches `accuracy`. The curve (patches, accuracy; by growing
/// patches, one point at least) is first made to rise: the nearest rising curve by least squares (isotonic regression); between
/// its points it is linear in the logarithm of the patches.
pub fn equivalent(curve: &[(f64, f64)], accuracy: f64) -> Equivalent {
    let accuracies: Vec<f64> = curve.iter().map(|point| point.1).collect();
    let rising = isotonic(&accuracies);
    let (first, last) = (rising[0], rising[rising.len() - 1]);
    if first >= last {
        return Equivalent::Flat;
    }
    if accuracy < first {
        return Equivalent::Fewer(curve[0].0);
    }
    if accuracy > last {
        return Equivalent::More(curve[curve.len() - 1].0);
    }
    // The fewest patches that reach it.
    let place = rising.iter().position(|value| *value >= accuracy);
    let place = place.expect("the last one does");
    if place == 0 {
        return Equivalent::Patches(curve[0].0);
    }
    let (low, high) = (rising[place - 1], rising[place]);
    let fraction = (accuracy - low) / (high - low);
    let (from, to) = (curve[place - 1].0.ln(), curve[place].0.ln());
    Equivalent::Patches((from + fraction * (to - from)).exp())
}

/// The nearest values that never fall, by least squares (pool adjacent violators).
fn isotonic(values: &[f64]) -> Vec<f64> {
    let mut blocks: Vec<(f64, usize)> = Vec::new();
    for &value in values {
        let mut block = (value, 1);
        while let Some(&(mean, count)) = blocks.last()
            && mean > block.0
        {
            blocks.pop();
            let together = count + block.1;
            block = (
                (mean * count as f64 + block.0 * block.1 as f64) / together as f64,
                together,
            );
        }
        blocks.push(block);
    }
    let each = blocks.iter().flat_map(|(mean, count)| vec![*mean; *count]);
    each.collect()
}

impl Found<'_> {
    /// A row for each number of real patches.
    pub(super) fn curve(&self) -> Result<Table> {
        let columns = [
            "without generated (%)",
            "with generated (%)",
            "difference (points)",
            "95 % interval",
            "worth in real patches",
        ];
        let columns = columns.map(|title| Column::new(title, None)).to_vec();
        let mut table = Table::new(CURVE.title, "real patches of each class", columns);
        let without = self.means(false)?;
        let mut sizes: Vec<usize> = self.about.curve.iter().map(|point| point.real).collect();
        sizes.dedup();
        for size in sizes {
            let of = |generated: bool| {
                let mut points = self.about.curve.iter();
                let point = points.find(|point| (point.real, point.generated) == (size, generated));
                let outcomes = point.map_or(&[][..], |point| self.row(&point.row));
                if outcomes.is_empty() {
                    return Ok(TableCell::Missing);
                }
                Ok::<_, anyhow::Error>(percent(cell(outcomes, "accuracy", PERCENT_DIGITS)?))
            };
            let (real, both) = (of(false)?, of(true)?);
            let (difference, interval) = difference(&both, &real);
            let worth = match both.value() {
                Some(accuracy) if !without.is_empty() => {
                    TableCell::Text(in_words(equivalent(&without, accuracy), size))
                }
                _ => TableCell::Missing,
            };
            table.push(Row {
                name: size.to_string(),
                reference: false,
                cells: vec![real, both, difference, interval, worth],
            })?;
        }
        table.notes = vec![
            format!(
                "Beside the real patches stand {} images of each class that {} made. Draws of real patches are nested and as large \
                 for every class; validation images are among them.",
                self.about.generated_per_class, self.about.model
            ),
            "Worth: the number of real patches of each class that alone would give that accuracy, on the curve without generated \
             images, made to rise (isotonic regression of the means) and linear in the logarithm between its points."
                .to_owned(),
            "The models that made the generated images saw all real training patches of their class, in rows with few real patches too: the \
             curve tells what the images add for whoever has them and few patches, not what training models on few patches would."
                .to_owned(),
        ];
        Ok(table)
    }

    /// The mean accuracies in percent of the points with or without generated images that have some real patches.
    fn means(&self, generated: bool) -> Result<Vec<(f64, f64)>> {
        let mut means = Vec::new();
        let points = self.about.curve.iter();
        for point in points.filter(|point| point.generated == generated && point.real > 0) {
            let accuracy = percent(cell(self.row(&point.row), "accuracy", PERCENT_DIGITS)?);
            means.extend(accuracy.value().map(|value| (point.real as f64, value)));
        }
        Ok(means)
    }
}

/// The mean difference of two cells seed by seed, and its 95 % interval.
fn difference(both: &TableCell, real: &TableCell) -> (TableCell, TableCell) {
    let Some(paired) = paired(both, real) else {
        return (TableCell::Missing, TableCell::Missing);
    };
    let mean = TableCell::Derived {
        value: paired.summary.mean,
        shown: format!("{:+.2}", paired.summary.mean),
    };
    let interval = match paired.summary.interval {
        Some((low, high)) => TableCell::Text(format!("{low:+.2} to {high:+.2}")),
        None => TableCell::Absent("one seed has no interval".to_owned()),
    };
    (mean, interval)
}

fn in_words(equivalent: Equivalent, size: usize) -> String {
    match equivalent {
        Equivalent::Patches(patches) if size > 0 => {
            format!("{patches:.0} ({:+.0})", patches - size as f64)
        }
        Equivalent::Patches(patches) => format!("{patches:.0}"),
        Equivalent::Fewer(least) => format!("fewer than {least:.0}"),
        Equivalent::More(most) => format!("more than {most:.0}"),
        Equivalent::Flat => "not to be told: more real patches do not help here".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_on_the_curve_is_worth_the_patches_there() {
        let curve = [(10.0, 60.0), (100.0, 80.0), (1000.0, 90.0)];
        let patches = |accuracy| match equivalent(&curve, accuracy) {
            Equivalent::Patches(patches) => patches,
            other => panic!("{other:?}"),
        };
        for (accuracy, expected) in [(60.0, 10.0), (80.0, 100.0), (90.0, 1000.0)] {
            assert!((patches(accuracy) / expected - 1.0f64).abs() < 1e-12);
        }
        // Half way by accuracy is half way by the logarithm.
        assert!((patches(70.0) / 1000f64.sqrt() - 1.0).abs() < 1e-12);
        assert_eq!(equivalent(&curve, 59.0), Equivalent::Fewer(10.0));
        assert_eq!(equivalent(&curve, 91.0), Equivalent::More(1000.0));
    }

    #[test]
    fn a_curve_that_falls_in_between_is_made_to_rise_first() {
        assert_eq!(isotonic(&[1.0, 3.0, 2.0, 4.0]), [1.0, 2.5, 2.5, 4.0]);
        assert_eq!(isotonic(&[3.0, 2.0, 1.0]), [2.0; 3]);
        let curve = [(10.0, 60.0), (20.0, 80.0), (40.0, 70.0), (80.0, 90.0)];
        match equivalent(&curve, 75.0) {
            Equivalent::Patches(patches) => assert!((patches - 20.0).abs() < 1e-9, "{patches}"),
            other => panic!("{other:?}"),
        }
        let falls = [(10.0, 80.0), (20.0, 70.0)];
        assert_eq!(equivalent(&falls, 75.0), Equivalent::Flat);
        assert_eq!(equivalent(&[(10.0, 80.0)], 80.0), Equivalent::Flat);
    }

    #[test]
    fn what_cannot_be_told_is_said_in_words() {
        assert_eq!(in_words(Equivalent::Patches(48.4), 32), "48 (+16)");
        assert_eq!(in_words(Equivalent::Patches(48.4), 0), "48");
        assert_eq!(in_words(Equivalent::Fewer(8.0), 8), "fewer than 8");
        assert!(in_words(Equivalent::Flat, 8).starts_with("not to be told"));
    }
}
