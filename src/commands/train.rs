//! `histogen train`: one run.

use std::path::PathBuf;

use super::dashboard::is_possible;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Train;
use crate::config::System;
use crate::experiment::{self, Role};
use crate::models::MODELS;
use crate::run::Run;
use crate::tracker::Event;
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Train) -> Outcome {
    let settings = &arguments.settings;
    let config = configure(&arguments.experiment, settings, None)?;
    let mut systems = config.systems.iter();
    let system = match systems.find(|system| system.name == arguments.model) {
        Some(system) => system.clone(),
        None => System {
            name: MODELS.find(&arguments.model)?.name.to_owned(),
            ..System::default()
        },
    };
    if arguments.dry_run {
        print!("{}", config.for_system(&system)?.to_toml());
        return Ok(Answer::Yes);
    }
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    during(Role::Whole, &config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, is_possible(arguments.dashboard));
        let seed = arguments.seed;
        let run = experiment::train(&config, &system, seed, &workspace, &mut reporter)?;
        let Some(run) = run else {
            return Ok(Answer::No);
        };
        if let Some(grid) = last_grid(&run) {
            eprintln!("samples: `{}`", grid.display());
        }
        println!("{}", run.path().display());
        Ok(Answer::Yes)
    })
}

/// The picture of a run's last samples.
fn last_grid(run: &Run) -> Option<PathBuf> {
    let mut events = run.ledger.events().iter().rev();
    events.find_map(|event| match event {
        Event::Samples { file, .. } => Some(run.path().join(file)),
        _ => None,
    })
}
