//! Scores over the training, from the measurements on the way (`logging.evaluate_every`): over steps, and the first of them
//! over wall time and over images seen.

use super::canvas::Point;
use super::chart::{Chart, Labels, panels};
use super::history::{History, Measured, Training, over_seeds, seeds_in_words};
use super::style::{COLUMN, PAGE};
use super::{Drawer, Drawn};
use crate::error::Result;
use crate::metrics::{self, Direction, ScoreDefinition};
use crate::tracker::ScoreRecord;

/// The score that is drawn over time and images.
const MAIN: &str = "fid";

/// Draws the scores.
pub(super) fn draw(histories: &[History], drawer: &Drawer<'_>, drawn: &mut Drawn) -> Result<()> {
    const TITLE: &str = "Scores over the training";
    let shown: Vec<&ScoreDefinition> = metrics::definitions()
        .filter(|score| followed(histories, score.name))
        .collect();
    if shown.is_empty() {
        drawn.miss(TITLE, NOT_FOLLOWED);
        drawn.miss(OVER_COST, NOT_FOLLOWED);
        return Ok(());
    }
    // Each under one protocol.
    let mut charts = Vec::new();
    for score in &shown {
        match protocol(histories, score.name) {
            Err(reason) => drawn.miss(&format!("{} over the training", score.title), reason),
            Ok(_) => charts.extend(chart(histories, score, "step", |_, measured| {
                Some(measured.evaluation.step as f64)
            })),
        }
    }
    if !charts.is_empty() {
        let (columns, width) = if charts.len() == 1 {
            (1, COLUMN)
        } else {
            (2, PAGE)
        };
        let canvas = panels(&charts, columns, width, 100.0);
        let caption = format!(
            "What was measured on the way, over the steps of the training ({}). The last point is the number that tables show.",
            seeds_in_words(histories.iter())
        );
        drawn.add(drawer.write("scores", TITLE, &caption, &canvas)?);
    }
    over_cost(histories, drawer, drawn)
}

const OVER_COST: &str = "FID over wall time and images";
const NOT_FOLLOWED: &str =
    "no training was measured on the way: set `logging.evaluate_every` to a number of steps";

/// Draws the main score over wall time and over images seen.
fn over_cost(histories: &[History], drawer: &Drawer<'_>, drawn: &mut Drawn) -> Result<()> {
    let Some(score) = metrics::definition(MAIN).filter(|score| followed(histories, score.name))
    else {
        drawn.miss(OVER_COST, "FID was not measured on the way");
        return Ok(());
    };
    if let Err(reason) = protocol(histories, MAIN) {
        drawn.miss(OVER_COST, reason);
        return Ok(());
    }
    let longest = histories
        .iter()
        .flat_map(|history| &history.seeds)
        .flat_map(|seed| &seed.measured)
        .filter_map(|measured| measured.hours)
        .fold(0.0, f64::max);
    let (unit, factor) = match longest {
        2.0.. => ("hours", 1.0),
        0.05.. => ("minutes", 60.0),
        _ => ("seconds", 3600.0),
    };
    let time = chart(
        histories,
        score,
        &format!("{unit} of training"),
        |_, measured| measured.hours.map(|hours| hours * factor),
    );
    let images = chart(histories, score, "images seen", |seed, measured| {
        Some(f64::from(seed.batch?) * measured.evaluation.step as f64)
    });
    let mut charts: Vec<Chart> = [time, images].into_iter().flatten().collect();
    if charts.len() < 2 {
        drawn.miss(OVER_COST, "the ledgers are from before lines had times");
        return Ok(());
    }
    for chart in &mut charts {
        chart.title.clear();
        chart.notes.clear();
        chart.y_title = heading(score);
    }
    // Both end with the same numbers: curves are named once.
    charts[0].labels = Labels::None;
    let canvas = panels(&charts, 2, PAGE, 110.0);
    let caption = format!(
        "{} over the wall time of the training, measurements on the way among it, and over the training images seen, steps \
         times batch ({}). Wall times compare only where nothing else ran on the machine.",
        score.title,
        seeds_in_words(histories.iter())
    );
    drawn.add(drawer.write("cost", OVER_COST, &caption, &canvas)?);
    Ok(())
}

