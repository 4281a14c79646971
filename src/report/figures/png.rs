//! A canvas as PNG: 300 pixels to the inch, which the file says.

use ::png::{BitDepth, ColorType, Encoder, PixelDimensions, Unit};
use image::RgbImage;
use tiny_skia::{
    FillRule, LineJoin, Mask, Paint, Path, PathBuilder, Pixmap, PremultipliedColorU8, Rect,
    StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

use super::canvas::{Canvas, Frame, Mark, Picture, Point, Stroke, Text};
use super::font;
use super::style::{Colour, PIXELS};
use crate::error::Result;

/// Pixels of a metre at 300 to the inch.
const PIXELS_PER_METRE: u32 = 11_811;

/// The bytes of a PNG file.
pub(super) fn write(canvas: &Canvas) -> Result<Vec<u8>> {
    let [width, height] = canvas.size.map(|side| (side * PIXELS).round() as u32);
    let mut pixmap = Pixmap::new(width, height).expect("a figure has a size");
    pixmap.fill(tiny_skia::Color::WHITE);
    // The mask of the frame that marks are seen in, kept while marks of one frame follow each other.
    let mut seen: (Option<Frame>, Option<Mask>) = (None, None);
    for (mark, clip) in &canvas.marks {
        if *clip != seen.0 {
            seen = (*clip, clip.map(|frame| mask(frame, width, height)));
        }
        draw(&mut pixmap, mark, seen.1.as_ref());
    }
    // White lies below everything: no pixel is transparent.
    let pixels = pixmap.pixels().iter();
    let colours: Vec<u8> = pixels
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect();
    let density = PixelDimensions {
        xppu: PIXELS_PER_METRE,
        yppu: PIXELS_PER_METRE,
        unit: Unit::Meter,
    };
    encode(&colours, [width, height], Some(density))
}

/// The bytes of a PNG file of a picture by itself.
pub(super) fn of_picture(pixels: &RgbImage) -> Result<Vec<u8>> {
    encode(pixels, pixels.dimensions().into(), None)
}

fn encode(
    colours: &[u8],
    [width, height]: [u32; 2],
    density: Option<PixelDimensions>,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_pixel_dims(density);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(colours)?;
    writer.finish()?;
    Ok(bytes)
}

fn scale() -> Transform {
    Transform::from_scale(PIXELS as f32, PIXELS as f32)
}

fn mask(frame: Frame, width: u32, height: u32) -> Mask {
    let mut mask = Mask::new(width, height).expect("a figure has a size");
    let [left, top, right, bottom] =
        [frame.left, frame.top, frame.right, frame.bottom].map(|side| side as f32);
    let rect = Rect::from_ltrb(left, top, right, bottom).expect("a frame has an inside");
    let path = PathBuilder::from_rect(rect);
    mask.fill_path(&path, FillRule::Winding, true, scale());
    mask
}

fn draw(pixmap: &mut Pixmap, mark: &Mark, mask: Option<&Mask>) {
    match mark {
        Mark::Line { points, stroke } => {
            if let Some(path) = path(points, false) {
                let paint = paint(stroke.colour, 1.0);
                pixmap.stroke_path(&path, &paint, &stroked(*stroke), scale(), mask);
            }
        }
        Mark::Area {
            points,
            colour,
            opacity,
        } => {
            if let Some(path) = path(points, true) {
                let paint = paint(*colour, *opacity);
                pixmap.fill_path(&path, &paint, FillRule::Winding, scale(), mask);
            }
        }
        Mark::Circle {
            centre: [x, y],
            radius,
            fill,
            outline,
        } => {
            let [x, y, radius] = [*x, *y, *radius].map(|value| value as f32);
            if let Some(path) = PathBuilder::from_circle(x, y, radius) {
                let inside = paint(*fill, 1.0);
                pixmap.fill_path(&path, &inside, FillRule::Winding, scale(), mask);
                if let Some(outline) = outline {
                    let stroke = stroked(Stroke::new(*outline, 0.6));
                    pixmap.stroke_path(&path, &paint(*outline, 1.0), &stroke, scale(), mask);
                }
            }
        }
        Mark::Text(text) => line_of_text(pixmap, text, mask),
        Mark::Picture(picture) => put(pixmap, picture),
    }
}

/// Puts a picture where it belongs, pixel by pixel: nothing is resampled.
fn put(pixmap: &mut Pixmap, picture: &Picture) {
    let [left, top] = picture.at.map(|place| (place * PIXELS).round() as u32);
    let (width, height, scale) = (pixmap.width(), pixmap.height(), picture.scale);
    let pixels = &picture.pixels;
    for y in 0..(pixels.height() * scale).min(height.saturating_sub(top)) {
        for x in 0..(pixels.width() * scale).min(width.saturating_sub(left)) {
            let [red, green, blue] = pixels.get_pixel(x / scale, y / scale).0;
            let colour = PremultipliedColorU8::from_rgba(red, green, blue, 255);
            let place = ((top + y) * width + left + x) as usize;
            pixmap.pixels_mut()[place] = colour.expect("an opaque colour");
        }
    }
}

fn path(points: &[Point], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (place, [x, y]) in points.iter().enumerate() {
        let (x, y) = (*x as f32, *y as f32);
        if place == 0 {
            path.move_to(x, y);
        } else {
            path.line_to(x, y);
        }
    }
    if closed {
        path.close();
    }
    path.finish()
}

fn paint([red, green, blue]: Colour, opacity: f64) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, (255.0 * opacity).round() as u8);
    paint.anti_alias = true;
    paint
}

fn stroked(stroke: Stroke) -> tiny_skia::Stroke {
    tiny_skia::Stroke {
        width: stroke.width as f32,
        line_join: LineJoin::Round,
        dash: stroke
            .dashes
            .and_then(|[dash, gap]| StrokeDash::new(vec![dash as f32, gap as f32], 0.0)),
        ..tiny_skia::Stroke::default()
    }
}

/// A glyph's outline on its way into a path.
struct Glyph {
    path: PathBuilder,
    left: f32,
    scale: f32,
}

impl Glyph {
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        (self.left + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Glyph {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) =
            (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

fn line_of_text(pixmap: &mut Pixmap, text: &Text, mask: Option<&Mask>) {
    let [x, y] = text.at.map(|place| place as f32);
    let turn = if text.upwards { -90.0 } else { 0.0 };
    let transform = scale()
        .pre_translate(x, y)
        .pre_rotate(turn)
        .pre_translate(-text.offset() as f32, 0.0);
    let paint = paint(text.colour, 1.0);
    let start = |left: f64, scale: f64| Glyph {
        path: PathBuilder::new(),
        left: left as f32,
        scale: scale as f32,
    };
    font::outline(
        &text.content,
        text.size,
        text.bold,
        start,
        |glyph: Glyph| {
            if let Some(path) = glyph.path.finish() {
                pixmap.fill_path(&path, &paint, FillRule::Winding, transform, mask);
            }
        },
    );
}
