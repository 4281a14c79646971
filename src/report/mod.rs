//! What a reader sees: tables from the ledgers of runs. Knows no model and no network.

mod ablation;
mod checkpoints;
mod claims;
mod comparisons;
mod costs;
mod downstream;
mod low_data;
pub mod figures;
pub mod page;
mod published;
mod record;
mod results;
mod rewards;
mod sampled;
mod sentences;
mod statistics;
mod table;
mod tables;
mod translation;

pub use ablation::{ABLATION, ablation};
pub use checkpoints::{CHECKPOINTS, checkpoints};
pub use claims::{Claim, claims, claims_markdown, downstream_claim};
pub use comparisons::comparisons;
pub use costs::{COSTS, costs};
pub use downstream::{
    CurvePoint, DOWNSTREAM_ROWS, DownstreamRecord, DownstreamRow, Equivalent, downstream_tables,
    equivalent,
};
pub use low_data::{
    BASELINE, LowDataPoint, LowDataRecord, TauRecord, low_data_claims, low_data_tables,
};
pub use published::Published;
pub use record::{KindRecord, Record, RowRecord};
pub use results::{RunOutcome, TrainingState};
pub use rewards::Rewards;
pub use sampled::{ACCEPTANCE, FALLBACKS, SAMPLED, sampled_table};
pub use sentences::duration;
pub use statistics::{
    LEAST_FOR_BOOTSTRAP, Paired, Summary, bootstrap_interval, holm, interquartile_mean,
    probability_of_improvement, statistics,
};
pub use table::{Column, Row, Table, TableCell};
pub use tables::{TABLES, TableDefinition, find, render, write};
pub use translation::{
    LearningCurve, TranslationCase, TranslationRecord, TranslationRow, learning_curves,
    steps_to_reach, translation_claims, translation_source, translation_tables,
};
