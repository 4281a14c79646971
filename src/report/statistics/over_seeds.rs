//! The statistics over seeds behind a table of results, a table for each of its scores.

use super::paired::MOST_FOR_EXACT_TEST;
use super::{
    LEAST_FOR_BOOTSTRAP, Paired, bootstrap_interval, holm, interquartile_mean,
    probability_of_improvement,
};
use crate::error::Result;
use crate::metrics::Direction;
use crate::report::table::paired;
use crate::report::{Column, Row, Table, TableCell};

/// Decimal places of probabilities.
const DIGITS: usize = 3;

/// A table for each competing column of `table` that has numbers of several seeds: mean and interquartile mean with their
/// intervals, and the differences to the row `baseline`, if it is there with the same seeds.
///
/// # Errors
/// Refuses numbers that are not finite.
pub(super) fn over_seeds(table: &Table, baseline: &str) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for (index, column) in table.columns().iter().enumerate() {
        let rows = table.rows().iter().filter(|row| !row.reference);
        let rows: Vec<(&str, &TableCell)> = rows
            .map(|row| (row.name.as_str(), &row.cells[index]))
            .collect();
        let several = |cell: &TableCell| matches!(cell, TableCell::Number { n, .. } if *n > 1);
        if let Some(direction) = column.direction
            && rows.iter().any(|(_, cell)| several(cell))
        {
            let baseline = rows
                .iter()
                .find(|(name, cell)| *name == baseline && several(cell));
            tables.push(of_column(
                &column.title,
                direction,
                &rows,
                baseline.copied(),
            )?);
        }
    }
    Ok(tables)
}

fn of_column(
    score: &str,
    direction: Direction,
    rows: &[(&str, &TableCell)],
    baseline: Option<(&str, &TableCell)>,
) -> Result<Table> {
    // The columns.
    let counts = rows
        .iter()
        .filter_map(|(_, cell)| values(cell).map(<[f64]>::len));
    let (least, most) = (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0));
    let with_bootstrap = most >= LEAST_FOR_BOOTSTRAP;
    let mut columns = vec![
        Column::new("n", None),
        Column::new("mean", None),
        Column::new("95 % interval", None),
        Column::new("IQM", None),
    ];
    if with_bootstrap {
        columns.push(Column::new("95 % interval of IQM", None));
    }
    let own = columns.len();
    if let Some((name, _)) = baseline {
        let group = format!("against {name}");
        let mut titles = vec!["difference", "95 % interval", "P(better)"];
        if with_bootstrap {
            titles.push("95 % interval of P");
        }
        titles.extend(["p", "p (Holm)"]);
        columns.extend(
            titles
                .iter()
                .map(|title| Column::new(*title, None).in_group(&group)),
        );
    }
    // The differences, and their tests together.
    let differences: Vec<Option<Paired>> = rows
        .iter()
        .map(|(name, cell)| {
            let (other, baseline) = baseline?;
            (*name != other).then(|| paired(cell, baseline)).flatten()
        })
        .collect();
    let p_values = differences.iter().filter_map(|paired| paired.as_ref()?.p);
    let mut corrected = holm(&p_values.collect::<Vec<_>>()).into_iter();
    // The rows.
    let mut table = Table::new(format!("{score} over seeds"), "system", columns);
    for ((name, cell), difference) in rows.iter().zip(&differences) {
        let Some(numbers) = values(cell) else {
            let cells = vec![(*cell).clone(); table.columns().len()];
            table.push(row(name, cells))?;
            continue;
        };
        let mut cells = of_itself(cell, numbers, with_bootstrap);
        if let Some((other, baseline)) = baseline {
            match difference {
                _ if *name == other => cells.resize(table.columns().len(), TableCell::Missing),
                None => {
                    let why = format!("not trained with the seeds of {other}");
                    cells.resize(table.columns().len(), TableCell::Absent(why));
                }
                Some(difference) => {
                    let others = values(baseline).unwrap_or_default();
                    let p = (difference.p, difference.p.and_then(|_| corrected.next()));
                    cells.extend(against(
                        difference,
                        digits(cell),
                        p,
                        (numbers, others),
                        direction,
                        with_bootstrap,
                    ));
                }
            }
        }
        debug_assert!(cells.len() >= own);
        table.push(row(name, cells))?;
    }
    table.notes = notes(least, most, baseline.map(|(name, _)| name), direction);
    Ok(table)
}

