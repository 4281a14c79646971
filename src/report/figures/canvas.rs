//! What a figure is drawn on: marks in points, y downwards, which are written as SVG and as PNG alike.

use image::RgbImage;

use super::font;
use super::style::{Colour, INK, PIXELS, TEXT};

/// A place, in points from the left and from the top.
pub(super) type Point = [f64; 2];

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Frame {
    /// How wide it is.
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// How high it is.
    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// A figure while it is drawn.
pub(super) struct Canvas {
    /// Width and height.
    pub(super) size: Point,
    /// What lies on it, the lowest first, each with the part of the canvas it is seen in.
    pub(super) marks: Vec<(Mark, Option<Frame>)>,
    clip: Option<Frame>,
}

/// One thing on a canvas.
pub(super) enum Mark {
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    /// A polygon without an outline.
    Area {
        points: Vec<Point>,
        colour: Colour,
        opacity: f64,
    },
    Circle {
        centre: Point,
        radius: f64,
        fill: Colour,
        /// The colour of a thin outline.
        outline: Option<Colour>,
    },
    Text(Text),
    Picture(Picture),
}

/// A picture on a canvas.
pub(super) struct Picture {
    pub(super) at: Point,
    /// How many pixels of a PNG file, each way, are one of its own: nothing is resampled.
    pub(super) scale: u32,
    pub(super) pixels: RgbImage,
}

impl Picture {
    /// Its width and height.
    pub(super) fn size(&self) -> Point {
        let (width, height) = self.pixels.dimensions();
        [width, height].map(|side| f64::from(side * self.scale) / PIXELS)
    }
}

/// How a line is drawn.
#[derive(Clone, Copy)]
pub(super) struct Stroke {
    pub(super) colour: Colour,
    pub(super) width: f64,
    /// Lengths of dashes and of the gaps between them.
    pub(super) dashes: Option<[f64; 2]>,
}

impl Stroke {
    /// A line without gaps.
    pub(super) fn new(colour: Colour, width: f64) -> Self {
        Self {
            colour,
            width,
            dashes: None,
        }
    }
}

/// A line of text.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) content: String,
    /// Where its base line starts, has its middle, or ends.
    pub(super) at: Point,
    pub(super) anchor: Anchor,
    pub(super) size: f64,
    pub(super) colour: Colour,
    pub(super) bold: bool,
    /// Whether it runs upwards.
    pub(super) upwards: bool,
}

/// What of a text stands where it is put.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Text {
    /// Text of the usual size and colour.
    pub(super) fn new(text: impl Into<String>, at: Point, anchor: Anchor) -> Self {
        Self {
            content: text.into(),
            at,
            anchor,
            size: TEXT,
            colour: INK,
            bold: false,
            upwards: false,
        }
    }

    /// With another size.
    pub(super) fn size(self, size: f64) -> Self {
        Self { size, ..self }
    }

    /// With another colour.
    pub(super) fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    /// In bold letters.
    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// Running upwards.
    pub(super) fn upwards(self) -> Self {
        Self {
            upwards: true,
            ..self
        }
    }

    /// How long it is.
    pub(super) fn width(&self) -> f64 {
        font::width(&self.content, self.size, self.bold)
    }

    /// How far before `at` it starts.
    pub(super) fn offset(&self) -> f64 {
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => self.width() / 2.0,
            Anchor::End => self.width(),
        }
    }
}

impl Canvas {
    /// An empty canvas.
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self {
            size: [width, height],
            marks: Vec::new(),
            clip: None,
        }
    }

    fn push(&mut self, mark: Mark) {
        self.marks.push((mark, self.clip));
    }

    /// Draws what `paint` draws, of which only what lies in `frame` is seen.
    pub(super) fn within(&mut self, frame: Frame, paint: impl FnOnce(&mut Self)) {
        self.clip = Some(frame);
        paint(self);
        self.clip = None;
    }

    /// A line through points.
    pub(super) fn line(&mut self, points: Vec<Point>, stroke: Stroke) {
        if points.len() > 1 {
            self.push(Mark::Line { points, stroke });
        }
    }

    /// A polygon.
    pub(super) fn area(&mut self, points: Vec<Point>, colour: Colour, opacity: f64) {
        if points.len() > 2 {
            self.push(Mark::Area {
                points,
                colour,
                opacity,
            });
        }
    }

    /// A disc with a thin outline.
    pub(super) fn circle(&mut self, centre: Point, radius: f64, fill: Colour, outline: Colour) {
        self.push(Mark::Circle {
            centre,
            radius,
            fill,
            outline: Some(outline),
        });
    }

    /// A disc without an outline.
    pub(super) fn dot(&mut self, centre: Point, radius: f64, fill: Colour) {
        self.push(Mark::Circle {
            centre,
            radius,
            fill,
            outline: None,
        });
    }

    /// A picture.
    pub(super) fn picture(&mut self, picture: Picture) {
        self.push(Mark::Picture(picture));
    }

    /// A line of text.
    pub(super) fn text(&mut self, text: Text) {
        if !text.content.is_empty() {
            self.push(Mark::Text(text));
        }
    }
}
