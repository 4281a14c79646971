//! The bundled font: how wide text is, and its outlines.

use std::sync::LazyLock;

use ttf_parser::{Face, OutlineBuilder};

static REGULAR: LazyLock<Face<'static>> = LazyLock::new(|| face(dejavu::sans::regular()));
static BOLD: LazyLock<Face<'static>> = LazyLock::new(|| face(dejavu::sans::bold()));

fn face(bytes: &'static [u8]) -> Face<'static> {
    Face::parse(bytes, 0).expect("DejaVu Sans is a font")
}

fn chosen(bold: bool) -> &'static Face<'static> {
    if bold { &BOLD } else { &REGULAR }
}

/// The advance of each glyph of `text`, in units of the font. Pairs are not kerned, in SVG neither.
fn glyphs(
    text: &str,
    face: &'static Face<'static>,
) -> impl Iterator<Item = (ttf_parser::GlyphId, f64)> {
    text.chars().map(move |letter| {
        let glyph = face.glyph_index(letter).unwrap_or_default();
        let advance = face.glyph_hor_advance(glyph).unwrap_or(0);
        (glyph, f64::from(advance))
    })
}

/// How wide `text` is at `size`, in the unit of `size`.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let face = chosen(bold);
    let advances: f64 = glyphs(text, face).map(|(_, advance)| advance).sum();
    advances * size / f64::from(face.units_per_em())
}

/// Hands the outlines of `text` to `path`, the glyph's own coordinates (y upwards) beside where it stands: the start of the
/// text is 0.
pub(super) fn outline<B: OutlineBuilder>(
    text: &str,
    size: f64,
    bold: bool,
    mut path: impl FnMut(f64, f64) -> B,
    mut done: impl FnMut(B),
) {
    let face = chosen(bold);
    let scale = size / f64::from(face.units_per_em());
    let mut left = 0.0;
    for (glyph, advance) in glyphs(text, face) {
        let mut builder = path(left, scale);
        if face.outline_glyph(glyph, &mut builder).is_some() {
            done(builder);
        }
        left += advance * scale;
    }
}

/// As much of `text` as fits into `room` at `size`; what is cut off is marked by an ellipsis.
pub(super) fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size, false) <= room {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while !kept.is_empty() {
        kept.pop();
        let short: String = kept.iter().collect();
        let short = format!("{}…", short.trim_end());
        if width(&short, size, false) <= room {
            return short;
        }
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // DejaVu Sans: 2048 units to the em, digits are 1303 wide, a space 651.
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}");
        near(width("10", 7.0, false), 2.0 * 1303.0 / 2048.0 * 7.0);
        near(width(" ", 2048.0, false), 651.0);
        assert!(width("step", 7.0, true) > width("step", 7.0, false));
    }

    #[test]
    fn text_is_cut_to_its_room() {
        assert_eq!(fitted("dcgan", 7.0, 100.0), "dcgan");
        let short = fitted("diverged after step 40: the loss is NaN", 7.0, 60.0);
        assert!(
            short.starts_with("diverged") && short.ends_with('…'),
            "{short}"
        );
        assert!(width(&short, 7.0, false) <= 60.0);
        assert_eq!(fitted("dcgan", 7.0, 1.0), "");
    }
}
