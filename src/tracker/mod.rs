//! What is kept of a run. The ledger on disk is the truth; whatever else is told of a run is read from it.
//!
//! ```text
//! training ──> ledger.jsonl, samples/                       the truth
//! recorder ──> tracking/clock.jsonl, system.jsonl           when, and what the machine did meanwhile
//! courier, `histogen track sync` ──> an MLflow server       what lies there, once and in order (see `delivery`)
//! ```

mod clock;
mod courier;
mod delivery;
mod environment;
mod graphics;
mod identity;
mod ledger;
mod lines;
pub mod mlflow;
mod places;
mod recorder;
mod system;

pub use clock::Clock;
pub use courier::{Courier, Pause};
pub use delivery::{Balance, Count, Cursor, Delivery, Outline};
pub use environment::Environment;
pub use identity::Identity;
pub use ledger::{Evaluation, Event, Ledger, ScoreRecord, result};
pub use places::is_written;
pub use recorder::{Recorder, record_once};
pub use system::{SystemMonitor, SystemSample};
