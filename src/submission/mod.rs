//! An experiment for many processes: frozen in a folder, run cell by cell on this machine ([`Submission::run_here`]) or on a
//! cluster ([`Submission::submit`]), and put together at the end. It prints nothing.
//!
//! ```text
//! runs/submissions/table1-1f3a…/
//!   settings.toml       the experiment, resolved
//!   submission.toml     where it was frozen, by which program, what for
//!   cells.jsonl         the cells, a line each
//!   histogen            the program itself, for a cluster
//!   cell.sh report.sh   the jobs of a cluster
//!   logs/               what each cell said
//!   attempts/           how far each cell was when its job was restarted
//! ```
//!
//! Whatever runs a cell reads these files and nothing else: variables of the environment that are settings here may be others
//! there, and the program may have been built anew meanwhile.

mod jobs;
mod plan;
mod scheduler;
mod script;
mod slurm;
mod status;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{Config, Layer};
use crate::data::PatchStore;
use crate::digest::sha256_file;
use crate::error::{Result, refuse};
use crate::experiment::{
    self, Asked, Cell, CellState, Reporter, TrackedExecution, cell_state, execution, patches,
    schema,
};
use crate::files::{cannot_write, write_whole};
use crate::run;
use crate::workspace::{Workspace, ledger};

pub use jobs::{Ended, Jobs, Watcher, end_with_parent};
pub use plan::{Planned, Submitted};
pub use scheduler::{Job, Queued, Scheduler};
pub use script::Resources;
pub use slurm::Slurm;
pub use status::CellStatus;

/// How often a job may be restarted without a new checkpoint.
const IDLE_RESTARTS: u64 = 3;

/// An experiment that is frozen.
pub struct Submission {
    /// Its folder, as an absolute path.
    pub folder: PathBuf,
    /// Where it comes from.
    pub about: About,
    /// Its settings.
    pub config: Config,
    /// Its cells: the index of each is its place.
    pub cells: Vec<Cell>,
    /// What is to be known of rows without cells, a sentence each.
    pub notes: Vec<String>,
    /// Its patches.
    pub store: PatchStore,
}

/// Where a frozen experiment comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The folder that relative paths of its settings are seen from.
    pub seen_from: PathBuf,
    /// The output folder, seen from there.
    pub out: PathBuf,
    /// The program's SHA-256.
    pub program_sha256: String,
    /// What it is carried out for.
    pub asked: Asked,
}

/// How far a cell was when its job was restarted last.
#[derive(Default, Serialize, Deserialize)]
struct Attempt {
    checkpoint: u64,
    /// Restarts since there was a new checkpoint.
    idle: u64,
}

impl Submission {
    /// Resolves which cells the experiment `config` has, on patches that are cut now or found. Writes nothing else.
    ///
    /// # Errors
    /// Refuses what [`experiment::cells`] refuses, and fails where the patches cannot be had.
    pub fn new(
        config: &Config,
        asked: Asked,
        workspace: &Workspace,
        reporter: &mut dyn Reporter,
    ) -> Result<Self> {
        let store = patches(config, workspace, reporter)?;
        let (cells, notes) = experiment::cells(config, &store)?;
        let seen_from = std::env::current_dir()?;
        let folder = workspace.submission(&execution(config).0);
        let program = program()?;
        let program_sha256 =
            sha256_file(&program).map_err(|error| cannot_read(&program, &error))?;
        Ok(Self {
            folder: std::path::absolute(folder)?,
            about: About {
                seen_from,
                out: workspace.out().to_owned(),
                program_sha256,
                asked,
            },
            config: config.clone(),
            cells,
            notes,
            store,
        })
    }

    /// The same for processes of this machine, in a folder of its own: jobs of a cluster may wait for theirs.
    pub fn here(mut self) -> Self {
        let mut name = self.folder.file_name().unwrap_or_default().to_owned();
        name.push("-here");
        self.folder.set_file_name(name);
        self
    }

