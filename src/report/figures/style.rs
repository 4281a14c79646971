//! What all figures have in common: widths of a journal's column and page, sizes of text, lines and colours.
//!
//! Lengths are in points, 1/72 inch. Text is set in DejaVu Sans, which is built in.

/// Width of a column of a journal, 85 mm.
pub(super) const COLUMN: f64 = 85.0 * MILLIMETRE;
/// Width of a page of a journal, 175 mm.
pub(super) const PAGE: f64 = 175.0 * MILLIMETRE;
/// One millimetre.
pub(super) const MILLIMETRE: f64 = 72.0 / 25.4;
/// Pixels of a point in a PNG file: 300 to the inch.
pub(super) const PIXELS: f64 = 300.0 / 72.0;
/// Empty space at the edges of a figure.
pub(super) const MARGIN: f64 = 3.0;

/// Size of text: titles of panels and axes, labels of curves.
pub(super) const TEXT: f64 = 7.0;
/// Size of the numbers at ticks and of notes.
pub(super) const SMALL: f64 = 6.5;

/// Width of axes and ticks.
pub(super) const AXIS: f64 = 0.5;
/// Width of curves.
pub(super) const CURVE: f64 = 1.0;
/// Length of ticks, which point outwards.
pub(super) const TICK: f64 = 2.2;
/// How much of a band's colour is seen.
pub(super) const BAND: f64 = 0.18;

/// A colour: red, green, blue.
pub(super) type Colour = [u8; 3];

/// Text and axes.
pub(super) const INK: Colour = [34, 34, 34];
/// What is said beside the data.
pub(super) const GREY: Colour = [104, 104, 104];
/// Lines behind the data.
pub(super) const FAINT: Colour = [228, 228, 228];

/// Colours that are told apart also without seeing red, green or blue: those of Okabe and Ito but for their yellow, which is not
/// seen on white, and Tol's wine red.
const SYSTEMS: [Colour; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [230, 159, 0],
    [0, 0, 0],
    [136, 34, 85],
];

/// The colour of a system in all figures, by its place among the rows that compete.
pub(super) fn colour(place: usize) -> Colour {
    SYSTEMS[place % SYSTEMS.len()]
}

/// A colour for text: `colour`, darker, so that it is read on white.
pub(super) fn readable(colour: Colour) -> Colour {
    colour.map(|value| (f64::from(value) * 0.72) as u8)
}
