//! A run: a folder that is found again by the hash of its configuration.
//!
//! ```text
//! runs/dcgan-s0-1f3a…/
//!   config.toml               what determines the weights, written before step 1
//!   ledger.jsonl              what happened, a line each
//!   samples/                  a grid of images per logged step
//!   checkpoints/step-000400/  a state to go on from, and its manifest
//!   lock                      held while a process has the run open; says which, and has its heartbeat
//!   owner                     there while a process has the run open; says which, on which machine
//! ```

mod account;
mod checkpoints;
mod file_system;
mod lock;
mod owner;
mod state;
mod training;

use std::fs;
use std::path::{Path, PathBuf};

use crate::classifier::ClassifierRunConfig;
use crate::config::RunConfig;
use crate::device::DeviceKind;
use crate::error::{Result, explained, refuse};
use crate::files::{cannot_write, remove_unfinished, write_whole};
use crate::reward::SnnRunConfig;
use crate::tracker::{Ending, Event, Ledger};
use crate::translation::TranslatorRunConfig;
use crate::workspace::{config_file, ledger};

use checkpoints::Checkpoints;

pub use account::Diverged;
pub use lock::{Lock, Taken};
pub use owner::Fenced;
pub use state::{RunState, is_written, state};
pub use training::{Training, conduct, is_due};

/// The score by which one checkpoint is better than another: lower is better.
pub const BEST_BY: &str = "fid";

/// A configuration that determines the weights of a run, and so names it.
pub trait Identity: Clone {
    /// The name of the run's folder: equal settings, equal names.
    fn name(&self) -> String;

    /// All of it as TOML, keys sorted.
    fn to_toml(&self) -> String;

    /// Steps to the end.
    fn steps(&self) -> u64;

    /// What computes it.
    fn device(&self) -> DeviceKind;
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

    fn device(&self) -> DeviceKind {
        self.device
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

    fn device(&self) -> DeviceKind {
        self.device
    }
}

impl Identity for ClassifierRunConfig {
    fn name(&self) -> String {
        format!("classifier-s{}-{}", self.seed, self.hash())
    }

    fn to_toml(&self) -> String {
        self.to_toml()
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn device(&self) -> DeviceKind {
        self.device
    }
}

impl Identity for TranslatorRunConfig {
    fn name(&self) -> String {
        format!("translator-s{}-{}", self.seed, self.hash())
    }

    fn to_toml(&self) -> String {
        self.to_toml()
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn device(&self) -> DeviceKind {
        self.device
    }
}

/// A run's folder, opened for writing by one process at a time.
pub struct Run<C = RunConfig> {
    folder: PathBuf,
    /// What determines its weights.
    pub config: C,
    /// Its ledger.
    pub ledger: Ledger,
    checkpoints: Checkpoints,
    /// The newest checkpoint that is whole and has its ledger.
    newest: Option<u64>,
    notices: Vec<String>,
    lock: Lock,
}

impl<C: Identity> Run<C> {
    /// The folder of the run of `config` under `root`: that of its name or, if there is none, one that an earlier version
    /// made for the same settings under another name.
    pub fn folder(root: &Path, config: &C) -> PathBuf {
        let name = config.name();
        let folder = root.join(&name);
        if folder.exists() {
            return folder;
        }
        let (stem, _) = name.rsplit_once('-').unwrap_or((&name, ""));
        let entries = fs::read_dir(root).into_iter().flatten().flatten();
        let earlier = entries.map(|entry| entry.path()).find(|path| {
            let found = path
                .file_name()
                .and_then(|name| name.to_str()?.rsplit_once('-'));
            found.is_some_and(|(found, _)| found == stem)
                && checkpoints::same_configuration(&config_file(path), config).is_ok()
        });
        earlier.unwrap_or(folder)
    }

