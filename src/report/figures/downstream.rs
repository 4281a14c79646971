//! The figures of the downstream task: the tables as dots, accuracy against the number of real patches, confusion matrices, losses.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Frame, Point, Stroke, Text};
use super::chart::{Chart, Curve, Labels, panels};
use super::history::{History, seeds_in_words};
use super::style::{AXIS, COLUMN, Colour, GREY, INK, MARGIN, PAGE, SMALL, TEXT, colour};
use super::{Drawer, Drawn, dots, font, history};
use crate::error::Result;
use crate::report::Summary;
use crate::report::downstream::CONFUSION;
use crate::report::{
    DownstreamRecord, Record, RowRecord, RunOutcome, Table, TableCell, TableDefinition,
};
use crate::workspace::Workspace;

/// Height and width of a cell of a confusion matrix.
const CELL: f64 = 30.0;
/// Space between two matrices.
const GAP: f64 = 14.0;
/// Points of a curve of losses.
const POINTS: usize = 40;
/// Matrices and panels side by side.
const COLUMNS: usize = 3;
/// White.
const PAPER: Colour = [255; 3];

/// Draws what can be drawn of the downstream task, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    about: &DownstreamRecord,
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
    curve(record, about, outcomes, &drawer, &mut drawn)?;
    confusion(about, tables, &drawer, &mut drawn)?;
    // The losses of the rows of the table.
    let is_in_table = |row: &&RowRecord| about.table.contains(&row.name);
    let of_table = Record {
        rows: record.rows.iter().filter(is_in_table).cloned().collect(),
        ..record.clone()
    };
    let histories = history::histories(&of_table, workspace.out())?;
    losses(&histories, &drawer, &mut drawn)?;
    Ok(drawn)
}

/// Accuracy against the number of real patches.
fn curve(
    record: &Record,
    about: &DownstreamRecord,
    outcomes: &[Vec<RunOutcome>],
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Accuracy against the number of real patches";
    let of = |row: &str| -> Option<Summary> {
        let place = record.rows.iter().position(|found| found.name == row)?;
        let values = outcomes[place]
            .iter()
            .map(|outcome| outcome.score("accuracy")?.value);
        let values: Option<Vec<f64>> = values.collect();
        Summary::of(&values?).ok()
    };
    let mut curves = Vec::new();
    for (generated, name) in [(false, "real"), (true, "real + generated")] {
        let points = about
            .curve
            .iter()
            .filter(|point| point.generated == generated && point.real > 0);
        let found: Vec<(f64, Summary)> = points
            .filter_map(|point| Some((point.real as f64, of(&point.row)?)))
            .collect();
        let points: Vec<Point> = found
            .iter()
            .map(|(x, summary)| [*x, 100.0 * summary.mean])
            .collect();
        let mut drawn = Curve::new(name, colour(usize::from(generated)), points);
        drawn.dots = true;
        drawn.band = found
            .iter()
            .filter_map(|(x, summary)| {
                let spread = summary.deviation?;
                Some([
                    *x,
                    100.0 * (summary.mean - spread),
                    100.0 * (summary.mean + spread),
                ])
            })
            .collect();
        if drawn.points.len() > 1 {
            curves.push(drawn);
        }
    }
    if curves.is_empty() {
        drawn.miss(
            TITLE,
            "there are no two numbers of real patches; `downstream.curve` sets them",
        );
        return Ok(());
    }
    // Generated images alone, at every number of real patches.
    let alone = about
        .curve
        .iter()
        .find(|point| point.generated && point.real == 0);
    if let Some(summary) = alone.and_then(|point| of(&point.row)) {
        let xs = curves
            .iter()
            .flat_map(|curve| &curve.points)
            .map(|point| point[0]);
        let (low, high) = xs.fold((f64::INFINITY, 0f64), |(low, high), x| {
            (low.min(x), high.max(x))
        });
        let level = 100.0 * summary.mean;
        curves.push(Curve::new(
            "generated alone",
            colour(2),
            vec![[low, level], [high, level]],
        ));
    }
    let xs: Vec<f64> = curves
        .iter()
        .flat_map(|curve| &curve.points)
        .map(|point| point[0])
        .collect();
    let chart = Chart {
        title: String::new(),
        x: Axis::sizes(xs).expect("there are points"),
        y: Chart::y_over(&curves).expect("there are points"),
        x_title: "real training patches of each class".to_owned(),
        y_title: "accuracy on held-out slides (%)".to_owned(),
        notes: Vec::new(),
        labels: Labels::Above,
        curves,
    };
    let canvas = panels(&[chart], 1, COLUMN, 130.0);
    let seeds = outcomes.iter().map(Vec::len).max().unwrap_or(0);
    let band = if seeds > 1 {
        format!(
            "; bands are one standard deviation over {seeds} seeds to each side (not confidence intervals)"
        )
    } else {
        "; one seed, so there are no bands".to_owned()
    };
    let caption = format!(
        "Accuracy of classifiers on held-out real slides against the number of real patches of each class that they were trained \
         on, without and with {} images of each class made by {} beside them{band}.",
        about.generated_per_class, about.model
    );
    drawn.add(drawer.write("downstream-curve", TITLE, &caption, &canvas)?);
    Ok(())
}

