//! What an experiment consists of: which rows, which ledgers. Enough to render its tables again without its data.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Result, refuse};
use crate::files::write_whole;
use crate::workspace::Workspace;

/// An experiment as it was run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// The profile that was laid over it.
    pub profile: String,
    /// Facts for the appendix of a table, a sentence each: data, training.
    pub facts: Vec<String>,
    /// What a reader must know before comparing rows, a sentence each: it stands below every table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The rows of its tables.
    pub rows: Vec<RowRecord>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowRecord {
    /// Its label.
    pub name: String,
    /// Whether it only frames the others.
    pub reference: bool,
    /// The ledgers it is made from, one per seed, relative to the output folder.
    pub ledgers: Vec<PathBuf>,
}

impl Record {
    /// The record of `config`: `facts` for the appendix, and of each row its name and the ledgers of its seeds.
    pub fn new(
        config: &Config,
        facts: Vec<String>,
        rows: impl IntoIterator<Item = (String, Vec<PathBuf>)>,
    ) -> Self {
        let row = |(name, ledgers)| RowRecord {
            name,
            reference: false,
            ledgers,
        };
        Self {
            name: config.name.clone(),
            question: config.question.clone(),
            profile: config.profile.clone(),
            facts,
            notes: Vec::new(),
            rows: rows.into_iter().map(row).collect(),
        }
    }

    /// Writes it where [`Self::load`] finds it.
    pub fn save(&self, out: &Path) -> Result<()> {
        let text = toml::to_string(self).expect("a record has string keys only");
        write_whole(&Self::path(out, &self.name), text.as_bytes())
    }

    fn path(out: &Path, name: &str) -> PathBuf {
        Workspace::new(out).report(name).join("experiment.toml")
    }

    /// The record of the experiment `name`.
    pub fn load(out: &Path, name: &str) -> Result<Self> {
        let path = Self::path(out, name);
        let text = fs::read_to_string(&path).map_err(|error| {
            refuse(
                format!(
                    "no record of experiment `{name}`: cannot read `{}`: {error}",
                    path.display()
                ),
                "run it first, for example with `histogen reproduce table1`",
            )
        })?;
        parse(&path, &text)
    }
}

/// What a report of one kind of experiment needs to know besides its rows: a file beside the [`Record`].
pub trait KindRecord: Serialize + DeserializeOwned {
    /// The name of its file.
    const FILE: &'static str;

    /// Where that of the experiment `name` is, or would be.
    fn path(out: &Path, name: &str) -> PathBuf {
        Workspace::new(out).report(name).join(Self::FILE)
    }

    /// Writes it where [`Self::load`] finds it.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    fn save(&self, out: &Path, name: &str) -> Result<()> {
        let text = toml::to_string(self).expect("a record has string keys only");
        write_whole(&Self::path(out, name), text.as_bytes())
    }

    /// That of the experiment `name`; none if it is another kind of experiment.
    ///
    /// # Errors
    /// Fails if the file is damaged.
    fn load(out: &Path, name: &str) -> Result<Option<Self>> {
        let path = Self::path(out, name);
        let Ok(text) = fs::read_to_string(&path) else {
            return Ok(None);
        };
        parse(&path, &text).map(Some)
    }
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        refuse(
            format!("`{}` is damaged: {}", path.display(), error.message()),
            "run the experiment again: finished runs are reused",
        )
    })
}
