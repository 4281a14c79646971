//! A table of results on the page: each number leads to its runs, each heading to its protocol.

use maud::{Markup, PreEscaped, html};

use super::{Protocols, row_id};
use crate::error::Result;
use crate::report::claims::baseline;
use crate::report::table::Links;
use crate::report::{Record, Table, statistics};

/// The table with what must be said of its numbers and, where there are several seeds, their statistics.
///
/// # Errors
/// Fails if the statistics cannot be computed.
pub(super) fn table(table: &Table, record: &Record, protocols: &Protocols<'_>) -> Result<Markup> {
    let row = |name: &str| Some(format!("#{}", row_id(record, name)?));
    let protocol = |id: &str| Some(format!("#{}", protocols.id(id)?));
    let links = Links {
        row: &row,
        protocol: &protocol,
    };
    let shown = |table: &Table| {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(table.title) {
                // A table escapes its own text.
                (PreEscaped(table.linked_html(&links)))
            }
            (PreEscaped(table.notes_html()))
        }
    };
    let statistics = statistics(table, table.baseline().unwrap_or(&baseline()))?;
    Ok(html! {
        (shown(table))
        @if !statistics.is_empty() {
            details {
                summary { "Statistics" }
                @for table in &statistics { (shown(table)) }
            }
        }
    })
}
