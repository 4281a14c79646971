//! `histogen evaluate`: any two sets of images, useful on its own.

use std::path::Path;

use super::session::{configure, feature_cache};
use super::{Answer, Outcome, sample};
use crate::cli::Evaluate;
use crate::data::{PatchStore, Split, read_whole};
use crate::device;
use crate::error::{Result, refuse};
use crate::evaluation::{Bench, Reference};
use crate::images::Pixels;
use crate::metrics;
use crate::random::Random;
use crate::report::{Cell, Column, Row, Table};
use crate::samples;
use crate::tracker::ScoreRecord;

pub(super) fn run(arguments: &Evaluate) -> Outcome {
    let settings = &arguments.settings;
    metrics::select(&arguments.metrics)?;
    let config = configure("table1", settings, None)?;
    let seed = config.evaluation.seed;
    let real = images(&arguments.real, arguments.images, None, seed)?;
    let generated = images(
        &arguments.generated,
        arguments.images,
        Some(real.count),
        seed,
    )?;
    let name = arguments
        .real
        .file_name()
        .unwrap_or(arguments.real.as_os_str());
    let reference = Reference {
        name: name.to_string_lossy().into_owned(),
        images: real,
    };
    let cache = feature_cache(&settings.out);
    let bench = Bench::new(
        &config.evaluation,
        &arguments.metrics,
        reference,
        &device::cpu(),
        &cache,
    )?;
    let scores: Vec<ScoreRecord> = bench
        .measure(&generated)?
        .into_iter()
        .filter(|score| is_asked_for(score, &arguments.metrics))
        .collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&scores)?);
    } else {
        println!("{}", table(&scores)?.terminal());
    }
    let failed = scores.iter().any(|score| score.value.is_none());
    Ok(if failed { Answer::No } else { Answer::Yes })
}

/// A score counts as asked for by its own name, by its family's, or when nothing was named.
fn is_asked_for(score: &ScoreRecord, names: &[String]) -> bool {
    names.is_empty()
        || names.contains(&score.name)
        || (names.contains(&score.protocol.metric)
            && metrics::definition(&score.protocol.metric).is_none())
}

/// The images of a run, a patch store or a folder: `count` of them, or `otherwise`, or all.
fn images(
    path: &Path,
    count: Option<usize>,
    otherwise: Option<usize>,
    seed: u64,
) -> Result<Pixels> {
    if path.join("config.toml").exists() {
        let Some(count) = count.or(otherwise) else {
            return Err(refuse(
                format!(
                    "`{}` is a run: it can make any number of images",
                    path.display()
                ),
                "say how many with `--images N`",
            ));
        };
        return samples::draw(sample::load(path)?.as_ref(), count, seed, &mut |_| {});
    }
    let all = if path.join("store.toml").exists() {
        let store = PatchStore::open(path)?;
        store.read(&store.indices(Split::Test))
    } else {
        read_whole(path)?
    };
    let Some(count) = count else {
        return Ok(all);
    };
    if count > all.count {
        return Err(refuse(
            format!(
                "`{}` has {} images, `--images` asks for {count}",
                path.display(),
                all.count
            ),
            format!("ask for {} or fewer", all.count),
        ));
    }
    let chosen = Random::new(seed)
        .stream("evaluated images")
        .choose(all.count, count);
    Ok(all.select(&chosen))
}

fn table(scores: &[ScoreRecord]) -> Result<Table> {
    let columns = vec![Column::new("value", None), Column::new("protocol", None)];
    let mut table = Table::new("Evaluation", "score", columns);
    for score in scores {
        let value = match (score.value, score.spread) {
            (Some(value), Some(spread)) => {
                Cell::Text(format!("{value:.6} (sd over subsets {spread:.6})"))
            }
            (Some(value), None) => Cell::Text(format!("{value:.6}")),
            (None, _) => Cell::Failed(score.failure.clone()),
        };
        table.push(Row {
            name: score.name.clone(),
            reference: false,
            cells: vec![value, Cell::Text(score.protocol_id.clone())],
        })?;
        let sentence = score.protocol.describe();
        if !table.caption.contains(&sentence) {
            table.caption.push(sentence);
        }
    }
    Ok(table)
}
