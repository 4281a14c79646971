//! `histogen evaluate`: any two sets of images, or of features made elsewhere; useful on its own.

use std::path::Path;

use super::settings::configure_otherwise;
use super::{Answer, Outcome};
use crate::cli::Evaluate;
use crate::config::Config;
use crate::error::{Result, refuse};
use crate::experiment::{
    Compared, Comparison, Transfer, compare, comparison_table, transfer, transfer_table,
};
use crate::features::is_feature_file;
use crate::metrics;
use crate::workspace::Workspace;

/// The profile without `--profile`: the settings of the literature.
const PROFILE: &str = "paper";

pub(super) fn run(arguments: &Evaluate) -> Outcome {
    metrics::select(&arguments.metrics)?;
    let settings = &arguments.settings;
    let config = configure_otherwise(PROFILE, "table1", settings, None)?;
    if let Some(away) = &arguments.transfer {
        return across(arguments, away, &config);
    }
    if is_feature_file(&arguments.generated) && is_feature_file(&arguments.real) {
        refuse_extractor(arguments)?;
    }
    let comparison = Comparison {
        generated: &arguments.generated,
        real: &arguments.real,
        metrics: &arguments.metrics,
        images: arguments.images,
        split: arguments.split.as_deref(),
        repeat: arguments.repeat,
    };
    let scores = compare(&config, &comparison, &Workspace::new(&settings.out))?;
    let mut warnings: Vec<&str> = Vec::new();
    for Compared { score, .. } in &scores {
        if !score.warning.is_empty() && !warnings.contains(&score.warning.as_str()) {
            eprintln!("warning: {}", score.warning);
            warnings.push(&score.warning);
        }
    }
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&scores)?);
    } else {
        println!("{}", comparison_table(&scores)?.terminal());
    }
    let mut failures = scores.iter().map(|compared| &compared.score.failure);
    Ok(Answer::of(failures.all(String::is_empty)))
}

/// Measures at home and away.
fn across(arguments: &Evaluate, away: &Path, config: &Config) -> Outcome {
    if arguments.repeat != 1 || arguments.split.is_some() {
        return Err(refuse(
            "`--repeat` and `--split` have no meaning with `--transfer`: home is the test split, and one draw is measured",
            "leave them out",
        ));
    }
    let request = Transfer {
        generated: &arguments.generated,
        home: &arguments.real,
        away,
        snn: arguments.snn.as_deref(),
        metrics: &arguments.metrics,
        images: arguments.images,
    };
    let record = transfer(config, &request, &Workspace::new(&arguments.settings.out))?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&record)?);
    } else {
        println!("{}", transfer_table(&record)?.terminal());
    }
    Ok(Answer::of(record.is_complete()))
}

/// Refuses an extractor for files of features.
fn refuse_extractor(arguments: &Evaluate) -> Result<()> {
    let settings = &arguments.settings;
    for (option, given) in [
        ("--features", settings.features.is_some()),
        ("--weights", settings.weights.is_some()),
    ] {
        if given {
            return Err(refuse(
                format!("`{option}` has no meaning for files of features: nothing is extracted"),
                format!("leave `{option}` out, or give images"),
            ));
        }
    }
    Ok(())
}
