//! Where an image shows tissue and where it shows glass.
//!
//! The steps of CLAM (Lu et al. 2021, reference 13 of arXiv 2409.20340): saturation, median blur, Otsu's threshold,
//! morphological closing, small holes filled, small specks dropped. They run on an image reduced to cells, which is enough to
//! tell tissue from glass and takes the sensor's noise out first: of 4 x 4 pixels on images, of about 16 x 16 pixels of the
//! finest level on pyramids and very large images, where holes and specks are small below 512 x 512 pixels, as in CLAM's settings
//! for biopsies.
//!
//! Otsu's threshold splits any image in two, whether or not it shows two things. So it is used only where its lower part
//! is as pale as glass and its upper part is not: an image whose lower part is coloured (a field of view without glass) is
//! all tissue but for cells under a fixed floor, and an image whose upper part is pale is all glass. Pen marks (`ink`) are
//! coloured and no tissue: they are taken out before, and again after holes are filled.
//!
//! Not the crate `imageproc`: its median repeats the border where this one cuts its window, so masks would be others there; its
//! Otsu gives no means; and it brings `nalgebra`.

mod cells;
mod find;
mod ink;
mod picture;

use image::RgbImage;
use rayon::prelude::*;

use cells::Cells;

pub(super) use find::find;

/// Height and width of a cell of an image in pixels.
const CELL: usize = 4;
/// Saturation (0 to 255) under which nothing is tissue.
const FLOOR: u8 = 15;
/// Saturation from which everything is tissue where there is glass beside it: Otsu's threshold lies half-way from glass to
/// the strongest colour, and would cost pale stroma.
const CEILING: u8 = 30;
/// Cells from the centre to the edge of the window of the median.
const MEDIAN_REACH: usize = 2;
/// Cells by which the mask is grown and shrunk again: gaps up to twice that close.
const CLOSING_REACH: usize = 1;
/// Holes and specks of fewer cells vanish: 1024 pixels, about ten micrometres square at 0.3 micrometres a pixel.
const SMALL: usize = 64;

/// Cells from which on several threads look for their medians.
const MANY: usize = 1 << 20;

/// Which cells of an image show tissue.
#[derive(Clone, Debug, PartialEq)]
pub struct TissueMask {
    columns: usize,
    rows: usize,
    cells: Vec<bool>,
    /// Height and width of a cell in pixels of the image.
    side: f64,
}

/// What the mask depends on besides the image.
#[derive(Clone, Copy, Debug)]
struct Rules {
    /// Height and width of a cell in pixels.
    side: f64,
    /// Holes and specks of fewer cells vanish.
    small: usize,
    /// The saturation from which a cell is tissue, in place of Otsu's threshold.
    threshold: Option<u8>,
    /// Whether pen marks are no tissue.
    removes_ink: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            side: CELL as f64,
            small: SMALL,
            threshold: None,
            removes_ink: true,
        }
    }
}

impl TissueMask {
    /// Finds the tissue in `image`.
    pub fn new(image: &RgbImage) -> Self {
        Self::of(&Cells::of(image, CELL), Rules::default())
    }

    /// Finds the tissue among `cells`.
    fn of(cells: &Cells, rules: Rules) -> Self {
        let &Cells { columns, rows, .. } = cells;
        let ink = rules.removes_ink.then(|| ink::find(cells)).flatten();
        let mut saturation = cells.saturation.clone();
        if let Some(ink) = &ink {
            for (value, _) in saturation
                .iter_mut()
                .zip(ink)
                .filter(|(_, is_ink)| **is_ink)
            {
                *value = 0;
            }
        }
        let saturation = median(columns, rows, &saturation);
        let threshold = rules.threshold.or_else(|| match &ink {
            None => threshold(&saturation),
            Some(ink) => {
                let beside = saturation.iter().zip(ink).filter(|(_, is_ink)| !**is_ink);
                let beside: Vec<u8> = beside.map(|(value, _)| *value).collect();
                threshold(&beside)
            }
        });
        let tissue = match threshold {
            Some(threshold) => saturation.iter().map(|&value| value >= threshold).collect(),
            None => vec![false; saturation.len()],
        };
        let mut mask = Self {
            columns,
            rows,
            cells: tissue,
            side: rules.side,
        };
        mask.close();
        mask.flip_small(false, rules.small);
        mask.flip_small(true, rules.small);
        if let Some(ink) = ink {
            for (cell, is_ink) in mask.cells.iter_mut().zip(ink) {
                *cell &= !is_ink;
            }
            mask.flip_small(true, rules.small);
        }
        mask
    }

