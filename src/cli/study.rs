//! Arguments of the `study` commands.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::device::DeviceName;

/// The `study` commands.
#[derive(Debug, Subcommand)]
pub enum Study {
    /// Writes a folder for readers: shuffled real and generated patches, and a page that asks which are which.
    Make(StudyMake),
    /// Scores the answers of readers.
    Score(StudyScore),
}

/// Arguments of `study make`.
#[derive(Args, Debug)]
pub struct StudyMake {
    /// The generated images: a run, or a patch store or a folder of images that were made elsewhere.
    pub generated: PathBuf,
    /// The real images: a patch store, of which the test split is taken, or a folder of images.
    pub real: PathBuf,
    /// Images of each kind.
    #[arg(long, default_value_t = 50, value_name = "N")]
    pub n: usize,
    /// Seed of the images and of their order.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// What computes: cpu, wgpu or cuda, with a number among several (cuda:1).
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: DeviceName,
    /// The folder to write, for the readers.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The file to write the key to, for scoring; without it `DIR-key.json` beside the folder.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

/// Arguments of `study score`.
#[derive(Args, Debug)]
pub struct StudyScore {
    /// The key that `study make` wrote.
    pub key: PathBuf,
    /// The files of the readers.
    #[arg(required = true, value_name = "ANSWERS")]
    pub answers: Vec<PathBuf>,
    /// Score also readers who have not answered everything, by what is there.
    #[arg(long)]
    pub unfinished: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
