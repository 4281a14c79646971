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
use crate::experiment::{
    self, Asked, DOWNSTREAM, LOW_DATA, RELATED, SAMPLED, TRANSFER, TRANSLATIONS,
};
use crate::report::{self, TABLES, TableDefinition};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Reproduce) -> Outcome {
    let table = arguments.table.as_str();
    let of_translation = match &arguments.experiment {
        None if table == TRANSFER => TRANSLATIONS,
        Some(experiment) if table == TRANSFER => &[experiment.as_str()],
        None => match TRANSLATIONS.iter().position(|name| *name == table) {
            Some(place) => &TRANSLATIONS[place..=place],
            None => &[],
        },
        Some(_) => &[],
    };
    if !of_translation.is_empty() {
        return translations(arguments, of_translation);
    }
    let mut with_own_table = RELATED.iter().chain(LOW_DATA).chain([&SAMPLED]);
    let related = with_own_table.find(|name| **name == table);
    let is_low_data = LOW_DATA.contains(&table);
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
        } else if is_low_data {
            experiment::reproduce_low_data(&config, &workspace, &mut reporter)?
        } else if arguments.table == SAMPLED {
            experiment::reproduce_sampled(&config, &workspace, &mut reporter)?
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

/// The experiments with paired models, one after another.
fn translations(arguments: &Reproduce, experiments: &[&str]) -> Outcome {
    let settings = &arguments.settings;
    let workspace = Workspace::new(&settings.out);
    let mut complete = true;
    for experiment in experiments {
        let config = configure(experiment, settings, arguments.seeds.as_deref())?;
        let reports = workspace.report(&config.name);
        Tracking::during(&config, settings, &reports, |tracking| {
            let mut reporter = Terminal::tracked(tracking, is_possible(arguments.dashboard));
            let outcome = experiment::reproduce_translation(&config, &workspace, &mut reporter)?;
            print(&outcome);
            eprintln!("{} in all", duration(reporter.elapsed()));
            complete &= outcome.complete;
            Ok(Answer::of(outcome.complete))
        })?;
    }
    Ok(Answer::of(complete))
}
