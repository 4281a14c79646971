//! The command line as types.

mod complete;
mod export;
mod retrieval;
mod study;
mod submit;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::device::DeviceName;
use crate::submission::Jobs;

pub use export::{Export, ExportGenerator, ExportStatistics, ExportWhat};
pub use retrieval::{Duplicates, Retrieve, Searched};
pub use study::{Study, StudyMake, StudyScore};
pub use submit::{Cell, Submit};

/// What `histogen --help` ends with; `docs/interrupted-runs.md` says more.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 the answer is no: a run diverged, a cell failed; 2 the request was wrong, or something \
    broke; 130, 143 stopped by SIGINT, SIGTERM: repeat the command to go on; 141 done, and not read to the end.";

/// Trains, samples and scores generative models of histopathology patches under one protocol.
#[derive(Debug, Parser)]
#[command(name = "histogen", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trains what a table needs, measures it, and renders the table.
    Reproduce(Reproduce),
    /// Trains one model of an experiment.
    Train(Train),
    /// Varies one ingredient of the paper's system, everything else equal: a table and figures.
    Ablate(Ablate),
    /// Runs an experiment on a cluster with Slurm: a job for each training, and the tables at the end.
    Submit(Submit),
    /// One cell of an experiment that `submit` or `--jobs` froze.
    #[command(hide = true)]
    Cell(Cell),
    /// Measures images against real ones: runs, patch stores, folders of images or files of features.
    Evaluate(Evaluate),
    /// Says how much two sets differ: each score of both against one reference, and intervals of the differences.
    Compare(Compare),
    /// Finds the images of a set that are most like given ones.
    Retrieve(Retrieve),
    /// Looks for duplicates in a set of images, and estimates how many different ones there are.
    Duplicates(Duplicates),
    /// A reading test: can somebody tell generated patches from real ones?
    #[command(subcommand)]
    Study(Study),
    /// Draws a grid of samples from a run.
    Sample(Sample),
    /// Writes what other tools read: a run's generator, or statistics of features.
    Export(Export),
    /// Renders the tables of an experiment again from its ledgers.
    Report(Report),
    /// Shows reports and running trainings in a browser on this machine. Reads only.
    Serve(Serve),
    /// Makes or shows a patch store.
    #[command(subcommand)]
    Data(Data),
    /// Trains or measures the MFT-SNN by itself.
    #[command(subcommand)]
    Snn(Snn),
    /// Pretrained networks, by SHA-256: what is known, what is here.
    #[command(subcommand)]
    Weights(Weights),
    /// Compiled kernels of GPUs: where they are kept, and forgetting them.
    #[command(subcommand)]
    Cache(Cache),
    /// Tracking server: what of the runs it has, and uploading the rest.
    #[command(subcommand)]
    Track(Track),
    /// Lists what there is.
    List(List),
    /// Prints what makes a shell complete this program's command lines: names, settings, runs.
    Completions(Completions),
}

impl Command {
    /// Whether the dashboard is asked for.
    pub(crate) fn asks_for_dashboard(&self) -> bool {
        match self {
            Self::Reproduce(arguments) => arguments.dashboard,
            Self::Ablate(arguments) => arguments.dashboard,
            Self::Train(arguments) => arguments.dashboard,
            Self::Snn(Snn::Train(arguments) | Snn::Evaluate(arguments)) => arguments.dashboard,
            _ => false,
        }
    }
}

/// What every command that trains or evaluates takes.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Overlay on the experiment: smoke, quick, example, cpu, paper, or a TOML file. Without it quick; for `evaluate` paper, whose
    /// settings are those of the literature.
    #[arg(long, value_name = "NAME", add = complete::profiles())]
    pub profile: Option<String>,
    /// Real images: a folder of images (class sub-folders or none) or a patch store. Without it, phantom slides.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Leave out images that do not decode, and list them.
    #[arg(long)]
    pub skip_unreadable: bool,
    /// Feature extractor of the metrics.
    #[arg(long, value_name = "NAME", add = complete::extractors())]
    pub features: Option<String>,
    /// Weights file of the feature extractor (PyTorch or safetensors). Without it, the one that `histogen weights` keeps.
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// What computes: cpu, wgpu or cuda, with a number among several (cuda:1). Without it the CPU.
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// What the systems' layers multiply in: bf16, where the device has it; without it f32, on cuda tf32.
    #[arg(long, value_name = "NAME")]
    pub precision: Option<String>,
    /// Any setting of the experiment, as often as needed.
    #[arg(long, value_name = "KEY=VALUE", add = complete::settings())]
    pub set: Vec<String>,
    /// Where `runs/` and `reports/` are kept.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `reproduce`.
