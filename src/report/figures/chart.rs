//! A panel of curves over a common horizontal axis, each with its label at its end, and panels side by side.

use super::axes::{axes, vertical_ticks};
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Frame, Point, Stroke, Text};
use super::font;
use super::labels::{BESIDE, end_labels};
use super::style::{BAND, CURVE, Colour, GREY, MARGIN, SMALL, TEXT, TICK, readable};

/// Space between panels.
const GAP: f64 = 10.0;
/// Height of the title above a panel, of the numbers below it, and of a title of an axis.
const LINE: f64 = 10.0;

/// One curve.
#[derive(Clone)]
pub(super) struct Curve {
    /// Its name; empty where another curve of the panel is named for both.
    pub(super) label: String,
    pub(super) colour: Colour,
    /// By growing x.
    pub(super) points: Vec<Point>,
    /// x, and the ends of what lies around the curve there.
    pub(super) band: Vec<[f64; 3]>,
    /// Whether each point is a measurement and gets a dot.
    pub(super) dots: bool,
    /// Whether the training broke off at the last point: it gets a cross.
    pub(super) broke_off: bool,
    /// Whether it is one seed of several.
    pub(super) one_of_several: bool,
}

impl Curve {
    /// A curve without a band.
    pub(super) fn new(label: impl Into<String>, colour: Colour, points: Vec<Point>) -> Self {
        Self {
            label: label.into(),
            colour,
            points,
            band: Vec::new(),
            dots: false,
            broke_off: false,
            one_of_several: false,
        }
    }
}

/// How the curves of a panel are named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Labels {
    /// Each at its right end.
    AtEnds,
    /// In a line below the title.
    Above,
    /// Beside another panel whose curves end at the same heights.
    None,
}

/// A panel.
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) x_title: String,
    pub(super) y_title: String,
    pub(super) curves: Vec<Curve>,
    pub(super) labels: Labels,
    /// Said below the names, a line each.
    pub(super) notes: Vec<String>,
}

impl Chart {
    /// The range of y over curves, wide enough for all of them and for most of their bands.
    pub(super) fn y_over(curves: &[Curve]) -> Option<Axis> {
        let points = curves.iter().flat_map(|curve| &curve.points);
        let mut values: Vec<f64> = points.map(|point| point[1]).collect();
        for curve in curves {
            let ends = |end: usize| curve.band.iter().map(move |band| band[end]);
            values.extend(quantile(ends(1), 0.05));
            values.extend(quantile(ends(2), 0.95));
        }
        Axis::over(values, 0.04)
    }

    /// The range of x over curves, counted from 0.
    pub(super) fn x_over(curves: &[Curve]) -> Option<Axis> {
        let points = curves.iter().flat_map(|curve| &curve.points);
        Axis::counts(points.map(|point| point[0]))
    }

    /// Space for the numbers of the vertical axis and its title.
    fn left(&self, height: f64) -> f64 {
        let ticks = self.y.ticks(vertical_ticks(height));
        let widths = ticks
            .iter()
            .map(|(_, label)| font::width(label, SMALL, false));
        let title = if self.y_title.is_empty() { 0.0 } else { LINE };
        widths.fold(0.0, f64::max) + TICK + 2.0 + title
    }

    /// Space for what stands at the ends of curves.
    fn right(&self) -> f64 {
        if self.labels != Labels::AtEnds {
            return 4.0;
        }
        let widths = self
            .curves
            .iter()
            .map(|curve| font::width(&curve.label, SMALL, false));
        widths.fold(0.0, f64::max) + BESIDE + 2.0
    }

    fn top(&self) -> f64 {
        let title = usize::from(!self.title.is_empty());
        let names = usize::from(self.labels == Labels::Above);
        (title + names + self.notes.len()) as f64 * LINE + 4.0
    }

    fn bottom(&self) -> f64 {
        TICK + LINE + if self.x_title.is_empty() { 0.0 } else { LINE }
    }

    /// Draws the panel so that its axes enclose `frame`; its title stands `top` above them.
    fn draw(&self, canvas: &mut Canvas, frame: Frame, top: f64) {
        let place = |point: &Point| {
            let x = frame.left + self.x.fraction(point[0]) * frame.width();
            let y = frame.bottom - self.y.fraction(point[1]) * frame.height();
            [x, y]
        };
        axes(canvas, frame, &self.x, &self.y, true);
        // Bands below all curves.
        canvas.within(frame, |canvas| {
            for curve in &self.curves {
                let lower = curve.band.iter().map(|band| place(&[band[0], band[1]]));
                let upper = curve
                    .band
                    .iter()
                    .rev()
                    .map(|band| place(&[band[0], band[2]]));
                canvas.area(lower.chain(upper).collect(), curve.colour, BAND);
            }
            for curve in &self.curves {
                let points = curve.points.iter().map(place).collect();
                let width = if curve.one_of_several { 0.7 } else { CURVE };
                canvas.line(points, Stroke::new(curve.colour, width));
            }
        });
        for curve in &self.curves {
            if curve.dots {
                for point in &curve.points {
                    canvas.circle(place(point), 1.4, curve.colour, curve.colour);
                }
            }
            if let (true, Some(last)) = (curve.broke_off, curve.points.last()) {
                cross(canvas, place(last), curve.colour);
            }
        }
        self.words(canvas, frame, top);
        if self.labels == Labels::AtEnds {
            let ends: Vec<(&Curve, Point)> = self
                .curves
                .iter()
                .filter(|curve| !curve.label.is_empty())
                .filter_map(|curve| Some((curve, place(curve.points.last()?))))
                .collect();
            end_labels(canvas, frame, &ends);
        }
    }

