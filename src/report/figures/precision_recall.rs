//! Precision against recall: each system a point with its name, the rows that frame them hollow.

use super::axes::axes;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Frame, Point, Stroke, Text};
use super::font;
use super::style::{COLUMN, Colour, GREY, INK, MARGIN, SMALL, TEXT, TICK, colour, readable};
use super::{Drawer, Drawn};
use crate::error::Result;
use crate::report::{Row, Table, TableCell, TableDefinition};

const TITLE: &str = "Precision against recall";

/// A row as a point, with the points of its seeds; rows at the same point are one.
struct Place {
    names: Vec<String>,
    reference: bool,
    colour: Colour,
    mean: Point,
    seeds: Vec<Point>,
}

/// Draws the first table that has both scores.
pub(super) fn draw(
    tables: &[(&TableDefinition, &Table)],
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    let with_both = tables.iter().find_map(|(definition, table)| {
        let column = |name: &str| definition.scores.iter().position(|score| *score == name);
        Some((table, [column("recall")?, column("precision")?]))
    });
    let Some((table, columns)) = with_both else {
        drawn.miss(TITLE, "no table that is shown has both");
        return Ok(());
    };
    let mut number = 0;
    let mut places = Vec::new();
    for row in table.rows() {
        if let Some(place) = place(row, columns, colour(number)) {
            add(&mut places, place);
        }
        number += usize::from(!row.reference);
    }
    if places.iter().all(|place| place.reference) {
        drawn.miss(TITLE, "no system has both numbers yet");
        return Ok(());
    }
    let seeds = if places.iter().any(|place| place.seeds.len() > 1) {
        "discs are means over seeds, small marks the seeds"
    } else {
        "one seed each"
    };
    let caption = format!(
        "Precision (fraction of generated images that look real) against recall (fraction of real images that are covered); \
         {seeds}; rings are what frames the systems. The ideal is at the upper right."
    );
    let canvas = canvas(&places);
    drawn.add(drawer.write("precision-recall", TITLE, &caption, &canvas)?);
    Ok(())
}

fn place(row: &Row, columns: [usize; 2], colour: Colour) -> Option<Place> {
    let number = |index: usize| match &row.cells[columns[index]] {
        TableCell::Number { mean, values, .. } => Some((*mean, values)),
        _ => None,
    };
    let ((x, xs), (y, ys)) = (number(0)?, number(1)?);
    Some(Place {
        names: vec![row.name.clone()],
        reference: row.reference,
        colour: if row.reference { GREY } else { colour },
        mean: [x, y],
        seeds: xs.iter().zip(ys).map(|(x, y)| [*x, *y]).collect(),
    })
}

/// Adds a row, or its name to those of a row that lies where it does.
fn add(places: &mut Vec<Place>, place: Place) {
    let is_there = |known: &&mut Place| {
        let apart = [0, 1].map(|axis| (known.mean[axis] - place.mean[axis]).abs());
        apart.into_iter().all(|distance| distance < 0.01) && known.reference == place.reference
    };
    match places.iter_mut().find(is_there) {
        Some(known) => {
            known.names.extend(place.names);
            known.colour = INK;
            known.seeds.extend(place.seeds);
        }
        None => places.push(place),
    }
}

fn canvas(places: &[Place]) -> Canvas {
    let unit = Axis {
        low: 0.0,
        high: 1.0,
        logarithmic: false,
        whole: false,
    };
    let side = 165.0;
    let frame = Frame {
        left: MARGIN + 28.0,
        top: MARGIN + 6.0,
        right: COLUMN - MARGIN - 8.0,
        bottom: MARGIN + 6.0 + side,
    };
    let mut canvas = Canvas::new(COLUMN, frame.bottom + TICK + 20.0 + MARGIN);
    axes(&mut canvas, frame, &unit, &unit, true);
    let at = |point: &Point| {
        [
            frame.left + point[0] * frame.width(),
            frame.bottom - point[1] * frame.height(),
        ]
    };
    for place in places {
        if place.seeds.len() > 1 {
            for seed in &place.seeds {
                let [x, y] = at(seed);
                let stroke = Stroke::new(place.colour, 0.6);
                canvas.line(vec![[x - 1.6, y], [x + 1.6, y]], stroke);
                canvas.line(vec![[x, y - 1.6], [x, y + 1.6]], stroke);
            }
        }
        let fill = if place.reference {
            [255; 3]
        } else {
            place.colour
        };
        let outline = if place.reference { GREY } else { [255; 3] };
        canvas.circle(at(&place.mean), 2.5, fill, outline);
    }
    labels(&mut canvas, frame, places, at);
    let middle = f64::midpoint(frame.left, frame.right);
    let below = [middle, frame.bottom + TICK + 18.0];
    canvas.text(Text::new("recall", below, Anchor::Middle));
    let beside = [MARGIN + TEXT - 1.0, f64::midpoint(frame.top, frame.bottom)];
    canvas.text(Text::new("precision", beside, Anchor::Middle).upwards());
    canvas
}

