//! `histogen reproduce`: everything from nothing to the tables.

use super::dashboard::is_possible;
use super::jobs::{self, several};
use super::report::Tables;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Reproduce;
use crate::experiment::{Request, Role};
use crate::report::duration;
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let (mut complete, mut tables) = (true, Tables::new(arguments.json));
    for request in Request::of(&arguments.table, arguments.experiment.as_deref())? {
        complete &= carry_out(&request, arguments, &mut tables)? == Answer::Yes;
    }
    tables.end()?;
    Ok(Answer::of(complete))
}

fn carry_out(request: &Request, arguments: &Reproduce, tables: &mut Tables) -> Outcome {
    let settings = &arguments.settings;
    let config = configure(&request.experiment, settings, arguments.seeds.as_deref())?;
    if let Some(jobs) = several(arguments.jobs) {
        return jobs::run(&config, request.asked().as_ref(), jobs, settings, tables);
    }
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    during(Role::Whole, &config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, is_possible(arguments.dashboard));
        let outcome = request.carry_out(&config, &workspace, &mut reporter)?;
        let is_whole = tables.print(outcome)?;
        if request.kind.has_samples() {
            let samples = workspace.samples(&config.name);
            eprintln!("sample grids: `{}`", samples.display());
        }
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(is_whole))
    })
}
