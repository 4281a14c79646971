//! `histogen reproduce`: everything from nothing to the tables.

use super::dashboard::is_possible;
use super::progress::duration;
use super::report::print;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Reproduce;
use crate::experiment::{self, DOWNSTREAM};
use crate::report::{self, TABLES, TableDefinition};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let tables: Vec<&TableDefinition> = match arguments.table.as_str() {
        "all" => TABLES.iter().collect(),
        DOWNSTREAM => Vec::new(),
        name => vec![report::find(name)?],
    };
    let settings = &arguments.settings;
    let is_downstream = arguments.table == DOWNSTREAM;
    let own = if is_downstream {
        DOWNSTREAM
    } else {
        TABLES[0].name
    };
    let experiment = arguments.experiment.as_deref().unwrap_or(own);
    let config = configure(experiment, settings, arguments.seeds.as_deref())?;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    Tracking::during(&config, settings, &reports, |tracking| {
        let mut reporter = Terminal::tracked(tracking, is_possible(arguments.dashboard));
        let outcome = if is_downstream {
            experiment::reproduce_downstream(&config, &workspace, &mut reporter)?
        } else {
            experiment::reproduce(&config, &tables, &workspace, &mut reporter)?
        };
        print(&outcome);
        if !is_downstream {
            let samples = workspace.samples(&config.name);
            eprintln!("sample grids: `{}`", samples.display());
        }
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(outcome.complete))
    })
}