    /// The fraction of the area of a square that is tissue.
    ///
    /// The square has its top left corner at column `x`, row `y` and must lie in the image.
    pub fn fraction(&self, x: usize, y: usize, size: usize) -> f64 {
        // The cells that `at .. at + size` meets, each with the length that it has of it.
        let lengths = |at: usize, cells: usize| {
            let (start, end) = (at as f64, (at + size) as f64);
            let first = ((start / self.side) as usize).min(cells - 1);
            let last = ((end / self.side).ceil() as usize).clamp(first + 1, cells);
            (first..last).map(move |cell| {
                // The last cell goes on as far as the image does.
                let reach = if cell + 1 == cells {
                    end
                } else {
                    (cell + 1) as f64 * self.side
                };
                (cell, reach.min(end) - (cell as f64 * self.side).max(start))
            })
        };
        let rows = lengths(y, self.rows);
        let area: f64 = rows
            .flat_map(|(row, height)| {
                let columns = lengths(x, self.columns);
                let tissue =
                    columns.filter(move |(column, _)| self.cells[row * self.columns + column]);
                tissue.map(move |(_, width)| width * height)
            })
            .sum();
        area / (size * size) as f64
    }

    /// The fraction of the image that is tissue.
    pub fn coverage(&self) -> f64 {
        self.cells.iter().filter(|&&cell| cell).count() as f64 / self.cells.len() as f64
    }

    /// Grows the tissue, then shrinks it as much: cracks close, outlines stay.
    fn close(&mut self) {
        for grow in [true, false] {
            let of = |cell: usize| {
                let mut around = window(self.columns, self.rows, CLOSING_REACH, cell);
                if grow {
                    around.any(|cell| self.cells[cell])
                } else {
                    around.all(|cell| self.cells[cell])
                }
            };
            self.cells = (0..self.cells.len()).map(of).collect();
        }
    }

    /// Turns connected regions of `value` with fewer than `small` cells into their opposite.
    fn flip_small(&mut self, value: bool, small: usize) {
        let mut seen = vec![false; self.cells.len()];
        for start in 0..self.cells.len() {
            if seen[start] || self.cells[start] != value {
                continue;
            }
            seen[start] = true;
            let mut region = vec![start as u32];
            let mut next = 0;
            while next < region.len() {
                for neighbour in neighbours(self.columns, self.rows, region[next] as usize) {
                    if !seen[neighbour] && self.cells[neighbour] == value {
                        seen[neighbour] = true;
                        region.push(neighbour as u32);
                    }
                }
                next += 1;
            }
            // A small image is not a speck of tissue on a large one.
            if region.len() < small.min(self.cells.len() / 4) {
                for cell in region {
                    self.cells[cell as usize] = !value;
                }
            }
        }
    }
}

/// The cells that share an edge with `cell`.
fn neighbours(columns: usize, rows: usize, cell: usize) -> impl Iterator<Item = usize> + use<> {
    let (column, row) = (cell % columns, cell / columns);
    let candidates = [
        (column > 0).then(|| cell - 1),
        (column + 1 < columns).then(|| cell + 1),
        (row > 0).then(|| cell - columns),
        (row + 1 < rows).then(|| cell + columns),
    ];
    candidates.into_iter().flatten()
}

/// The cells at most `reach` away from `cell` in rows and columns, cut at the edges.
fn window(columns: usize, rows: usize, reach: usize, cell: usize) -> impl Iterator<Item = usize> {
    let span = move |at: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
    let (column, row) = (cell % columns, cell / columns);
    span(row, rows)
        .flat_map(move |row| span(column, columns).map(move |column| row * columns + column))
}

/// The median of each cell's window.
fn median(columns: usize, rows: usize, values: &[u8]) -> Vec<u8> {
    let of = |window_values: &mut Vec<u8>, cell: usize| {
        window_values.clear();
        window_values.extend(window(columns, rows, MEDIAN_REACH, cell).map(|cell| values[cell]));
        let middle = window_values.len() / 2;
        *window_values.select_nth_unstable(middle).1
    };
    if values.len() < MANY {
        let mut window_values = Vec::new();
        return (0..values.len())
            .map(|cell| of(&mut window_values, cell))
            .collect();
    }
    let cells = (0..values.len()).into_par_iter().with_min_len(1 << 14);
    cells.map_init(Vec::new, of).collect()
}

/// The saturation from which a cell is tissue; none if the image is all glass.
fn threshold(saturation: &[u8]) -> Option<u8> {
    if saturation.is_empty() {
        return None;
    }
    let (otsu, lower, upper) = otsu(saturation);
    if upper < f64::from(FLOOR) {
        None
    } else if lower >= f64::from(FLOOR) {
        Some(FLOOR)
    } else {
        Some(otsu.clamp(FLOOR, CEILING))
    }
}

