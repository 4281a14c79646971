//! The rewards over the training, of all images and of those of each class: figures 4 and 5 of arXiv 2409.20340.

use std::collections::BTreeSet;

use super::chart::{Chart, Curve, Labels, panels};
use super::history::{History, seeds_in_words};
use super::style::{COLUMN, PAGE};
use super::{Drawer, Drawn};
use crate::error::Result;

/// Points of a curve.
const POINTS: usize = 45;
/// Most curves that are named above a panel; the names of more do not fit there.
const MOST_ABOVE: usize = 2;
/// The number of a step that is drawn; that of a class has the class's name behind it and a dot.
const SIMILARITY: &str = "similarity";

/// Draws the rewards.
pub(super) fn draw(histories: &[History], drawer: &Drawer<'_>, drawn: &mut Drawn) -> Result<()> {
    const TITLE: &str = "Rewards over the training";
    const BY_CLASS: &str = "Rewards by class";
    let Some(all) = chart(histories, SIMILARITY, "") else {
        drawn.miss(TITLE, "no system was rewarded");
        return Ok(());
    };
    let how = format!(
        "the similarity that the reward model gives to generated images, which is the reward divided by its weight ({}; each \
         point is the mean of as many measurements as make {POINTS} points)",
        seeds_in_words(histories.iter().filter(|history| is_rewarded(history)))
    );
    let canvas = panels(&[all], 1, COLUMN, 110.0);
    let caption = format!("The reward over the training: {how}.");
    drawn.add(drawer.write("rewards", TITLE, &caption, &canvas)?);

    // A panel a class, where there are several: one class is all images.
    let names: BTreeSet<&str> = histories
        .iter()
        .flat_map(|history| &history.seeds)
        .flat_map(|seed| seed.scalars.keys())
        .filter_map(|name| name.strip_prefix(SIMILARITY)?.strip_prefix('.'))
        .collect();
    if names.len() < 2 {
        drawn.miss(BY_CLASS, "the rewarded images are of one class");
        return Ok(());
    }
    let charts: Vec<Chart> = names
        .into_iter()
        .filter_map(|class| chart(histories, &format!("{SIMILARITY}.{class}"), class))
        .collect();
    let canvas = panels(&charts, 2, PAGE, 110.0);
    let caption = format!("The reward over the training, by the class of the images: {how}.");
    drawn.add(drawer.write("rewards-by-class", BY_CLASS, &caption, &canvas)?);
    Ok(())
}

fn is_rewarded(history: &History) -> bool {
    let mut seeds = history.seeds.iter();
    seeds.any(|seed| seed.scalars.contains_key(SIMILARITY))
}

fn chart(histories: &[History], scalar: &str, title: &str) -> Option<Chart> {
    let smooth = histories.iter().flat_map(|history| {
        let mut curves = history.smooth(scalar, POINTS);
        if history.seeds.len() == 1 {
            // The range of single steps would hide the other curves.
            for curve in &mut curves {
                curve.band.clear();
            }
        }
        curves
    });
    let curves: Vec<Curve> = smooth.collect();
    let notes = histories
        .iter()
        .filter(|history| {
            history
                .seeds
                .iter()
                .any(|seed| seed.scalars.contains_key(scalar))
        })
        .flat_map(|history| {
            let remarks = history.remarks().into_iter();
            remarks.map(|remark| format!("{}, {remark}", history.name))
        });
    let named = curves
        .iter()
        .filter(|curve| !curve.label.is_empty())
        .count();
    Some(Chart {
        title: title.to_owned(),
        x: Chart::x_over(&curves)?,
        y: Chart::y_over(&curves)?,
        x_title: "step".to_owned(),
        y_title: "similarity (reward / w)".to_owned(),
        notes: notes.collect(),
        labels: if named <= MOST_ABOVE {
            Labels::Above
        } else {
            Labels::AtEnds
        },
        curves,
    })
}
