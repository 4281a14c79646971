//! A canvas as SVG: text stays text, pictures keep their own pixels, lengths are points, and a reader who cannot see it gets title
//! and caption.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::canvas::{Anchor, Canvas, Frame, Mark, Picture, Point, Stroke, Text};
use super::png;
use super::style::{Colour, MILLIMETRE};
use crate::error::Result;

/// The text of an SVG file.
pub(super) fn write(canvas: &Canvas, title: &str, caption: &str) -> Result<String> {
    let [width, height] = canvas.size;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}mm\" height=\"{}mm\" viewBox=\"0 0 {} {}\" role=\"img\" \
         font-family=\"'DejaVu Sans', 'Bitstream Vera Sans', Verdana, sans-serif\" \
         style=\"font-kerning:none;font-variant-ligatures:none\">\n<title>{}</title>\n<desc>{}</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        number(width / MILLIMETRE),
        number(height / MILLIMETRE),
        number(width),
        number(height),
        escaped(title),
        escaped(caption),
    );
    // Marks in one frame that follow each other are one group.
    let (mut open, mut frames) = (None, 0);
    for (mark, clip) in &canvas.marks {
        if *clip != open {
            close(&mut out, open);
            if let Some(frame) = clip {
                frames += 1;
                group(&mut out, *frame, frames);
            }
            open = *clip;
        }
        element(&mut out, mark)?;
    }
    close(&mut out, open);
    out.push_str("</svg>\n");
    Ok(out)
}

fn group(out: &mut String, frame: Frame, id: usize) {
    let _ = writeln!(
        out,
        "<clipPath id=\"frame{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath>\n\
         <g clip-path=\"url(#frame{id})\">",
        number(frame.left),
        number(frame.top),
        number(frame.width()),
        number(frame.height()),
    );
}

fn close(out: &mut String, open: Option<Frame>) {
    if open.is_some() {
        out.push_str("</g>\n");
    }
}

fn element(out: &mut String, mark: &Mark) -> Result<()> {
    let _ = match mark {
        Mark::Line { points, stroke } => writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" {}/>",
            list(points),
            stroked(*stroke)
        ),
        Mark::Area {
            points,
            colour,
            opacity,
        } => writeln!(
            out,
            "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
            list(points),
            hex(*colour)
        ),
        Mark::Circle {
            centre: [x, y],
            radius,
            fill,
            outline,
        } => {
            let outline = outline.map_or_else(String::new, |colour| {
                format!(" stroke=\"{}\" stroke-width=\"0.6\"", hex(colour))
            });
            writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"{}\"{outline}/>",
                number(*x),
                number(*y),
                number(*radius),
                hex(*fill),
            )
        }
        Mark::Text(text) => writeln!(out, "{}", line_of_text(text)),
        Mark::Picture(picture) => writeln!(out, "{}", image(picture)?),
    };
    Ok(())
}

fn image(picture: &Picture) -> Result<String> {
    let ([x, y], [width, height]) = (picture.at.map(number), picture.size().map(number));
    let pixels = STANDARD.encode(png::of_picture(&picture.pixels)?);
    Ok(format!(
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" image-rendering=\"pixelated\" \
         href=\"data:image/png;base64,{pixels}\"/>"
    ))
}

fn line_of_text(text: &Text) -> String {
    let [x, y] = text.at.map(number);
    let anchor = match text.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let weight = if text.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let turn = if text.upwards {
        format!(" transform=\"rotate(-90 {x} {y})\"")
    } else {
        String::new()
    };
    format!(
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\" fill=\"{}\"{anchor}{weight}{turn}>{}</text>",
        number(text.size),
        hex(text.colour),
        escaped(&text.content)
    )
}

fn stroked(stroke: Stroke) -> String {
    let dashes = stroke.dashes.map_or_else(String::new, |[dash, gap]| {
        format!(" stroke-dasharray=\"{} {}\"", number(dash), number(gap))
    });
    format!(
        "stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dashes}",
        hex(stroke.colour),
        number(stroke.width)
    )
}

fn list(points: &[Point]) -> String {
    let places = points
        .iter()
        .map(|[x, y]| format!("{},{}", number(*x), number(*y)));
    places.collect::<Vec<_>>().join(" ")
}

fn hex([red, green, blue]: Colour) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// A length with at most two decimal places: a hundredth of a point is finer than any printer.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
