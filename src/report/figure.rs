//! Figures as PNG files: curves, points with error bars, histograms. Text is set in DejaVu Sans, which is built in.

use std::path::Path;
use std::sync::Once;

use anyhow::anyhow;
use image::RgbImage;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::error::Result;
use crate::files::write_whole;

/// Width and height of a figure in pixels.
const SIZE: (u32, u32) = (960, 600);
/// Colours that are told apart also without seeing red or green (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];
const FONT: &str = "sans-serif";

/// One line of a figure: a label and its points.
pub struct Curve {
    /// What the legend calls it.
    pub label: String,
    /// The points, by growing x.
    pub points: Vec<(f64, f64)>,
}

/// A number with a spread, under a label on the horizontal axis.
pub struct Bar {
    /// What it is.
    pub label: String,
    /// The mean.
    pub mean: f64,
    /// The standard deviation; none for one seed.
    pub spread: Option<f64>,
}

/// Draws curves over a common horizontal axis.
pub fn curves(path: &Path, title: &str, axes: [&str; 2], curves: &[Curve]) -> Result<()> {
    let points = || curves.iter().flat_map(|curve| curve.points.iter().copied());
    let x = range(points().map(|point| point.0), 0.0);
    let y = range(points().map(|point| point.1), 0.05);
    draw(path, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 22))
            .margin(12)
            .x_label_area_size(46)
            .y_label_area_size(70)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(axes[0])
            .y_desc(axes[1])
            .label_style((FONT, 15))
            .axis_desc_style((FONT, 17))
            .draw()?;
        for (curve, colour) in curves.iter().zip(COLOURS.into_iter().cycle()) {
            chart
                .draw_series(LineSeries::new(
                    curve.points.iter().copied(),
                    colour.stroke_width(2),
                ))?
                .label(&curve.label)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK)
            .label_font((FONT, 15))
            .draw()?;
        Ok(())
    })
}

/// Draws means with one standard deviation to each side, one beside the other, and a dashed line at `reference`.
pub fn bars(
    path: &Path,
    title: &str,
    axis: &str,
    bars: &[Bar],
    reference: Option<(&str, f64)>,
) -> Result<()> {
    let ends = bars.iter().flat_map(|bar| {
        let spread = bar.spread.unwrap_or(0.0);
        [bar.mean - spread, bar.mean + spread]
    });
    let y = range(ends.chain(reference.map(|(_, value)| value)), 0.08);
    let labels: Vec<&str> = bars.iter().map(|bar| bar.label.as_str()).collect();
    let count = bars.len() as f64;
    draw(path, |area| {
        let mut chart = ChartBuilder::on(area)
            .caption(title, (FONT, 22))
            .margin(12)
            .x_label_area_size(170)
            .y_label_area_size(70)
            .build_cartesian_2d(-0.5..count - 0.5, y.clone())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_desc(axis)
            .label_style((FONT, 15))
            .axis_desc_style((FONT, 17))
            .draw()?;
        if let Some((name, value)) = reference {
            let line = [(-0.5, value), (count - 0.5, value)];
            chart.draw_series(DashedLineSeries::new(
                line,
                6,
                5,
                BLACK.mix(0.6).stroke_width(1),
            ))?;
            let text = Text::new(name.to_owned(), (-0.48, value), (FONT, 14).into_font());
            chart.draw_series([text])?;
        }
        for (place, bar) in bars.iter().enumerate() {
            let (x, colour) = (place as f64, COLOURS[0]);
            if let Some(spread) = bar.spread {
                let ends = [bar.mean - spread, bar.mean + spread];
                chart.draw_series([PathElement::new(
                    ends.map(|y| (x, y)).to_vec(),
                    colour.stroke_width(2),
                )])?;
                for y in ends {
                    let cap = vec![(x - 0.08, y), (x + 0.08, y)];
                    chart.draw_series([PathElement::new(cap, colour.stroke_width(2))])?;
                }
            }
            chart.draw_series([Circle::new((x, bar.mean), 5, colour.filled())])?;
        }
        // Long labels are set upright below the axis.
        let style = TextStyle::from((FONT, 15).into_font())
            .transform(FontTransform::Rotate270)
            .pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            ));
        for (place, label) in labels.iter().enumerate() {
            let (x, y) = chart.backend_coord(&(place as f64, y.start));
            area.draw_text(label, &style, (x, y + 8))?;
        }
        Ok(())
    })
}

