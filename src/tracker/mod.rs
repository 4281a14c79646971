//! What is kept of a run. The ledger on disk is the truth; whatever else is told of a run is read from it.
//!
//! ```text
//! training ──────────────────────> ledger.jsonl, samples/    what happened, and when
//! SystemMonitor ─────────────────> system.jsonl              what the machine did meanwhile
//! Uploader, `histogen track sync` ─> an MLflow server        the same, each value once and in order (see `upload`)
//! ```

mod destination;
mod ending;
mod environment;
mod gpu;
mod ledger;
mod lines;
mod memory;
pub mod mlflow;
mod system;
mod upload;
mod uploader;

pub use destination::Destination;
pub use ending::Ending;
pub use environment::Environment;
pub use ledger::{Evaluation, Event, Ledger, ScoreRecord, result};
pub use memory::PeakMemory;
pub use system::{SystemMonitor, SystemSample};
pub use upload::{InFlight, Upload, UploadProgress, UploadStatus};
pub use uploader::Uploader;
