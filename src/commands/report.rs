//! `histogen report`: the tables of an experiment again, from its ledgers alone.

use std::path::Path;

use super::{Answer, Outcome};
use crate::cli::Report;
use crate::error::Result;
use crate::files::write_whole;
use crate::report::{self, Record, Rewards, TABLES};

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
    write_claims(&record, &arguments.out)?;
    Ok(Answer::Yes)
}

/// Writes the claims audit beside the tables of an experiment, with the curves of its rewards.
pub(super) fn write_claims(record: &Record, out: &Path) -> Result<()> {
    let folder = Record::folder(out, &record.name);
    let rewards = Rewards::read(record, out)?;
    let claims = report::claims(record, &rewards, out)?;
    let path = folder.join("claims.md");
    write_whole(&path, report::claims_markdown(&claims, record).as_bytes())?;
    eprintln!("wrote `{}`", path.display());
    for path in rewards.draw(&folder)? {
        eprintln!("wrote `{}`", path.display());
    }
    Ok(())
}
