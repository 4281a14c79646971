//! `histogen list settings`: every key with its default, unit and range.

use serde::Serialize;
use toml::Value;

use super::super::output::{lines, show};
use crate::error::Result;
use crate::experiment::schema;

/// A setting.
#[derive(Serialize)]
struct Row {
    /// Dotted, as files and `--set` have it.
    key: String,
    #[serde(skip)]
    section: String,
    default: Value,
    unit: &'static str,
    /// The values it may take, in words; none for what is no number.
    range: Option<String>,
    about: String,
}

impl Row {
    fn cells(&self) -> [String; 4] {
        let range = self.range.clone().unwrap_or_default();
        let default = self.default.to_string();
        [self.key.clone(), default, self.unit.to_owned(), range]
    }
}

pub(super) fn list(json: bool) -> Result<()> {
    let schema = schema();
    let settings = schema.settings();
    let row = |setting: &crate::config::Setting<'_>| Row {
        key: setting.key(),
        section: setting.section.to_owned(),
        default: setting.default.clone(),
        unit: setting.range.map_or("", |range| range.unit),
        range: setting.range.map(ToString::to_string),
        about: setting.about.clone(),
    };
    let rows: Vec<Row> = settings.iter().map(row).collect();
    show(json, &rows, |rows| Ok(table(rows)))
}

/// Settings in columns, a line without any before each section.
fn table(rows: &[Row]) -> String {
    let cells: Vec<[String; 4]> = rows.iter().map(Row::cells).collect();
    let widths = [0, 1, 2, 3].map(|column| {
        let lengths = cells.iter().map(|row| row[column].len());
        lengths.max().unwrap_or_default()
    });
    let line = |row: [&str; 4], about: &str| {
        let cells = row.iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
        let cells: Vec<String> = cells.chain([about.to_owned()]).collect();
        cells.join("  ")
    };
    let mut text = vec![line(["setting", "default", "unit", "range"], "")];
    for (number, (row, cells)) in rows.iter().zip(&cells).enumerate() {
        if number == 0 || rows[number - 1].section != row.section {
            text.push(String::new());
        }
        text.push(line(cells.each_ref().map(String::as_str), &row.about));
    }
    lines(text.into_iter())
}
