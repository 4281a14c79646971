//! The figures of paired models: the scores as dots, and learning curves, random against pretrained.

use super::canvas::Point;
use super::chart::{Chart, Labels, panels};
use super::history::over_seeds;
use super::style::{PAGE, colour};
use super::{Drawer, Drawn, dots};
use crate::error::Result;
use crate::metrics::paired;
use crate::report::{Outcome, Record, Table, TableDefinition, TranslationRecord, learning_curves};
use crate::workspace::Workspace;

/// Panels side by side.
const COLUMNS: usize = 2;
/// Height of a panel's axes.
const HEIGHT: f64 = 78.0;

/// Draws what can be drawn of an experiment with paired models, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    about: &TranslationRecord,
    tables: &[(&TableDefinition, &Table)],
    outcomes: &[Vec<Outcome>],
    workspace: &Workspace,
) -> Result<Drawn> {
    let report = workspace.report(&record.name);
    let drawer = Drawer { report: &report };
    let mut drawn = Drawn::default();
    if let Some((definition, table)) = tables.first() {
        dots::draw(definition, table, &drawer, &mut drawn)?;
    }
    curves(record, about, outcomes, workspace, &drawer, &mut drawn)?;
    Ok(drawn)
}

/// A panel for each backbone and number of patches.
fn curves(
    record: &Record,
    about: &TranslationRecord,
    outcomes: &[Vec<Outcome>],
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
