//! The table and the figures of an ablation.

use std::path::{Path, PathBuf};

use super::figure::{Bar, Curve, bars, curves};
use super::{Cell, Record, Table, TableDefinition, render};
use crate::error::Result;
use crate::tracker::{Event, Ledger};

/// What the table of an ablation shows.
pub const ABLATION: TableDefinition = TableDefinition {
    name: "ablation",
    title: "Ablation",
    scores: &["fid", "kid", "precision", "recall", "f1"],
    optional: &[],
    remark: "",
};
/// Points of a reward's curve: each is the mean over as many steps.
const POINTS: usize = 45;

/// Renders the table of an ablation, and draws its first score over its rows and the rewards over the training into
/// `folder`. Returns the table, with a sentence on each reward in its caption, and the paths of the figures.
///
/// Fails if a ledger is missing, or if two numbers of a column were measured under different protocols.
pub fn ablation(
    record: &Record,
    out: &Path,
    folder: &Path,
) -> Result<(&'static TableDefinition, Table, Vec<PathBuf>)> {
    let mut table = render(&ABLATION, record, out)?;
    table.title.clone_from(&record.question);
    let score = table.columns()[0].title.clone();
    let mut points = Vec::new();
    let mut reference = None;
    for row in table.rows() {
        let Cell::Number { mean, spread, .. } = row.cells[0] else {
            continue;
        };
        if !row.reference {
            points.push(Bar {
                label: row.name.clone(),
                mean,
                spread,
            });
        } else if reference.is_none() {
            reference = Some((row.name.clone(), mean));
        }
    }
    let mut paths = Vec::new();
    if !points.is_empty() {
        let path = folder.join("ablation.png");
        let reference = reference
            .as_ref()
            .map(|(name, value)| (name.as_str(), *value));
        bars(&path, &record.question, &score, &points, reference)?;
        paths.push(path);
    }
    let rewards = Rewards::read(record, out)?;
    paths.extend(rewards.draw(folder)?);
    table.caption.extend(rewards.sentences);
    Ok((&ABLATION, table, paths))
}

/// The similarities over the training of an experiment.
#[derive(Default)]
pub struct Rewards {
    /// One of every row that was rewarded, the mean over its seeds.
    curves: Vec<Curve>,
    /// Whether it rises, a sentence on each.
    pub sentences: Vec<String>,
}

impl Rewards {
    /// What the ledgers of `record` say. Fails if one cannot be read.
    pub fn read(record: &Record, out: &Path) -> Result<Self> {
        let mut rewards = Self::default();
        let mut seen: Vec<&[PathBuf]> = Vec::new();
        for row in record.rows.iter().filter(|row| !row.reference) {
            if seen.contains(&row.ledgers.as_slice()) {
                continue;
            }
            seen.push(&row.ledgers);
            let mut seeds = Vec::new();
            for path in &row.ledgers {
                let points: Vec<(f64, f64)> = Ledger::read(&out.join(path))?
                    .into_iter()
                    .filter_map(|event| match event {
                        Event::Step { step, scalars } => {
                            Some((step as f64, *scalars.get("similarity")?))
                        }
                        _ => None,
                    })
                    .collect();
                if !points.is_empty() {
                    seeds.push(thinned(&points, POINTS));
                }
            }
            let Some(length) = seeds.iter().map(Vec::len).min() else {
                continue;
            };
            let mean = |place: usize, value: fn((f64, f64)) -> f64| {
                let values = seeds.iter().map(|points| value(points[place]));
                values.sum::<f64>() / seeds.len() as f64
            };
            let points: Vec<(f64, f64)> = (0..length)
                .map(|place| (mean(place, |point| point.0), mean(place, |point| point.1)))
                .collect();
            rewards.sentences.push(trend(&row.name, &seeds, &points));
            rewards.curves.push(Curve {
                label: row.name.clone(),
                points,
            });
        }
        Ok(rewards)
    }

    /// Draws them as figures 4 and 5 of arXiv 2409.20340; nothing if there are none.
    pub fn draw(&self, folder: &Path) -> Result<Option<PathBuf>> {
        if self.curves.is_empty() {
            return Ok(None);
        }
        let path = folder.join("rewards.png");
        let axes = ["step", "similarity (reward / w)"];
        curves(&path, "The reward over the training", axes, &self.curves)?;
        Ok(Some(path))
    }
}

/// At most `count` points, each the mean of as many neighbours.
fn thinned(points: &[(f64, f64)], count: usize) -> Vec<(f64, f64)> {
    let size = points.len().div_ceil(count).max(1);
    let mean = |chunk: &[(f64, f64)], value: fn(&(f64, f64)) -> f64| {
        chunk.iter().map(value).sum::<f64>() / chunk.len() as f64
    };
    points
        .chunks(size)
        .map(|chunk| (mean(chunk, |point| point.0), mean(chunk, |point| point.1)))
        .collect()
}

/// Whether a reward rises: the first and the last fifth of the training, and in how many seeds the last is higher.
fn trend(name: &str, seeds: &[Vec<(f64, f64)>], points: &[(f64, f64)]) -> String {
    let fifth = |points: &[(f64, f64)]| (points.len() / 5).max(1);
    let mean = |points: &[(f64, f64)]| {
        points.iter().map(|point| point.1).sum::<f64>() / points.len() as f64
    };
    let ends = |points: &[(f64, f64)]| {
        let length = fifth(points);
        (
            mean(&points[..length]),
            mean(&points[points.len() - length..]),
        )
    };
    let (first, last) = ends(points);
    let risen = seeds
        .iter()
        .map(|points| ends(points))
        .filter(|(first, last)| last > first)
        .count();
    let verb = if last > first { "rises" } else { "falls" };
    format!(
        "Similarity under {name} {verb} from {first:.3} in the first fifth of the training to {last:.3} in the last; higher at \
         the end in {risen} of {} seeds.",
        seeds.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_compares_the_ends() {
        let up: Vec<(f64, f64)> = (0..50)
            .map(|x| (f64::from(x), f64::from(x) / 100.0))
            .collect();
        let down: Vec<(f64, f64)> = up.iter().map(|&(x, y)| (x, 0.4 - y / 2.0)).collect();
        let middle: Vec<(f64, f64)> = up
            .iter()
            .zip(&down)
            .map(|(a, b)| (a.0, f64::midpoint(a.1, b.1)))
            .collect();
        assert_eq!(
            trend("it", &[up, down], &middle),
            "Similarity under it rises from 0.211 in the first fifth of the training to 0.311 in the last; higher at the end \
             in 1 of 2 seeds."
        );
    }

    #[test]
    fn thinning_averages_neighbours() {
        let points: Vec<(f64, f64)> = (1..=10).map(|x| (f64::from(x), f64::from(2 * x))).collect();
        let found = thinned(&points, 4);
        assert_eq!(found, [(2.0, 4.0), (5.0, 10.0), (8.0, 16.0), (10.0, 20.0)]);
        assert_eq!(thinned(&points, 45), points);
    }
}
