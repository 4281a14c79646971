//! `histogen snn`: the MFT-SNN by itself.

use std::path::Path;

use serde::Serialize;

use super::dashboard::is_possible;
use super::output::show;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::during;
use super::{Answer, Outcome};
use crate::cli::Snn;
use crate::experiment::{Role, SNN_REPORT, SnnRecord, evaluate_snn};
use crate::workspace::Workspace;

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluated<'a> {
    run: &'a Path,
    #[serde(flatten)]
    record: &'a SnnRecord,
}

pub(super) fn run(command: &Snn) -> Outcome {
    let (arguments, with_figures) = match command {
        Snn::Train(arguments) => (arguments, false),
        Snn::Evaluate(arguments) => (arguments, true),
    };
    let settings = &arguments.settings;
    let config = configure("table1", settings, None)?;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(SNN_REPORT);
    during(Role::Whole, &config, &workspace, &reports, |execution| {
        let mut reporter = Terminal::tracked(execution, is_possible(arguments.dashboard));
        let evaluation = evaluate_snn(&config, with_figures, &workspace, &mut reporter)?;
        let measured = Evaluated {
            run: &evaluation.run,
            record: &evaluation.record,
        };
        show(arguments.json, &measured, |_| {
            Ok(evaluation.table.terminal())
        })?;
        eprintln!("wrote `{}`", evaluation.report.display());
        if !arguments.json {
            println!("{}", evaluation.run.display());
        }
        Ok(Answer::Yes)
    })
}
