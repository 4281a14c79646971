//! The checkpoints of a run: folders that are whole or not there, each with a manifest that says what it should hold.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};
use uuid::Uuid;

use super::Identity;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::{cannot_write, sync_folder, write_whole};
use crate::models::forget_renamed;

/// Counts the layouts of checkpoints; one that changes what a file means gets the next number.
const FORMAT: i64 = 1;
/// The file that is written last.
const MANIFEST: &str = "manifest.toml";

/// What a checkpoint says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    /// The layout, see [`FORMAT`].
    format: i64,
    /// Version of the program that wrote it.
    program: String,
    /// Steps behind it.
    step: u64,
    /// The run's name, which has the hash of its configuration.
    run: String,
    /// The run's configuration.
    configuration: Table,
    /// Every other file.
    files: Vec<Entry>,
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    bytes: u64,
    sha256: String,
}

/// The folder of a run's checkpoints.
pub(super) struct Checkpoints {
    folder: PathBuf,
    /// Where one is written before it is whole.
    unfinished: String,
}

impl Checkpoints {
    /// Those of the run in `folder`.
    pub(super) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.join("checkpoints"),
            unfinished: format!(".new-{}", Uuid::new_v4().simple()),
        }
    }

    /// The same, cleared of what a killed process left half-written. Only who alone writes there may do this.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let checkpoints = Self::at(folder);
        let place = &checkpoints.folder;
        fs::create_dir_all(place).map_err(|error| cannot_write(place, &error))?;
        for entry in fs::read_dir(place).map_err(|error| cannot_write(place, &error))? {
            let path = entry?.path();
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'))
            {
                fs::remove_dir_all(&path).map_err(|error| cannot_write(&path, &error))?;
            }
        }
        Ok(checkpoints)
    }

    /// The folder of the checkpoint after `step` steps.
    pub(super) fn place(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:06}"))
    }

    /// The steps of all checkpoints, whole or not, in order.
    pub(super) fn steps(&self) -> Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(_) if !self.folder.exists() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let step = name
                .to_str()
                .and_then(|name| name.strip_prefix("step-")?.parse::<u64>().ok());
            steps.extend(step);
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Writes the checkpoint after `step` steps: `save` gets a folder beside its place, which is renamed when all is on disk.
    pub(super) fn write<C: Identity>(
        &self,
        step: u64,
        config: &C,
        save: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<()> {
        let place = self.place(step);
        let failed = |error: std::io::Error| cannot_write(&place, &error);
        // Two processes write one folder only where one of them was displaced and has not seen it yet: then each its own.
        let new = self.folder.join(&self.unfinished);
        if new.exists() {
            fs::remove_dir_all(&new).map_err(failed)?; // of an attempt that failed
        }
        fs::create_dir(&new).map_err(failed)?;
        save(&new)?;
        let mut files = Vec::new();
        for name in names(&new)? {
            let path = new.join(&name);
            let bytes = fs::read(&path).map_err(failed)?;
            File::open(&path)
                .and_then(|file| file.sync_all())
                .map_err(failed)?;
            files.push(Entry {
                name,
                bytes: bytes.len() as u64,
                sha256: sha256(&bytes),
            });
        }
        let manifest = Manifest {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            step,
            run: config.name(),
            configuration: table(config),
            files,
        };
        let text = toml::to_string(&manifest).expect("a manifest has string keys only");
        write_whole(&new.join(MANIFEST), text.as_bytes())?;
        self.remove(step)?;
        fs::rename(&new, &place).map_err(failed)?;
        sync_folder(&self.folder).map_err(failed)
    }

    /// Removes the checkpoint after `step` steps, if there is one: renamed first, so that no half of it is ever seen.
    pub(super) fn remove(&self, step: u64) -> Result<()> {
        let place = self.place(step);
        let failed = |error: std::io::Error| cannot_write(&place, &error);
        if place.exists() {
            let old = self.folder.join(".old");
            if old.exists() {
                fs::remove_dir_all(&old).map_err(failed)?;
            }
            fs::rename(&place, &old).map_err(failed)?;
            fs::remove_dir_all(&old).map_err(failed)?;
        }
        Ok(())
    }

    /// What is damaged in the checkpoint after `step` steps, if anything is.
    ///
    /// Refuses one of another configuration or layout, and one that another version of the program would have to go on with.
    pub(super) fn verify<C: Identity>(&self, step: u64, config: &C) -> Result<Option<String>> {
        self.examine(step, config, step < config.steps())
    }

    /// The same for who only looks at it: any version of the program may.
    pub(super) fn check<C: Identity>(&self, step: u64, config: &C) -> Result<Option<String>> {
        self.examine(step, config, false)
    }

    fn examine<C: Identity>(&self, step: u64, config: &C, goes_on: bool) -> Result<Option<String>> {
        let place = self.place(step);
        // Whether it has a manifest that this program reads.
        let path = place.join(MANIFEST);
        if !path.exists() {
            return Ok(Some(format!("it has no `{MANIFEST}`")));
        }
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(Some(format!("its `{MANIFEST}` cannot be read")));
        };
        let Ok(found) = text.parse::<Table>() else {
            return Ok(Some(format!("its `{MANIFEST}` is not whole")));
        };
        let format = found.get("format").and_then(Value::as_integer);
        if let Some(format) = format.filter(|&format| format != FORMAT) {
            return Err(refuse(
                format!(
                    "checkpoint `{}` has layout {format}, this program reads layout {FORMAT}",
                    place.display()
                ),
                "use the program that wrote it, or delete the run's folder to train it again",
            ));
        }
        let Ok(manifest) = Manifest::deserialize(found) else {
            return Ok(Some(format!("its `{MANIFEST}` is not whole")));
        };
        // Whether it belongs here, and is whole.
        let mut found = manifest.configuration;
        forget_renamed(&mut found);
        let other = differences(&found, &table(config));
        if !other.is_empty() {
            return Err(another(&place, &other));
        }
        if manifest.step != step {
            return Ok(Some(format!(
                "its `{MANIFEST}` is of step {}",
                manifest.step
            )));
        }
        if let Some(damage) = damage(&place, &manifest.files)? {
            return Ok(Some(damage));
        }
        // Whether this program may go on with it.
        let program = env!("CARGO_PKG_VERSION");
        if goes_on && manifest.program != program {
            return Err(refuse(
                format!(
                    "checkpoint `{}` was written by version {} of this program, which is version {program}: the steps to \
                     come could differ",
                    place.display(),
                    manifest.program
                ),
                format!(
                    "go on with version {}, or delete the run's folder to train it again",
                    manifest.program
                ),
            ));
        }
        Ok(None)
    }
}

