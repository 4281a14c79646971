//! `histogen evaluate`: sets of images, or of features made elsewhere, against another; useful on its own.

use std::path::{Path, PathBuf};

use super::output::show;
use super::settings::configure_otherwise;
use super::{Answer, Outcome, transfer};
use crate::cli::Evaluate;
use crate::error::{Result, refuse};
use crate::experiment::{
    Compared, ComparedSet, SetComparison, SetScores, compare, comparison_csv, comparison_table,
    needs_extractor, sets_table,
};
use crate::metrics;
use crate::workspace::Workspace;

/// The profile without `--profile`: the settings of the literature.
const PROFILE: &str = "paper";

pub(super) fn run(arguments: &Evaluate) -> Outcome {
    metrics::select(&arguments.metrics)?;
    let settings = &arguments.settings;
    let config = configure_otherwise(PROFILE, "table1", settings, None)?;
    let (generated, real) = sides(arguments)?;
    if let Some(away) = &arguments.transfer {
        return transfer::run(arguments, generated, real, away, &config);
    }
    if settings.features.is_some() || settings.weights.is_some() {
        refuse_extractor(arguments, generated, real)?;
    }
    let generated: Vec<_> = generated
        .iter()
        .map(|path| ComparedSet::Path(path))
        .collect();
    let comparison = SetComparison {
        generated: &generated,
        real: ComparedSet::Path(real),
        metrics: &arguments.metrics,
        images: arguments.images,
        split: arguments.split.as_deref(),
        repeat: arguments.repeat,
    };
    let sets = compare(&config, &comparison, &Workspace::new(&settings.out))?;
    warn(&sets);
    let json = arguments.json;
    match (sets.as_slice(), &arguments.against) {
        (sets, _) if arguments.csv => print!("{}", comparison_csv(sets)?),
        ([only], None) => show(json, &only.scores, |scores| {
            Ok(comparison_table(scores)?.terminal())
        })?,
        (sets, _) => show(json, sets, |sets| Ok(sets_table(sets)?.terminal()))?,
    }
    let mut scores = sets.iter().flat_map(|set| &set.scores);
    Ok(Answer::of(
        scores.all(|compared| compared.score.failure.is_empty()),
    ))
}

/// What is measured, and against what.
fn sides(arguments: &Evaluate) -> Result<(&[PathBuf], &Path)> {
    match (arguments.sets.as_slice(), &arguments.against) {
        (sets, Some(real)) => Ok((sets, real)),
        ([generated, real], None) => Ok((std::slice::from_ref(generated), real)),
        (sets, None) => Err(refuse(
            format!(
                "{} sets are given, and not which of them the others are measured against",
                sets.len()
            ),
            "give two, or name it: `histogen evaluate A B C --against REAL`",
        )),
    }
}

/// Says what a reader must know of the numbers, each sentence once.
fn warn(sets: &[SetScores]) {
    let mut warnings: Vec<String> = Vec::new();
    for SetScores { set, scores } in sets {
        for Compared { score, .. } in scores {
            let warning = match sets.len() {
                1 => score.warning.clone(),
                _ => format!("`{}`: {}", set.display(), score.warning),
            };
            if !score.warning.is_empty() && !warnings.contains(&warning) {
                eprintln!("warning: {warning}");
                warnings.push(warning);
            }
        }
    }
}

/// Refuses an extractor for files of features and statistics.
fn refuse_extractor(arguments: &Evaluate, generated: &[PathBuf], real: &Path) -> Result<()> {
    let paths = generated.iter().map(PathBuf::as_path).chain([real]);
    if needs_extractor(paths)? {
        return Ok(());
    }
    let option = match arguments.settings.features {
        Some(_) => "--features",
        None => "--weights",
    };
    Err(refuse(
        format!("`{option}` has no meaning for files of features: nothing is extracted"),
        format!("leave `{option}` out, or give images"),
    ))
}
