//! One setting: what it is, and the values it takes.

use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;

use documented::DocumentedFields;
use toml::Value;

/// The values that one number of a section may take. Those that are not finite are in no range.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// The key within its section. Of a list of numbers each entry is meant.
    pub key: &'static str,
    /// What it counts, or is measured in; empty for a bare number.
    pub unit: &'static str,
    /// The lowest and the highest value.
    pub bounds: (Bound<f64>, Bound<f64>),
    /// What to do about a number out of range, where the range alone does not say it.
    pub hint: &'static str,
}

impl Range {
    /// All numbers.
    pub(super) const FINITE: Self = Self::new("", "", (Unbounded, Unbounded));

    /// The range from `bounds.0` to `bounds.1`.
    pub const fn new(
        key: &'static str,
        unit: &'static str,
        bounds: (Bound<f64>, Bound<f64>),
    ) -> Self {
        Self {
            key,
            unit,
            bounds,
            hint: "",
        }
    }

    /// Numbers from `low` to `high`, both among them.
    pub const fn between(key: &'static str, unit: &'static str, low: f64, high: f64) -> Self {
        Self::new(key, unit, (Included(low), Included(high)))
    }

    /// Numbers from `low` on.
    pub const fn at_least(key: &'static str, unit: &'static str, low: f64) -> Self {
        Self::new(key, unit, (Included(low), Unbounded))
    }

    /// Numbers greater than `low`.
    pub const fn above(key: &'static str, unit: &'static str, low: f64) -> Self {
        Self::new(key, unit, (Excluded(low), Unbounded))
    }

    /// The same range with advice.
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Whether `value` is finite and in range.
    pub fn contains(&self, value: f64) -> bool {
        value.is_finite() && self.bounds.contains(&value)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bounds {
            (Included(low), Included(high)) => write!(formatter, "{low} to {high}"),
            (Included(low), Excluded(high)) => write!(formatter, "at least {low}, below {high}"),
            (Included(low), Unbounded) => write!(formatter, "at least {low}"),
            (Excluded(low), Included(high)) => write!(formatter, "above {low}, at most {high}"),
            (Excluded(low), Excluded(high)) => write!(formatter, "above {low}, below {high}"),
            (Excluded(low), Unbounded) => write!(formatter, "above {low}"),
            (Unbounded, Included(high)) => write!(formatter, "at most {high}"),
            (Unbounded, Excluded(high)) => write!(formatter, "below {high}"),
            (Unbounded, Unbounded) => formatter.write_str("any finite number"),
        }
    }
}

/// The settings of one section: what each is, from the doc comments of its struct, and the range of each number.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The keys, in the order of the struct.
    pub names: &'static [&'static str],
    /// What each is; its first sentence is shown.
    pub docs: &'static [&'static str],
    /// The ranges of the numbers among them.
    pub ranges: &'static [Range],
}

impl Section {
    /// No settings.
    pub const EMPTY: Self = Self {
        names: &[],
        docs: &[],
        ranges: &[],
    };

    /// The fields of `T`, which are documented there, with the ranges of the numbers among them.
    pub const fn of<T: DocumentedFields>(ranges: &'static [Range]) -> Self {
        Self {
            names: T::FIELD_NAMES,
            docs: T::FIELD_DOCS,
            ranges,
        }
    }

    /// The range of `key`, if it is a number here.
    pub fn range(&self, key: &str) -> Option<&'static Range> {
        self.ranges.iter().find(|range| range.key == key)
    }
}

/// One setting, as `histogen list settings` shows it.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The section, dotted; empty at the top.
    pub section: &'a str,
    /// The key within the section.
    pub name: &'static str,
    /// Its value where no layer sets another.
    pub default: Value,
    /// Its range, if it is a number.
    pub range: Option<&'static Range>,
    /// What it is, in a sentence.
    pub about: String,
}

impl Setting<'_> {
    /// The dotted key, as files and `--set` have it.
    pub fn key(&self) -> String {
        dotted(self.section, self.name)
    }
}

/// `key` within `section`.
pub(super) fn dotted(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// The first sentence of a doc comment, on one line.
pub(super) fn first_sentence(doc: &str) -> String {
    let line = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.split_once(". ") {
        Some((sentence, _)) => format!("{sentence}."),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_open_and_closed_ends_and_nothing_infinite() {
        let half_open = Range::new("x", "", (Excluded(0.0), Included(1.0)));
        for (value, is_in) in [(0.0, false), (1e-300, true), (1.0, true), (1.5, false)] {
            assert_eq!(half_open.contains(value), is_in, "{value}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!Range::FINITE.contains(value), "{value}");
        }
        assert!(Range::FINITE.contains(-1e300));
        assert_eq!(half_open.to_string(), "above 0, at most 1");
        assert_eq!(
            Range::between("x", "", 1.0, 65_536.0).to_string(),
            "1 to 65536"
        );
    }

    #[test]
    fn a_description_is_the_first_sentence() {
        assert_eq!(
            first_sentence(" One of arXiv 1.2\n and so on. More."),
            "One of arXiv 1.2 and so on."
        );
        assert_eq!(first_sentence("Only one."), "Only one.");
    }
}