/// Refuses a run whose file of settings is not that of `config`.
pub(super) fn same_configuration<C: Identity>(path: &Path, config: &C) -> Result<()> {
    let text = fs::read_to_string(path).unwrap_or_default();
    if text == config.to_toml() {
        return Ok(());
    }
    match text.parse::<Table>() {
        Ok(mut found) => {
            forget_renamed(&mut found);
            let other = differences(&found, &table(config));
            if other.is_empty() {
                return Ok(());
            }
            Err(another(path, &other))
        }
        Err(_) => Err(refuse(
            format!("`{}` is damaged", path.display()),
            "delete that file: it is written again",
        )),
    }
}

/// The refusal of what belongs to another configuration.
fn another(path: &Path, differences: &[String]) -> anyhow::Error {
    refuse(
        format!(
            "`{}` belongs to another run: {}",
            path.display(),
            differences.join("; ")
        ),
        "put it back where it came from, or delete the run's folder to train it again",
    )
}

fn table<C: Identity>(config: &C) -> Table {
    config
        .to_toml()
        .parse()
        .expect("a configuration is written as TOML")
}

/// The settings in which two configurations differ, a clause each.
fn differences(found: &Table, expected: &Table) -> Vec<String> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    flatten(found, "", &mut left);
    flatten(expected, "", &mut right);
    let value = |side: &[(String, String)], key: &str| {
        let found = side.iter().find(|(name, _)| name == key);
        found.map_or_else(|| "absent".to_owned(), |(_, value)| value.clone())
    };
    let mut keys: Vec<&String> = left.iter().chain(&right).map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| (key, value(&left, key), value(&right, key)))
        .filter(|(_, found, expected)| found != expected)
        .map(|(key, found, expected)| format!("`{key}` is {found} there, {expected} here"))
        .collect()
}

/// Every value under its dotted key.
fn flatten(table: &Table, path: &str, into: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let key = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        match value {
            Value::Table(inner) => flatten(inner, &key, into),
            value => into.push((key, value.to_string())),
        }
    }
}

/// The first file of a checkpoint that is not what was written.
fn damage(place: &Path, files: &[Entry]) -> Result<Option<String>> {
    for Entry {
        name,
        bytes,
        sha256: expected,
    } in files
    {
        let Ok(found) = fs::read(place.join(name)) else {
            return Ok(Some(format!("`{name}` is missing or cannot be read")));
        };
        if found.len() as u64 != *bytes {
            return Ok(Some(format!(
                "`{name}` has {} bytes, {bytes} were written",
                found.len()
            )));
        }
        let hash = sha256(&found);
        if hash != *expected {
            return Ok(Some(format!(
                "`{name}` was altered: its SHA-256 is {}…, {}… was written",
                &hash[..8],
                expected.get(..8).unwrap_or(expected)
            )));
        }
    }
    let unknown = names(place)?
        .into_iter()
        .find(|name| name != MANIFEST && files.iter().all(|entry| entry.name != *name));
    Ok(unknown.map(|name| format!("its `{MANIFEST}` does not name `{name}`")))
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
