//! The classes of masks, each with its value in a PNG.

use crate::error::{Result, refuse};

/// What a class looks like in a PNG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// An index of its palette, or a grey value.
    Index(u8),
    Colour([u8; 3]),
}

/// Names and values from entries `name=value`.
pub(super) fn table(entries: &[String]) -> Result<(Vec<String>, Vec<Value>)> {
    const HINT: &str = "give for example `[\"background=0\", \"nucleus=1\"]`: an index or a grey value, or a colour as `#ff0000`; the \
                        first class is the background";
    let (mut names, mut values): (Vec<String>, Vec<Value>) = (Vec::new(), Vec::new());
    for entry in entries {
        let wrong = |what: &str| refuse(format!("`data.mask_classes` has `{entry}`, {what}"), HINT);
        let (name, value) = entry
            .split_once('=')
            .ok_or_else(|| wrong("which has no value"))?;
        let value = match value.strip_prefix('#') {
            Some(digits) if digits.len() == 6 => {
                let number = u32::from_str_radix(digits, 16)
                    .map_err(|_| wrong("whose value is no colour"))?;
                let [_, colour @ ..] = number.to_be_bytes();
                Value::Colour(colour)
            }
            Some(_) => return Err(wrong("whose value is no colour")),
            None => Value::Index(
                value
                    .parse()
                    .map_err(|_| wrong("whose value is no number from 0 to 255"))?,
            ),
        };
        if names.iter().any(|known| known == name) {
            return Err(wrong("whose name another class has"));
        }
        if values.contains(&value) {
            return Err(wrong("whose value another class has"));
        }
        names.push(name.to_owned());
        values.push(value);
    }
    if names.len() < 2 {
        return Err(refuse(
            format!("`data.mask_classes` names {} classes", names.len()),
            HINT,
        ));
    }
    Ok((names, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T>(result: Result<T>) -> String {
        result.err().expect("refused").to_string()
    }

    #[test]
    fn a_table_of_classes_has_names_and_values_that_differ() {
        let of = |entries: &[&str]| {
            let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
            table(&entries)
        };
        let (names, values) = of(&["background=0", "gland=#00ff10"]).unwrap();
        assert_eq!(names, ["background", "gland"]);
        assert_eq!(values, [Value::Index(0), Value::Colour([0, 255, 16])]);
        for (entries, expected) in [
            (&["background=0"][..], "`data.mask_classes` names 1 classes"),
            (
                &["a=0", "b"],
                "`data.mask_classes` has `b`, which has no value",
            ),
            (
                &["a=0", "b=256"],
                "`data.mask_classes` has `b=256`, whose value is no number from 0 to 255",
            ),
            (
                &["a=0", "b=#12"],
                "`data.mask_classes` has `b=#12`, whose value is no colour",
            ),
            (
                &["a=0", "a=1"],
                "`data.mask_classes` has `a=1`, whose name another class has",
            ),
            (
                &["a=0", "b=0"],
                "`data.mask_classes` has `b=0`, whose value another class has",
            ),
        ] {
            assert_eq!(refusal(of(entries)), expected);
        }
    }
}
