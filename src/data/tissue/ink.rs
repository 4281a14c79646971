//! Pen marks: what is coloured as haematoxylin and eosin cannot be, in one piece large enough for a pen.
//!
//! Stained tissue is darkest in green light, so its hue lies between blue-violet and pink. Ink is green or blue where red light
//! is taken up most, pure red without the blue of eosin, or black. Nuclei, red blood cells and noise come near these colours in
//! a few cells at a time; on the 54 images of breast and five other organs that the limits were chosen on, the largest such
//! piece has 14 cells. Green and blue ink fades at its edges: what is next to it and of its hue belongs to it, however pale.

use super::cells::Cells;

/// Fewest cells of a pen mark.
pub(super) const LEAST: usize = 64;
/// Rings of cells around a mark that go with it: there ink and tissue mix.
const FRINGE: usize = 2;

/// The colour of a cell as in HSV.
struct Hsv {
    /// Degrees, 0 (red) to 360.
    hue: f64,
    /// 0 to 255.
    saturation: f64,
    /// The brightest channel, 0 to 255.
    value: f64,
}

impl Hsv {
    fn of(colour: [u8; 3]) -> Self {
        let [red, green, blue] = colour.map(f64::from);
        let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
        let range = (most - least).max(f64::MIN_POSITIVE);
        let sixth = if most <= red {
            (green - blue) / range
        } else if most <= green {
            2.0 + (blue - red) / range
        } else {
            4.0 + (red - green) / range
        };
        Self {
            hue: (60.0 * sixth).rem_euclid(360.0),
            saturation: 255.0 * (most - least) / most.max(1.0),
            value: most,
        }
    }

    /// Whether tissue is never of this colour.
    fn is_ink(&self) -> bool {
        let (hue, saturation) = (self.hue, self.saturation);
        let green = saturation > 15.0 && (70.0..200.0).contains(&hue);
        let blue = saturation > 110.0 && (190.0..228.0).contains(&hue);
        let red = saturation > 150.0 && !(20.0..=345.0).contains(&hue);
        let black = self.value < 70.0 && saturation < 90.0;
        green || blue || red || black
    }

    /// Whether ink is of this colour where it fades.
    fn is_faded(&self) -> bool {
        self.saturation > 15.0 && (70.0..228.0).contains(&self.hue)
    }
}

/// Which of `cells` are ink; none if there is no pen mark.
pub(super) fn find(cells: &Cells) -> Option<Vec<bool>> {
    let colours: Vec<Hsv> = cells
        .colours
        .iter()
        .map(|&colour| Hsv::of(colour))
        .collect();
    let mut ink: Vec<bool> = colours.iter().map(Hsv::is_ink).collect();
    // Marks alone stay.
    let mut seen = vec![false; ink.len()];
    let mut marks = Vec::new();
    for start in 0..ink.len() {
        if ink[start] && !seen[start] {
            let piece = spread(cells, &mut seen, vec![start], |cell| ink[cell]);
            if piece.len() >= LEAST {
                marks.extend(piece);
            }
        }
    }
    if marks.is_empty() {
        return None;
    }
    // They grow as far as ink fades, and by a fringe.
    ink.fill(false);
    for &cell in &marks {
        ink[cell] = true;
    }
    let mut edge = spread(cells, &mut ink, marks, |cell| colours[cell].is_faded());
    for _ in 0..FRINGE {
        edge.retain(|&cell| neighbours(cells, cell).any(|next| !ink[next]));
        let ring: Vec<usize> = edge
            .iter()
            .flat_map(|&cell| neighbours(cells, cell))
            .filter(|&next| !ink[next])
            .collect();
        for &cell in &ring {
            ink[cell] = true;
        }
        edge = ring;
    }
    Some(ink)
}

/// What is reached from `piece`, of which each is `seen`, over cells that `belongs`; `piece` among it.
fn spread(
    cells: &Cells,
    seen: &mut [bool],
    mut piece: Vec<usize>,
    belongs: impl Fn(usize) -> bool,
) -> Vec<usize> {
    for &cell in &piece {
        seen[cell] = true;
    }
    let mut next = 0;
    while next < piece.len() {
        for neighbour in neighbours(cells, piece[next]) {
            if !seen[neighbour] && belongs(neighbour) {
                seen[neighbour] = true;
                piece.push(neighbour);
            }
        }
        next += 1;
    }
    piece
}

fn neighbours(cells: &Cells, cell: usize) -> impl Iterator<Item = usize> + use<> {
    super::neighbours(cells.columns, cells.rows, cell)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::data::phantom::{Recipe, draw};
    use crate::data::tests::histology;
    use crate::data::tissue::CELL;
    use crate::slides;

    const PINK: [u8; 3] = [225, 170, 205];

    fn inked(colour: [u8; 3], side: u32) -> Option<usize> {
        let image = RgbImage::from_fn(256, 256, |x, y| {
            let is_mark = x.max(y) < 100 + side && x.min(y) >= 100;
            Rgb(if is_mark { colour } else { PINK })
        });
        let found = find(&Cells::of(&image, CELL));
        found.map(|ink| ink.into_iter().filter(|&ink| ink).count())
    }

    #[test]
    fn pen_marks_are_found_with_a_fringe_and_stains_are_none() {
        for ink in [[20, 140, 90], [40, 90, 170], [190, 40, 50], [30, 28, 35]] {
            // Ten cells a side, and two rings around without the corners' outermost cells.
            assert_eq!(inked(ink, 40), Some(100 + 40 + 44), "{ink:?}");
            assert_eq!(inked(ink, 28), None, "{ink:?}");
        }
        for stain in [
            PINK,
            [110, 60, 140],
            [70, 60, 130],
            [200, 80, 120],
            [243, 241, 244],
        ] {
            assert_eq!(inked(stain, 100), None, "{stain:?}");
        }
    }

    #[test]
    fn phantom_slides_have_no_ink() {
        for index in 0..8 {
            let image = draw(&Recipe {
                seed: 0,
                index,
                size: 640,
            });
            assert!(find(&Cells::of(&image, CELL)).is_none(), "{index}");
        }
    }

    #[test]
    #[ignore = "needs ../shared: run with --include-ignored"]
    fn no_slide_without_ink_has_any_and_those_with_ink_have() {
        let mut table = csv::Reader::from_path(histology().join("manifest.csv")).unwrap();
        let (mut with, mut without) = (0, 0);
        for row in table.records() {
            let file = row.unwrap()[0].to_owned();
            let extension = file.rsplit('.').next();
            if !matches!(extension, Some("png" | "tif")) {
                continue;
            }
            let image = slides::read(&histology().join(&file)).unwrap();
            let found = find(&Cells::of(&image, CELL)).is_some();
            assert_eq!(found, file.contains("pen"), "{file}");
            *(if found { &mut with } else { &mut without }) += 1;
        }
        assert_eq!((with, without), (3, 65), "images with and without ink");
    }
}
