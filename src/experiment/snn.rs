//! The MFT-SNN by itself: trained or found, and measured on held-out slides beside the network it started from.

mod figures;
mod record;
mod table;

use std::path::PathBuf;

use super::reward_models::{train_snn, trained_elsewhere};
use super::{Context, Reporter};
use crate::config::Config;
use crate::error::Result;
use crate::files::write_whole;
use crate::report::Table;
use crate::reward::{Autoencoder, SnnConfig, SnnRunConfig};
use crate::run::unreadable;
use crate::workspace::Workspace;

use record::Measured;

pub use record::{LevelRecord, NetworkRecord, SnnRecord};

/// Name of the folder of its report.
pub const REPORT: &str = "snn";

/// What came out of an evaluation.
pub struct SnnEvaluation {
    /// What was measured.
    pub record: SnnRecord,
    /// The same as a table.
    pub table: Table,
    /// The run's folder.
    pub run: PathBuf,
    /// The folder that tables and figures were written to.
    pub report: PathBuf,
}

/// Trains the MFT-SNN or finds it trained, measures it on held-out slides, and writes the numbers and, if wanted, the figures.
///
/// # Errors
/// Fails where the device, the patches or the network cannot be had, and if the held-out slides give no dissimilar pair.
pub fn evaluate_snn(
    config: &Config,
    with_figures: bool,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<SnnEvaluation> {
    let context = Context::open(config, workspace, reporter)?;
    let (trained, network, run) = network(&context, reporter)?;
    // The network is measured as it was trained; only how many pairs there are is asked anew.
    let settings = SnnConfig {
        evaluation_pairs: config.snn.evaluation_pairs,
        weights: config.snn.weights.clone(),
        ..trained.settings.clone()
    };
    let (store, device) = (&context.store, &context.device);
    let measured = Measured::new(&trained, &settings, &network, store, device)?;
    let table = table::table(
        &measured.record,
        &trained,
        &settings,
        store,
        measured.spread,
    )?;
    let report = workspace.report(REPORT);
    let json = serde_json::to_string_pretty(&measured.record)? + "\n";
    let files = [
        ("evaluation.json", json),
        ("separation.md", table.markdown()),
        ("separation.csv", table.csv()?),
    ];
    for (name, text) in files {
        write_whole(&report.join(name), text.as_bytes())?;
    }
    if with_figures {
        figures::distances(&measured, &report)?;
        figures::similarity_maps(&measured, &report, device)?;
        figures::neighbours(&measured, &settings, store, &report, device, reporter)?;
    }
    Ok(SnnEvaluation {
        record: measured.record,
        table,
        run,
        report,
    })
}

/// The trained network and its folder: that of `reward.snn`, or the one that the configuration asks for, trained now or found.
fn network(
    context: &Context<'_>,
    reporter: &mut dyn Reporter,
) -> Result<(SnnRunConfig, Autoencoder, PathBuf)> {
    let given = &context.config.reward.snn;
    if given.as_os_str().is_empty() {
        let (run, network) = train_snn(context, context.config, reporter)?;
        return Ok((run.config.clone(), network, run.path().to_owned()));
    }
    let (trained, checkpoint) = trained_elsewhere(given)?;
    let network = Autoencoder::load(&checkpoint, &trained.settings, &context.device)
        .map_err(|error| unreadable(&checkpoint, &error))?;
    Ok((trained, network, given.clone()))
}
