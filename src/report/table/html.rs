//! A table in HTML, for a page: it sorts by `data-value`, and a screen reader knows what heads what.

use std::fmt::Write;

use super::{Line, Table, TableCell};
use crate::metrics::Direction;

/// Where a table on a page leads: addresses by the name of a row and by the id of a protocol; none where there is nothing.
pub(in crate::report) struct Links<'a> {
    pub(in crate::report) row: &'a dyn Fn(&str) -> Option<String>,
    pub(in crate::report) protocol: &'a dyn Fn(&str) -> Option<String>,
}

impl Table {
    /// One `<table class="results">`: models in the first body, reference rows in a second one of class `reference`. A cell
    /// with a number has it in full in `data-value`, the best models are `<strong>` in cells of class `best`, and the heading
    /// of a column that competes has its direction (`lower`, `higher`) in `data-better`.
    pub fn html(&self) -> String {
        self.linked_html(&Links {
            row: &|_| None,
            protocol: &|_| None,
        })
    }

    /// The same where names and numbers lead to what they are from.
    pub(in crate::report) fn linked_html(&self, links: &Links<'_>) -> String {
        let title = self.title.trim_end_matches('.');
        let caption = match self.caption.as_str() {
            "" => html_text(title),
            caption => format!("<b>{}.</b> {}", html_text(title), html_text(caption)),
        };
        let mut text =
            format!("<table class=\"results\">\n<caption>{caption}</caption>\n<thead>\n");
        text += &self.html_headings(links);
        text += "</thead>\n";
        let lines = self.lines();
        let (models, reference) = lines.split_at(self.models());
        for (class, lines) in [("", models), (" class=\"reference\"", reference)] {
            if lines.is_empty() {
                continue;
            }
            let _ = writeln!(text, "<tbody{class}>");
            for line in lines {
                text += &html_row(line, links);
            }
            text += "</tbody>\n";
        }
        text + "</table>\n"
    }

    /// The notes under it: a `<ul class="notes">`.
    pub fn notes_html(&self) -> String {
        let mut text = "<ul class=\"notes\">\n".to_owned();
        for note in self.note_lines("in bold") {
            let _ = writeln!(text, "<li>{}</li>", html_text(&note));
        }
        text + "</ul>\n"
    }

    fn html_headings(&self, links: &Links<'_>) -> String {
        let mut text = String::new();
        let has_groups = self.columns.iter().any(|column| !column.group.is_empty());
        if has_groups {
            text += "<tr><td></td>";
            for (group, count) in self.groups() {
                let _ = match group {
                    "" => write!(text, "<td colspan=\"{count}\"></td>"),
                    group => write!(
                        text,
                        "<th scope=\"colgroup\" colspan=\"{count}\">{}</th>",
                        html_text(group)
                    ),
                };
            }
            text += "</tr>\n";
        }
        let _ = write!(
            text,
            "<tr><th scope=\"col\">{}</th>",
            html_text(&self.subject)
        );
        for column in &self.columns {
            let title = html_text(&column.title);
            let protocol = column.protocol().unwrap_or_default();
            let protocol = match (links.protocol)(protocol) {
                Some(address) => format!(
                    " <a class=\"protocol\" href=\"{}\">{}</a>",
                    html_text(&address),
                    html_text(protocol)
                ),
                None => String::new(),
            };
            let _ = match column.direction {
                None => write!(text, "<th scope=\"col\">{title}{protocol}</th>"),
                Some(direction) => {
                    let better = match direction {
                        Direction::Lower => "lower",
                        Direction::Higher => "higher",
                    };
                    write!(
                        text,
                        "<th scope=\"col\" data-better=\"{better}\">{title} <span role=\"img\" aria-label=\"{better} is \
                         better\">{}</span>{protocol}</th>",
                        column.arrow().trim()
                    )
                }
            };
        }
        text + "</tr>\n"
    }
}

fn html_row(line: &Line<'_>, links: &Links<'_>) -> String {
    let address = (links.row)(&line.row.name);
    let linked = |text: String| match &address {
        Some(address) => format!("<a href=\"{}\">{text}</a>", html_text(address)),
        None => text,
    };
    let name = linked(html_text(&line.row.name));
    let mut text = format!("<tr><th scope=\"row\">{name}</th>");
    for (entry, cell) in line.entries.iter().zip(&line.row.cells) {
        let value = cell
            .value()
            .map_or_else(String::new, |value| format!(" data-value=\"{value}\""));
        let shown = match cell {
            TableCell::Missing | TableCell::Absent(_) => "–".to_owned(),
            TableCell::Number { .. } => linked(html_text(&entry.text)),
            _ => html_text(&entry.text),
        };
        let note = entry
            .note
            .map_or_else(String::new, |number| format!(" [{number}]"));
        let _ = if entry.is_best {
            write!(
                text,
                "<td class=\"best\"{value}><strong>{shown}</strong></td>"
            )
        } else {
            write!(text, "<td{value}>{shown}{note}</td>")
        };
    }
    text + "</tr>\n"
}

/// Text in which nothing is a tag; what stands in back quotes is code.
fn html_text(text: &str) -> String {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;");
    let mut marked = String::new();
    for (index, part) in escaped.split('`').enumerate() {
        if index > 0 {
            marked += if index % 2 == 1 { "<code>" } else { "</code>" };
        }
        marked += part;
    }
    if escaped.matches('`').count() % 2 == 1 {
        marked += "</code>";
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_in_text_are_only_text() {
        assert_eq!(
            html_text("a < b & `<td>` \"c\""),
            "a &lt; b &amp; <code>&lt;td&gt;</code> &quot;c&quot;"
        );
        assert_eq!(html_text("an open `quote"), "an open <code>quote</code>");
    }
}
