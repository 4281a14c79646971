//! `histogen list`: what there is.

use std::path::Path;

use super::{Answer, Outcome};
use crate::classifier::NETWORKS;
use crate::cli::List;
use crate::error::{Result, unknown_name};
use crate::experiment::{EXPERIMENTS, PROFILES, schema};
use crate::features::EXTRACTORS;
use crate::metrics::{self, Direction};
use crate::models::MODELS;
use crate::reward::Source;
use crate::run::state;
use crate::samplers::SAMPLERS;
use crate::tracker::{Event, Ledger};
use crate::workspace::{Workspace, run_folders};

/// What can be listed.
const KINDS: [&str; 9] = [
    "models",
    "samplers",
    "metrics",
    "features",
    "reward-models",
    "networks",
    "experiments",
    "settings",
    "runs",
];

pub(super) fn run(arguments: &List) -> Outcome {
    match arguments.what.as_str() {
        "models" => list_models(),
        "samplers" => list_samplers(),
        "metrics" => list_metrics(),
        "features" => {
            for entry in EXTRACTORS.all() {
                println!("{:21} {}", entry.name, entry.about);
            }
        }
        "reward-models" => {
            for (_, name, about) in Source::ALL {
                println!("{name:10} {about}");
            }
        }
        "networks" => {
            for network in NETWORKS.all() {
                println!("{:12} {}", network.name, network.about);
            }
        }
        "experiments" => {
            for experiment in EXPERIMENTS {
                println!("{}", experiment.name);
            }
            for (name, _) in PROFILES {
                println!("profile {name}");
            }
        }
        "settings" => list_settings(),
        "runs" => list_runs(&Workspace::new(&arguments.out).runs())?,
        other => return Err(unknown_name("list", other, KINDS)),
    }
    Ok(Answer::Yes)
}

fn list_models() {
    for model in MODELS.all() {
        println!("{:15} {}", model.name, model.paper);
        for (key, value) in (model.settings)() {
            println!("{:15}   models.{}.{key} = {value}", "", model.name);
        }
    }
}

fn list_samplers() {
    for sampler in SAMPLERS.all() {
        println!("{:10} {}", sampler.name, sampler.about);
        for (key, value) in (sampler.settings)() {
            println!("{:10}   samplers.{}.{key} = {value}", "", sampler.name);
        }
    }
}

fn list_metrics() {
    for score in metrics::definitions() {
        let better = match score.direction {
            Direction::Lower => "lower is better",
            Direction::Higher => "higher is better",
        };
        println!("{:12} {} ({better})", score.name, score.title);
    }
}

fn list_settings() {
    let schema = schema();
    let settings = schema.settings();
    let rows: Vec<[String; 4]> = settings
        .iter()
        .map(|setting| {
            let range = setting.range.map(ToString::to_string).unwrap_or_default();
            let unit = setting.range.map_or("", |range| range.unit).to_owned();
            [setting.key(), setting.default.to_string(), unit, range]
        })
        .collect();
    let widths = [0, 1, 2, 3].map(|column| {
        let lengths = rows.iter().map(|row| row[column].len());
        lengths.max().unwrap_or_default()
    });
    let line = |row: [&str; 4], about: &str| {
        for (cell, width) in row.iter().zip(widths) {
            print!("{cell:width$}  ");
        }
        println!("{about}");
    };
    line(["setting", "default", "unit", "range"], "");
    for (number, (setting, row)) in settings.iter().zip(&rows).enumerate() {
        if number == 0 || settings[number - 1].section != setting.section {
            println!();
        }
        line(row.each_ref().map(String::as_str), &setting.about);
    }
}

fn list_runs(folder: &Path) -> Result<()> {
    let paths = run_folders(folder);
    if paths.is_empty() {
        eprintln!("no runs in `{}`", folder.display());
    }
    for path in &paths {
        let state = state(path)?;
        let ledger = path.join("ledger.jsonl");
        let events = if ledger.exists() {
            Ledger::read(&ledger)?
        } else {
            Vec::new()
        };
        let score = events.iter().rev().find_map(|event| match event {
            Event::Evaluation(evaluation) => evaluation.scores.first().and_then(|score| {
                let (name, step, id) = (&score.name, evaluation.step, &score.protocol_id);
                Some(format!("{name} {:.4} at step {step} ({id})", score.value?))
            }),
            _ => None,
        });
        println!("{}  {state}  {}", path.display(), score.unwrap_or_default());
    }
    Ok(())
}
