//! The rewards over the training of an experiment, overall and of each class: figures 4 and 5 of arXiv 2409.20340.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Record;
use crate::error::Result;
use crate::tracker::{Event, Ledger};

/// Points of a curve: each is the mean over as many steps.
const POINTS: usize = 45;
/// The number of a step that is drawn; that of a class has the class's name behind it and a dot.
const SIMILARITY: &str = "similarity";

/// Steps and what was measured at them.
type Points = Vec<(f64, f64)>;

/// The similarities over the training of an experiment.
#[derive(Default)]
pub struct Rewards {
    /// Whether it rises, a sentence on each row and class.
    pub sentences: Vec<String>,
}

impl Rewards {
    /// What the ledgers of `record` say.
    ///
    /// # Errors
    /// Fails if one cannot be read.
    pub fn read(record: &Record, out: &Path) -> Result<Self> {
        let mut rewards = Self::default();
        let mut seen: Vec<&[PathBuf]> = Vec::new();
        for row in record.rows.iter().filter(|row| !row.reference) {
            if seen.contains(&row.ledgers.as_slice()) {
                continue;
            }
            seen.push(&row.ledgers);
            let mut by_class: BTreeMap<String, Vec<Points>> = BTreeMap::new();
            for path in &row.ledgers {
                for (class, points) in similarities(Ledger::read(&out.join(path))?) {
                    let seeds = by_class.entry(class).or_default();
                    seeds.push(thinned(&points, POINTS));
                }
            }
            for (class, seeds) in by_class {
                let points = mean_over(&seeds);
                let name = match class.as_str() {
                    "" => row.name.clone(),
                    class => format!("{} to images of class {class}", row.name),
                };
                rewards.sentences.push(trend(&name, &seeds, &points));
            }
        }
        Ok(rewards)
    }
}

/// The similarities in a ledger: of all images under an empty name; by class, if there are several.
fn similarities(events: Vec<Event>) -> BTreeMap<String, Points> {
    let mut found: BTreeMap<String, Points> = BTreeMap::new();
    for event in events {
        let Event::Step { step, scalars } = event else {
            continue;
        };
        for (name, value) in scalars {
            let Some(class) = name.strip_prefix(SIMILARITY) else {
                continue;
            };
            let class = class.trim_start_matches('.').to_owned();
            found.entry(class).or_default().push((step as f64, value));
        }
    }
    if found.len() == 2 {
        found.retain(|class, _| class.is_empty()); // the one class is all images
    }
    found
}

/// The curve whose points are the means over seeds, as far as all of them reach.
fn mean_over(seeds: &[Points]) -> Points {
    let length = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let mean = |place: usize, value: fn((f64, f64)) -> f64| {
        let values = seeds.iter().map(|points| value(points[place]));
        values.sum::<f64>() / seeds.len() as f64
    };
    (0..length)
        .map(|place| (mean(place, |point| point.0), mean(place, |point| point.1)))
        .collect()
}

/// At most `count` points, each the mean of as many neighbours.
fn thinned(points: &[(f64, f64)], count: usize) -> Points {
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
fn trend(name: &str, seeds: &[Points], points: &[(f64, f64)]) -> String {
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
    let counted = match seeds.len() {
        1 => String::new(),
        count => format!("; higher at the end in {risen} of {count} seeds"),
    };
    format!(
        "RewardModel under {name} {verb} from {first:.3} in the first fifth of the training to {last:.3} in the last{counted}."
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
            trend("it", std::slice::from_ref(&up), &up),
            "RewardModel under it rises from 0.045 in the first fifth of the training to 0.445 in the last."
        );
        assert_eq!(
            trend("it", &[up, down], &middle),
            "RewardModel under it rises from 0.211 in the first fifth of the training to 0.311 in the last; higher at the end \
             in 1 of 2 seeds."
        );
    }

    #[test]
    fn similarities_are_told_apart_by_class() {
        let step = |step: u64, numbers: &[(&str, f64)]| Event::Step {
            step,
            scalars: numbers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        };
        let both = [
            ("similarity", 0.5),
            ("similarity.benign", 0.4),
            ("similarity.invasive", 0.6),
        ];
        let events = vec![
            step(1, &both),
            step(2, &both[..2]),
            step(3, &[("critic_loss", 1.0)]),
        ];
        let found = similarities(events);
        assert_eq!(found[""], [(1.0, 0.5), (2.0, 0.5)]);
        assert_eq!(found["benign"], [(1.0, 0.4), (2.0, 0.4)]);
        assert_eq!(found["invasive"], [(1.0, 0.6)]);
        let one = similarities(vec![step(1, &both[..2])]);
        assert_eq!(one.keys().collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn thinning_averages_neighbours() {
        let points: Vec<(f64, f64)> = (1..=10).map(|x| (f64::from(x), f64::from(2 * x))).collect();
        let found = thinned(&points, 4);
        assert_eq!(found, [(2.0, 4.0), (5.0, 10.0), (8.0, 16.0), (10.0, 20.0)]);
        assert_eq!(thinned(&points, 45), points);
    }
}
