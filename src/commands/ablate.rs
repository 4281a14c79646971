//! `histogen ablate`: one ingredient of the paper's system varied, everything else equal.

use super::dashboard::is_possible;
use super::jobs::{self, several};
use super::report::Tables;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Ablate;
use crate::config::Config;
use crate::error::unknown_name;
use crate::experiment::{self, ABLATIONS, Asked, Role};
use crate::report::duration;
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Ablate) -> Outcome {
    let known = ABLATIONS.iter().map(|(name, _)| *name);
    let Some((_, experiment)) = ABLATIONS.iter().find(|(name, _)| *name == arguments.what) else {
        return Err(unknown_name("ablation", &arguments.what, known));
    };
    let settings = &arguments.settings;
    let config = configure(experiment, settings, arguments.seeds.as_deref())?;
    let mut tables = Tables::new(arguments.json);
    let answer = if let Some(jobs) = several(arguments.jobs) {
        jobs::run(&config, Some(&Asked::Ablation), jobs, settings, &mut tables)?
    } else {
        ablate(&config, arguments, &mut tables)?
    };
    tables.end()?;
    Ok(answer)
}

fn ablate(config: &Config, arguments: &Ablate, tables: &mut Tables) -> Outcome {
    let settings = &arguments.settings;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    during(Role::Whole, config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, is_possible(arguments.dashboard));
        let outcome = experiment::ablate(config, &workspace, &mut reporter)?;
        let is_whole = tables.print(outcome)?;
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(is_whole))
    })
}
