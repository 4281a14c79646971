//! The scores of a comparison, and their table.

use serde::Serialize;

use crate::error::Result;
use crate::metrics;
use crate::report::{Cell, Column, Row, Summary, Table};
use crate::tracker::ScoreRecord;

/// A score, over several sampling seeds if it was measured with several.
#[derive(Serialize)]
pub struct Compared {
    /// The score; of several seeds the mean, and their standard deviation as its spread.
    #[serde(flatten)]
    pub score: ScoreRecord,
    /// The sampling seeds, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<u64>,
    /// The number of each seed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
}

impl Compared {
    pub(super) fn once(score: ScoreRecord) -> Self {
        Self {
            score,
            seeds: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Every score over `seeds`, from the scores of each seed.
    pub(super) fn over_all(seeds: &[u64], measured: &[Vec<ScoreRecord>]) -> Result<Vec<Self>> {
        if let [once] = measured {
            return Ok(once.iter().cloned().map(Self::once).collect());
        }
        (0..measured[0].len())
            .map(|place| {
                let of_seeds = measured.iter().map(|scores| scores[place].clone());
                Self::over(seeds, &of_seeds.collect::<Vec<_>>())
            })
            .collect()
    }

    /// The mean of one score over `seeds`. One that failed fails it: a mean over the rest would hide it.
    fn over(seeds: &[u64], scores: &[ScoreRecord]) -> Result<Self> {
        let values: Vec<f64> = scores.iter().filter_map(|score| score.value).collect();
        if values.len() < scores.len() {
            let failed = scores.iter().find(|score| score.value.is_none());
            return Ok(Self::once(failed.unwrap_or(&scores[0]).clone()));
        }
        let summary = Summary::of(&values)?;
        let mut score = scores[0].clone();
        score.value = Some(summary.mean);
        score.spread = summary.deviation;
        score.spread_of = format!("standard deviation over {} sampling seeds", seeds.len());
        // Those of single measurements say nothing of their mean.
        score.interval = None;
        score.interval_of = String::new();
        Ok(Self {
            score,
            seeds: seeds.to_vec(),
            values,
        })
    }
}

/// A score counts as asked for by its own name, by its family's, or when nothing was named.
pub(in crate::experiment) fn is_asked_for(score: &ScoreRecord, names: &[String]) -> bool {
    names.is_empty()
        || names.contains(&score.name)
        || (names.contains(&score.protocol.metric)
            && metrics::definition(&score.protocol.metric).is_none())
}

/// Scores as a table, with how they were measured under it.
///
/// # Errors
/// Refuses a score that is not finite.
pub fn comparison_table(scores: &[Compared]) -> Result<Table> {
    let columns = vec![Column::new("value", None), Column::new("protocol", None)];
    let mut table = Table::new("Evaluation", "score", columns);
    for Compared { score, .. } in scores {
        let value = match score.value {
            Some(value) => {
                let spread = score
                    .spread
                    .map(|spread| format!("{} {spread:.6}", score.spread_of));
                let interval = score
                    .interval
                    .map(|(low, high)| format!("{low:.6} to {high:.6}: {}", score.interval_of));
                let beside: Vec<String> = spread.into_iter().chain(interval).collect();
                Cell::Text(match beside.as_slice() {
                    [] => format!("{value:.6}"),
                    beside => format!("{value:.6} ({})", beside.join("; ")),
                })
            }
            None if !score.absent.is_empty() => Cell::Absent(score.absent.clone()),
            None => Cell::Failed(score.failure.clone()),
        };
        table.push(Row {
            name: score.name.clone(),
            reference: false,
            cells: vec![value, Cell::Text(score.protocol_id.clone())],
        })?;
        let mut sentences = vec![score.protocol.describe()];
        if !score.warning.is_empty() {
            sentences.push(format!("Warning: {}.", score.warning));
        }
        for sentence in sentences {
            if !table.notes.contains(&sentence) {
                table.notes.push(sentence);
            }
        }
    }
    Ok(table)
}
