//! `histogen reproduce`: everything from nothing to the tables.

use super::dashboard::is_possible;
use super::jobs::{self, several};
use super::progress::duration;
use super::report::print;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Reproduce;
use crate::error::refuse;
use crate::experiment::{self, Asked, DOWNSTREAM, RELATED};
use crate::report::{self, TABLES, TableDefinition};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let related = RELATED.iter().find(|name| **name == arguments.table);
    let tables: Vec<&TableDefinition> = match (related, arguments.table.as_str()) {
        (Some(_), _) | (None, DOWNSTREAM) => Vec::new(),
        (None, "all") => TABLES.iter().collect(),
        (None, name) => vec![report::find(name)?],
    };
    let is_downstream = arguments.table == DOWNSTREAM;
    let experiment = match (related, &arguments.experiment) {
        (None, None) if is_downstream => DOWNSTREAM,
        (None, None) => TABLES[0].name,
        (None, Some(experiment)) => experiment,
        (Some(name), None) => name,
        (Some(name), Some(_)) => {
            return Err(refuse(
                format!("`{name}` is an experiment with a table of its own"),
                "leave out `--experiment`, or name a table: table1 to table4",
            ));
        }
    };
    let settings = &arguments.settings;
    let config = configure(experiment, settings, arguments.seeds.as_deref())?;
    if let Some(jobs) = several(arguments.jobs) {
        let names = || tables.iter().map(|table| table.name.to_owned()).collect();
        let asked = match related {
            Some(_) => Asked::Ablation,
            None => Asked::Tables(names()),
        };
        return jobs::run(&config, &asked, jobs, settings);
    }
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    Tracking::during(&config, settings, &reports, |tracking| {
        let mut reporter = Terminal::tracked(tracking, is_possible(arguments.dashboard));
        let outcome = if is_downstream {
            experiment::reproduce_downstream(&config, &workspace, &mut reporter)?
        } else if related.is_some() {
            experiment::ablate(&config, &workspace, &mut reporter)?
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
