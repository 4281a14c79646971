//! `histogen evaluate --transfer`: one set at home and away.

use std::path::{Path, PathBuf};

use super::output::show;
use super::{Answer, Outcome};
use crate::cli::Evaluate;
use crate::config::Config;
use crate::error::refuse;
use crate::experiment::{Transfer, transfer, transfer_table};
use crate::workspace::Workspace;

pub(super) fn run(
    arguments: &Evaluate,
    generated: &[PathBuf],
    home: &Path,
    away: &Path,
    config: &Config,
) -> Outcome {
    let [generated] = generated else {
        return Err(refuse(
            "`--transfer` measures one set at home and away",
            "give one SET, and its home",
        ));
    };
    if arguments.repeat != 1 || arguments.split.is_some() {
        return Err(refuse(
            "`--repeat` and `--split` have no meaning with `--transfer`: home is the test split, and one draw is measured",
            "leave them out",
        ));
    }
    let request = Transfer {
        generated,
        home,
        away,
        snn: arguments.snn.as_deref(),
        metrics: &arguments.metrics,
        images: arguments.images,
    };
    let record = transfer(config, &request, &Workspace::new(&arguments.settings.out))?;
    show(arguments.json, &record, |record| {
        Ok(transfer_table(record)?.terminal())
    })?;
    Ok(Answer::of(record.is_complete()))
}