    /// Opens the run of `config` under `root`, creating its folder if it is new, and looks for the checkpoint to go on from.
    ///
    /// Fails if the folder cannot be written, another process has the run open, or a checkpoint belongs to another
    /// configuration or a program this one cannot go on for. What was lost and is made again is told by
    /// [`Self::notices`].
    pub fn open(root: &Path, config: &C) -> Result<Self> {
        let folder = Self::folder(root, config);
        let samples = folder.join("samples");
        fs::create_dir_all(&samples).map_err(|error| cannot_write(&samples, &error))?;
        let lock = Lock::take(&folder)?;
        remove_unfinished(&folder)?;
        remove_unfinished(&samples)?;
        let config_path = config_file(&folder);
        if config_path.exists() {
            checkpoints::same_configuration(&config_path, config)?;
        } else {
            write_whole(&config_path, config.to_toml().as_bytes())?;
        }
        let ledger = lock.open_ledger(&ledger(&folder))?;
        let mut run = Self {
            checkpoints: Checkpoints::open(&folder)?,
            folder,
            config: config.clone(),
            ledger,
            newest: None,
            notices: Vec::new(),
            lock,
        };
        run.find_newest()?;
        Ok(run)
    }

    /// Looks for the newest checkpoint to go on from. One that is damaged, or has more steps behind it than the ledger
    /// tells of, is passed over: from an earlier one the run takes the same steps again.
    fn find_newest(&mut self) -> Result<()> {
        if self.ledger.was_cut() {
            self.notices.push(format!(
                "the last line of `{}` was cut off and is dropped",
                ledger(&self.folder).display()
            ));
        }
        let recorded = recorded_steps(self.ledger.events());
        for step in self.checkpoints.steps()?.into_iter().rev() {
            let place = self.checkpoints.place(step);
            if step > recorded {
                self.notices.push(format!(
                    "checkpoint `{}` is passed over: the ledger ends after step {recorded}",
                    place.display()
                ));
                continue;
            }
            match self.checkpoints.verify(step, &self.config)? {
                None => {
                    self.newest = Some(step);
                    break;
                }
                Some(damage) => self.notices.push(format!(
                    "checkpoint `{}` is passed over: {damage}",
                    place.display()
                )),
            }
        }
        let behind = match self.newest {
            Some(step) => format!("goes on after step {step}"),
            None => "starts again".to_owned(),
        };
        if let Some(Event::Start { .. }) = last_mark(self.ledger.events()) {
            self.notices.push(format!(
                "the last process of run `{}` ended at step {recorded} without closing it",
                self.folder.display()
            ));
        }
        if !self.notices.is_empty() && !self.is_finished() {
            self.notices
                .push(format!("the run {behind}, to the same weights"));
        }
        self.notices.splice(0..0, self.lock.notices.drain(..));
        Ok(())
    }

    /// What was found amiss when it was opened, a sentence each, for whoever waits for it.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The run's folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether its last training ended as it should, and the checkpoint of its last step is there.
    pub fn is_finished(&self) -> bool {
        match last_mark(self.ledger.events()) {
            Some(Event::End { ending, step, .. }) => {
                *ending == Ending::Finished && self.newest == Some(*step)
            }
            _ => false,
        }
    }

    /// How many steps the newest checkpoint has behind it.
    pub fn checkpoint_step(&self) -> Option<u64> {
        self.newest
    }

    /// The folder of the newest checkpoint, once one is written.
    pub fn checkpoint(&self) -> Option<PathBuf> {
        Some(self.checkpoints.place(self.newest?))
    }

    /// The step of the checkpoint with the lowest [`BEST_BY`] of those that are there and were measured.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn best_checkpoint(&self) -> Result<Option<u64>> {
        Ok(best(self.ledger.events(), &self.checkpoints.steps()?))
    }

    /// Writes a checkpoint after `step` steps. `save` gets the folder to write into.
    ///
    /// It is written beside its place, seen onto the disk after the ledger it belongs to, and renamed: whatever happens, it
    /// is whole or not there.
    pub fn write_checkpoint(
        &mut self,
        step: u64,
        save: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let fence = self.lock.fence();
        fence.check()?;
        self.ledger.sync()?;
        let save = |folder: &Path| {
            save(folder)?;
            fence.check()
        };
        self.checkpoints.write(step, &self.config, save)?;
        self.newest = Some(step);
        Ok(())
    }

