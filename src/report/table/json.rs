//! A table as JSON: what its CSV has, and its words.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::{Row, Table, TableCell};

impl Serialize for Table {
    /// Numbers in full; what a cell does not have has no key.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let columns = self.columns.iter().map(|column| {
            let (title, group) = (&column.title, &column.group);
            json!({"title": title, "group": group, "direction": column.direction, "protocol": column.protocol})
        });
        let rows = self.in_order().map(|row| {
            let cells = row.cells.iter().enumerate();
            let cells: Vec<Value> = cells
                .map(|(place, cell)| self.cell(row, place, cell))
                .collect();
            json!({"name": row.name, "reference": row.reference, "cells": cells})
        });
        let table = json!({
            "title": self.title,
            "caption": self.caption,
            "subject": self.subject,
            "columns": columns.collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "notes": self.note_lines("best"),
            "protocol": self.protocol,
        });
        table.serialize(serializer)
    }
}

impl Table {
    /// The cell of `row` in the column at `place`.
    fn cell(&self, row: &Row, place: usize, cell: &TableCell) -> Value {
        let mut found = Map::new();
        let mut set = |key: &str, value: Value| {
            found.insert(key.to_owned(), value);
        };
        if let Some(value) = cell.value() {
            set("value", value.into());
        }
        if let TableCell::Number {
            spread,
            interval,
            over_images,
            n,
            values,
            seeds,
            ..
        } = cell
        {
            set("n", (*n).into());
            set("values", json!(values));
            set("seeds", json!(seeds));
            if let Some(spread) = spread {
                set("sd", (*spread).into());
            }
            if let Some(interval) = interval {
                set("interval", json!(interval));
            }
            if let Some((interval, what)) = over_images {
                set("interval_over_images", json!(interval));
                set("interval_over_images_of", what.as_str().into());
            }
        }
        if let Some(protocol) = cell.protocol() {
            set("protocol", protocol.into());
        }
        let best = self.best(place);
        if best.is_some_and(|best| std::ptr::eq(best, row)) {
            set("best", true.into());
        }
        let note = cell.note();
        if !note.is_empty() {
            set("note", note.into());
        }
        Value::Object(found)
    }
}

#[cfg(test)]
mod tests {
    use crate::metrics::Direction;
    use crate::report::{Column, Row, Table, TableCell};

    #[test]
    fn a_cell_has_its_number_in_full_or_says_why_there_is_none() {
        let fid = Column::new("FID", Some(Direction::Lower));
        let mut table = Table::new("Some scores", "system", vec![fid]);
        let number = TableCell::Number {
            mean: 1.0 / 3.0,
            spread: None,
            interval: None,
            over_images: None,
            n: 1,
            values: vec![1.0 / 3.0],
            seeds: vec![7],
            digits: 2,
            protocol: "3fa81c02".to_owned(),
        };
        let cells = [number, TableCell::Failed("a reason".to_owned())];
        for (name, cell) in ["one", "other"].into_iter().zip(cells) {
            let row = Row {
                name: name.to_owned(),
                reference: false,
                cells: vec![cell],
            };
            table.push(row).unwrap();
        }
        let json = serde_json::to_value(&table).unwrap();
        assert_eq!(json["columns"][0]["direction"], "lower");
        assert_eq!(json["columns"][0]["protocol"], "3fa81c02");
        let cell = &json["rows"][0]["cells"][0];
        assert_eq!(cell["value"].as_f64(), Some(1.0 / 3.0));
        assert_eq!(cell["seeds"][0], 7);
        assert!(cell.get("sd").is_none(), "{cell}");
        assert_eq!(json["rows"][1]["cells"][0]["note"], "failed: a reason");
        assert!(json["rows"][1]["cells"][0].get("value").is_none());
    }
}
