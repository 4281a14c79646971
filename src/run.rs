//! A run: a folder that is found again by the hash of its configuration.
//!
//! ```text
//! runs/dcgan-s0-1f3a…/
//!   config.toml      what determines the weights, written before step 1
//!   ledger.jsonl     what happened, a line each
//!   samples/         a grid of images per logged step
//!   checkpoint/      the newest state, and the step it belongs to
//! ```

mod account;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::config::RunConfig;
use crate::error::{Result, refuse};
use crate::files::{cannot_write, write_whole};
use crate::snn::SnnRunConfig;
use crate::tracker::{Event, Ledger};

pub use account::{Account, is_due};

/// A configuration that determines the weights of a run, and so names it.
pub trait Identity: Clone {
    /// The name of the run's folder: equal settings, equal names.
    fn name(&self) -> String;

    /// All of it as TOML, keys sorted.
    fn to_toml(&self) -> String;

    /// Steps to the end.
    fn steps(&self) -> u64;
}

impl Identity for RunConfig {
    fn name(&self) -> String {
        format!("{}-s{}-{}", self.model, self.seed, self.hash())
    }

    fn to_toml(&self) -> String {
        self.to_toml()
    }

    fn steps(&self) -> u64 {
        self.steps as u64
    }
}

impl Identity for SnnRunConfig {
    fn name(&self) -> String {
        format!("snn-s{}-{}", self.settings.seed, self.hash())
    }

    fn to_toml(&self) -> String {
        self.to_toml()
    }

    fn steps(&self) -> u64 {
        self.steps.iter().sum()
    }
}

/// A run's folder, opened for writing by one process at a time.
pub struct Run<C = RunConfig> {
    folder: PathBuf,
    /// What determines its weights.
    pub config: C,
    /// Its ledger.
    pub ledger: Ledger,
    _lock: File,
}

impl<C: Identity> Run<C> {
    /// The folder of the run of `config` under `root`.
    pub fn folder(root: &Path, config: &C) -> PathBuf {
        root.join(config.name())
    }

    /// Opens the run of `config` under `root`, creating its folder if it is new.
    ///
    /// Fails if the folder cannot be written or another process has the run open.
    pub fn open(root: &Path, config: &C) -> Result<Self> {
        let folder = Self::folder(root, config);
        let samples = folder.join("samples");
        fs::create_dir_all(&samples).map_err(|error| cannot_write(&samples, &error))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|error| cannot_write(&lock_path, &error))?;
        if lock.try_lock().is_err() {
            return Err(refuse(
                format!("run `{}` is open in another process", folder.display()),
                "wait for it, or choose another folder with `--out DIR`",
            ));
        }
        let config_path = folder.join("config.toml");
        if !config_path.exists() {
            write_whole(&config_path, config.to_toml().as_bytes())?;
        }
        let ledger = Ledger::open(&folder.join("ledger.jsonl"))?;
        Ok(Self {
            folder,
            config: config.clone(),
            ledger,
            _lock: lock,
        })
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether its last training ended as it should.
    pub fn is_finished(&self) -> bool {
        let end = self
            .ledger
            .events()
            .iter()
            .rev()
            .find_map(|event| match event {
                Event::End { status, .. } => Some(status.as_str()),
                Event::Start { .. } => Some("running"),
                _ => None,
            });
        end == Some("finished") && self.checkpoint_step() == Some(self.config.steps())
    }

    /// How many steps the newest checkpoint has behind it.
    pub fn checkpoint_step(&self) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join("checkpoint/step")).ok()?;
        text.trim().parse().ok()
    }

    /// The folder of the newest checkpoint, once one is written.
    pub fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }

    /// Writes a checkpoint after `step` steps in place of the last one. `save` gets the folder to write into.
    ///
    /// It is written beside the old one and renamed: whatever happens, one whole checkpoint is there.
    pub fn write_checkpoint(
        &self,
        step: u64,
        save: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let place = self.checkpoint();
        let (new, old) = (
            self.folder.join("checkpoint.new"),
            self.folder.join("checkpoint.old"),
        );
        let failed = || format!("cannot write a checkpoint in `{}`", self.folder.display());
        for leftover in [&new, &old] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).with_context(failed)?;
            }
        }
        fs::create_dir(&new).with_context(failed)?;
        save(&new).with_context(failed)?;
        fs::write(new.join("step"), format!("{step}\n")).with_context(failed)?;
        if place.exists() {
            fs::rename(&place, &old).with_context(failed)?;
        }
        fs::rename(&new, &place).with_context(failed)?;
        if old.exists() {
            fs::remove_dir_all(&old).with_context(failed)?;
        }
        Ok(())
    }

    /// Hands the folder of the newest checkpoint to `load` and returns its step; `None` if there is none.
    pub fn load_checkpoint(&self, load: impl FnOnce(&Path) -> Result<()>) -> Result<Option<u64>> {
        let place = self.checkpoint();
        let old = self.folder.join("checkpoint.old");
        if !place.exists() && old.exists() {
            // A process died between the two renames.
            fs::rename(&old, &place)?;
        }
        let Some(step) = self.checkpoint_step() else {
            return Ok(None);
        };
        load(&place).map_err(|error| {
            refuse(
                format!("checkpoint `{}` cannot be read: {error:#}", place.display()),
                format!("delete `{}` to train that run again", self.folder.display()),
            )
        })?;
        Ok(Some(step))
    }
}

/// The folder of the files of judges, for the runs under `root`.
pub fn judges(root: &Path) -> PathBuf {
    root.join("cache/judges")
}