/// The title of a score, and which way it gets better.
fn heading(score: &ScoreDefinition) -> String {
    let better = match score.direction {
        Direction::Lower => "lower is better",
        Direction::Higher => "higher is better",
    };
    format!("{} ({better})", score.title)
}

/// The number called `score` of a measurement, if there is one.
fn number<'a>(measured: &'a Measured, score: &str) -> Option<(&'a ScoreRecord, f64)> {
    let mut scores = measured.evaluation.scores.iter();
    let found = scores.find(|found| found.name == score)?;
    Some((found, found.value?))
}

/// Whether some training was measured after two steps or more.
fn followed(histories: &[History], score: &str) -> bool {
    let mut seeds = histories.iter().flat_map(|history| &history.seeds);
    seeds.any(|seed| {
        let numbers = seed.measured.iter();
        numbers
            .filter(|measured| number(measured, score).is_some())
            .count()
            > 1
    })
}

/// The protocol of all numbers, or why there is not one.
fn protocol(histories: &[History], score: &str) -> std::result::Result<String, String> {
    let mut known: Option<String> = None;
    let seeds = histories.iter().flat_map(|history| &history.seeds);
    for measured in seeds.flat_map(|seed| &seed.measured) {
        let Some((found, _)) = number(measured, score) else {
            continue;
        };
        match &known {
            Some(id) if *id != found.protocol_id => {
                return Err(format!(
                    "it was measured under two protocols, {id} and {}, whose numbers do not compare",
                    found.protocol_id
                ));
            }
            _ => known = Some(found.protocol_id.clone()),
        }
    }
    known.ok_or_else(|| "it was not measured".to_owned())
}

/// A panel of one score over what `x` says of a measurement; none where that says nothing.
fn chart(
    histories: &[History],
    score: &ScoreDefinition,
    x_title: &str,
    x: impl Fn(&Training, &Measured) -> Option<f64>,
) -> Option<Chart> {
    let mut curves = Vec::new();
    for history in histories {
        let points = |seed: &Training| -> Vec<Point> {
            let place =
                |measured: &Measured| Some([x(seed, measured)?, number(measured, score.name)?.1]);
            seed.measured.iter().filter_map(place).collect()
        };
        let seeds: Vec<Vec<Point>> = history.seeds.iter().map(points).collect();
        let is_even = seeds.iter().all(|points| points.len() == seeds[0].len());
        if is_even {
            curves.push(over_seeds(&history.name, history.colour, &seeds));
        } else {
            curves.extend(history.one_by_one(seeds.into_iter()));
        }
    }
    curves.retain(|curve| !curve.points.is_empty());
    for curve in &mut curves {
        curve.dots = true;
    }
    let means = curves.iter().flat_map(|curve| &curve.points);
    let means = means.map(|point| point[1]);
    let bands = curves.iter().flat_map(|curve| &curve.band);
    let bands = bands.flat_map(|[_, low, high]| [*low, *high]);
    let y = super::axis::Axis::by_ratio(means.chain(bands), 0.05)?;
    let notes = histories.iter().flat_map(|history| {
        let remarks = history.remarks().into_iter();
        remarks.map(|remark| format!("{}, {remark}", history.name))
    });
    let unit = if y.logarithmic { ", logarithmic" } else { "" };
    Some(Chart {
        title: format!("{}{unit}", heading(score)),
        x: Chart::x_over(&curves)?,
        y,
        x_title: x_title.to_owned(),
        y_title: String::new(),
        curves,
        labels: Labels::AtEnds,
        notes: notes.collect(),
    })
}
