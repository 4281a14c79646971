//! Arguments of the commands that look for similar images.

use std::path::PathBuf;

use clap::Args;

use super::Settings;
use crate::retrieval::Similarity;

/// A set of images, and how they are compared.
#[derive(Args, Debug)]
pub struct Searched {
    /// Compare by the similarity of this trained MFT-SNN (the folder that `histogen snn train` prints), in place of
    /// `--features`.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["features", "weights"])]
    pub snn: Option<PathBuf>,
    /// What is compared of the features; an MFT-SNN's similarity is the cosine, which is also what is taken without this.
    #[arg(long, value_enum, default_value = "cosine")]
    pub similarity: Similarity,
    /// The split of a patch store: train or test; both without it.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Images of the set, drawn at random; all that there are without it (of a run it says how many are drawn).
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `retrieve`.
#[derive(Args, Debug)]
pub struct Retrieve {
    /// Images to look for, of the size of the set's, or folders of such.
    #[arg(required = true, value_name = "IMAGE")]
    pub queries: Vec<PathBuf>,
    /// Where to look: a patch store, a folder of images, or a run (with `--images N`).
    #[arg(long = "in", value_name = "SET")]
    pub set: PathBuf,
    /// How many images to find for each.
    #[arg(short, default_value_t = 8, value_name = "N")]
    pub k: usize,
    /// The picture to write (PNG): each query and what was found for it.
    #[arg(long, default_value = "neighbours.png", value_name = "FILE")]
    pub sheet: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub searched: Searched,
}

/// Arguments of `duplicates`.
#[derive(Args, Debug)]
pub struct Duplicates {
    /// The images: a run (with `--images N`), a patch store, or a folder of images.
    pub set: PathBuf,
    /// The score from which two images count as duplicates: at least this cosine, or at most this distance. Without it only
    /// images with the same bytes count.
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub threshold: Option<f64>,
    /// How many of the pairs in the picture somebody who looked at it holds for duplicates: these count in place of a
    /// threshold.
    #[arg(long, value_name = "N", conflicts_with = "threshold")]
    pub judged: Option<u64>,
    /// Pairs in the picture.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub pairs: usize,
    /// The picture to write (PNG): the pairs that are most alike.
    #[arg(long, default_value = "duplicates.png", value_name = "FILE")]
    pub sheet: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub searched: Searched,
}
