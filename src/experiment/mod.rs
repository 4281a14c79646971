//! Experiments: which settings they have, how their rows are trained and measured.

mod evaluator;
mod finetune;
mod resolve;

pub use evaluator::{Bench, PathBench, Reference, held_out, trained_on};
pub use finetune::{Progress, finetune};
pub use resolve::{ABLATIONS, EXPERIMENTS, PROFILES, resolve, run_config, snn_config};