    /// Removes old checkpoints but the newest `kept` of those that `is_due` wants, and the best of them.
    fn keep_checkpoints(&self, kept: usize, is_due: impl Fn(u64) -> bool) -> Result<()> {
        let due = self
            .checkpoints
            .steps()?
            .into_iter()
            .filter(|&step| is_due(step));
        let due: Vec<u64> = due.collect();
        let newest = &due[due.len().saturating_sub(kept)..];
        let best = best(self.ledger.events(), &due);
        for step in self.checkpoints.steps()? {
            let stays = newest.contains(&step) || Some(step) == best || Some(step) == self.newest;
            if !stays {
                self.checkpoints.remove(step)?;
            }
        }
        Ok(())
    }

    /// Undoes what lies beyond `step` steps, in the ledger and among the checkpoints.
    fn rewind(&mut self, step: u64) -> Result<()> {
        self.lock.fence().check()?;
        self.ledger.rewind(step)?;
        for beyond in self.checkpoints.steps()? {
            if beyond > step || self.newest.is_none() {
                self.checkpoints.remove(beyond)?;
            }
        }
        Ok(())
    }

    /// Hands the folder of the newest checkpoint to `load` and returns its step; `None` if there is none.
    pub fn load_checkpoint(&self, load: impl FnOnce(&Path) -> Result<()>) -> Result<Option<u64>> {
        match (self.newest, self.checkpoint()) {
            (Some(step), Some(place)) => {
                load(&place).map_err(|error| unreadable(&place, &error))?;
                Ok(Some(step))
            }
            _ => Ok(None),
        }
    }
}

/// A checkpoint of the run in `folder` and its step, without opening the run: that after `step` steps, or the newest; `None`
/// if there is none yet.
///
/// # Errors
/// Fails if it is damaged, or not there: another one would be another network.
pub fn find_checkpoint<C: Identity>(
    folder: &Path,
    config: &C,
    step: Option<u64>,
) -> Result<Option<(u64, PathBuf)>> {
    let checkpoints = Checkpoints::at(folder);
    let known = checkpoints.steps()?;
    let Some(step) = step.or(known.last().copied()) else {
        return Ok(None);
    };
    if !known.contains(&step) {
        let steps: Vec<String> = known.iter().map(ToString::to_string).collect();
        return Err(refuse(
            format!(
                "run `{}` has no checkpoint of step {step}",
                folder.display()
            ),
            format!("it has those of steps {}", steps.join(", ")),
        ));
    }
    let place = checkpoints.place(step);
    match checkpoints.check(step, config)? {
        None => Ok(Some((step, place))),
        Some(damage) => Err(refuse(
            format!("checkpoint `{}` is damaged: {damage}", place.display()),
            "repeat the command that trained the run: it makes the checkpoint again",
        )),
    }
}

/// The step of the newest checkpoint of the run in `folder`, whole or not; none before the first.
///
/// # Errors
/// If the folder cannot be read.
pub fn newest_checkpoint(folder: &Path) -> Result<Option<u64>> {
    Ok(Checkpoints::at(folder).steps()?.last().copied())
}

/// The error of a checkpoint that is whole and does not fit.
pub fn unreadable(place: &Path, error: &anyhow::Error) -> anyhow::Error {
    refuse(
        format!(
            "checkpoint `{}` cannot be read: {}",
            place.display(),
            explained(error)
        ),
        "delete the run's folder to train it again",
    )
}

/// Which of `steps` has the lowest FID of those that were measured; the first if several have it.
fn best(events: &[Event], steps: &[u64]) -> Option<u64> {
    let measured = events.iter().filter_map(|event| match event {
        Event::Evaluation(evaluation) if steps.contains(&evaluation.step) => {
            let mut scores = evaluation.scores.iter();
            let fid = scores.find(|score| score.name == BEST_BY)?.value?;
            Some((evaluation.step, fid))
        }
        _ => None,
    });
    let best = measured.min_by(|left, right| left.1.total_cmp(&right.1));
    best.map(|(step, _)| step)
}

/// Steps that the events tell of without a gap.
fn recorded_steps(events: &[Event]) -> u64 {
    events.iter().fold(0, |count, event| match event {
        Event::Step { step, .. } if *step == count + 1 => count + 1,
        _ => count,
    })
}

/// The last event that says how a training stands: its start or its end.
fn last_mark(events: &[Event]) -> Option<&Event> {
    let is_mark = |event: &&Event| matches!(event, Event::Start { .. } | Event::End { .. });
    events.iter().rev().find(is_mark)
}
