//! A table as dots: a row a system, a panel a score; the mean, its interval as a line, the numbers of the seeds as small marks,
//! and the rows that frame the others as dashed lines.

use super::axes::horizontal_axis;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Frame, Stroke, Text};
use super::font;
use super::labels::moved_apart;
use super::style::{
    COLUMN, CURVE, Colour, FAINT, GREY, INK, MARGIN, PAGE, SMALL, TEXT, TICK, colour,
};
use super::{Drawer, Drawn};
use crate::error::Result;
use crate::metrics::Direction;
use crate::report::{Row, Table, TableCell, TableDefinition};

/// Height of a row, and of the lines above and below the rows.
const ROW: f64 = 11.0;
const LINE: f64 = 10.0;
/// Space between panels.
const GAP: f64 = 12.0;

/// Draws a table.
pub(super) fn draw(
    definition: &TableDefinition,
    table: &Table,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    // A table in which nothing competes is no comparison.
    let mut columns = table.columns().iter();
    if columns.all(|column| column.direction.is_none()) {
        return Ok(());
    }
    let title = format!("{} as dots", table.title);
    let panels: Vec<Panel> = (0..table.columns().len())
        .filter_map(|index| Panel::of(table, index))
        .collect();
    if panels.is_empty() {
        let reason = "no system has a number yet";
        drawn.miss(&title, reason);
        return Ok(());
    }
    let canvas = canvas(table, &panels);
    let several = |row: &&Row| {
        let mut cells = row.cells.iter();
        cells.any(|cell| matches!(cell, TableCell::Number { n, .. } if *n > 1))
    };
    let is_several = table.rows().iter().any(|row| several(&row));
    let how = if is_several {
        "dots are means over seeds, lines their 95 % intervals, small marks the seeds"
    } else {
        "one seed, so there are no intervals"
    };
    let logarithmic = if panels.iter().any(|panel| panel.axis.logarithmic) {
        " Logarithmic axes are said to be."
    } else {
        ""
    };
    let dashed = if panels.iter().any(|panel| !panel.framing.is_empty()) {
        " Dashed lines frame the systems."
    } else {
        ""
    };
    let caption = format!("{}: {how}.{dashed}{logarithmic}", table.title);
    let name = format!("{}-dots", definition.name);
    drawn.add(drawer.write(&name, &title, &caption, &canvas)?);
    Ok(())
}

/// One score.
struct Panel {
    index: usize,
    title: String,
    axis: Axis,
    /// Rows that frame the others: their names and numbers.
    framing: Vec<(String, f64)>,
}

impl Panel {
    /// The panel of a column whose numbers compete; none where no system has one.
    fn of(table: &Table, index: usize) -> Option<Self> {
        let column = &table.columns()[index];
        let better = match column.direction? {
            Direction::Lower => "lower is better",
            Direction::Higher => "higher is better",
        };
        let (mut values, mut framing, mut competing) = (Vec::new(), Vec::new(), 0);
        for row in table.rows() {
            let TableCell::Number {
                mean,
                values: seeds,
                interval,
                ..
            } = &row.cells[index]
            else {
                continue;
            };
            values.push(*mean);
            if row.reference {
                framing.push((short(&row.name), *mean));
            } else {
                competing += 1;
                values.extend(seeds);
                if let Some((low, high)) = interval {
                    values.extend([*low, *high]);
                }
            }
        }
        if competing == 0 {
            return None;
        }
        // An interval that reaches below 0 does not keep the axis from being logarithmic: its line is cut there.
        let positive: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| *value > 0.0)
            .collect();
        let means = table
            .rows()
            .iter()
            .filter_map(|row| match &row.cells[index] {
                TableCell::Number { mean, .. } => Some(*mean),
                _ => None,
            });
        let by_ratio = Axis::by_ratio(means, 0.0)?.logarithmic;
        let axis = if by_ratio {
            Axis::by_ratio(positive, 0.03)?
        } else {
            Axis::over(values, 0.06)?.with_zero()
        };
        let scale = if axis.logarithmic {
            ", logarithmic"
        } else {
            ""
        };
        Some(Self {
            index,
            title: format!("{} ({better}{scale})", column.title),
            axis,
            framing,
        })
    }
}

/// `real (floor)` is `real` where it is drawn.
fn short(name: &str) -> String {
    name.split(" (").next().unwrap_or(name).to_owned()
}

fn canvas(table: &Table, panels: &[Panel]) -> Canvas {
    let rows: Vec<&Row> = table.rows().iter().filter(|row| !row.reference).collect();
    let names = rows.iter().map(|row| font::width(&row.name, TEXT, false));
    let left = MARGIN + names.fold(0.0, f64::max) + 6.0;
    // Panels under each other where they do not fit beside each other: three at most.
    let columns = panels.len().min(3);
    let width = if columns == 1 { COLUMN } else { PAGE };
    let cell = (width - left - 2.0 * MARGIN - GAP * (columns - 1) as f64) / columns as f64;
    let (above, below) = (2.0 * LINE + 1.0, TICK + LINE);
    let height = above + rows.len() as f64 * ROW + below;
    let lines = panels.len().div_ceil(columns);
    let total = 2.0 * MARGIN + lines as f64 * height + (lines - 1) as f64 * 8.0;
    let mut canvas = Canvas::new(width, total);
    for (place, panel) in panels.iter().enumerate() {
        let x = left + (place % columns) as f64 * (cell + GAP);
        let top = MARGIN + (place / columns) as f64 * (height + 8.0) + above;
        let frame = Frame {
            left: x,
            top,
            right: x + cell,
            bottom: top + rows.len() as f64 * ROW,
        };
        if place % columns == 0 {
            for (number, row) in rows.iter().enumerate() {
                let y = frame.top + (number as f64 + 0.5) * ROW + 0.36 * TEXT;
                canvas.text(Text::new(&row.name, [left - 6.0, y], Anchor::End));
            }
        }
        draw_panel(&mut canvas, frame, panel, &rows);
    }
    canvas
}

