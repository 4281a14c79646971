//! `histogen train`: one run.

use super::dashboard::is_possible;
use super::judges::Judges;
use super::session::{configure, diverged, last_grid, patches, train_run};
use super::tracking::Tracking;
use super::watch::Watched;
use super::{Answer, Outcome};
use crate::cli::Train;
use crate::config::{Config, System};
use crate::experiment::run_config;
use crate::models;
use crate::report::Record;

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
            ..System::default()
        },
    };
    if arguments.dry_run {
        print!("{}", config.for_system(&system)?.to_toml());
        return Ok(Answer::Yes);
    }
    let reports = Record::folder(&settings.out, &config.name);
    Tracking::during(&config, settings, &reports, |tracking| {
        train(&config, &system, arguments, tracking)
    })
}

fn train(config: &Config, system: &System, arguments: &Train, tracking: &Tracking) -> Outcome {
    let settings = &arguments.settings;
    let device = config.compute.open()?;
    let store = patches(config, &settings.out)?;
    let watched = Watched {
        label: format!("{} seed {}", system.name, arguments.seed),
        number: 1,
        count: 1,
        dashboard: is_possible(arguments.dashboard),
    };
    let judges = Judges::new(&store, settings, tracking, &device, watched.dashboard);
    let seed = arguments.seed;
    let run_config = run_config(config, system, seed, &store, &mut |config| {
        judges.of(config)
    })?;
    let trained = train_run(
        config,
        &run_config,
        &store,
        settings,
        tracking,
        &device,
        &watched,
    );
    let (run, _) = match trained {
        Ok(trained) => trained,
        Err(error) if diverged(&run_config, settings)? => {
            super::print_error(&error);
            return Ok(Answer::No);
        }
        Err(error) => return Err(error),
    };
    if let Some(grid) = last_grid(&run) {
        eprintln!("samples: `{}`", grid.display());
    }
    println!("{}", run.path().display());
    Ok(Answer::Yes)
}
