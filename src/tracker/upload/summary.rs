//! What is said of a run as a whole: its name, its parameters, its tags.

use std::path::Path;

use toml::{Table, Value};

use crate::error::{Result, refuse};
use crate::tracker::ledger::milliseconds;
use crate::tracker::mlflow::KeyValue;
use crate::workspace::config_file;

/// A run as a whole.
pub(super) struct RunSummary {
    /// Its name: that of its folder.
    pub(super) name: String,
    /// When its configuration was written, in milliseconds since 1970: the time of values in a ledger without times.
    pub(super) created: i64,
    /// Its configuration, flattened.
    pub(super) parameters: Vec<KeyValue>,
    /// What is known of it before it begins.
    pub(super) tags: Vec<KeyValue>,
}

impl RunSummary {
    /// The summary of the run in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = config_file(folder);
        let unreadable = |error: std::io::Error| {
            refuse(
                format!("cannot read `{}`: {error}", path.display()),
                "is it a run?",
            )
        };
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        let metadata = std::fs::metadata(&path).map_err(unreadable)?;
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
        let mut tags = vec![
            KeyValue::tag("mlflow.source.name", "histogen"),
            KeyValue::tag("mlflow.source.type", "LOCAL"),
            KeyValue::tag("histogen.run", &name),
        ];
        for key in ["model", "seed", "profile", "question"] {
            if let Some(value) = config.get(key) {
                tags.push(KeyValue::tag(&format!("histogen.{key}"), &plain(value)));
            }
        }
        let user = ["USER", "LOGNAME", "USERNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()));
        tags.extend(user.map(|user| KeyValue::tag("mlflow.user", &user)));
        let mut parameters = Vec::new();
        flatten("", &Value::Table(config), &mut parameters);
        Ok(Self {
            name,
            created: milliseconds(metadata.modified().map_err(unreadable)?),
            parameters,
            tags,
        })
    }
}

/// The values of `value` with their dotted keys.
fn flatten(path: &str, value: &Value, parameters: &mut Vec<KeyValue>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, parameters);
            }
        }
        value => parameters.push(KeyValue::parameter(path, &plain(value))),
    }
}

/// A value as text: without quotes if it is text.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_becomes_dotted_parameters() {
        let text =
            "seed = 3\nname = \"x\"\nlist = [1, 2]\n[a]\nuri = \"http://h/x\"\n[a.b]\nc = 0.5\n";
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
}
