//! `histogen compare`: how much two sets differ.

use super::output::show;
use super::settings::configure_otherwise;
use super::{Answer, Outcome};
use crate::cli::Compare;
use crate::experiment::{ComparedSet, SetComparison, compare_two, differences_table};
use crate::workspace::Workspace;

pub(super) fn run(arguments: &Compare) -> Outcome {
    let settings = &arguments.settings;
    let config = configure_otherwise("paper", "table1", settings, None)?;
    let sets = [&*arguments.sets[0], &*arguments.sets[1]];
    let comparison = SetComparison {
        generated: &sets.map(ComparedSet::Path),
        real: ComparedSet::Path(&arguments.against),
        metrics: &arguments.metrics,
        images: arguments.images,
        split: arguments.split.as_deref(),
        repeat: 1,
    };
    let found = compare_two(&config, &comparison, &Workspace::new(&settings.out))?;
    show(arguments.json, &found, |found| {
        Ok(differences_table(found, sets)?.terminal())
    })?;
    Ok(Answer::of(found.iter().all(|one| one.failure.is_empty())))
}
