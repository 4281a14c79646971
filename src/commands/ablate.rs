//! `histogen ablate`: one ingredient of the paper's system varied, everything else equal.

use std::path::Path;
use std::time::Instant;

use super::dashboard::is_possible;
use super::progress::duration;
use super::reproduce::{conduct, no_cell_failed};
use super::session::configure;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Ablate;
use crate::config::Config;
use crate::error::unknown_name;
use crate::experiment::ABLATIONS;
use crate::report::{self, Record};

pub(super) fn run(arguments: &Ablate) -> Outcome {
    let known = ABLATIONS.iter().map(|(name, _)| *name);
    let Some((_, experiment)) = ABLATIONS.iter().find(|(name, _)| *name == arguments.what) else {
        return Err(unknown_name("ablation", &arguments.what, known));
    };
    let settings = &arguments.settings;
    let config = configure(experiment, settings, arguments.seeds.as_deref())?;
    let folder = Record::folder(&settings.out, &config.name);
    Tracking::during(&config, settings, &folder, |tracking| {
        ablate(&config, arguments, &folder, tracking)
    })
}

fn ablate(config: &Config, arguments: &Ablate, folder: &Path, tracking: &Tracking) -> Outcome {
    let start = Instant::now();
    let settings = &arguments.settings;
    let dashboard = is_possible(arguments.dashboard);
    let (record, complete) = conduct(config, &[&report::ABLATION], settings, tracking, dashboard)?;
    let (definition, table, figures) = report::ablation(&record, &settings.out, folder)?;
    println!("{}", table.terminal());
    let tables = report::write(definition, &table, folder)?;
    for path in tables.iter().chain(&figures) {
        eprintln!("wrote `{}`", path.display());
    }
    eprintln!("{} in all", duration(start.elapsed()));
    let complete = complete && no_cell_failed(&table);
    Ok(if complete { Answer::Yes } else { Answer::No })
}