/// Training and validation losses, a panel a row of the table.
fn losses(histories: &[History], drawer: &Drawer<'_>, drawn: &mut Drawn) -> Result<()> {
    const TITLE: &str = "Losses over the training of classifiers";
    let chart = |history: &History| {
        let mut curves = Vec::new();
        for (scalar, label) in [
            ("training_loss", "training"),
            ("validation_loss", "validation"),
        ] {
            for mut curve in history.smooth(scalar, POINTS) {
                if !curve.label.is_empty() {
                    label.clone_into(&mut curve.label);
                }
                if label == "validation" {
                    curve.colour = GREY;
                }
                curves.push(curve);
            }
        }
        Some(Chart {
            title: history.name.clone(),
            x: Chart::x_over(&curves)?,
            y: Chart::y_over(&curves)?,
            x_title: "step".to_owned(),
            y_title: String::new(),
            curves,
            labels: Labels::Above,
            notes: history.remarks(),
        })
    };
    let charts: Vec<Chart> = histories.iter().filter_map(chart).collect();
    if charts.is_empty() {
        drawn.miss(TITLE, "no classifier was trained yet");
        return Ok(());
    }
    let canvas = panels(&charts, COLUMNS, PAGE, 62.0);
    let caption = format!(
        "Cross-entropy of classifiers over their training ({}), by what they were trained on; each point of a training loss is the mean \
         of as many steps as make {POINTS} points. Rows have other validation images, so their losses are not comparable.",
        seeds_in_words(histories.iter())
    );
    drawn.add(drawer.write("losses", TITLE, &caption, &canvas)?);
    Ok(())
}

/// A matrix for each row of the table.
fn confusion(
    about: &DownstreamRecord,
    tables: &[(&TableDefinition, &Table)],
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Confusion matrices";
    let table = tables
        .iter()
        .find(|(definition, _)| definition.name == CONFUSION.name);
    let count = about.classes.len();
    let matrices = about.table.iter().enumerate().filter_map(|(place, name)| {
        let rows = table?.1.rows().get(place * count..(place + 1) * count)?;
        let cells = rows.iter().flat_map(|row| &row.cells);
        let values: Option<Vec<f64>> = cells.map(TableCell::value).collect();
        Some((name.as_str(), values?))
    });
    let matrices: Vec<(&str, Vec<f64>)> = matrices.collect();
    if matrices.is_empty() {
        drawn.miss(TITLE, "no classifier was tested yet");
        return Ok(());
    }
    let canvas = matrices_canvas(&matrices, &about.classes);
    let caption = "What held-out real patches of each class (rows) were taken for (columns), percent of the class, mean over seeds, by \
                   what the classifier was trained on.";
    drawn.add(drawer.write("downstream-confusion", TITLE, caption, &canvas)?);
    Ok(())
}

fn matrices_canvas(matrices: &[(&str, Vec<f64>)], classes: &[String]) -> Canvas {
    let count = classes.len();
    let names = classes.iter().map(|class| font::width(class, SMALL, false));
    let beside = names.fold(0.0, f64::max) + 4.0;
    let side = CELL * count as f64;
    let width = (PAGE - 2.0 * MARGIN - GAP * (COLUMNS - 1) as f64) / COLUMNS as f64;
    let above = TEXT + SMALL + 8.0;
    let rows = matrices.len().div_ceil(COLUMNS);
    let mut canvas = Canvas::new(
        PAGE,
        2.0 * MARGIN + rows as f64 * (above + side) + (rows - 1) as f64 * GAP,
    );
    for (number, (name, values)) in matrices.iter().enumerate() {
        let left = MARGIN + (number % COLUMNS) as f64 * (width + GAP);
        let top = MARGIN + (number / COLUMNS) as f64 * (above + side + GAP);
        let title = font::fitted(name, TEXT, width);
        canvas.text(Text::new(title, [left, top + TEXT], Anchor::Start).bold());
        let frame = Frame {
            left: left + beside,
            top: top + above,
            right: left + beside + side,
            bottom: top + above + side,
        };
        matrix(&mut canvas, frame, values, classes);
    }
    canvas
}

/// One matrix in `frame`, with the names of classes around it.
fn matrix(canvas: &mut Canvas, frame: Frame, values: &[f64], classes: &[String]) {
    let count = classes.len();
    for (place, class) in classes.iter().enumerate() {
        let middle = (place as f64 + 0.5) * CELL;
        let above = [frame.left + middle, frame.top - 3.0];
        let short = font::fitted(class, SMALL, CELL + 8.0);
        canvas.text(Text::new(short, above, Anchor::Middle).size(SMALL));
        let beside = [frame.left - 3.0, frame.top + middle + 0.36 * SMALL];
        canvas.text(Text::new(class, beside, Anchor::End).size(SMALL));
    }
    for (place, value) in values.iter().enumerate() {
        let x = frame.left + (place % count) as f64 * CELL;
        let y = frame.top + (place / count) as f64 * CELL;
        let corners = vec![[x, y], [x + CELL, y], [x + CELL, y + CELL], [x, y + CELL]];
        let fraction = (value / 100.0).clamp(0.0, 1.0);
        canvas.area(corners.clone(), colour(0), 0.9 * fraction);
        let outline = corners.iter().chain(&corners[..1]).copied().collect();
        canvas.line(outline, Stroke::new(INK, AXIS));
        let ink = if fraction > 0.6 { PAPER } else { INK };
        let at = [x + CELL / 2.0, y + CELL / 2.0 + 0.36 * TEXT];
        canvas.text(Text::new(format!("{value:.1}"), at, Anchor::Middle).colour(ink));
    }
}
