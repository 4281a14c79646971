//! `histogen list`: what there is.

use std::path::Path;

use super::{Answer, Outcome};
use crate::cli::List;
use crate::error::{Result, unknown_name};
use crate::experiment::{EXPERIMENTS, PROFILES};
use crate::features::EXTRACTORS;
use crate::metrics::{self, Direction};
use crate::models::MODELS;
use crate::run::state;
use crate::snn::Source;
use crate::tracker::{Event, Ledger};
use crate::workspace::run_folders;

/// What can be listed.
const KINDS: [&str; 6] = [
    "models",
    "metrics",
    "features",
    "similarities",
    "experiments",
    "runs",
];

pub(super) fn run(arguments: &List) -> Outcome {
    match arguments.what.as_str() {
        "models" => list_models(),
        "metrics" => list_metrics(),
        "features" => {
            for entry in EXTRACTORS.all() {
                println!("{:21} {}", entry.name, entry.about);
            }
        }
        "similarities" => {
            for (_, name, about) in Source::ALL {
                println!("{name:10} {about}");
            }
        }
        "experiments" => {
            for (name, _) in EXPERIMENTS {
                println!("{name}");
            }
            for (name, _) in PROFILES {
                println!("profile {name}");
            }
        }
        "runs" => list_runs(&arguments.out.join("runs"))?,
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

fn list_metrics() {
    for score in metrics::definitions() {
        let better = match score.direction {
            Direction::Lower => "lower is better",
            Direction::Higher => "higher is better",
        };
        println!("{:12} {} ({better})", score.name, score.title);
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
