//! The losses over the steps of the trainings, a panel a system.

use super::axis::Axis;
use super::chart::{Chart, Curve, Labels, panels};
use super::history::{History, seeds_in_words};
use super::style::{GREY, PAGE};
use super::{Drawer, Drawn};
use crate::error::Result;

/// Points of a curve.
const POINTS: usize = 80;
/// What a scalar of a loss ends in.
const LOSS: &str = "_loss";
const DISCRIMINATOR: &str = "critic_loss";
/// A loss of the same kind on other images.
const VALIDATION: &str = "validation_loss";
/// A part of the generator's loss, which is shown whole.
const PART: &str = "generator_class_loss";
/// A scalar that a critic has and a discriminator has not.
const OF_CRITIC: &str = "wasserstein_estimate";

/// Draws the losses.
pub(super) fn draw(histories: &[History], drawer: &Drawer<'_>, drawn: &mut Drawn) -> Result<()> {
    const TITLE: &str = "Losses over the training";
    let mut charts: Vec<Chart> = histories.iter().filter_map(chart).collect();
    if charts.is_empty() {
        drawn.miss(TITLE, "no training has begun");
        return Ok(());
    }
    // One axis of steps for all panels; named where nothing stands below.
    let steps = charts.iter().map(|chart| chart.x.high);
    let steps = Axis::counts(steps.collect::<Vec<_>>()).expect("there are charts");
    let columns = if charts.len() < 4 {
        charts.len().max(2)
    } else {
        4
    };
    let count = charts.len();
    for (place, chart) in charts.iter_mut().enumerate() {
        chart.x = steps;
        if place + columns >= count {
            "step".clone_into(&mut chart.x_title);
        }
    }
    let canvas = panels(&charts, columns, PAGE, 62.0);
    let single = histories.iter().any(|history| history.seeds.len() == 1);
    let band = if single {
        "; with one seed the band holds every single step"
    } else {
        ""
    };
    let caption = format!(
        "The losses of every system over its training ({}): each point of a curve is the mean of as many steps as make {POINTS} \
         points{band}. Losses of different systems are not comparable.",
        seeds_in_words(histories.iter())
    );
    drawn.add(drawer.write("losses", TITLE, &caption, &canvas)?);
    Ok(())
}

fn chart(history: &History) -> Option<Chart> {
    let first = history.seeds.first()?;
    let names = first.scalars.keys();
    let names = names.filter(|name| name.ends_with(LOSS) && *name != PART);
    let is_critic = first.scalars.contains_key(OF_CRITIC);
    let mut curves: Vec<Curve> = Vec::new();
    for name in names {
        let label = match name.as_str() {
            DISCRIMINATOR if is_critic => "critic",
            DISCRIMINATOR => "discriminator",
            other => other.trim_end_matches(LOSS),
        };
        for mut curve in history.smooth(name, POINTS) {
            if !curve.label.is_empty() {
                label.clone_into(&mut curve.label);
            }
            if [DISCRIMINATOR, VALIDATION].contains(&name.as_str()) {
                curve.colour = GREY;
            }
            curves.push(curve);
        }
    }
    // The generator's curves lie above the discriminator's.
    curves.sort_by_key(|curve| curve.colour != GREY);
    Some(Chart {
        title: history.name.clone(),
        x: Chart::x_over(&curves)?,
        y: Chart::y_over(&curves)?,
        x_title: String::new(),
        y_title: String::new(),
        curves,
        labels: Labels::Above,
        notes: history.remarks(),
    })
}
