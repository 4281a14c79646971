//! The scores of a comparison, and their table.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Result, refuse};
use crate::metrics;
use crate::report::{Column, Row, Summary, Table, TableCell};
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

/// The scores of one of several sets.
#[derive(Serialize)]
pub struct SetScores {
    /// The set, as it was given.
    pub set: PathBuf,
    /// Its scores.
    pub scores: Vec<Compared>,
}

impl SetScores {
    pub(super) fn once(set: &Path, scores: Vec<ScoreRecord>) -> Self {
        Self {
            set: set.to_owned(),
            scores: scores.into_iter().map(Compared::once).collect(),
        }
    }
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
pub fn is_asked_for(score: &ScoreRecord, names: &[String]) -> bool {
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
        table.push(Row {
            name: score.name.clone(),
            reference: false,
            cells: vec![cell(score, 6), TableCell::Text(score.protocol_id.clone())],
        })?;
        note(&mut table, score, None);
    }
    Ok(table)
}

/// The scores of several sets as one table, a row a set and a column a score, with how they were measured under it.
///
/// # Errors
/// Refuses a score that is not finite, and sets that were not measured alike.
pub fn sets_table(sets: &[SetScores]) -> Result<Table> {
    let mut names: Vec<&str> = Vec::new();
    for Compared { score, .. } in sets.iter().flat_map(|set| &set.scores) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let columns = names.iter().map(|name| {
        let title = metrics::definition(name).map_or(*name, |known| known.title);
        Column::new(title, None)
    });
    let mut table = Table::new("Evaluation", "set", columns.collect());
    refuse_unlike(sets)?;
    for SetScores { set, scores } in sets {
        let shown = set.display().to_string();
        let cells = names.iter().map(|name| {
            let found = scores.iter().find(|compared| compared.score.name == **name);
            found.map_or_else(
                || TableCell::Absent("not measured of this set".to_owned()),
                |compared| cell(&compared.score, 4),
            )
        });
        table.push(Row {
            name: shown.clone(),
            reference: false,
            cells: cells.collect(),
        })?;
        for Compared { score, .. } in scores {
            note(&mut table, score, Some(&shown));
        }
    }
    Ok(table)
}

/// Refuses sets of which one score has several protocols: they do not compare, and a column would say that they do.
fn refuse_unlike(sets: &[SetScores]) -> Result<()> {
    let mut first: Vec<(&Path, &ScoreRecord)> = Vec::new();
    for SetScores { set, scores } in sets {
        for Compared { score, .. } in scores.iter().filter(|one| one.score.value.is_some()) {
            let known = first.iter().find(|(_, known)| known.name == score.name);
            match known {
                Some((other, known)) if known.protocol_id != score.protocol_id => {
                    return Err(refuse(
                        format!(
                            "`{}` of `{}` and of `{}` do not compare. {} {}",
                            score.name,
                            other.display(),
                            set.display(),
                            known.protocol.describe(),
                            score.protocol.describe()
                        ),
                        "take as many images of each with `--images N`, or see each by itself with `--json` or `--csv`",
                    ));
                }
                Some(_) => {}
                None => first.push((set, score)),
            }
        }
    }
    Ok(())
}

/// A number with what is known of its spread, or why there is none.
fn cell(score: &ScoreRecord, decimals: usize) -> TableCell {
    let Some(value) = score.value else {
        return match score.absent.as_str() {
            "" => TableCell::Failed(score.failure.clone()),
            absent => TableCell::Absent(absent.to_owned()),
        };
    };
    let spread = score
        .spread
        .map(|spread| format!("{} {spread:.decimals$}", score.spread_of));
    let interval = score.interval.map(|(low, high)| {
        format!(
            "{low:.decimals$} to {high:.decimals$}: {}",
            score.interval_of
        )
    });
    let beside: Vec<String> = spread.into_iter().chain(interval).collect();
    TableCell::Text(match beside.as_slice() {
        [] => format!("{value:.decimals$}"),
        beside => format!("{value:.decimals$} ({})", beside.join("; ")),
    })
}

/// Says under a table how a score was measured, and what a reader must know of it.
fn note(table: &mut Table, score: &ScoreRecord, set: Option<&str>) {
    let mut sentences = vec![score.protocol.describe()];
    if !score.warning.is_empty() {
        sentences.push(match set {
            None => format!("Warning: {}.", score.warning),
            Some(set) => format!("Warning (`{set}`): {}.", score.warning),
        });
    }
    for sentence in sentences {
        if !table.notes.contains(&sentence) {
            table.notes.push(sentence);
        }
    }
}

/// The scores of several sets as CSV: a row a set and score.
///
/// # Errors
/// There is no memory for it.
pub fn comparison_csv(sets: &[SetScores]) -> Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "set",
        "score",
        "value",
        "spread",
        "spread_of",
        "low",
        "high",
        "interval_of",
        "why_none",
        "warning",
        "protocol",
    ])?;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for SetScores { set, scores } in sets {
        for Compared { score, .. } in scores {
            let reason = format!("{}{}", score.absent, score.failure);
            writer.write_record([
                &set.display().to_string(),
                &score.name,
                &number(score.value),
                &number(score.spread),
                &score.spread_of,
                &number(score.interval.map(|(low, _)| low)),
                &number(score.interval.map(|(_, high)| high)),
                &score.interval_of,
                &reason,
                &score.warning,
                &score.protocol_id,
            ])?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
