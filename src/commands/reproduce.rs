//! `histogen reproduce`: everything from nothing to the tables.

use super::dashboard::is_possible;
use super::progress::duration;
use super::report::print;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Reproduce;
use crate::error::refuse;
use crate::experiment::{self, STUDIES};
use crate::report::{self, TABLES, TableDefinition};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let study = STUDIES.iter().find(|study| **study == arguments.table);
    let tables: Vec<&TableDefinition> = match (study, arguments.table.as_str()) {
        (Some(_), _) => Vec::new(),
        (None, "all") => TABLES.iter().collect(),
        (None, name) => vec![report::find(name)?],
    };
    let experiment = match (study, &arguments.experiment) {
        (None, None) => "table1",
        (None, Some(experiment)) => experiment,
        (Some(study), None) => study,
        (Some(study), Some(_)) => {
            return Err(refuse(
                format!("`{study}` is an experiment with a table of its own"),
                "leave out `--experiment`, or name a table: table1 to table4",
            ));
        }
    };
    let settings = &arguments.settings;
    let config = configure(experiment, settings, arguments.seeds.as_deref())?;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(&config.name);
    Tracking::during(&config, settings, &reports, |tracking| {
        let mut reporter = Terminal::tracked(tracking, is_possible(arguments.dashboard));
        let outcome = match study {
            Some(_) => experiment::ablate(&config, &workspace, &mut reporter)?,
            None => experiment::reproduce(&config, &tables, &workspace, &mut reporter)?,
        };
        print(&outcome);
        let samples = workspace.samples(&config.name);
        eprintln!("sample grids: `{}`", samples.display());
        eprintln!("{} in all", duration(reporter.elapsed()));
        Ok(Answer::of(outcome.complete))
    })
}
