//! The figures of paired models: the scores as dots, learning curves, and what every network makes of the same patches.

use image::RgbImage;

use super::canvas::{Anchor, Point, Text};
use super::chart::{Chart, Labels, panels};
use super::history::{histories, over_seeds};
use super::pictures::read;
use super::sheet::Sheet;
use super::style::{MARGIN, PAGE, TEXT, colour};
use super::{Drawer, Drawn, dots, font};
use crate::error::Result;
use crate::metrics::paired;
use crate::report::{
    Record, RunOutcome, Table, TableDefinition, TranslationRecord, learning_curves,
};
use crate::workspace::Workspace;

/// Panels side by side.
const COLUMNS: usize = 2;
/// Height of a panel's axes.
const HEIGHT: f64 = 78.0;
/// Height of a line of text, and space below a row of images, in points.
const LINE: f64 = 10.0;
const BELOW: f64 = 5.0;

/// How many times an image of `size` pixels is enlarged in the picture of a run.
pub fn pair_scale(size: usize) -> usize {
    if size < 64 { 2 } else { 1 }
}

/// Draws what can be drawn of an experiment with paired models, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    about: &TranslationRecord,
    tables: &[(&TableDefinition, &Table)],
    outcomes: &[Vec<RunOutcome>],
    workspace: &Workspace,
) -> Result<Drawn> {
    let report = workspace.report(&record.name);
    let drawer = Drawer { report: &report };
    let mut drawn = Drawn::default();
    if let Some((definition, table)) = tables.first() {
        dots::draw(definition, table, &drawer, &mut drawn)?;
    }
    curves(record, about, outcomes, workspace, &drawer, &mut drawn)?;
    pairs(record, about, workspace, &drawer, &mut drawn)?;
    Ok(drawn)
}

/// Inputs, what the first seed of every row makes of them, and targets.
fn pairs(
    record: &Record,
    about: &TranslationRecord,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Inputs, outputs and targets";
    let mut rows: Vec<(String, Vec<RgbImage>)> = Vec::new();
    let mut side = None;
    for history in histories(record, workspace.out())? {
        let mut trainings = history.seeds.iter();
        let found = trainings
            .find_map(|training| Some((training, training.grids.last()?, training.image_size?)));
        let Some((training, (_, file), size)) = found else {
            continue;
        };
        let size = size * pair_scale(size as usize) as u32;
        let path = workspace.out().join(&training.folder).join(file);
        let images = read(&path, size)?;
        let nth = |place: usize| images.iter().skip(place).step_by(3).cloned().collect();
        if rows.is_empty() {
            rows.push(("input".to_owned(), nth(0)));
            rows.push(("target".to_owned(), nth(2)));
            side = Some(size);
        }
        let last = rows.len() - 1;
        rows.insert(last, (history.name.clone(), nth(1)));
    }
    let Some(size) = side else {
        drawn.miss(TITLE, "no training has drawn its picture yet");
        return Ok(());
    };
    let mut sheet = Sheet::new(size);
    let shown = rows.iter().map(|(_, images)| images.len() as u32).max();
    let columns = sheet.across(PAGE - 2.0 * MARGIN).min(shown.unwrap_or(1));
    let names = rows.iter().map(|(name, _)| font::width(name, TEXT, true));
    sheet.canvas.size[0] = 2.0 * MARGIN + names.fold(sheet.side(columns), f64::max);
    let mut y = MARGIN;
    for (name, images) in &rows {
        let name = Text::new(name, [MARGIN, y + TEXT], Anchor::Start).bold();
        sheet.canvas.text(name);
        sheet.block(images, columns, 1, [MARGIN, y + LINE]);
        y += LINE + sheet.side(1) + BELOW;
        sheet.canvas.size[1] = y - BELOW;
    }
    let caption = format!(
        "Patches of held-out slides, not chosen, as the networks get them in the task `{}` (above), what the first seed of each network \
         makes of them, and what they should make of them (below).",
        about.task
    );
    sheet.finish("pairs", TITLE, &caption, drawer, drawn)
}

/// A panel for each backbone and number of patches.
fn curves(
    record: &Record,
    about: &TranslationRecord,
    outcomes: &[Vec<RunOutcome>],
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Learning curves";
    let title = paired::definition(&about.score).map_or("score", |score| score.title);
    let mut charts = Vec::new();
    let mut seeds = 0;
    for case in about.cases() {
        let mut curves = Vec::new();
        for (place, (name, row)) in [("random", case.random), ("pretrained", case.pretrained)]
            .into_iter()
            .enumerate()
        {
            let row = record
                .rows
                .iter()
                .position(|known| Some(known.name.as_str()) == row);
            let Some(row) = row else { continue };
            let found = learning_curves(&outcomes[row], &about.score, workspace.out())?;
            let points: Vec<Vec<Point>> = found
                .iter()
                .filter(|curve| curve.points.len() > 1)
                .map(|curve| {
                    let points = curve.points.iter();
                    points.map(|(step, value)| [*step as f64, *value]).collect()
                })
                .collect();
            if points.is_empty() {
                continue;
            }
            seeds = seeds.max(points.len());
            let mut curve = over_seeds(name, colour(place), &points);
            curve.dots = true;
            curves.push(curve);
        }
        let (Some(x), Some(y)) = (Chart::x_over(&curves), Chart::y_over(&curves)) else {
            continue;
        };
        charts.push(Chart {
            title: format!("{}, {} patches", case.backbone, case.patches),
            x,
            y,
            x_title: "step".to_owned(),
            y_title: title.to_owned(),
            curves,
            labels: Labels::Above,
            notes: Vec::new(),
        });
    }
    if charts.is_empty() {
        drawn.miss(
            TITLE,
            "no training was measured at two steps; `translation.evaluate_every` sets them",
        );
        return Ok(());
    }
    let canvas = panels(&charts, COLUMNS, PAGE, HEIGHT);
    let band = match seeds {
        1 => "one seed".to_owned(),
        seeds => format!("mean of {seeds} seeds, the band from the least to the largest"),
    };
    let caption = format!(
        "{title} of the task `{}` on patches of held-out slides over the steps of the training ({band}): networks that start from random \
         weights and from a pretraining without labels, by network and number of training patches.",
        about.task
    );
    drawn.add(drawer.write("learning-curves", TITLE, &caption, &canvas)?);
    Ok(())
}
