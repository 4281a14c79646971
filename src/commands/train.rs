//! `histogen train`: one run.

use super::session::{configure, last_grid, patches, train_system};
use super::{Answer, Outcome};
use crate::cli::Train;
use crate::config::System;
use crate::models;

pub(super) fn run(arguments: &Train) -> Outcome {
    let settings = &arguments.settings;
    let config = configure(&arguments.experiment, settings, None)?;
    let system = config
        .systems
        .iter()
        .find(|system| system.name == arguments.model)
        .cloned();
    let system = match system {
        Some(system) => system,
        None => System {
            name: models::find(&arguments.model)?.name.to_owned(),
            model: String::new(),
            set: toml::Table::new(),
        },
    };
    if arguments.dry_run {
        print!("{}", config.for_system(&system)?.to_toml());
        return Ok(Answer::Yes);
    }
    let store = patches(&config, &settings.out)?;
    let label = format!("{} seed {}", system.name, arguments.seed);
    let (run, _) = train_system(&config, &system, arguments.seed, &store, settings, &label)?;
    if let Some(grid) = last_grid(&run) {
        eprintln!("samples: `{}`", grid.display());
    }
    println!("{}", run.path().display());
    Ok(Answer::Yes)
}
