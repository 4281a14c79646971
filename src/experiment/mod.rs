//! Experiments as a library: from settings to tables. It prints nothing; a [`Reporter`] is told what happens.
//!
//! ```no_run
//! use histogen::experiment::{Silent, reproduce, resolve};
//! use histogen::report::TABLES;
//! use histogen::workspace::Workspace;
//!
//! # fn main() -> anyhow::Result<()> {
//! let config = resolve("table1", "quick", &["seeds=[0, 1]".to_owned()])?;
//! let outcome = reproduce(&config, &[&TABLES[0]], &Workspace::new("."), &mut Silent)?;
//! println!("{}", outcome.tables[0].table.terminal());
//! # Ok(())
//! # }
//! ```

mod accuracy;
mod again;
mod best;
mod captions;
mod cells;
mod compare;
mod context;
mod downstream;
mod evaluator;
mod execution;
mod export;
mod image_set;
mod kind;
mod kept_discriminator;
mod low_data;
mod measure;
mod path_evaluator;
mod pictures;
mod plan;
mod reference;
mod render;
mod reporter;
mod resolve;
mod reward_models;
mod rows;
mod sampled;
mod search;
mod snn;
mod study;
mod subject;
mod training;
mod transfer;
mod tracked;
mod translation;
mod uploads;

use std::path::PathBuf;

use crate::config::Config;
use crate::error::{Result, refuse};
use crate::images::write_png;
use crate::report::{ABLATION, Record, Table, TableDefinition};
use crate::workspace::Workspace;

use again::keep;
use best::BestAndLast;
use captions::captions;
use measure::Evaluators;
use pictures::{first, grid};
use plan::plan;
use render::{
    render, render_ablation, render_downstream, render_low_data, render_sampled, render_translation,
};
use resolve::refuse_samplers_of_rows;
use rows::{Rows, records};

pub use cells::{Asked, Cell, CellState, cell_state, cells, run_cell, run_folder};
pub use compare::{
    Compared, ComparedSet, SetComparison, SetScores, compare, compare_two, comparison_csv,
    comparison_table, differences_table, is_asked_for, needs_extractor, sets_table,
};
pub use context::{Context, patches};
pub use downstream::reproduce_downstream;
pub use evaluator::{Difference, Evaluator};
pub use execution::{PART_FAILED, execution, is_reported, keeps_open};
pub use export::{
    GeneratorFormat, StatisticsFormat, StatisticsPlan, export_generator, export_statistics,
};
pub use image_set::{ImageSet, Placed};
pub use kind::{ExperimentKind, Request};
pub use low_data::reproduce_low_data;
pub use path_evaluator::PathEvaluator;
pub use reference::{Reference, held_out, trained_on};
pub use render::render_again;
pub use reporter::{Reporter, Silent, TrainingEnd, TrainingInfo};
pub use resolve::{
    ABLATIONS, BuiltIn, EXPERIMENTS, PROFILES, resolve, run_config, schema, snn_config,
};
pub use reward_models::{FinetuneProgress, RewardModels, finetune};
pub use sampled::reproduce_sampled;
pub use search::{Search, SearchedBy, read_queries};
pub use snn::{
    LevelRecord, NetworkRecord, REPORT as SNN_REPORT, SnnEvaluation, SnnRecord, evaluate_snn,
};
pub use study::{StudyPlan, make_study};
pub use tracked::{Role, TrackedExecution};
pub use training::{load_model, train};
pub use transfer::{Transfer, TransferRecord, TransferRow, transfer, transfer_table};
pub use translation::reproduce_translation;
pub use uploads::{Uploads, begun_folders, upload_status};

/// What came out of an experiment.
pub struct Outcome {
    /// What its tables are made from.
    pub record: Record,
    /// Its tables, and the files they were written to, figures among them.
    pub tables: Vec<Rendered>,
    /// What else was written.
    pub files: Vec<PathBuf>,
    /// Figures that could not be drawn: what each would show, and why it is not there.
    pub absent: Vec<(String, String)>,
    /// Whether every training came to its end and no cell of a table failed.
    pub complete: bool,
}

/// A table and the files it was written to.
pub struct Rendered {
    /// The table.
    pub table: Table,
    /// The files.
    pub files: Vec<PathBuf>,
}