pub(super) fn row(name: &str, cells: Vec<TableCell>) -> Row {
    Row {
        name: name.to_owned(),
        reference: false,
        cells,
    }
}

/// The number of each seed.
fn values(cell: &TableCell) -> Option<&[f64]> {
    match cell {
        TableCell::Number { values, .. } => Some(values),
        _ => None,
    }
}

pub(super) fn digits(cell: &TableCell) -> usize {
    match cell {
        TableCell::Number { digits, .. } => *digits,
        _ => 0,
    }
}

pub(super) fn derived(value: f64, digits: usize) -> TableCell {
    TableCell::Derived {
        value,
        shown: format!("{value:.digits$}"),
    }
}

/// Both ends of an interval; it sorts by the lower one.
pub(super) fn ends(interval: Option<(f64, f64)>, digits: usize, why_not: &str) -> TableCell {
    match interval {
        Some((low, high)) => TableCell::Derived {
            value: low,
            shown: format!("{low:.digits$} to {high:.digits$}"),
        },
        None => TableCell::Absent(why_not.to_owned()),
    }
}

/// Why there is no bootstrap interval.
fn too_few() -> String {
    format!("fewer than {LEAST_FOR_BOOTSTRAP} seeds")
}

/// Count, mean and interquartile mean of a row.
fn of_itself(cell: &TableCell, numbers: &[f64], with_bootstrap: bool) -> Vec<TableCell> {
    let digits = digits(cell);
    let (mean, interval) = match cell {
        TableCell::Number { mean, interval, .. } => (*mean, *interval),
        _ => return Vec::new(),
    };
    let mut cells = vec![
        derived(numbers.len() as f64, 0),
        derived(mean, digits),
        ends(interval, digits, "one seed"),
        derived(interquartile_mean(numbers), digits),
    ];
    if with_bootstrap {
        let interval = bootstrap_interval(&[numbers], |drawn| interquartile_mean(&drawn[0]));
        cells.push(ends(interval, digits, &too_few()));
    }
    cells
}

/// A row against the baseline, with its p and that of Holm.
fn against(
    difference: &Paired,
    digits: usize,
    (p, corrected): (Option<f64>, Option<f64>),
    (own, other): (&[f64], &[f64]),
    direction: Direction,
    with_bootstrap: bool,
) -> Vec<TableCell> {
    let improvement =
        |own: &[f64], other: &[f64]| probability_of_improvement(own, other, direction);
    // A difference may be much smaller than what it is the difference of.
    let (low, high) = difference.summary.interval.unwrap_or_default();
    let largest = low.abs().max(high.abs());
    let digits = if largest > 0.0 {
        digits.max((2 - largest.log10().floor() as i32).clamp(0, 12) as usize)
    } else {
        digits
    };
    let mut cells = vec![
        derived(difference.summary.mean, digits),
        ends(difference.summary.interval, digits, "one seed"),
        derived(improvement(own, other), 2),
    ];
    if with_bootstrap {
        let interval = bootstrap_interval(&[own, other], |drawn| improvement(&drawn[0], &drawn[1]));
        cells.push(ends(interval, 2, &too_few()));
    }
    let no_test = format!("more than {MOST_FOR_EXACT_TEST} seeds: their signs are not all tried");
    cells.extend([p, corrected].map(|p| match p {
        Some(p) => derived(p, DIGITS),
        None => TableCell::Absent(no_test.clone()),
    }));
    cells
}

