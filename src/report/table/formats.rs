//! A table as text: for a terminal, in Markdown, CSV and LaTeX.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::HorizontalLine;
use tabled::settings::themes::Theme;
use tabled::settings::{Alignment, Padding, Style};

use crate::error::Result;

use super::{Cell, Table};

impl Table {
    /// The table in aligned columns, the best models marked with `*`.
    pub fn terminal(&self) -> String {
        let mut builder = Builder::default();
        builder.push_record(self.headings(" ↓", " ↑"));
        let lines = self.lines(|text, best| match best {
            Some(true) => format!("{text} *"),
            Some(false) => format!("{text}  "),
            None => text,
        });
        let models = lines.iter().filter(|line| !line.reference).count();
        for line in lines {
            builder.push_record(std::iter::once(line.name).chain(line.cells));
        }
        let mut theme = Theme::from_style(Style::empty());
        let rule = HorizontalLine::<(), (), ()>::new('─').into_inner();
        theme.insert_horizontal_line(1, rule);
        if (1..self.rows.len()).contains(&models) {
            theme.insert_horizontal_line(models + 1, rule);
        }
        let mut table = builder.build();
        table.with(theme).with(Padding::new(0, 2, 0, 0));
        for index in 0..self.columns.len() {
            if self.is_numeric(index) {
                table.modify(Columns::one(index + 1), Alignment::right());
            }
        }
        let mut text = format!("{}\n\n", self.title);
        for line in table.to_string().lines() {
            text += line.trim_end();
            text.push('\n');
        }
        text.push('\n');
        for note in self.notes("marked with *") {
            text += &note;
            text.push('\n');
        }
        text
    }

    /// The table in Markdown, the best models in bold and the names of reference rows in italics.
    pub fn markdown(&self) -> String {
        let mut text = format!("**{}**\n\n", markdown_text(&self.title));
        let row = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(|cell| markdown_text(&cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        text += &row(&mut self.headings(" ↓", " ↑").into_iter());
        let alignment = |index| {
            if self.is_numeric(index) {
                " ---: |"
            } else {
                " --- |"
            }
        };
        let alignments: String = (0..self.columns.len()).map(alignment).collect();
        text.extend(["| --- |", &alignments, "\n"]);
        for line in self.lines(|text, best| emphasised(text, best == Some(true), "**", "**")) {
            let name = emphasised(line.name, line.reference, "*", "*");
            text += &row(&mut std::iter::once(name).chain(line.cells));
        }
        for note in self.notes("in bold") {
            text.extend(["\n", &markdown_text(&note), "\n"]);
        }
        text
    }

    /// The table as CSV, one line a cell, numbers in full: row, kind (`model` or `reference`), column, mean, sd, n,
    /// protocol, note.
    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "row", "kind", "column", "mean", "sd", "n", "protocol", "note",
        ])?;
        for row in &self.rows {
            let kind = if row.reference { "reference" } else { "model" };
            for (column, cell) in self.columns.iter().zip(&row.cells) {
                let mean = cell.value().map(|value| value.to_string());
                let (sd, n, note) = match cell {
                    Cell::Number { spread, n, .. } => (
                        spread.map(|spread| spread.to_string()),
                        Some(n.to_string()),
                        None,
                    ),
                    Cell::Published { printed, .. } => {
                        (None, None, Some(format!("printed {printed}")))
                    }
                    Cell::Text(text) => (None, None, Some(text.clone())),
                    Cell::Failed(reason) => (None, None, Some(format!("failed: {reason}"))),
                    Cell::Unfinished(reason) => (None, None, Some(format!("unfinished: {reason}"))),
                    Cell::Absent(reason) => (None, None, Some(format!("none: {reason}"))),
                    Cell::Missing => (None, None, Some("missing".to_owned())),
                };
                writer.write_record([
                    row.name.as_str(),
                    kind,
                    &column.title,
                    &mean.unwrap_or_default(),
                    &sd.unwrap_or_default(),
                    &n.unwrap_or_default(),
                    cell.protocol().unwrap_or_default(),
                    &note.unwrap_or_default(),
                ])?;
            }
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// The table in LaTeX for the package `booktabs`, to be referred to as `label`; the best models in bold.
    pub fn latex(&self, label: &str) -> String {
        let line = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.collect();
            format!("    {} \\\\\n", cells.join(" & "))
        };
        let mut body = String::new();
        body += &line(
            &mut self
                .headings(" ↓", " ↑")
                .iter()
                .map(|heading| latex_text(heading)),
        );
        let mut competing = true;
        body += "    \\midrule\n";
        for (index, row) in self
            .lines(|text, best| {
                let best = best == Some(true);
                emphasised(latex_cell(&text), best, "\\textbf{", "}")
            })
            .into_iter()
            .enumerate()
        {
            if row.reference && competing && index > 0 {
                body += "    \\midrule\n";
            }
            competing = !row.reference;
            body += &line(&mut std::iter::once(latex_text(&row.name)).chain(row.cells));
        }
        let notes: Vec<String> = std::iter::once(format!("{}.", self.title.trim_end_matches('.')))
            .chain(self.notes("in bold"))
            .map(|note| latex_text(&note))
            .collect();
        let alignment = |index| if self.is_numeric(index) { 'r' } else { 'l' };
        let alignments: String = (0..self.columns.len()).map(alignment).collect();
        format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\label{{{label}}}\n  \\begin{{tabular}}{{l{alignments}}}\n    \
             \\toprule\n{body}    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            notes.join(" "),
        )
    }
}

fn emphasised(text: String, emphasise: bool, before: &str, after: &str) -> String {
    if emphasise {
        format!("{before}{text}{after}")
    } else {
        text
    }
}

/// Text that cannot end a cell of a Markdown table.
fn markdown_text(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The text of a cell in LaTeX, with a minus sign where it starts with a hyphen.
fn latex_cell(text: &str) -> String {
    match text.strip_prefix('-') {
        Some(rest) => format!("$-${}", latex_text(rest)),
        None => latex_text(text),
    }
}

/// Text in which nothing is a LaTeX command; what stands in back quotes is set in typewriter letters.
fn latex_text(text: &str) -> String {
    let mut escaped = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '`' => {
                escaped += if quoted { "}" } else { "\\texttt{" };
                quoted = !quoted;
            }
            '&' | '%' | '_' | '#' | '$' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '<' => escaped += "$<$",
            '>' => escaped += "$>$",
            '±' => escaped += "$\\pm$",
            '↓' => escaped += "$\\downarrow$",
            '↑' => escaped += "$\\uparrow$",
            _ => escaped.push(character),
        }
    }
    if quoted {
        escaped.push('}');
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latex_commands_in_text_are_only_text() {
        assert_eq!(
            latex_text("50% of `a_b` & #1 {x} $ ~ ^ \\ <= ±"),
            "50\\% of \\texttt{a\\_b} \\& \\#1 \\{x\\} \\$ \\textasciitilde{} \\textasciicircum{} \\textbackslash{} $<$= $\\pm$"
        );
    }
}
