//! The figures of a report, drawn from an experiment's record, its ledgers and the files beside them: each as SVG and as PNG
//! at the width of a journal's column or page. No model and no network is needed, and drawing twice gives the same bytes.

mod axes;
mod axis;
mod canvas;
mod chart;
mod contact;
mod dots;
mod downstream;
mod embedding;
mod font;
mod heat;
mod history;
mod histogram;
mod labels;
mod losses;
mod low_data;
mod pictures;
mod png;
mod precision_recall;
mod rewards;
mod scores;
mod sheet;
mod style;
mod svg;
mod translation;
mod tsne;

use std::path::{Path, PathBuf};

use super::{Record, Table, TableDefinition};
use crate::error::Result;
use crate::files::write_whole;
use crate::workspace::Workspace;

use canvas::Canvas;

pub use contact::{Captioned, contact_sheet};
pub use downstream::draw as draw_downstream;
pub use heat::{MappedPair, similarity_sheet, under};
pub use histogram::histograms;
pub use low_data::draw as draw_low_data;
pub use translation::{draw as draw_translation, pair_scale};

/// Images of a way between two latents, its ends among them: a row of the picture that an experiment makes of each system.
pub const INTERPOLATION_STEPS: usize = 7;

/// The folder of the figures in that of a report.
const FOLDER: &str = "figures";

/// A figure of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// Its name, as in its files' names: `losses`.
    pub name: String,
    /// What it shows, a few words.
    pub title: String,
    /// A caption that a paper can print, one or two sentences; also the text for a reader who cannot see it.
    pub caption: String,
    /// Its files below the report's folder: `figures/losses.svg`, `figures/losses.png`.
    pub files: Vec<PathBuf>,
}

/// The figures of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Those that could be drawn.
    pub figures: Vec<Figure>,
    /// Those that could not: what each would show, and why it is not there.
    pub absent: Vec<(String, String)>,
}

impl Drawn {
    fn add(&mut self, figure: Figure) {
        self.figures.push(figure);
    }

    fn miss(&mut self, title: &str, reason: impl Into<String>) {
        self.absent.push((title.to_owned(), reason.into()));
    }
}

/// Draws what can be drawn of an experiment's record, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger or a picture cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    tables: &[(&TableDefinition, &Table)],
    workspace: &Workspace,
) -> Result<Drawn> {
    let report = workspace.report(&record.name);
    let drawer = Drawer { report: &report };
    let histories = history::histories(record, workspace.out())?;
    let mut drawn = Drawn::default();
    for (definition, table) in tables {
        dots::draw(definition, table, &drawer, &mut drawn)?;
    }
    precision_recall::draw(tables, &drawer, &mut drawn)?;
    pictures::draw(record, &histories, workspace, &drawer, &mut drawn)?;
    embedding::draw(&histories, workspace, &drawer, &mut drawn)?;
    losses::draw(&histories, &drawer, &mut drawn)?;
    scores::draw(&histories, &drawer, &mut drawn)?;
    rewards::draw(&histories, &drawer, &mut drawn)?;
    Ok(drawn)
}

/// Draws what can be drawn of an experiment whose rows are samplers: what they drew.
///
/// # Errors
/// As [`draw`].
pub fn draw_sampled(record: &Record, workspace: &Workspace) -> Result<Drawn> {
    let report = workspace.report(&record.name);
    let mut drawn = Drawn::default();
    pictures::draw_samples(record, workspace, &Drawer { report: &report }, &mut drawn)?;
    Ok(drawn)
}

/// Writes the figures of one report.
struct Drawer<'a> {
    report: &'a Path,
}

impl Drawer<'_> {
    /// Writes a figure as SVG and as PNG.
    fn write(&self, name: &str, title: &str, caption: &str, canvas: &Canvas) -> Result<Figure> {
        let file = |ending: &str| Path::new(FOLDER).join(format!("{name}.{ending}"));
        let files = vec![file("svg"), file("png")];
        write_both(&self.report.join(&files[0]), title, caption, canvas)?;
        Ok(Figure {
            name: name.to_owned(),
            title: title.to_owned(),
            caption: caption.to_owned(),
            files,
        })
    }
}

/// Writes a canvas as SVG to `path`, and beside it as PNG.
fn write_both(path: &Path, title: &str, caption: &str, canvas: &Canvas) -> Result<()> {
    write_whole(path, svg::write(canvas, title, caption)?.as_bytes())?;
    write_whole(&path.with_extension("png"), &png::write(canvas)?)
}

#[cfg(test)]
mod tests;
