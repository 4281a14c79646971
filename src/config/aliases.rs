//! Settings that were renamed: old files and commands go on working.

use toml::{Table, Value};

use super::layers::{Layer, insert};
use crate::error::{Result, refuse};

/// A setting, or a whole section, that has another name now.
#[derive(Clone, Copy, Debug)]
pub struct Alias {
    /// The dotted key that it had.
    pub old: &'static str,
    /// The dotted key that it has.
    pub new: &'static str,
    /// Its value from before as it is written now.
    pub value: fn(Value) -> Value,
}

impl Alias {
    /// Takes the setting out of `table`, where that has it under its old name.
    pub fn take(&self, table: &mut Table) -> Option<Value> {
        take(table, self.old)
    }
}

/// Gives what `layer` has under old names their new ones.
///
/// # Errors
///
/// Where a layer has a setting under both names.
pub(super) fn rename(layer: &mut Layer, aliases: &[Alias]) -> Result<()> {
    for alias in aliases {
        let Alias { old, new, value } = alias;
        let Some(given) = alias.take(&mut layer.table) else {
            continue;
        };
        if get(&layer.table, new).is_some() {
            return Err(refuse(
                format!("`{old}` and `{new}` in {} are one setting", layer.origin),
                format!("`{old}` is the name from before: keep `{new}`"),
            ));
        }
        insert(&mut layer.table, new, value(given));
    }
    Ok(())
}

/// The value at a dotted key.
fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((head, rest)) => get(table.get(head)?.as_table()?, rest),
    }
}

/// Takes the value at a dotted key out, and the sections that it leaves empty.
fn take(table: &mut Table, key: &str) -> Option<Value> {
    let Some((head, rest)) = key.split_once('.') else {
        return table.remove(key);
    };
    let inner = table.get_mut(head)?.as_table_mut()?;
    let value = take(inner, rest)?;
    if inner.is_empty() {
        table.remove(head);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RENAMED: &[Alias] = &[
        Alias {
            old: "models.ddpm.sampler",
            new: "evaluation.samplers",
            value: |value| Value::Array(vec![value]),
        },
        Alias {
            old: "models.ddpm.sampling_steps",
            new: "samplers.ddim.steps",
            value: std::convert::identity,
        },
        Alias {
            old: "judges",
            new: "reward.models",
            value: std::convert::identity,
        },
    ];

    fn renamed(text: &str) -> Result<Table> {
        let mut layer = Layer::parse("a file", text)?;
        rename(&mut layer, RENAMED)?;
        Ok(layer.table)
    }

    #[test]
    fn old_names_become_new_ones_and_leave_nothing_behind() {
        let found = renamed(
            "judges = { a = 1 }\n[models.ddpm]\nsampler = \"ddim\"\nsampling_steps = 20\n[evaluation]\nimages = 5",
        );
        let expected = "[evaluation]\nimages = 5\nsamplers = [\"ddim\"]\n[samplers.ddim]\nsteps = 20\n\
                        [reward.models]\na = 1";
        assert_eq!(found.unwrap(), expected.parse::<Table>().unwrap());
    }

    #[test]
    fn the_other_settings_stay() {
        let text = "[models.ddpm]\nwidth = 8\n[evaluation]\nsamplers = [\"plain\"]";
        assert_eq!(renamed(text).unwrap(), text.parse::<Table>().unwrap());
    }

    #[test]
    fn both_names_in_one_layer_are_refused() {
        let error =
            renamed("models.ddpm.sampler = \"ddim\"\nevaluation.samplers = []").unwrap_err();
        assert_eq!(
            error.to_string(),
            "`models.ddpm.sampler` and `evaluation.samplers` in a file are one setting"
        );
    }
}
