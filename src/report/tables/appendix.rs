//! How the numbers of a table came about, for an appendix: data, training, settings, reward models, protocols.

use super::Table;
use crate::report::table::latex_text;

/// As Markdown.
pub(super) fn markdown(table: &Table) -> String {
    let mut text = format!("# Protocol of {}\n\n", table.title);
    for paragraph in &table.protocol {
        text.extend(["- ", paragraph, "\n"]);
    }
    text
}

/// As a LaTeX section without a number.
pub(super) fn latex(table: &Table) -> String {
    let title = latex_text(&table.title);
    let mut text = format!("\\subsection*{{Protocol of {title}}}\n\\begin{{itemize}}\n");
    for paragraph in &table.protocol {
        text.extend(["  \\item ", &latex_text(paragraph), "\n"]);
    }
    text + "\\end{itemize}\n"
}
