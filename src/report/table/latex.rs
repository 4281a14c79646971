//! A table in LaTeX, as a paper prints it.

use std::fmt::Write;

use super::{Entry, Line, Table, TableCell};

/// How siunitx sets the numbers of a table.
const SIUNITX: &str = "separate-uncertainty=true, retain-zero-uncertainty=true, group-digits=none, detect-weight=true";
/// More columns than this are set smaller, and shrunk to the width of the text if that is not enough.
const WIDE: usize = 5;
/// So are lines of more letters than this, those of the widest cell of each column and two for the gap before it: a line of text in
/// LaTeX's `article` has about as many.
const LETTERS: usize = 68;

impl Table {
    /// The table for the packages `booktabs`, `siunitx` (version 3) and `threeparttable`, and `adjustbox` where it is wide, to be referred
    /// to as `label`: the caption above, the notes below, the best models in bold.
    pub fn latex(&self, label: &str) -> String {
        let caption = if self.caption.is_empty() {
            format!("{}.", self.title.trim_end_matches(['.', '?']))
        } else {
            self.caption.clone()
        };
        let lines = self.lines();
        let [more_packages, shrunk, size, end] = if self.is_wide(&lines) {
            [
                ",adjustbox",
                "  \\begin{adjustbox}{max width=\\textwidth}\n",
                "    \\footnotesize\n    \\setlength{\\tabcolsep}{4pt}\n",
                "  \\end{adjustbox}\n",
            ]
        } else {
            [""; 4]
        };
        let columns: String = (0..self.columns.len())
            .map(|index| self.column(index))
            .collect();
        let mut body = self.latex_headings();
        for (index, line) in lines.iter().enumerate() {
            if index > 0 && index == self.models() {
                body += "      \\midrule\n";
            }
            let entries = line.entries.iter().enumerate();
            let cells = entries
                .map(|(place, entry)| self.latex_entry(entry, place, &line.row.cells[place]));
            body += &latex_row(std::iter::once(latex_text(&line.row.name)).chain(cells));
        }
        let mut notes = String::new();
        for note in self.all_notes("in bold") {
            let number = note
                .number
                .map_or_else(String::new, |number| format!("[{number}]"));
            let _ = writeln!(notes, "      \\item{number} {}", latex_text(&note.text));
        }
        format!(
            "% Needs \\usepackage{{booktabs,siunitx,threeparttable{more_packages}}}.\n\\begin{{table}}\n  \\centering\n{shrunk}  \
             \\begin{{threeparttable}}\n    \\caption{{{}}}\n    \\label{{{label}}}\n    \\sisetup{{{SIUNITX}}}\n{size}    \
             \\begin{{tabular}}{{@{{}}l{columns}@{{}}}}\n      \\toprule\n{body}      \\bottomrule\n    \
             \\end{{tabular}}\n    \\begin{{tablenotes}}[flushleft]\n      \\footnotesize\n{notes}    \
             \\end{{tablenotes}}\n  \\end{{threeparttable}}\n{end}\\end{{table}}\n",
            latex_text(&caption),
        )
    }

    /// Whether it may be wider than the text.
    fn is_wide(&self, lines: &[Line<'_>]) -> bool {
        let letters = |text: &str| text.chars().count();
        let names = lines.iter().map(|line| letters(&line.row.name));
        let columns = self.columns.iter().enumerate().map(|(index, column)| {
            let title = letters(&column.title) + letters(column.arrow());
            let cells = lines.iter().map(|line| letters(&line.entries[index].text));
            2 + cells.fold(title, usize::max)
        });
        let line = names.fold(letters(&self.subject), usize::max) + columns.sum::<usize>();
        self.columns.len() > WIDE || line > LETTERS
    }

    /// The headings, those of groups above those of columns.
    fn latex_headings(&self) -> String {
        let mut text = String::new();
        if self.columns.iter().any(|column| !column.group.is_empty()) {
            let (mut cells, mut rules, mut first) = (vec![String::new()], String::new(), 2);
            for (group, count) in self.groups() {
                if group.is_empty() {
                    cells.extend(vec![String::new(); count]);
                } else {
                    cells.push(format!(
                        "\\multicolumn{{{count}}}{{c}}{{{}}}",
                        latex_text(group)
                    ));
                    let _ = write!(rules, "\\cmidrule(l){{{first}-{}}}", first + count - 1);
                }
                first += count;
            }
            text += &latex_row(cells.into_iter());
            let _ = writeln!(text, "      {rules}");
        }
        let titles = self.columns.iter().map(|column| {
            let title = latex_text(&format!("{}{}", column.title, column.arrow()));
            format!("{{{title}}}") // in braces it is no number
        });
        text += &latex_row(std::iter::once(latex_text(&self.subject)).chain(titles));
        text + "      \\midrule\n"
    }

    /// Whether siunitx aligns a column: it has numbers that we measured.
    fn is_aligned(&self, index: usize) -> bool {
        let mut cells = self.rows.iter().map(|row| &row.cells[index]);
        self.is_numeric(index) && cells.any(|cell| matches!(cell, TableCell::Number { .. }))
    }

    /// How a column is set.
    fn column(&self, index: usize) -> String {
        if !self.is_aligned(index) {
            return if self.is_numeric(index) { "r" } else { "l" }.to_owned();
        }
        // The places that siunitx keeps for digits: before the point, behind it, and of the spread.
        let (mut before, mut behind, mut uncertain, mut sign) = (1, 0, 0, "");
        for cell in self.rows.iter().map(|row| &row.cells[index]) {
            if let TableCell::Number {
                mean,
                spread,
                digits,
                ..
            } = cell
            {
                let places = |value: f64| {
                    let text = format!("{:.digits$}", value.abs());
                    text.split('.').next().map_or(0, str::len)
                };
                before = before.max(places(*mean));
                behind = behind.max(*digits);
                if let Some(spread) = spread {
                    let text = format!("{spread:.digits$}").replace('.', "");
                    uncertain = uncertain.max(text.trim_start_matches('0').len().max(1));
                }
                if *mean < 0.0 {
                    sign = "-";
                }
            }
        }
        let uncertain = match uncertain {
            0 => String::new(),
            places => format!("({places})"),
        };
        format!("S[table-format={sign}{before}.{behind}{uncertain}]")
    }

    fn latex_entry(&self, entry: &Entry, index: usize, cell: &TableCell) -> String {
        let bold = if entry.is_best { "\\bfseries " } else { "" };
        if matches!(cell, TableCell::Number { .. }) {
            return format!("{bold}{}", entry.text.replace('±', "+-"));
        }
        let mut text = match cell {
            TableCell::Missing | TableCell::Absent(_) => "--".to_owned(),
            _ => latex_number(&entry.text),
        };
        if let Some(number) = entry.note {
            let _ = write!(text, "\\tnote{{{number}}}");
        }
        if self.is_aligned(index) {
            format!("{{{bold}{text}}}")
        } else {
            format!("{bold}{text}")
        }
    }
}

fn latex_row(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("      {} \\\\\n", cells.join(" & "))
}

/// Text in which a hyphen before a digit is a minus sign.
fn latex_number(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.strip_prefix('-') {
        Some(rest) if rest.starts_with(|digit: char| digit.is_ascii_digit()) => {
            format!("$-${}", latex_text(rest))
        }
        _ => latex_text(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Text in which nothing is a LaTeX command; what stands in back quotes is set in typewriter letters.
pub(in crate::report) fn latex_text(text: &str) -> String {
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
            '−' => escaped += "$-$",
            '×' => escaped += "$\\times$",
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
