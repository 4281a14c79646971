//! Arguments of `export`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Settings;
use crate::device::DeviceName;
use crate::experiment::{GeneratorFormat, StatisticsFormat};

/// Arguments of `export`.
#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Export {
    /// Something other than a generator.
    #[command(subcommand)]
    pub what: Option<ExportWhat>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub generator: Option<ExportGenerator>,
}

/// Arguments of `export RUN`.
#[derive(Args, Debug)]
pub struct ExportGenerator {
    /// A run's folder.
    pub run: PathBuf,
    /// What shall read it.
    #[arg(long, value_name = "NAME")]
    pub format: GeneratorFormat,
    /// The checkpoint; the newest without it.
    #[arg(long, value_name = "N")]
    pub step: Option<u64>,
    /// What computes the images to check by: cpu, wgpu or cuda, with a number among several (cuda:1).
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: DeviceName,
    /// The folder to write.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What is written other than a generator.
#[derive(Debug, Subcommand)]
pub enum ExportWhat {
    /// Mean and covariance of the features of a set, as pytorch-fid, clean-fid or ADM's evaluator read them.
    Statistics(ExportStatistics),
}

/// Arguments of `export statistics`.
#[derive(Args, Debug)]
pub struct ExportStatistics {
    /// A run's folder, a patch store, a folder of images, a file of images (`.npy`, `.npz`) or of features (`.npy`, `.npz`,
    /// `.safetensors`).
    pub set: PathBuf,
    /// Whose form.
    #[arg(long, value_name = "NAME")]
    pub format: StatisticsFormat,
    /// Images of the set; all that there are without it. A run needs it.
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// The split of a patch store, train or test; both without it.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Feature extractor. Without it that of the tool whose form it is.
    #[arg(long, value_name = "NAME")]
    pub features: Option<String>,
    /// Weights file of the feature extractor (PyTorch or safetensors). Without it, the one that `histogen weights` keeps.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// What computes: cpu, wgpu or cuda, with a number among several (cuda:1). Without it the CPU.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// The file to write (`.npz`).
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

impl ExportStatistics {
    /// The options among them that every command which evaluates takes; without a name the extractor is that of the tool.
    pub(crate) fn settings(&self) -> Settings {
        let features = self.features.clone();
        Settings {
            profile: None,
            data: None,
            skip_unreadable: false,
            features: Some(features.unwrap_or_else(|| self.format.extractor().to_owned())),
            weights: self.weights.clone(),
            device: self.device.clone(),
            precision: None,
            set: Vec::new(),
            out: PathBuf::from("."),
        }
    }
}
