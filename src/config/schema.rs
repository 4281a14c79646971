//! Every setting there is, and what is refused before anything starts.

use toml::{Table, Value};

use super::aliases::rename;
use super::ranges::SECTIONS;
use super::settings::{dotted, first_sentence};
use super::{Alias, Config, Layer, Range, Section, Setting, System};
use crate::error::{Result, refuse, refuse_repeated};

/// The sections that a row may set for itself. Rows share all others: what they are measured on, and how.
const OF_ROWS: [&str; 9] = [
    "models",
    "reward",
    "snn",
    "backbone",
    "optimiser",
    "training",
    "prior",
    "bcr",
    "zcr",
];

/// The lists that are sets.
const SETS: [&str; 10] = [
    "seeds",
    "data.classes",
    "snn.dissimilar",
    "downstream.curve",
    "translation.patches",
    "translation.starts",
    "translation.pretraining.patches",
    "evaluation.samplers",
    "low_data.sizes",
    "low_data.tau_grid",
];

/// Every setting there is: its default, what it is, its range.
pub struct Schema {
    defaults: Config,
    /// By dotted path.
    sections: Vec<(String, Section)>,
    /// Settings that have another name now.
    aliases: Vec<Alias>,
}

impl Schema {
    /// The settings of every experiment with their defaults, the `sections`, by dotted path, of what registries hold, and
    /// settings that have another name now.
    pub fn new(
        defaults: Config,
        sections: impl IntoIterator<Item = (String, Section)>,
        aliases: impl IntoIterator<Item = Alias>,
    ) -> Self {
        let own = SECTIONS
            .iter()
            .map(|(path, section)| ((*path).to_owned(), *section));
        Self {
            defaults,
            sections: own.chain(sections).collect(),
            aliases: aliases.into_iter().collect(),
        }
    }

    /// The defaults under `layers`, later ones winning, with rows that are sound.
    ///
    /// # Errors
    ///
    /// For unknown keys, values of the wrong type, numbers out of range, repeated members of sets, and rows that set
    /// what all rows share.
    pub fn resolve(&self, mut layers: Vec<Layer>) -> Result<Config> {
        for layer in &mut layers {
            rename(layer, &self.aliases)?;
            self.check(layer)?;
        }
        let mut config = self.defaults.overlay(&layers)?;
        let names: Vec<&str> = config.systems.iter().map(|row| row.name.as_str()).collect();
        refuse_repeated(
            "`systems`",
            &names,
            "give one of the two rows another `name`, and its model as `model`",
        )?;
        let mut rows = config.systems.clone();
        for row in &mut rows {
            let mut layer = row.layer();
            rename(&mut layer, &self.aliases)?;
            self.check(&layer)?;
            check_row(&layer, row, &config)?;
            if !row.same_as.is_empty() && !layer.table.is_empty() {
                return Err(refuse(
                    format!("{} has both `set` and `same_as`", layer.origin),
                    format!(
                        "a row that equals `{}` is not trained: leave one of the two out",
                        row.same_as
                    ),
                ));
            }
            row.set = layer.table;
            config.for_system(row)?;
        }
        config.systems = rows;
        Ok(config)
    }

    /// Every setting, in the order of the sections and of their fields.
    pub fn settings(&self) -> Vec<Setting<'_>> {
        let table = Table::try_from(&self.defaults).expect("a configuration has string keys only");
        let mut found = Vec::new();
        for (path, section) in &self.sections {
            let mut keys = path.split('.').filter(|key| !key.is_empty());
            let defaults = keys.try_fold(&table, |table, key| table.get(key)?.as_table());
            for (name, doc) in section.names.iter().zip(section.docs) {
                // A field that is a section has an entry of its own.
                let default = defaults.and_then(|table| table.get(*name));
                if let Some(default) = default.filter(|value| !value.is_table()) {
                    found.push(Setting {
                        section: path,
                        name,
                        default: default.clone(),
                        range: section.range(name),
                        about: first_sentence(doc),
                    });
                }
            }
        }
        found
    }

    /// Refuses numbers out of range, those that are not finite where there is none, and repeated members of sets.
    fn check(&self, layer: &Layer) -> Result<()> {
        each_leaf(&layer.table, "", &mut |section, key, value| {
            let range = self
                .sections
                .iter()
                .find(|(path, _)| path == section)
                .and_then(|(_, known)| known.range(key))
                .unwrap_or(&Range::FINITE);
            let full = dotted(section, key);
            let values = match value {
                Value::Array(values) => values.as_slice(),
                single => std::slice::from_ref(single),
            };
            if SETS.contains(&full.as_str()) {
                refuse_repeated(
                    &format!("`{full}` in {}", layer.origin),
                    values,
                    "it is a set: give each once",
                )?;
            }
            for value in values {
                let number = match value {
                    Value::Integer(number) => *number as f64,
                    Value::Float(number) => *number,
                    // Of the wrong type, which is refused when the layers are merged.
                    _ => continue,
                };
                if !range.contains(number) {
                    let unit = match range.unit {
                        "" => String::new(),
                        unit => format!(" ({unit})"),
                    };
                    let hint = match range.hint {
                        "" => {
                            "`histogen list settings` shows every setting, its unit and its range"
                        }
                        hint => hint,
                    };
                    return Err(refuse(
                        format!(
                            "`{full}` is {value} in {}; its range is {range}{unit}",
                            layer.origin
                        ),
                        hint,
                    ));
                }
            }
            Ok(())
        })
    }
}

impl System {
    /// What the row sets, as a layer.
    fn layer(&self) -> Layer {
        Layer {
            origin: format!("system `{}`", self.name),
            table: self.set.clone(),
        }
    }
}

impl Config {
    /// The experiment as one of its systems sees it.
    ///
    /// # Errors
    ///
    /// For unknown keys and values of the wrong type.
    pub fn for_system(&self, system: &System) -> Result<Self> {
        self.overlay(&[system.layer()])
    }
}

/// Refuses a row that sets what all rows share. What nobody knows is refused with the name that was probably meant.
fn check_row(layer: &Layer, row: &System, config: &Config) -> Result<()> {
    let known = Table::try_from(config).expect("a configuration has string keys only");
    each_leaf(&layer.table, "", &mut |section, key, _| {
        let full = dotted(section, key);
        let head = full.split('.').next().unwrap_or(&full);
        let of_its_sampler = head == "samplers" && !row.sampler.is_empty();
        if OF_ROWS.contains(&head) || of_its_sampler || !known.contains_key(head) {
            return Ok(());
        }
        Err(refuse(
            format!("{} sets `{full}` for itself", layer.origin),
            format!(
                "set it for the whole experiment, where all rows share it: a row sets only {}",
                OF_ROWS.map(|name| format!("`{name}`")).join(", ")
            ),
        ))
    })
}

/// Calls `each` with section, key and value of everything in `table` that is not itself a section with something in it.
pub(super) fn each_leaf<'a>(
    table: &'a Table,
    section: &str,
    each: &mut dyn FnMut(&str, &str, &'a Value) -> Result<()>,
) -> Result<()> {
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                each_leaf(inner, &dotted(section, key), each)?;
            }
            value => each(section, key, value)?,
        }
    }
    Ok(())
}