fn draw_panel(canvas: &mut Canvas, frame: Frame, panel: &Panel, rows: &[&Row]) {
    let x = |value: f64| frame.left + panel.axis.fraction(value) * frame.width();
    // The title, as wide as the panel lets it be.
    let title = if font::width(&panel.title, TEXT, true) > frame.width() {
        panel
            .title
            .replace("lower is better", "↓")
            .replace("higher is better", "↑")
    } else {
        panel.title.clone()
    };
    let above = [frame.left, frame.top - LINE - 4.0];
    canvas.text(Text::new(title, above, Anchor::Start).bold());
    horizontal_axis(canvas, frame, &panel.axis);
    frame_lines(canvas, frame, panel, x);
    for (number, row) in rows.iter().enumerate() {
        let y = frame.top + (number as f64 + 0.5) * ROW;
        let ends = vec![[frame.left, y], [frame.right, y]];
        canvas.line(ends, Stroke::new(FAINT, 0.4));
        draw_row(canvas, frame, y, row, panel, colour(number), &x);
    }
}

/// The rows that frame the others: a dashed line each, named above it.
fn frame_lines(canvas: &mut Canvas, frame: Frame, panel: &Panel, x: impl Fn(f64) -> f64) {
    let mut framing: Vec<(&str, f64)> = Vec::new();
    for (name, value) in &panel.framing {
        framing.push((name, x(*value)));
    }
    // Names keep within the panel, and apart where they would touch.
    let widths: Vec<f64> = framing
        .iter()
        .map(|(name, _)| font::width(name, SMALL, false))
        .collect();
    let widest = widths.iter().copied().fold(0.0, f64::max);
    let mut middles: Vec<f64> = framing
        .iter()
        .zip(&widths)
        .map(|((_, at), width)| {
            let half = width / 2.0;
            at.clamp(
                frame.left + half - 6.0,
                (frame.right - half + 2.0).max(frame.left + half),
            )
        })
        .collect();
    let close = |one: usize, other: usize| {
        (middles[one] - middles[other]).abs() < f64::midpoint(widths[one], widths[other]) + 4.0
    };
    let touch = (1..middles.len()).any(|other| (0..other).any(|one| close(one, other)));
    if touch {
        let room = (
            frame.left + widest / 2.0 - 6.0,
            frame.right - widest / 2.0 + 2.0,
        );
        middles = moved_apart(&middles, widest + 4.0, room);
    }
    for ((name, at), middle) in framing.into_iter().zip(middles) {
        let dashed = Stroke {
            dashes: Some([2.0, 2.0]),
            ..Stroke::new(GREY, 0.6)
        };
        canvas.line(vec![[at, frame.top - 2.0], [at, frame.bottom]], dashed);
        let label = Text::new(name, [middle, frame.top - 4.0], Anchor::Middle);
        canvas.text(label.size(SMALL).colour(GREY));
    }
}

fn draw_row(
    canvas: &mut Canvas,
    frame: Frame,
    y: f64,
    row: &Row,
    panel: &Panel,
    colour: Colour,
    x: &impl Fn(f64) -> f64,
) {
    let words = match &row.cells[panel.index] {
        TableCell::Number {
            mean,
            interval,
            values,
            ..
        } => {
            let low_end = panel.axis.low;
            if let Some((low, high)) = interval {
                let ends = vec![[x(low.max(low_end)), y], [x(*high), y]];
                canvas.line(ends, Stroke::new(colour, CURVE));
            }
            if values.len() > 1 {
                for value in values {
                    let tick = vec![[x(*value), y - 2.8], [x(*value), y + 2.8]];
                    canvas.line(tick, Stroke::new(colour, 0.6));
                }
            }
            canvas.circle([x(*mean), y], 2.3, colour, [255; 3]);
            return;
        }
        TableCell::Failed(reason) | TableCell::Unfinished(reason) | TableCell::Absent(reason) => {
            reason.as_str()
        }
        _ => "not measured",
    };
    let at = [frame.left + 4.0, y + 0.36 * SMALL];
    let words = font::fitted(words, SMALL, frame.width() - 8.0);
    let words = Text::new(words, at, Anchor::Start).size(SMALL);
    // The faint line of the row ends where the words begin.
    let behind = vec![
        [at[0] - 2.0, y - 4.0],
        [at[0] + words.width() + 2.0, y - 4.0],
        [at[0] + words.width() + 2.0, y + 4.0],
        [at[0] - 2.0, y + 4.0],
    ];
    canvas.area(behind, [255; 3], 1.0);
    canvas.text(
        words.colour(if matches!(row.cells[panel.index], TableCell::Failed(_)) {
            INK
        } else {
            GREY
        }),
    );
}