    /// Titles, names of curves above the panel, and notes.
    fn words(&self, canvas: &mut Canvas, frame: Frame, top: f64) {
        // Above the panel, from the top: title, names, notes.
        let mut y = frame.top - top + TEXT;
        if !self.title.is_empty() {
            canvas.text(Text::new(&self.title, [frame.left, y], Anchor::Start).bold());
            y += LINE - 0.5;
        }
        if self.labels == Labels::Above {
            let mut x = frame.left;
            for curve in self.curves.iter().filter(|curve| !curve.label.is_empty()) {
                let label = Text::new(&curve.label, [x, y], Anchor::Start)
                    .size(SMALL)
                    .colour(readable(curve.colour));
                x += label.width() + 7.0;
                canvas.text(label);
            }
            y += LINE - 0.5;
        }
        for note in &self.notes {
            let note = font::fitted(note, SMALL, frame.width() + self.right());
            let note = Text::new(note, [frame.left, y], Anchor::Start).size(SMALL);
            canvas.text(note.colour(GREY));
            y += LINE - 0.5;
        }
        let middle = f64::midpoint(frame.left, frame.right);
        let below = [middle, frame.bottom + self.bottom() - 2.0];
        canvas.text(Text::new(&self.x_title, below, Anchor::Middle));
        let beside = [
            frame.left - self.left(frame.height()) + TEXT - 1.0,
            f64::midpoint(frame.top, frame.bottom),
        ];
        canvas.text(Text::new(&self.y_title, beside, Anchor::Middle).upwards());
    }
}

/// A training broke off here.
pub(super) fn cross(canvas: &mut Canvas, [x, y]: Point, colour: Colour) {
    let stroke = Stroke::new(colour, CURVE);
    canvas.line(vec![[x - 2.5, y - 2.5], [x + 2.5, y + 2.5]], stroke);
    canvas.line(vec![[x - 2.5, y + 2.5], [x + 2.5, y - 2.5]], stroke);
}

/// Panels in rows of `columns` on a canvas of `width`; the axes of each are `height` high, and all are equally wide.
pub(super) fn panels(charts: &[Chart], columns: usize, width: f64, height: f64) -> Canvas {
    let columns = columns.clamp(1, charts.len().max(1));
    // What stands beside the axes, the widest of each column.
    let widest = |column: usize, value: &dyn Fn(&Chart) -> f64| {
        let charts = charts.iter().skip(column).step_by(columns);
        charts.map(value).fold(0.0, f64::max)
    };
    let beside: Vec<(f64, f64)> = (0..columns)
        .map(|column| {
            let left = widest(column, &|chart| chart.left(height));
            (left, widest(column, &Chart::right))
        })
        .collect();
    // The axes share what is left.
    let taken: f64 = beside.iter().map(|(left, right)| left + right).sum();
    let gaps = GAP * (columns - 1) as f64;
    let axes = (width - 2.0 * MARGIN - gaps - taken) / columns as f64;
    let mut canvas = Canvas::new(width, MARGIN);
    for (number, row) in charts.chunks(columns).enumerate() {
        // What stands above and below the axes, the highest of the row.
        let highest = |value: fn(&Chart) -> f64| row.iter().map(value).fold(0.0, f64::max);
        let (top, bottom) = (highest(Chart::top), highest(Chart::bottom));
        let y = canvas.size[1] + top + if number > 0 { 5.0 } else { 0.0 };
        let mut x = MARGIN;
        for (chart, (left, right)) in row.iter().zip(&beside) {
            let frame = Frame {
                left: x + left,
                top: y,
                right: x + left + axes,
                bottom: y + height,
            };
            chart.draw(&mut canvas, frame, top);
            x += left + axes + right + GAP;
        }
        canvas.size[1] = y + height + bottom;
    }
    canvas.size[1] += MARGIN;
    canvas
}

/// The value below which `fraction` of `values` lie.
fn quantile(values: impl Iterator<Item = f64>, fraction: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let place = (fraction * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(place).copied()
}

#[cfg(test)]
mod tests {
    use super::super::style::INK;
    use super::*;

    #[test]
    fn the_range_of_a_panel_holds_curves_and_most_of_their_bands() {
        let points = (0..100)
            .map(|x| [f64::from(x), f64::from(x) / 100.0])
            .collect();
        let mut curve = Curve::new("it", INK, points);
        curve.band = (0..100)
            .map(|x| [f64::from(x), -0.1, if x == 3 { 1e6 } else { 1.1 }])
            .collect();
        let axis = Chart::y_over(&[curve]).unwrap();
        assert!(
            axis.low < -0.1 && axis.high > 1.1 && axis.high < 1.3,
            "{axis:?}"
        );
    }
}