/// Trains every system of an experiment with every seed, or finds it trained, measures what `tables` show, and writes them
/// with the claims audit.
///
/// # Errors
/// Refuses an experiment without systems or seeds, and fails where the device, the patches or the extractor cannot be had,
/// a file cannot be written, or a signal stops a training. A training that diverges and a metric that fails are cells without
/// a number, and no error.
pub fn reproduce(
    config: &Config,
    tables: &[&TableDefinition],
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    let (record, complete) = carry_out(config, tables, Runs::Trained, workspace, reporter)?;
    let mut outcome = render(record, tables, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// Trains and measures the rows of an ablation, or of a related paper's experiment, as [`reproduce`] does, and writes its table,
/// its figures, and what its runs say about the paper's claims.
///
/// # Errors
/// As [`reproduce`].
pub fn ablate(
    config: &Config,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    let (record, complete) = carry_out(config, &[&ABLATION], Runs::Trained, workspace, reporter)?;
    let mut outcome = render_ablation(record, workspace)?;
    outcome.complete &= complete;
    Ok(outcome)
}

/// What [`reproduce`] and [`ablate`] do once all cells of an experiment were run: nothing is trained, what is missing of the
/// trained runs is measured, and the tables that `asked` names are written. A run that is not trained is a cell without a
/// number.
///
/// # Errors
/// As [`reproduce`].
pub fn collect(
    config: &Config,
    asked: &Asked,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<Outcome> {
    let tables = asked.tables()?;
    let (record, complete) = carry_out(config, &tables, Runs::Found, workspace, reporter)?;
    let mut outcome = match asked {
        Asked::Tables(_) => render(record, &tables, workspace)?,
        Asked::Ablation => render_ablation(record, workspace)?,
    };
    outcome.complete &= complete;
    Ok(outcome)
}

/// Where the runs of an experiment come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// They are trained, unless they are found.
    Trained,
    /// They are found, or not there.
    Found,
}

/// Trains and measures every row. Returns the record behind the tables, and whether every training came to its end.
fn carry_out(
    config: &Config,
    tables: &[&TableDefinition],
    runs: Runs,
    workspace: &Workspace,
    reporter: &mut dyn Reporter,
) -> Result<(Record, bool)> {
    if config.systems.is_empty() || config.seeds.is_empty() {
        return Err(refuse(
            format!("experiment `{}` has no systems or no seeds", config.name),
            "add a `[[systems]]` section with a `name`, and `seeds = [0]`",
        ));
    }
    refuse_samplers_of_rows(config)?;
    // What all rows share; it is there before anything is trained.
    let context = Context::open(config, workspace, reporter)?;
    let (reference, floor) = held_out(&config.evaluation, &context.store)?;
    let real = first(&reference.images, config.logging.grid_images);
    write_png(&grid(&real), &workspace.picture(&config.name, "real", ""))?;
    let evaluators = Evaluators::open(&context, tables, &reference)?;
    let reward_models = match runs {
        Runs::Trained => RewardModels::new(&context),
        Runs::Found => RewardModels::found(&context.store, workspace),
    };
    let planned = plan(&context, reward_models, reporter)?;
    // What the tables are made from is known before the first training, so that a report shows how far it is.
    let (facts, notes) = captions(config, &context.store, &planned);
    let record = Record {
        name: config.name.clone(),
        question: config.question.clone(),
        profile: config.profile.clone(),
        facts,
        notes,
        rows: records(&context, &planned),
    };
    record.save(workspace.out())?;
    keep(config, workspace)?;
    // The rows that frame the others, and the systems.
    let mut rows = Rows {
        context: &context,
        evaluators: &evaluators,
        best_and_last: BestAndLast::open(&context, &floor)?,
        runs,
        count: planned.iter().map(|row| row.runs.len()).sum(),
        done: 0,
    };
    rows.real(&floor, reporter)?;
    if let Some(run) = planned.iter().find_map(|row| row.runs.first()) {
        rows.untrained(run, reporter)?;
    }
    let mut complete = true;
    for row in &planned {
        complete &= rows.system(row, reporter)?;
    }
    Ok((record, complete))
}
