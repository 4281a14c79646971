//! `histogen report`: the tables of an experiment again, from its ledgers alone.

use super::{Answer, Outcome};
use crate::cli::Report;
use crate::report::{self, Record, TABLES};

pub(super) fn run(arguments: &Report) -> Outcome {
    let record = Record::load(&arguments.out, &arguments.experiment)?;
    let folder = Record::folder(&arguments.out, &record.name);
    for definition in TABLES {
        let table = report::render(definition, &record, &arguments.out)?;
        println!("{}", table.terminal());
        for path in report::write(definition, &table, &folder)? {
            eprintln!("wrote `{}`", path.display());
        }
    }
    Ok(Answer::Yes)
}
