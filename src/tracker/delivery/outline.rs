//! What is said of a run as a whole: its name, its parameters, its files, how it stands.

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use walkdir::WalkDir;

use super::entry::{Standing, tag};
use crate::error::{Result, refuse};
use crate::tracker::identity::Identity;
use crate::tracker::mlflow::{
    Parameter, RunStatus, Tag, key_of, parameter_value, without_user_information,
};

/// A run as a whole.
pub struct Outline {
    folder: PathBuf,
    reports: PathBuf,
    /// Its name: that of its folder.
    pub name: String,
    /// Its configuration, flattened.
    pub parameters: Vec<Parameter>,
    /// What is known of it before it begins.
    pub tags: Vec<Tag>,
}

impl Outline {
    /// The outline of the run in `folder`.
    pub fn read(folder: &Path, identity: &Identity) -> Result<Self> {
        let path = folder.join("config.toml");
        let text = std::fs::read_to_string(&path).map_err(|error| {
            refuse(
                format!("cannot read `{}`: {error}", path.display()),
                "is it a run?",
            )
        })?;
        let config: Table = text.parse().map_err(|error: toml::de::Error| {
            refuse(
                format!("`{}` is damaged: {}", path.display(), error.message()),
                "restore the file, or delete the run's folder to train it again",
            )
        })?;
        let name = std::path::absolute(folder)?
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let mut parameters = Vec::new();
        flatten("", &Value::Table(config.clone()), &mut parameters);
        let mut tags = vec![
            tag("mlflow.source.name", "histogen"),
            tag("mlflow.source.type", "LOCAL"),
            tag("histogen.run", &name),
        ];
        for key in ["model", "seed", "profile", "question"] {
            if let Some(value) = config.get(key) {
                tags.push(tag(format!("histogen.{key}"), &plain(value)));
            }
        }
        let user = ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        tags.extend(user.map(|user| tag("mlflow.user", &user)));
        let reports = match &identity.reports {
            reports if reports.as_os_str().is_empty() => PathBuf::new(),
            reports => folder.join(reports),
        };
        Ok(Self {
            folder: folder.to_owned(),
            reports,
            name,
            parameters,
            tags,
        })
    }

    /// Its files as (path among the artifacts, place on disk): the configuration, and the reports if the run has ended.
    pub(super) fn files(&self, ended: bool) -> Result<Vec<(String, PathBuf)>> {
        let mut files = vec![("config.toml".to_owned(), self.folder.join("config.toml"))];
        if ended && self.reports.is_dir() {
            for entry in WalkDir::new(&self.reports).sort_by_file_name() {
                let entry = entry?;
                let inside = entry.path().strip_prefix(&self.reports)?;
                if entry.file_type().is_file() {
                    let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
                    files.push((
                        format!("reports/{}", parts.join("/")),
                        entry.path().to_owned(),
                    ));
                }
            }
        }
        Ok(files)
    }
}

/// The values of `value` with their dotted keys.
fn flatten(path: &str, value: &Value, parameters: &mut Vec<Parameter>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, parameters);
            }
        }
        value => parameters.push(Parameter {
            key: key_of(path),
            value: parameter_value(&without_user_information(&plain(value))),
        }),
    }
}

/// A value as text: without quotes if it is text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// The state of a run at the server, and a sentence of it. One that nobody writes and that did not end was killed.
pub(super) fn standing(standing: &Standing, is_alive: bool) -> (RunStatus, String) {
    match standing {
        Standing::New | Standing::Open if is_alive => (RunStatus::Running, "it goes on".to_owned()),
        Standing::New | Standing::Open => (
            RunStatus::Killed,
            "its process is gone without a word".to_owned(),
        ),
        Standing::Ended {
            step,
            status,
            reason,
        } => {
            let colon = if reason.is_empty() { "" } else { ": " };
            let status_there = match status.as_str() {
                "finished" => RunStatus::Finished,
                "killed" => RunStatus::Killed,
                _ => RunStatus::Failed,
            };
            let after = if *step > 0 {
                format!(" after step {step}")
            } else {
                String::new()
            };
            (status_there, format!("{status}{after}{colon}{reason}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_becomes_dotted_parameters() {
        let text = "seed = 3\nname = \"x\"\nlist = [1, 2]\n[a]\nuri = \"http://u:p@h/x\"\n[a.b]\nc = 0.5\n";
        let mut parameters = Vec::new();
        flatten("", &Value::Table(text.parse().unwrap()), &mut parameters);
        let pairs: Vec<_> = parameters
            .iter()
            .map(|parameter| (parameter.key.as_str(), parameter.value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("a.b.c", "0.5"),
                ("a.uri", "http://h/x"),
                ("list", "[1, 2]"),
                ("name", "x"),
                ("seed", "3"),
            ]
        );
    }

    #[test]
    fn every_end_has_its_state() {
        let ended = |status: &str, reason: &str| Standing::Ended {
            step: 7,
            status: status.into(),
            reason: reason.into(),
        };
        for (stands, alive, status, text) in [
            (Standing::New, true, RunStatus::Running, "it goes on"),
            (Standing::Open, true, RunStatus::Running, "it goes on"),
            (
                Standing::Open,
                false,
                RunStatus::Killed,
                "its process is gone without a word",
            ),
            (
                ended("finished", ""),
                true,
                RunStatus::Finished,
                "finished after step 7",
            ),
            (
                ended("diverged", "NaN"),
                true,
                RunStatus::Failed,
                "diverged after step 7: NaN",
            ),
            (
                ended("failed", "why"),
                false,
                RunStatus::Failed,
                "failed after step 7: why",
            ),
            (
                ended("killed", ""),
                false,
                RunStatus::Killed,
                "killed after step 7",
            ),
        ] {
            assert_eq!(standing(&stands, alive), (status, text.to_owned()));
        }
    }
}
