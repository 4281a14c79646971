//! A table of results as HTML: each number leads to its runs, each heading to its protocol.

use maud::{Markup, html};

use super::document::prose;
use super::{Protocols, row_id};
use crate::report::table::shown;
use crate::report::{Cell, Record, Row, Table};

/// The table, and below it what a reader must know of its numbers.
pub(super) fn table(table: &Table, record: &Record, protocols: &Protocols) -> Markup {
    let (models, reference): (Vec<&Row>, Vec<&Row>) =
        table.in_order().partition(|row| !row.reference);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(table.title) {
            table.results {
                thead { tr {
                    th scope="col" { span.label { (table.subject) } }
                    @for (index, column) in table.columns().iter().enumerate() {
                        th scope="col" .number[table.is_numeric(index)] {
                            span.label { (column.title) }
                            @if let Some(direction) = column.direction {
                                (super::arrow(direction))
                            }
                            @if let Some(protocol) = column.protocol() { (protocols.link(protocol)) }
                        }
                    }
                } }
                @for rows in [models, reference].into_iter().filter(|rows| !rows.is_empty()) {
                    tbody { @for row in rows { (line(table, row, record)) } }
                }
            }
        }
        ul.notes { @for note in table.notes("in bold") { li { (prose(&note)) } } }
    }
}

fn line(table: &Table, row: &Row, record: &Record) -> Markup {
    let reasons = table.reasons();
    let id = row_id(record, &row.name);
    html! {
        tr .reference[row.reference] {
            th scope="row" {
                @if let Some(id) = &id { a href={ "#" (id) } { (row.name) } } @else { (row.name) }
            }
            @for (index, cell) in row.cells.iter().enumerate() {
                @let best = !row.reference && cell.value().is_some() && cell.value() == table.best(index);
                td .number[table.is_numeric(index)] .best[best] data-value=[cell.value()] {
                    @match (cell, &id) {
                        (Cell::Number { .. }, Some(id)) => {
                            a href={ "#" (id) } title=(origin(cell)) { (shown(cell, &reasons)) }
                        }
                        _ => (shown(cell, &reasons)),
                    }
                }
            }
        }
    }
}

/// Where a number is from, in a line.
fn origin(cell: &Cell) -> String {
    let Cell::Number {
        seeds, protocol, ..
    } = cell
    else {
        return String::new();
    };
    let seeds: Vec<String> = seeds.iter().map(ToString::to_string).collect();
    match seeds.as_slice() {
        [] => format!("protocol {protocol}"),
        [seed] => format!("seed {seed}, protocol {protocol}"),
        _ => format!("mean of seeds {}, protocol {protocol}", seeds.join(", ")),
    }
}
