//! Distributions of groups of numbers over one axis, as outlines.

use std::path::Path;

use super::axis::Axis;
use super::chart::{Chart, Curve, Labels, panels};
use super::style::{COLUMN, colour};
use super::write_both;
use crate::error::Result;

/// Draws the distribution of each group of `values` between `low` and `high`, in `bins` steps, as fractions of the group:
/// `path` is the SVG file, beside which lies the PNG file.
///
/// # Errors
/// Fails if a file cannot be written.
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
        .enumerate()
        .map(|(place, (label, values))| {
            let mut fractions = vec![0.0; bins];
            for value in values {
                let bin = ((value - low) / width).clamp(0.0, bins as f64 - 1.0) as usize;
                fractions[bin] += 1.0 / values.len() as f64;
            }
            let mut points = vec![[low, 0.0]];
            for (bin, fraction) in fractions.into_iter().enumerate() {
                let left = low + bin as f64 * width;
                points.extend([[left, fraction], [left + width, fraction]]);
            }
            points.push([high, 0.0]);
            let mut curve = Curve::new(label, colour(place), points);
            curve.band = curve.points.iter().map(|&[x, y]| [x, 0.0, y]).collect();
            curve
        })
        .collect();
    let heights = outlines.iter().flat_map(|outline| &outline.points);
    let heights = heights.map(|point| point[1]);
    let Some(y) = Axis::over(heights, 0.05) else {
        return Ok(());
    };
    let chart = Chart {
        title: String::new(),
        x: Axis {
            low,
            high,
            logarithmic: false,
            whole: false,
        },
        y: Axis { low: 0.0, ..y },
        x_title: axis.to_owned(),
        y_title: "fraction of pairs".to_owned(),
        curves: outlines,
        labels: Labels::Above,
        notes: Vec::new(),
    };
    write_both(path, title, title, &panels(&[chart], 1, COLUMN, 110.0))
}