    /// Writes its files.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn freeze(&self) -> Result<()> {
        let write = |name: &str, text: &str| write_whole(&self.folder.join(name), text.as_bytes());
        write("settings.toml", &self.config.to_toml())?;
        write("submission.toml", &toml::to_string(&self.about)?)?;
        let mut lines = String::new();
        for cell in &self.cells {
            lines += &(serde_json::to_string(cell)? + "\n");
        }
        write("cells.jsonl", &lines)?;
        let logs = self.folder.join("logs");
        fs::create_dir_all(&logs).map_err(|error| cannot_write(&logs, &error))
    }

    /// Reads the one in `folder`, for this very program, and goes to the folder that its paths are seen from.
    ///
    /// # Errors
    /// Refuses a folder that is none, and one that another program froze.
    pub fn enter(folder: &Path, reporter: &mut dyn Reporter) -> Result<Self> {
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| cannot_read(&path, &error))
        };
        let damaged = |name: &str, reason: String| {
            refuse(
                format!("`{}` is damaged: {reason}", folder.join(name).display()),
                "submit the experiment again: the file is written anew",
            )
        };
        let about: About = toml::from_str(&read("submission.toml")?)
            .map_err(|error| damaged("submission.toml", error.message().to_owned()))?;
        let program = program()?;
        let found = sha256_file(&program).map_err(|error| cannot_read(&program, &error))?;
        if found != about.program_sha256 {
            return Err(refuse(
                format!(
                    "`{}` was frozen by another build of the program: its SHA-256 is {}…, that of `{}` is {}…",
                    folder.display(),
                    about.program_sha256.get(..8).unwrap_or_default(),
                    program.display(),
                    &found[..8]
                ),
                "submit the experiment again with this build, or start the cell with the one in that folder",
            ));
        }
        let settings = Layer::parse(
            folder.join("settings.toml").display().to_string(),
            &read("settings.toml")?,
        )?;
        let cells = read("cells.jsonl")?;
        let cells = cells
            .lines()
            .map(serde_json::from_str)
            .collect::<std::result::Result<_, _>>();
        let cells = cells.map_err(|error| damaged("cells.jsonl", error.to_string()))?;
        let folder = fs::canonicalize(folder).map_err(|error| cannot_read(folder, &error))?;
        let there = &about.seen_from;
        std::env::set_current_dir(there).map_err(|error| cannot_read(there, &error))?;
        let config = schema().resolve(vec![settings])?;
        let store = patches(&config, &Workspace::new(&about.out), reporter)?;
        Ok(Self {
            folder,
            config,
            about,
            cells,
            notes: Vec::new(),
            store,
        })
    }

    /// Where its runs and reports lie.
    pub fn workspace(&self) -> Workspace {
        Workspace::new(&self.about.out)
    }

    /// Its cell `index`.
    ///
    /// # Errors
    /// Refuses an index that no cell has.
    pub fn cell(&self, index: usize) -> Result<&Cell> {
        self.cells.get(index).ok_or_else(|| {
            refuse(
                format!("no cell {index} in `{}`", self.folder.display()),
                format!(
                    "it has those from 0 to {}",
                    self.cells.len().saturating_sub(1)
                ),
            )
        })
    }

    /// What a cell said.
    pub fn log(&self, index: usize) -> PathBuf {
        self.folder.join("logs").join(format!("{index}.log"))
    }

    /// How every cell stands.
    ///
    /// # Errors
    /// Fails if a ledger cannot be read.
    pub fn states(&self) -> Result<Vec<CellState>> {
        self.cells.iter().map(|cell| self.state(cell)).collect()
    }

    /// How `cell` stands.
    ///
    /// # Errors
    /// Fails if its ledger cannot be read.
    pub fn state(&self, cell: &Cell) -> Result<CellState> {
        cell_state(&self.config, cell, &self.store, &self.workspace())
    }

    /// Whether its tables were made and hold all that its cells have.
    ///
    /// # Errors
    /// Fails if a ledger cannot be read.
    pub fn is_reported(&self) -> Result<bool> {
        experiment::is_reported(&self.config, &self.workspace(), self.run_folders())
    }

    /// The folder of each cell's run; none where its name is not known yet.
    fn run_folders(&self) -> impl Iterator<Item = Result<Option<PathBuf>>> {
        self.cells
            .iter()
            .map(|cell| experiment::run_folder(&self.config, cell, &self.store, &self.workspace()))
    }

    /// Uploads what is left of every run that its cells have made, as those of `execution`: a reward model may have been done before
    /// the execution was known to the server.
    ///
    /// # Errors
    /// Fails if a run's folder cannot be read or written.
    pub fn upload_runs(&self, execution: &TrackedExecution) -> Result<()> {
        for folder in self.run_folders() {
            if let Some(folder) = folder?.filter(|folder| ledger(folder).exists()) {
                execution.upload(&folder)?;
            }
        }
        Ok(())
    }

    /// Refuses a cell whose job was restarted again and again without a new checkpoint: it would be for ever. `restart` counts
    /// the restarts of the job.
    ///
    /// # Errors
    /// Besides, if that cannot be read or written.
    pub fn check_progress(&self, cell: &Cell, restart: u64) -> Result<()> {
        let path = self.folder.join(format!("attempts/{}.toml", cell.index));
        let folder = experiment::run_folder(&self.config, cell, &self.store, &self.workspace())?;
        let newest = folder
            .map(|folder| run::newest_checkpoint(&folder))
            .transpose()?;
        let checkpoint = newest.flatten().unwrap_or(0);
        let before: Attempt = match fs::read_to_string(&path) {
            Ok(text) if restart > 0 => toml::from_str(&text).unwrap_or_default(),
            _ => Attempt::default(),
        };
        let idle = if restart > 0 && before.checkpoint == checkpoint {
            before.idle + 1
        } else {
            0
        };
        if idle > IDLE_RESTARTS {
            return Err(refuse(
                format!(
                    "cell {} ({}) was restarted {idle} times without a new checkpoint after that of step {checkpoint}",
                    cell.index,
                    cell.label()
                ),
                "give it more time with `--time`, or write checkpoints more often (`logging.checkpoint_every`), and submit again",
            ));
        }
        write_whole(
            &path,
            toml::to_string(&Attempt { checkpoint, idle })?.as_bytes(),
        )
    }
}

/// The program that runs.
fn program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}

fn cannot_read(path: &Path, error: &std::io::Error) -> anyhow::Error {
    refuse(
        format!("cannot read `{}`: {error}", path.display()),
        "is the disk there, and the folder that `histogen submit` wrote?",
    )
}
