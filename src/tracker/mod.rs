//! What is kept of a run. The ledger on disk is the truth; whatever else is told of a run is read from it.

mod environment;
mod ledger;

pub use environment::Environment;
pub use ledger::{Evaluation, Event, Ledger, ScoreRecord, result};
