//! Axes as they are drawn: thin, at the left and at the bottom, ticks outwards, a faint line behind the data at each number.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Frame, Stroke, Text};
use super::font;
use super::style::{AXIS, FAINT, INK, SMALL, TICK};

/// The axes at the left and at the bottom of `frame`, their ticks and numbers, and a faint line at each vertical tick.
pub(super) fn axes(canvas: &mut Canvas, frame: Frame, x: &Axis, y: &Axis, lines: bool) {
    let ink = Stroke::new(INK, AXIS);
    for (value, label) in y.ticks(vertical_ticks(frame.height())) {
        let at = frame.bottom - y.fraction(value) * frame.height();
        if lines && at < frame.bottom - 1.0 {
            let stroke = Stroke::new(FAINT, AXIS);
            canvas.line(vec![[frame.left, at], [frame.right, at]], stroke);
        }
        canvas.line(vec![[frame.left - TICK, at], [frame.left, at]], ink);
        let place = [frame.left - TICK - 2.0, at + 0.36 * SMALL];
        canvas.text(Text::new(label, place, Anchor::End).size(SMALL));
    }
    canvas.line(
        vec![[frame.left, frame.top], [frame.left, frame.bottom]],
        ink,
    );
    horizontal_axis(canvas, frame, x);
}

/// The axis at the bottom of `frame`.
pub(super) fn horizontal_axis(canvas: &mut Canvas, frame: Frame, axis: &Axis) {
    let ink = Stroke::new(INK, AXIS);
    canvas.line(
        vec![[frame.left, frame.bottom], [frame.right, frame.bottom]],
        ink,
    );
    // Fewer ticks where their numbers would touch.
    let at = |value: f64| frame.left + axis.fraction(value) * frame.width();
    let fits = |ticks: &[(f64, String)]| {
        let ends = ticks.iter().map(|(value, label)| {
            let half = font::width(label, SMALL, false) / 2.0;
            (at(*value) - half, at(*value) + half)
        });
        let ends: Vec<(f64, f64)> = ends.collect();
        ends.windows(2).all(|pair| pair[1].0 - pair[0].1 > 4.0)
    };
    let counts = (1..=((frame.width() / 22.0) as usize).clamp(2, 5)).rev();
    let mut tried = counts.map(|count| axis.ticks(count));
    let ticks = tried.find(|ticks| fits(ticks)).unwrap_or_default();
    for (value, label) in ticks {
        let x = at(value);
        canvas.line(vec![[x, frame.bottom], [x, frame.bottom + TICK]], ink);
        let place = [x, frame.bottom + TICK + 7.0];
        canvas.text(Text::new(label, place, Anchor::Middle).size(SMALL));
    }
}

/// How many ticks a vertical axis of `height` has, about.
pub(super) fn vertical_ticks(height: f64) -> usize {
    ((height / 18.0) as usize).clamp(2, 5)
}
