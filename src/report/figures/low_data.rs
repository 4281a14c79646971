//! The figures of classification from few images: accuracy, tau and distances to centres against the number of training images, and
//! what systems made.

use super::axis::Axis;
use super::canvas::Point;
use super::chart::{Chart, Curve, Labels, panels};
use super::style::{COLUMN, colour};
use super::{Drawer, Drawn, history, losses};
use crate::error::Result;
use crate::report::low_data::Found;
use crate::report::{
    LowDataRecord, Record, RowRecord, RunOutcome, Summary, Table, TableDefinition,
};
use crate::workspace::Workspace;

/// Height of a chart.
const HEIGHT: f64 = 130.0;

/// Draws what can be drawn, and says of the rest why not.
///
/// # Errors
/// Fails if a ledger cannot be read or a file cannot be written.
pub fn draw(
    record: &Record,
    about: &LowDataRecord,
    tables: &[(&TableDefinition, &Table)],
    outcomes: &[Vec<RunOutcome>],
    workspace: &Workspace,
) -> Result<Drawn> {
    let report = workspace.report(&record.name);
    let drawer = Drawer { report: &report };
    let found = Found {
        record,
        about,
        outcomes,
        out: workspace.out(),
    };
    let mut drawn = Drawn::default();
    let band = interval_in_words(outcomes);
    // A table of one size is a figure by itself.
    if let ([_], Some((definition, table))) = (about.sizes.as_slice(), tables.first()) {
        super::dots::draw(definition, table, &drawer, &mut drawn)?;
    }
    let sets: &[(&str, &str, &str)] = &[
        ("accuracy", "low-data-accuracy", "the test split"),
        ("shifted_accuracy", "low-data-shifted", "shifted images"),
    ];
    for (score, name, on) in sets {
        let figure = Against {
            name,
            title: &format!("Accuracy on {on} against the number of training images"),
            y_title: "accuracy (%)",
            caption: &format!(
                "Accuracy on {on} of a CNN and of the class heads of systems that learned from the same images, against how many those were{band}."
            ),
        };
        let values = |system: &str, size: usize| {
            let values = found.by_seed(system, size, score).into_iter();
            Ok(values.map(|(_, value)| 100.0 * value).collect())
        };
        if *score == "accuracy" || !about.shifted.is_empty() {
            figure.draw(&about.systems, about, &values, &drawer, &mut drawn)?;
        }
    }
    if !about.tau.is_empty() {
        let figure = Against {
            name: "low-data-tau",
            title: "Tau against the number of training images",
            y_title: "tau",
            caption: &format!(
                "The threshold of the truncated prior after the last step, against the number of training images{band}."
            ),
        };
        let systems: Vec<String> = about.tau.iter().map(|tau| tau.system.clone()).collect();
        let values = |system: &str, size: usize| {
            let taus = found.taus_by_seed(system, size)?.into_iter();
            Ok(taus.map(|(_, tau)| tau).collect())
        };
        figure.draw(&systems, about, &values, &drawer, &mut drawn)?;
    }
    let figure = Against {
        name: "low-data-centres",
        title: "Distance to the centre of the class",
        y_title: "distance in the CNN's embedding",
        caption: &format!(
            "Mean distance of images to the centre of their class in the embedding of the CNN that learned from the same images: real images \
             ({}) and those that systems made. Embeddings of different numbers of images are different spaces{band}.",
            about.systems[0]
        ),
    };
    let values = |system: &str, size: usize| {
        let values = found.by_seed(system, size, "centre_distance").into_iter();
        Ok(values.map(|(_, value)| value).collect())
    };
    figure.draw(&about.systems, about, &values, &drawer, &mut drawn)?;
    // The losses with the most images.
    let most = about.sizes.last().copied().unwrap_or(0);
    let of_most = about.points.iter().filter(|point| point.size == most);
    let rows = of_most.filter_map(|point| {
        let row = record.rows.iter().find(|row| row.name == point.row)?;
        Some(RowRecord {
            name: point.system.clone(),
            ..row.clone()
        })
    });
    let of_most = Record {
        rows: rows.collect(),
        ..record.clone()
    };
    let histories = history::histories(&of_most, workspace.out())?;
    losses::draw(&histories, &drawer, &mut drawn)?;
    Ok(drawn)
}

/// A figure of a number against the number of training images.
struct Against<'a> {
    name: &'a str,
    title: &'a str,
    y_title: &'a str,
    caption: &'a str,
}

impl Against<'_> {
    /// Draws the means of `values` (a system, a number of images: one a seed), a curve a system.
    fn draw(
        &self,
        systems: &[String],
        about: &LowDataRecord,
        values: &dyn Fn(&str, usize) -> Result<Vec<f64>>,
        drawer: &Drawer<'_>,
        drawn: &mut Drawn,
    ) -> Result<()> {
        let mut curves = Vec::new();
        for system in systems {
            // A system has its colour in every figure.
            let place = about.systems.iter().position(|known| known == system);
            let mut curve = Curve::new(system, colour(place.unwrap_or(0)), Vec::new());
            curve.dots = true;
            for &size in &about.sizes {
                let values = values(system, size)?;
                let Ok(summary) = Summary::of(&values) else {
                    continue;
                };
                curve.points.push([size as f64, summary.mean]);
                let ends = summary.interval;
                curve
                    .band
                    .extend(ends.map(|(low, high)| [size as f64, low, high]));
            }
            if curve.points.len() > 1 {
                curves.push(curve);
            }
        }
        if curves.is_empty() {
            drawn.miss(
                self.title,
                "there are no two numbers of training images; `low_data.sizes` sets them",
            );
            return Ok(());
        }
        let points = curves.iter().flat_map(|curve| &curve.points);
        let sizes: Vec<Point> = points.copied().collect();
        let chart = Chart {
            title: String::new(),
            x: Axis::sizes(sizes.iter().map(|point| point[0])).expect("there are points"),
            y: Chart::y_over(&curves).expect("there are points"),
            x_title: "training images".to_owned(),
            y_title: self.y_title.to_owned(),
            notes: Vec::new(),
            labels: Labels::AtEnds,
            curves,
        };
        let canvas = panels(&[chart], 1, COLUMN, HEIGHT);
        drawn.add(drawer.write(self.name, self.title, self.caption, &canvas)?);
        Ok(())
    }
}

/// What bands are, a clause.
fn interval_in_words(outcomes: &[Vec<RunOutcome>]) -> String {
    let seeds = outcomes.iter().map(Vec::len).max().unwrap_or(0);
    if seeds > 1 {
        format!("; bands are 95 % t intervals over {seeds} seeds")
    } else {
        "; one seed, so there are no intervals".to_owned()
    }
}
