//! Where things lie under an output folder (`--out`). The only place that spells a path under `runs/` or `reports/`.
//!
//! ```text
//! runs/<model>-s<seed>-<hash>/   a run, see `run`
//! runs/experiments/<name>/       an execution of an experiment: what its runs hang below at a tracking server
//! runs/submissions/<name>/       an experiment frozen for many processes: settings, cells, job scripts, what each process said
//! runs/reference/<name>/         the ledger of what is measured beside runs: real images, an untrained generator, best checkpoints,
//!                                a run as another sampler draws it
//! runs/discriminators/<name>/    a discriminator that was trained further for rejection sampling
//! runs/failed/<name>/            the ledger of a row that could not be trained: it says why
//! runs/cache/patches/            patch stores
//! runs/cache/features/           features of images
//! runs/cache/judges/             weights of reward models, by their SHA-256
//! reports/<name>/                the page, tables and figures of an experiment, what they are made from, and samples/
//! ```

use std::fs;
use std::path::{Path, PathBuf};

/// An output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    out: PathBuf,
}

impl Workspace {
    /// The workspace in the folder `out`, which need not exist yet.
    pub fn new(out: impl Into<PathBuf>) -> Self {
        Self { out: out.into() }
    }

    /// The output folder. Records of experiments name ledgers relative to it.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// The folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.out.join("runs")
    }

    /// The folder of the executions of experiments.
    pub fn executions(&self) -> PathBuf {
        self.out.join("runs/experiments")
    }

    /// The folder of an experiment that is frozen for many processes, by the name of its execution.
    pub fn submission(&self, name: &str) -> PathBuf {
        self.out.join("runs/submissions").join(name)
    }

    /// The folder of what is measured and not trained. `key` names what it was measured on.
    pub fn reference(&self, name: &str, key: &str) -> PathBuf {
        self.out.join(format!("runs/reference/{name}-{key}"))
    }

    /// The folder of what is measured of the best checkpoint of the run in `folder`, and of its last.
    pub fn best(&self, folder: &Path) -> PathBuf {
        let run = folder.file_name().unwrap_or_default().to_string_lossy();
        self.reference("best", &run)
    }

    /// The folder of discriminators that were trained further.
    pub fn discriminators(&self) -> PathBuf {
        self.out.join("runs/discriminators")
    }

    /// The folder of a row that could not be trained.
    pub fn failed(&self, experiment: &str, row: &str) -> PathBuf {
        let name = format!("{}-{}", file_name(experiment), file_name(row));
        self.out.join("runs/failed").join(name)
    }

    /// The folder of patch stores.
    pub fn patches(&self) -> PathBuf {
        self.out.join("runs/cache/patches")
    }

    /// The folder of features that were computed.
    pub fn features(&self) -> PathBuf {
        self.out.join("runs/cache/features")
    }

    /// The folder of the weights of reward models.
    pub fn reward_models(&self) -> PathBuf {
        reward_models(&self.runs())
    }

    /// The folder of the tables and figures of the experiment `name`.
    pub fn report(&self, name: &str) -> PathBuf {
        self.out.join("reports").join(name)
    }

    /// The settings that the experiment `name` was carried out with, in its report.
    pub fn settings(&self, name: &str) -> PathBuf {
        self.report(name).join("settings.toml")
    }

    /// The folder of all reports.
    pub fn reports(&self) -> PathBuf {
        self.out.join("reports")
    }

    /// The folder of the pictures of images in the report of the experiment `name`.
    pub fn samples(&self, name: &str) -> PathBuf {
        self.report(name).join("samples")
    }

    /// The picture in [`Self::samples`] that is called `label`, with `detail` after it.
    pub fn picture(&self, experiment: &str, label: &str, detail: &str) -> PathBuf {
        let name = format!("{}{detail}.png", file_name(label));
        self.samples(experiment).join(name)
    }

    /// The ledger in `folder`, as seen from the output folder.
    pub fn relative_ledger(&self, folder: &Path) -> PathBuf {
        let ledger = ledger(folder);
        ledger
            .strip_prefix(&self.out)
            .map(Path::to_path_buf)
            .unwrap_or(ledger)
    }
}

/// The ledger in the folder of a run, an execution, or a row that is not trained.
pub fn ledger(folder: &Path) -> PathBuf {
    folder.join("ledger.jsonl")
}

/// The configuration of a run or an execution, in its folder.
pub fn config_file(folder: &Path) -> PathBuf {
    folder.join("config.toml")
}

/// The folder of the weights of reward models for the runs that lie in `runs`.
pub fn reward_models(runs: &Path) -> PathBuf {
    runs.join("cache/judges")
}

/// The folders of the runs or executions that lie in `place`, in the order of their names.
pub fn run_folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders
        .filter(|folder| config_file(folder).exists())
        .collect();
    folders.sort();
    folders
}

/// A label as part of a file's name: letters and digits stay, what stands between them becomes one hyphen.
pub(crate) fn file_name(label: &str) -> String {
    let parts = label.split(|letter: char| !letter.is_alphanumeric());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_rows_become_names_of_files() {
        let workspace = Workspace::new("out");
        assert_eq!(
            workspace.picture("table1", "rl-eo (expected-reward)", "-s0-nearest"),
            Path::new("out/reports/table1/samples/rl-eo-expected-reward-s0-nearest.png")
        );
        assert_eq!(
            workspace.failed("ablate.weight", "literal, w = 0.3"),
            Path::new("out/runs/failed/ablate-weight-literal-w-0-3")
        );
    }

    #[test]
    fn ledgers_are_named_relative_to_the_output_folder() {
        let workspace = Workspace::new(".");
        let inside = workspace.relative_ledger(&workspace.reference("real", "1f3a"));
        assert_eq!(inside, Path::new("runs/reference/real-1f3a/ledger.jsonl"));
        let outside = workspace.relative_ledger(Path::new("/elsewhere"));
        assert_eq!(outside, Path::new("/elsewhere/ledger.jsonl"));
    }
}