/// Draws the distribution of each group of `values` between `low` and `high`, in `bins` steps, as fractions of the group.
pub fn histograms(
    path: &Path,
    title: &str,
    axis: &str,
    groups: &[(String, Vec<f64>)],
    (low, high): (f64, f64),
    bins: usize,
) -> Result<()> {
    let width = (high - low) / bins as f64;
    let outlines: Vec<Curve> = groups
        .iter()
        .map(|(label, values)| {
            let mut fractions = vec![0.0; bins];
            for value in values {
                let bin = ((value - low) / width).clamp(0.0, bins as f64 - 1.0) as usize;
                fractions[bin] += 1.0 / values.len() as f64;
            }
            let mut points = vec![(low, 0.0)];
            for (bin, fraction) in fractions.into_iter().enumerate() {
                let left = low + bin as f64 * width;
                points.extend([(left, fraction), (left + width, fraction)]);
            }
            points.push((high, 0.0));
            Curve {
                label: label.clone(),
                points,
            }
        })
        .collect();
    curves(path, title, [axis, "fraction of pairs"], &outlines)
}

/// From the least to the largest value, with `margin` of that distance added on both sides.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> std::ops::Range<f64> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.filter(|value| value.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return 0.0..1.0;
    }
    let room = match high - low {
        0.0 => 0.5 * high.abs().max(1.0),
        distance => margin * distance,
    };
    low - room..high + room
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Runs `paint` on a white canvas and writes it.
fn draw(
    path: &Path,
    paint: impl FnOnce(&Area<'_>) -> std::result::Result<(), Box<dyn std::error::Error>>,
) -> Result<()> {
    register_font();
    let mut pixels = vec![255u8; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        let failed = |error: Box<dyn std::error::Error>| {
            anyhow!("cannot draw `{}`: {error}", path.display())
        };
        area.fill(&WHITE).map_err(|error| failed(Box::new(error)))?;
        paint(&area).map_err(failed)?;
        area.present().map_err(|error| failed(Box::new(error)))?;
    }
    let picture = RgbImage::from_raw(SIZE.0, SIZE.1, pixels).expect("the canvas has its size");
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    write_whole(path, &bytes.into_inner())
}

fn register_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let font = dejavu::sans::regular();
        let registered = plotters::style::register_font(FONT, FontStyle::Normal, font);
        assert!(registered.is_ok(), "DejaVu Sans is a font");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dark_pixels(path: &Path) -> usize {
        let picture = image::open(path).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), SIZE);
        picture
            .pixels()
            .filter(|pixel| pixel.0.iter().any(|&value| value < 100))
            .count()
    }

    #[test]
    fn figures_are_drawn_with_their_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let curve = |label: &str, slope: f64| Curve {
            label: label.to_owned(),
            points: (0..20)
                .map(|x| (f64::from(x), slope * f64::from(x)))
                .collect(),
        };
        curves(&path("a.png"), "", ["", ""], &[curve("up", 1.0)]).unwrap();
        let lines = [curve("up", 1.0), curve("down", -1.0)];
        curves(&path("b.png"), "A title", ["steps", "reward"], &lines).unwrap();
        assert!(dark_pixels(&path("b.png")) > dark_pixels(&path("a.png")) + 500);

        let bar = |label: &str, mean, spread| Bar {
            label: label.to_owned(),
            mean,
            spread,
        };
        let points = [bar("one", 3.0, None), bar("two", 5.0, Some(0.7))];
        bars(&path("c.png"), "Bars", "FID", &points, Some(("real", 1.0))).unwrap();
        assert!(dark_pixels(&path("c.png")) > 1000);

        let groups = [
            ("similar".to_owned(), vec![0.1, 0.2, 0.2]),
            ("other".to_owned(), vec![0.9]),
        ];
        histograms(
            &path("d.png"),
            "Distances",
            "distance",
            &groups,
            (0.0, 1.0),
            10,
        )
        .unwrap();
        assert!(dark_pixels(&path("d.png")) > 1000);
    }

    #[test]
    fn a_range_holds_its_values_even_if_they_are_one_or_none() {
        assert_eq!(range([1.0, 3.0].into_iter(), 0.5), 0.0..4.0);
        assert_eq!(range([2.0].into_iter(), 0.5), 1.0..3.0);
        assert_eq!(range([f64::NAN].into_iter(), 0.5), 0.0..1.0);
    }
}