fn notes(least: usize, most: usize, baseline: Option<&str>, direction: Direction) -> Vec<String> {
    let mut notes = vec![
        "Seeds are the unit. 95 % intervals are Student's t. IQM: interquartile mean (Agarwal et al. 2021); of fewer than four \
         seeds it is the mean."
            .to_owned(),
    ];
    if least < LEAST_FOR_BOOTSTRAP {
        notes.push(format!(
            "No bootstrap interval for fewer than {LEAST_FOR_BOOTSTRAP} seeds: it would hold the truth less often than 95 % of \
             the time."
        ));
    }
    if let Some(name) = baseline {
        let better = match direction {
            Direction::Lower => "negative",
            Direction::Higher => "positive",
        };
        notes.push(format!(
            "Difference: to {name}, seed by seed; {better} is better than {name}. P(better): how often a seed of the system is \
             better than one of {name}."
        ));
        let smallest = 2.0 / (1u64 << most.min(MOST_FOR_EXACT_TEST)) as f64;
        let bound = if smallest > 0.001 {
            format!(" With {most} seeds p cannot be below {smallest:.3}.")
        } else {
            String::new()
        };
        notes.push(format!(
            "p: exact sign-flip test, two-sided; Holm's correction over the rows.{bound}"
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Summary;

    fn cell(values: &[f64], first_seed: u64) -> TableCell {
        let summary = Summary::of(values).unwrap();
        TableCell::Number {
            mean: summary.mean,
            spread: summary.deviation,
            interval: summary.interval,
            over_images: None,
            n: values.len(),
            values: values.to_vec(),
            seeds: (first_seed..).take(values.len()).collect(),
            digits: 2,
            protocol: "aaaaaaaa".to_owned(),
        }
    }

    fn table(rows: Vec<(&str, TableCell)>) -> Table {
        let columns = vec![Column::new("FID", Some(Direction::Lower))];
        let mut table = Table::new("Table 1: FID", "system", columns);
        for (name, cell) in rows {
            table.push(row(name, vec![cell])).unwrap();
        }
        table
    }

    #[test]
    fn rows_are_compared_with_the_baseline() {
        let table = table(vec![
            ("dcgan", cell(&[3.0, 5.0, 7.0], 0)),
            ("lsgan", cell(&[1.0, 1.0, 4.0], 0)),
            ("sngan", cell(&[1.0, 1.0, 4.0], 5)),
            ("ddpm", TableCell::Failed("seed 1 diverged".to_owned())),
            ("rl-eo", cell(&[2.0, 3.0, 4.0], 0)),
        ]);
        let found = over_seeds(&table, "rl-eo").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            found[0].markdown(),
            "**FID over seeds**

| system | n | mean | 95 % interval | IQM | difference (against rl-eo) | 95 % interval (against rl-eo) | P(better) (against rl-eo) | p (against rl-eo) | p (Holm) (against rl-eo) |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| dcgan | 3 | 5.00 | 0.03 to 9.97 | 5.00 | 2.00 | -0.48 to 4.48 | 0.17 | 0.250 | 0.500 |
| lsgan | 3 | 2.00 | -2.30 to 6.30 | 2.00 | -1.00 | -3.48 to 1.48 | 0.72 | 0.500 | 0.500 |
| sngan | 3 | 2.00 | -2.30 to 6.30 | 2.00 | - [1] | - [1] | - [1] | - [1] | - [1] |
| ddpm | failed [2] | failed [2] | failed [2] | failed [2] | failed [2] | failed [2] | failed [2] | failed [2] | failed [2] |
| rl-eo | 3 | 3.00 | 0.52 to 5.48 | 3.00 | - | - | - | - | - |

Seeds are the unit. 95 % intervals are Student's t. IQM: interquartile mean (Agarwal et al. 2021); of fewer than four seeds it is the mean.

No bootstrap interval for fewer than 20 seeds: it would hold the truth less often than 95 % of the time.

Difference: to rl-eo, seed by seed; negative is better than rl-eo. P(better): how often a seed of the system is better than one of rl-eo.

p: exact sign-flip test, two-sided; Holm's correction over the rows. With 3 seeds p cannot be below 0.250.

[1] not trained with the seeds of rl-eo.

[2] seed 1 diverged.
"
        );
    }

    #[test]
    fn one_seed_has_no_statistics_and_twenty_have_bootstrap_intervals() {
        let one = table(vec![("dcgan", cell(&[3.0], 0)), ("rl-eo", cell(&[2.0], 0))]);
        assert_eq!(over_seeds(&one, "rl-eo").unwrap(), []);
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let shifted: Vec<f64> = values.iter().map(|value| value + 10.0).collect();
        let many = table(vec![
            ("dcgan", cell(&shifted, 0)),
            ("rl-eo", cell(&values, 0)),
        ]);
        let found = over_seeds(&many, "rl-eo").unwrap();
        let titles: Vec<&str> = found[0]
            .columns()
            .iter()
            .map(|column| column.title.as_str())
            .collect();
        assert!(titles.contains(&"95 % interval of IQM") && titles.contains(&"95 % interval of P"));
        assert!(
            found[0]
                .notes
                .iter()
                .all(|note| !note.contains("bootstrap"))
        );
    }
}