/// Otsu's threshold (1979): the first value of the upper of the two parts whose means differ most for their sizes, with the
/// means of the parts. Where all values are one, that value, twice as mean.
fn otsu(values: &[u8]) -> (u8, f64, f64) {
    let mut histogram = [0.0f64; 256];
    for &value in values {
        histogram[usize::from(value)] += 1.0;
    }
    let count = values.len() as f64;
    let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
    let mut best = (values[0], sum / count, sum / count);
    let (mut most, mut below, mut sum_below) = (0.0, 0.0, 0.0);
    for value in 0..u8::MAX {
        below += histogram[usize::from(value)];
        sum_below += f64::from(value) * histogram[usize::from(value)];
        let above = count - below;
        if below == 0.0 || above == 0.0 {
            continue;
        }
        let (lower, upper) = (sum_below / below, (sum - sum_below) / above);
        let between = below * above * (upper - lower).powi(2);
        if between > most {
            most = between;
            best = (value + 1, lower, upper);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;
    use crate::data::tests::histology;
    use crate::random::Random;
    use crate::slides;

    const GLASS: [f64; 3] = [243.0, 241.0, 244.0];
    const PALE: [f64; 3] = [225.0, 190.0, 215.0];
    const DARK: [f64; 3] = [120.0, 60.0, 140.0];

    /// A noisy image of 256 x 256 pixels.
    fn image(colour: impl Fn(u32, u32) -> [f64; 3]) -> RgbImage {
        let mut stream = Random::new(0).stream("test");
        RgbImage::from_fn(256, 256, |x, y| {
            Rgb(colour(x, y).map(|value| (value + 4.0 * stream.normal()) as u8))
        })
    }

    fn percent(fraction: f64) -> u32 {
        (100.0 * fraction).round() as u32
    }

    fn coverage(colour: impl Fn(u32, u32) -> [f64; 3]) -> u32 {
        percent(TissueMask::new(&image(colour)).coverage())
    }

    #[test]
    fn an_image_of_one_kind_is_not_split_in_two() {
        assert_eq!(coverage(|_, _| GLASS), 0);
        assert_eq!(coverage(|_, _| PALE), 100);
        assert_eq!(coverage(|x, _| if x < 128 { PALE } else { DARK }), 100);
    }

    #[test]
    fn glass_is_told_from_pale_and_from_dark_tissue() {
        let mask = TissueMask::new(&image(|x, y| match (x < 128, y < 128) {
            (true, _) => GLASS,
            (false, true) => PALE,
            (false, false) => DARK,
        }));
        assert_eq!(percent(mask.fraction(0, 0, 120)), 0);
        assert_eq!(percent(mask.fraction(136, 0, 120)), 100);
        assert_eq!(percent(mask.fraction(136, 136, 120)), 100);
        assert!((40..60).contains(&percent(mask.fraction(96, 96, 64))));
    }

    #[test]
    fn small_holes_are_filled_and_specks_dropped() {
        let disc = |radius: u32| {
            move |x: u32, y: u32| x.abs_diff(128).pow(2) + y.abs_diff(128).pow(2) < radius.pow(2)
        };
        let (small, large) = (disc(14), disc(60));
        assert_eq!(coverage(|x, y| if small(x, y) { GLASS } else { DARK }), 100);
        assert_eq!(coverage(|x, y| if small(x, y) { DARK } else { GLASS }), 0);
        let hole = coverage(|x, y| if large(x, y) { GLASS } else { DARK });
        let spot = coverage(|x, y| if large(x, y) { DARK } else { GLASS });
        assert!((80..=86).contains(&hole), "{hole}");
        assert!((14..=20).contains(&spot), "{spot}");
    }

    #[test]
    fn an_image_smaller_than_a_cell_has_a_mask() {
        let mask = TissueMask::new(&RgbImage::from_pixel(3, 2, Rgb([200, 100, 180])));
        assert_eq!(percent(mask.fraction(0, 0, 2)), 100);
    }

    #[test]
    #[ignore = "needs ../shared: run with --include-ignored"]
    fn blank_slides_are_rejected_and_tissue_is_found_much_as_by_a_rule_of_colour() {
        let root = histology();
        let mut table = csv::Reader::from_path(root.join("manifest.csv")).unwrap();
        let mut differences = Vec::new();
        for row in table.records() {
            let row = row.unwrap();
            let (file, by_colour) = (&row[0], row[7].parse::<f64>().unwrap_or(0.0));
            let blank = file.contains("almost-white") || file.contains("no-tissue");
            let ink = file.contains("pen");
            if !file.starts_with("slides/") && !blank || ink {
                continue;
            }
            let coverage = TissueMask::new(&slides::read(&root.join(file)).unwrap()).coverage();
            if blank {
                assert!(coverage < 0.02, "{file}: {coverage}");
            } else {
                differences.push((coverage - by_colour).abs());
            }
        }
        let mean = differences.iter().sum::<f64>() / differences.len() as f64;
        assert!(mean < 0.08, "mean difference {mean}");
    }
}
