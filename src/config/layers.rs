//! The layers of a configuration, each with where it came from, and how they are laid over one another.

use figment::providers::{Env, Serialized};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use toml::{Table, Value};

use super::Config;
use super::settings::dotted;
use crate::error::{Result, nearest, refuse};

/// One layer of configuration and where it came from.
pub struct Layer {
    /// Named in error messages: a path, `profile quick`, `--set`.
    pub origin: String,
    /// The settings.
    pub table: Table,
}

impl Layer {
    /// Parses TOML text.
    ///
    /// # Errors
    ///
    /// For text that is not TOML.
    pub fn parse(origin: impl Into<String>, text: &str) -> Result<Self> {
        let origin = origin.into();
        match text.parse::<Table>() {
            Ok(table) => Ok(Self { origin, table }),
            Err(error) => Err(refuse(
                format!(
                    "`{origin}` is not valid TOML: {}",
                    error.to_string().trim_end()
                ),
                "correct the file at that place",
            )),
        }
    }

    /// Reads `key=value` pairs, the key dotted, the value as TOML or, failing that, as text.
    ///
    /// # Errors
    ///
    /// For a pair without `=`.
    pub fn from_pairs(origin: impl Into<String>, pairs: &[String]) -> Result<Self> {
        let mut table = Table::new();
        for pair in pairs {
            let Some((key, text)) = pair.split_once('=') else {
                return Err(refuse(
                    format!("`{pair}` is not of the form `key=value`"),
                    "for example `--set training.batch=64`",
                ));
            };
            insert(&mut table, key.trim(), value(text));
        }
        Ok(Self {
            origin: origin.into(),
            table,
        })
    }

    /// Reads `HISTOGEN_SECTION__KEY=value` variables of the process: two underscores stand for the dot. One without them
    /// is no setting.
    pub fn from_environment() -> Self {
        let variables = Env::prefixed("HISTOGEN_")
            .filter(|name| name.as_str().contains("__"))
            .split("__");
        let mut table = Table::new();
        // Values are read as those of `--set`: figment's own reading takes `2e-4` for text.
        for (key, text) in variables.iter() {
            insert(&mut table, key.as_str(), value(&text));
        }
        Self {
            origin: "the environment".to_owned(),
            table,
        }
    }
}

/// A value as TOML or, failing that, as text.
fn value(text: &str) -> Value {
    let parsed = text.trim().parse::<Value>();
    parsed.unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Puts `value` at a dotted key.
pub(super) fn insert(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = table
                .entry(head)
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            } else {
                // A scalar where a section is wanted: replaced, so that the check of types names the key.
                let mut section = Table::new();
                insert(&mut section, rest, value);
                *inner = Value::Table(section);
            }
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> std::result::Result<Map<Profile, Dict>, figment::Error> {
        Serialized::defaults(&self.table).data()
    }
}

impl Config {
    /// Lays `layers` over `self`, later ones winning.
    ///
    /// # Errors
    ///
    /// For unknown keys and values of the wrong type.
    pub(super) fn overlay(&self, layers: &[Layer]) -> Result<Self> {
        let known = Table::try_from(self).expect("a configuration has string keys only");
        let mut figment = Figment::from(Serialized::defaults(self));
        for layer in layers {
            check_keys(&layer.table, &known, "", &layer.origin)?;
            figment = figment.merge(layer);
        }
        figment.extract().map_err(|error| {
            let key = error.path.join(".");
            let origin = error
                .metadata
                .map_or_else(String::new, |metadata| format!(" (from {})", metadata.name));
            refuse(
                format!("`{key}`{origin}: {}", error.kind),
                "`histogen list settings` shows every setting and its default",
            )
        })
    }
}

/// Refuses the first key of `given` that `known` lacks, and a value where it has a section. What stands inside an array is checked when it is read.
fn check_keys(given: &Table, known: &Table, path: &str, origin: &str) -> Result<()> {
    for (key, value) in given {
        let full = dotted(path, key);
        match (value, known.get(key)) {
            (Value::Table(given), Some(Value::Table(known))) => {
                check_keys(given, known, &full, origin)?;
            }
            (value, Some(Value::Table(_))) => {
                return Err(refuse(
                    format!("`{full}` is {value} in {origin}, but it is a section"),
                    "`histogen list settings` shows the settings in it",
                ));
            }
            (_, Some(_)) => {}
            (_, None) => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let hint = match nearest(key, &names) {
                    Some(name) => format!("did you mean `{}`?", dotted(path, name)),
                    None => format!("known here: {}", names.join(", ")),
                };
                return Err(refuse(format!("unknown key `{full}` in {origin}"), hint));
            }
        }
    }
    Ok(())
}
