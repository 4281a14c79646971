//! Arguments of `submit` and `cell`.

use std::path::PathBuf;

use clap::Args;

use super::Settings;
use crate::device::DeviceName;
use crate::submission::{Jobs, Resources};

/// Arguments of `submit`.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
pub struct Submit {
    /// The experiment: a name under `experiments/` or a TOML file.
    pub experiment: String,
    /// Training seeds, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub seeds: Option<Vec<u64>>,
    /// Slurm's partition.
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// Time limit of a job, in Slurm's form; a training that is not done by then goes on in another.
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// Cores of a job.
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub cpus: usize,
    /// GPUs of a job, in Slurm's form: gpu:1.
    #[arg(long, value_name = "GRES")]
    pub gres: Option<String>,
    /// Jobs of an array that run at once at most; 0 for no limit.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub throttle: usize,
    /// Seconds before the time limit at which a training writes a checkpoint and stops.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    pub warn: u64,
    /// Any other option of `sbatch`, as often as needed: mem=8G.
    #[arg(long, value_name = "OPTION=VALUE")]
    pub sbatch: Vec<String>,
    /// Print the cells, the scripts and the commands, and submit nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Say how every cell stands, and submit nothing.
    #[arg(long, conflicts_with = "dry_run")]
    pub status: bool,
    /// Print the status as JSON.
    #[arg(long, requires = "status")]
    pub json: bool,
    /// Cancel what is queued or runs.
    #[arg(long, conflicts_with_all = ["dry_run", "status"])]
    pub cancel: bool,
    /// Run the cells on this machine instead.
    #[arg(long, conflicts_with_all = ["dry_run", "status", "cancel"])]
    pub local: bool,
    /// How many trainings run at once with `--local`: a number, or auto.
    #[arg(long, default_value = "auto", value_name = "N", requires = "local")]
    pub jobs: Jobs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

impl Submit {
    /// What jobs get.
    pub fn resources(&self) -> Resources {
        Resources {
            partition: self.partition.clone(),
            time: self.time.clone(),
            cpus: self.cpus,
            gres: self.gres.clone(),
            throttle: self.throttle,
            warn: self.warn,
            sbatch: self.sbatch.clone(),
        }
    }
}

/// Arguments of `cell`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true)))]
pub struct Cell {
    /// The folder that `submit` wrote.
    #[arg(long, value_name = "FOLDER")]
    pub submission: PathBuf,
    /// The cell to run.
    #[arg(long, value_name = "I", group = "what")]
    pub index: Option<usize>,
    /// Make the tables of what the cells left.
    #[arg(long, group = "what")]
    pub report: bool,
    /// The device among several of the submission's kind.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceName>,
    /// Stop when standard input ends.
    #[arg(long)]
    pub with_parent: bool,
}
