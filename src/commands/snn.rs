//! `histogen snn`: the MFT-SNN by itself.

use super::dashboard::is_possible;
use super::reporter::Terminal;
use super::settings::configure;
use super::tracking::Tracking;
use super::{Answer, Outcome};
use crate::cli::Snn;
use crate::experiment::{SNN_REPORT, evaluate_snn};
use crate::workspace::Workspace;

pub(super) fn run(command: &Snn) -> Outcome {
    let (arguments, with_figures) = match command {
        Snn::Train(arguments) => (arguments, false),
        Snn::Evaluate(arguments) => (arguments, true),
    };
    let settings = &arguments.settings;
    let config = configure("table1", settings, None)?;
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(SNN_REPORT);
    Tracking::during(&config, settings, &reports, |tracking| {
        let mut reporter = Terminal::tracked(tracking, is_possible(arguments.dashboard));
        let evaluation = evaluate_snn(&config, with_figures, &workspace, &mut reporter)?;
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&evaluation.record)?);
        } else {
            println!("{}", evaluation.table.terminal());
        }
        eprintln!("wrote `{}`", evaluation.report.display());
        println!("{}", evaluation.run.display());
        Ok(Answer::Yes)
    })
}
