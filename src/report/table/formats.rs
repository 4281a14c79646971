//! A table as text: for a terminal, in Markdown and CSV.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::style::HorizontalLine;
use tabled::settings::themes::Theme;
use tabled::settings::{Alignment, Padding, Style};

use crate::error::Result;

use super::{Table, TableCell};

impl Table {
    /// The table in aligned columns, the best models marked with `*`.
    pub fn terminal(&self) -> String {
        let mut builder = Builder::default();
        builder.push_record(self.headings());
        let has_best: Vec<bool> = (0..self.columns.len())
            .map(|index| self.best(index).is_some())
            .collect();
        for line in self.lines() {
            let entries = line.entries.iter().zip(&has_best);
            let cells = entries.map(|(entry, has_best)| match (has_best, entry.is_best) {
                (false, _) => entry.with_note(),
                (true, false) => entry.with_note() + "  ",
                (true, true) => entry.with_note() + " *",
            });
            builder.push_record(std::iter::once(line.row.name.clone()).chain(cells));
        }
        let mut theme = Theme::from_style(Style::empty());
        let rule = HorizontalLine::<(), (), ()>::new('─').into_inner();
        theme.insert_horizontal_line(1, rule);
        if (1..self.rows.len()).contains(&self.models()) {
            theme.insert_horizontal_line(self.models() + 1, rule);
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
        for note in self.note_lines("marked with *") {
            text += &note;
            text.push('\n');
        }
        text
    }

    /// The table in Markdown, the best models in bold and the names of reference rows in italics.
    pub fn markdown(&self) -> String {
        let title = self.title.trim_end_matches('.');
        let mut text = match self.caption.as_str() {
            "" => format!("**{}**\n\n", markdown_text(title)),
            caption => format!(
                "**{}.** {}\n\n",
                markdown_text(title),
                markdown_text(caption)
            ),
        };
        let row = |cells: &mut dyn Iterator<Item = String>| {
            let cells: Vec<String> = cells.map(|cell| markdown_text(&cell)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        text += &row(&mut self.headings().into_iter());
        let alignment = |index| {
            if self.is_numeric(index) {
                " ---: |"
            } else {
                " --- |"
            }
        };
        let alignments: String = (0..self.columns.len()).map(alignment).collect();
        text.extend(["| --- |", &alignments, "\n"]);
        for line in self.lines() {
            let name = emphasised(line.row.name.clone(), line.row.reference, "*");
            let entries = line.entries.iter();
            let cells = entries.map(|entry| emphasised(entry.with_note(), entry.is_best, "**"));
            text += &row(&mut std::iter::once(name).chain(cells));
        }
        for note in self.note_lines("in bold") {
            text.extend(["\n", &markdown_text(&note), "\n"]);
        }
        text
    }

    /// The table as CSV, one line a cell, numbers in full: row, kind (`model` or `reference`), column, mean, sd, the ends of
    /// the 95 % t interval of the mean, n, the number of each seed and the seeds (with spaces between), whether it is marked
    /// as the best, protocol, note.
    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([
            "row", "kind", "column", "mean", "sd", "low", "high", "n", "values", "seeds", "best",
            "protocol", "note",
        ])?;
        for row in &self.rows {
            let kind = if row.reference { "reference" } else { "model" };
            for (place, (column, cell)) in self.columns.iter().zip(&row.cells).enumerate() {
                let best = self.best(place);
                let is_best = best.is_some_and(|best| std::ptr::eq(best, row));
                let optional =
                    |value: Option<f64>| value.map_or_else(String::new, |it| it.to_string());
                let mut numbers = vec![optional(cell.value())];
                if let TableCell::Number {
                    spread,
                    interval,
                    n,
                    values,
                    seeds,
                    ..
                } = cell
                {
                    numbers.push(optional(*spread));
                    numbers.push(optional(interval.map(|(low, _)| low)));
                    numbers.push(optional(interval.map(|(_, high)| high)));
                    numbers.push(n.to_string());
                    numbers.push(joined(values));
                    numbers.push(joined(seeds));
                }
                numbers.resize(7, String::new());
                let best = if is_best { "best" } else { "" };
                let protocol = cell.protocol().unwrap_or_default().to_owned();
                let mut record = vec![row.name.clone(), kind.to_owned(), column.full_title()];
                record.extend(numbers);
                record.extend([best.to_owned(), protocol, cell.note()]);
                writer.write_record(record)?;
            }
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}

/// Numbers with spaces between.
fn joined<T: ToString>(numbers: &[T]) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(" ")
}

fn emphasised(text: String, emphasise: bool, mark: &str) -> String {
    if emphasise {
        format!("{mark}{text}{mark}")
    } else {
        text
    }
}

/// Text that cannot end a cell of a Markdown table.
fn markdown_text(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