#[derive(Args, Debug)]
pub struct Reproduce {
    /// table1, table2, table3, table4 or all; downstream: classifiers trained on generated images; or an experiment of a related
    /// paper: mnist-zoo, mnist-icr, mnist-mixture, mnist-drs, ac-gan-low-data, ac-gan-shift; or transfer: paired models, which is
    /// pretrain, transfer-segment, transfer-denoise and transfer-super, also by themselves.
    #[arg(add = complete::tables())]
    pub table: String,
    /// The experiment behind the tables: a name under `experiments/` or a TOML file. Without it table1, or the one that is named.
    #[arg(long, value_name = "NAME", add = complete::experiments())]
    pub experiment: Option<String>,
    /// Training seeds, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub seeds: Option<Vec<u64>>,
    /// Train so many systems at once, each in a process of its own with its share of the cores: a number, or auto.
    #[arg(long, value_name = "N", conflicts_with = "dashboard")]
    pub jobs: Option<Jobs>,
    /// Print the tables as JSON, all of them at the end.
    #[arg(long)]
    pub json: bool,
    /// Watch each training in a terminal dashboard (feature `dashboard`): losses, reward, scores so far; `q` or Ctrl-C stops.
    #[arg(long)]
    pub dashboard: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `ablate`.
#[derive(Args, Debug)]
pub struct Ablate {
    /// reward-weight, reward-coupling, reward-source or layers.
    #[arg(add = complete::ablations())]
    pub what: String,
    /// Training seeds, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub seeds: Option<Vec<u64>>,
    /// Train so many systems at once, each in a process of its own with its share of the cores: a number, or auto.
    #[arg(long, value_name = "N", conflicts_with = "dashboard")]
    pub jobs: Option<Jobs>,
    /// Print the tables as JSON, all of them at the end.
    #[arg(long)]
    pub json: bool,
    /// Watch each training in a terminal dashboard (feature `dashboard`): losses, reward, scores so far; `q` or Ctrl-C stops.
    #[arg(long)]
    pub dashboard: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `train`.
#[derive(Args, Debug)]
pub struct Train {
    /// A name under `experiments/` or a TOML file.
    #[arg(add = complete::experiments())]
    pub experiment: String,
    /// Which system of the experiment, by its label; or any model.
    #[arg(long, value_name = "NAME", add = complete::models())]
    pub model: String,
    /// Training seed.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Print the resolved configuration and stop.
    #[arg(long)]
    pub dry_run: bool,
    /// Watch each training in a terminal dashboard (feature `dashboard`): losses, reward, scores so far; `q` or Ctrl-C stops.
    #[arg(long)]
    pub dashboard: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `evaluate`.
#[derive(Args, Debug)]
pub struct Evaluate {
    /// What is measured, and last what it is measured against: each a run's folder, a patch store, a folder of images, a file of
    /// images (`.npy`, `.npz`), or features or their statistics made elsewhere (`.npy`, `.npz`, `.safetensors`). With `--against`
    /// all are measured, one or more.
    #[arg(required = true, value_name = "SET")]
    pub sets: Vec<PathBuf>,
    /// Measure every SET against this one, in one table.
    #[arg(long, value_name = "SET")]
    pub against: Option<PathBuf>,
    /// Scores to compute, separated by commas (`histogen list metrics`); without it FID, KID, precision, recall, F1,
    /// density and coverage.
    #[arg(long, value_delimiter = ',', value_name = "LIST", add = complete::scores())]
    pub metrics: Vec<String>,
    /// Images of each side; all that there are without it (for a run: as many as the other side has).
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// The split of a patch store: test, which is taken without it, or train, to look for memorised images.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Measure against images of another hospital, stain or organ as well, and show the difference: a folder of slides, cut as
    /// the patch store B was, or a patch store.
    #[arg(long, value_name = "DIR")]
    pub transfer: Option<PathBuf>,
    /// A trained MFT-SNN (the folder that `histogen snn train` prints) whose separation of pairs is shown beside, for
    /// `--transfer`.
    #[arg(long, value_name = "RUN", requires = "transfer")]
    pub snn: Option<PathBuf>,
    /// Draw from a run this many times, each with another sampling seed, and give mean and spread.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Print CSV.
    #[arg(long, conflicts_with_all = ["json", "transfer"])]
    pub csv: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// Two sets, each as `evaluate` takes them; of a run as many images are drawn as the reference has.
    #[arg(num_args = 2, value_names = ["A", "B"])]
    pub sets: Vec<PathBuf>,
    /// What both are measured against.
    #[arg(long, value_name = "SET")]
    pub against: PathBuf,
    /// Scores to compute, separated by commas; those of `evaluate` without it.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    pub metrics: Vec<String>,
    /// Images of each side.
    #[arg(long, value_name = "N")]
    pub images: Option<usize>,
    /// The split of a patch store: test, which is taken without it, or train.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// Arguments of `sample`.
#[derive(Args, Debug)]
pub struct Sample {
    /// A run's folder.
    #[arg(add = complete::runs())]
    pub run: PathBuf,
    /// How many images.
    #[arg(long, default_value_t = 64)]
    pub n: usize,
    /// Seed of the images.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The sampler, where it fits the model; more than one may be given, and the first that fits draws.
    #[arg(long, value_name = "NAME", add = complete::samplers())]
    pub sampler: Vec<String>,
    /// A setting of a sampler: `--set samplers.ddim.steps=20`.
    #[arg(long, value_name = "KEY=VALUE", add = complete::settings())]
    pub set: Vec<String>,
    /// The checkpoint to draw from; the newest without it.
    #[arg(long, value_name = "N")]
    pub step: Option<u64>,
    /// What computes: cpu, wgpu or cuda, with a number among several (cuda:1).
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub device: DeviceName,
    /// The picture to write (PNG).
    #[arg(long, default_value = "samples.png", value_name = "FILE")]
    pub out: PathBuf,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub struct Report {
    /// The experiment's name.
    pub experiment: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where `runs/` and `reports/` are kept.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// The port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8000, value_name = "N")]
    pub port: u16,
    /// Show a page that finds the images of this set most like an uploaded one: a patch store, a folder of images, or a run (with
    /// `--images N`).
    #[arg(long, value_name = "SET")]
    pub retrieve: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub searched: Searched,
}

/// The `data` commands.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// Cuts a folder of slides or images into a patch store; repeated, goes on where it was interrupted.
    Import {
        /// The folder: whole slides (TIFF, SVS), PNG, JPEG, in class sub-folders or none.
        source: PathBuf,
        /// Keep a picture of each whole slide too, 224 x 224, for the first stage of the MFT-SNN.
        #[arg(long)]
        whole: bool,
        #[command(flatten)]
        #[expect(missing_docs, reason = "described at the type")]
        settings: Settings,
    },
    /// Makes a patch store of phantom slides.
    Phantom {
        #[command(flatten)]
        #[expect(missing_docs, reason = "described at the type")]
        settings: Settings,
    },
    /// Describes a patch store, and draws some of its patches.
    Show {
        /// The store's folder.
        store: PathBuf,
        /// The picture to write (PNG).
        #[arg(long, value_name = "FILE")]
        grid: Option<PathBuf>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The `snn` commands.
#[derive(Debug, Subcommand)]
pub enum Snn {
    /// Trains the MFT-SNN on the training slides and measures it on the held-out ones.
    Train(SnnArguments),
    /// Measures the MFT-SNN on held-out slides, beside the network it started from: tables and figures.
    Evaluate(SnnArguments),
}

/// Arguments of the `snn` commands.
#[derive(Args, Debug)]
pub struct SnnArguments {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Watch each training in a terminal dashboard (feature `dashboard`): losses, reward, scores so far; `q` or Ctrl-C stops.
    #[arg(long)]
    pub dashboard: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described at the type")]
    pub settings: Settings,
}

/// The `weights` commands.
#[derive(Debug, Subcommand)]
pub enum Weights {
    /// Lists the known files: present or not, size, SHA-256, what needs them.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Downloads known files from their official addresses, and goes on where a download broke off.
    Fetch {
        /// Names from `weights list`.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Copies a file that was got another way into the cache: one of the known ones, or your copy of weights that are not
    /// given to everybody, by their name.
    Add {
        /// A known file; or the name of such weights (`weights list`), and their file.
        #[arg(required = true, num_args = 1..=2, value_names = ["NAME", "FILE"])]
        file: Vec<PathBuf>,
    },
    /// Reads every file that is present again and compares its SHA-256.
    Verify {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// The `cache` commands.
#[derive(Debug, Subcommand)]
pub enum Cache {
    /// Says where compiled kernels of GPUs are kept, and how much they take.
    Show {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Deletes them: the next process compiles anew.
    Clear,
}

/// The `track` commands.
#[derive(Debug, Subcommand)]
pub enum Track {
    /// Says of every run what the tracking server has and what is left. Asks no server.
    Status {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        #[expect(missing_docs, reason = "described at the type")]
        place: TrackPlace,
    },
    /// Uploads what is left of every run.
    Sync {
        /// Longest wait for an answer.
        #[arg(long, default_value_t = 15.0, value_name = "SECONDS")]
        timeout: f64,
        #[command(flatten)]
        #[expect(missing_docs, reason = "described at the type")]
        place: TrackPlace,
    },
}

/// Which runs, and which server.
#[derive(Args, Debug)]
pub struct TrackPlace {
    /// Address of the server. Without it that of `MLFLOW_TRACKING_URI`, or the one each run was meant for.
    #[arg(long, value_name = "ADDRESS")]
    pub uri: Option<String>,
    /// Where `runs/` and `reports/` are kept.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
pub struct List {
    /// models, samplers, metrics, features, reward-models, networks, experiments, settings or runs.
    pub what: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where `runs/` and `reports/` are kept.
    #[arg(long, default_value = ".", value_name = "DIR")]
    pub out: PathBuf,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub struct Completions {
    /// bash, zsh, fish, elvish or powershell.
    pub shell: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