/// A name beside each point, at the first of some places where it touches no point, no seed's mark and no other name, and lies in
/// the frame.
fn labels(canvas: &mut Canvas, frame: Frame, places: &[Place], at: impl Fn(&Point) -> Point) {
    let discs = places.iter().map(|place| around(at(&place.mean), [3.0; 2]));
    let marks = places.iter().flat_map(|place| &place.seeds);
    let marks = marks.map(|seed| around(at(seed), [2.0; 2]));
    let mut taken: Vec<Frame> = discs.chain(marks).collect();
    for place in places {
        let [x, y] = at(&place.mean);
        let widths = place.names.iter();
        let widths = widths.map(|name| font::width(name, SMALL, false));
        let lines = place.names.len() as f64;
        let half = [
            widths.fold(0.0, f64::max) / 2.0,
            lines * (SMALL + 1.0) / 2.0,
        ];
        // To the right, to the left, above, below; then the same further away.
        let candidates = (0..12).flat_map(|ring| {
            let far = f64::from(ring) * 7.0;
            let beside = 5.0 + half[0];
            [
                [x + beside, y - far],
                [x - beside, y - far],
                [x + beside, y + far],
                [x + beside + 3.0 * far, y],
                [x - beside, y + far],
                [x, y - 3.5 - half[1] - far],
                [x, y + 3.5 + half[1] + far],
            ]
        });
        let fits = |middle: &Point| {
            let own = around(*middle, half);
            let inside = own.left >= frame.left + 1.0
                && own.right <= frame.right + 6.0
                && own.top >= frame.top - 4.0
                && own.bottom <= frame.bottom - 1.0;
            inside && taken.iter().all(|other| !touch(&own, other))
        };
        // Within the height of the frame.
        let (highest, lowest) = (frame.top + half[1], frame.bottom - half[1] - 2.0);
        let within = |[x, y]: Point| [x, y.min(lowest).max(highest)];
        let mut candidates = candidates.map(within);
        let middle = candidates
            .find(fits)
            .unwrap_or(within([x + 5.0 + half[0], y]));
        taken.push(around(middle, half));
        // A thin line to names that are not beside their point.
        let end = [
            x.clamp(middle[0] - half[0] - 1.0, middle[0] + half[0] + 1.0),
            y.clamp(middle[1] - half[1], middle[1] + half[1]),
        ];
        if (end[0] - x).hypot(end[1] - y) > 8.0 {
            canvas.line(vec![[x, y], end], Stroke::new(place.colour, 0.4));
        }
        // Names beside their point are set towards it.
        let (left, anchor) = match middle[0] - x {
            1.0.. => (middle[0] - half[0], Anchor::Start),
            ..-1.0 => (middle[0] + half[0], Anchor::End),
            _ => (middle[0], Anchor::Middle),
        };
        for (line, name) in place.names.iter().enumerate() {
            let line = line as f64 + 0.5 - lines / 2.0;
            let at = [left, middle[1] + line * (SMALL + 1.0) + 0.36 * SMALL];
            let name = Text::new(name, at, anchor).size(SMALL);
            canvas.text(name.colour(readable(place.colour)));
        }
    }
}

fn around([x, y]: Point, half: [f64; 2]) -> Frame {
    Frame {
        left: x - half[0],
        top: y - half[1],
        right: x + half[0],
        bottom: y + half[1],
    }
}

fn touch(one: &Frame, other: &Frame) -> bool {
    one.left < other.right
        && other.left < one.right
        && one.top < other.bottom
        && other.top < one.bottom
}
