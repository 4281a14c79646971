//! t-SNE of real and generated features, a panel a system: figures 8 to 12 of arXiv 2409.20340. Features are those that were
//! compared, found in the cache by what a ledger says of them.

use std::path::Path;

use rayon::prelude::*;

use super::canvas::{Anchor, Canvas, Frame, Point, Stroke, Text};
use super::history::{History, Training};
use super::style::{AXIS, FAINT, GREY, MARGIN, PAGE, SMALL, TEXT, readable};
use super::tsne::embed;
use super::{Drawer, Drawn};
use crate::error::Result;
use crate::features::{Features, cached};
use crate::workspace::Workspace;

const TITLE: &str = "t-SNE of real and generated features";
/// Most images of a kind in a panel.
const IMAGES: usize = 250;
/// The score whose features are shown.
const SCORE: &str = "fid";
/// Panels beside each other, and space between them.
const COLUMNS: usize = 4;
const GAP: f64 = 8.0;

/// One panel: places of real images, then of generated ones.
struct Panel<'a> {
    history: &'a History,
    real: usize,
    places: Vec<Point>,
}

/// Draws the panels of the systems whose features are in the cache.
pub(super) fn draw(
    histories: &[History],
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    let cache = workspace.features();
    let mut found = Vec::new();
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    for history in histories {
        match features(&history.seeds[0], &cache)? {
            Ok(features) => found.push((history, features)),
            Err(reason) => match missing.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, rows)) => rows.push(&history.name),
                None => missing.push((reason, vec![&history.name])),
            },
        }
    }
    for (reason, rows) in missing {
        drawn.miss(&format!("{TITLE}: {}", rows.join(", ")), reason);
    }
    if found.is_empty() {
        return Ok(());
    }
    let panels: Vec<Panel<'_>> = found
        .into_par_iter()
        .map(|(history, (real, generated))| {
            let values = [real.values.as_slice(), &generated.values].concat();
            let places = embed(&values, real.rows + generated.rows, real.columns)?;
            Ok(Panel {
                history,
                real: real.rows,
                places,
            })
        })
        .collect::<Result<_>>()?;
    let most = panels.iter().map(|panel| panel.real).max().unwrap_or(0);
    let caption = format!(
        "t-SNE of the features that FID compares (50 principal components, perplexity 30, exact, started from the first two \
         components): {most} real images in grey and as many generated ones in the system's colour, first seed. Only \
         neighbourhoods mean something, distances and sizes of clusters do not."
    );
    drawn.add(drawer.write("tsne", TITLE, &caption, &canvas(&panels))?);
    Ok(())
}

/// Features of real images and of those that a training generated, as many of both; or why they cannot be had.
fn features(
    training: &Training,
    cache: &Path,
) -> Result<std::result::Result<(Features, Features), String>> {
    let missing = |what: &str| Ok(Err(what.to_owned()));
    if let Some(remark) = training.remark() {
        return Ok(Err(remark));
    }
    let Some(last) = training.measured.last() else {
        return missing("it was not measured");
    };
    let mut scores = last.evaluation.scores.iter();
    let Some(score) = scores.find(|score| score.name == SCORE) else {
        return missing("its FID was not measured");
    };
    if last.evaluation.images_hash.is_empty() {
        return missing("it was measured before ledgers named the images that were measured");
    }
    let protocol = &score.protocol;
    let open = |hash: &str| {
        cached(
            cache,
            &protocol.extractor,
            &protocol.extractor_hash,
            &protocol.resize,
            protocol.image_size,
            hash,
        )
    };
    let files = (
        open(&protocol.reference_hash)?,
        open(&last.evaluation.images_hash)?,
    );
    let (Some(real), Some(generated)) = files else {
        return missing("its features are not in the cache (`runs/cache/features`)");
    };
    let count = IMAGES.min(real.rows).min(generated.rows);
    let read = |file: crate::features::FeatureFile| {
        let places = (0..count).map(|place| place * file.rows / count).collect();
        let file = file.select(places);
        Features::join(file.rows, file.blocks())
    };
    Ok(Ok((read(real)?, read(generated)?)))
}

/// The middle of places along an axis, and how far they reach to both sides of it.
fn middle_and_reach(places: &[Point], axis: usize) -> (f64, f64) {
    let values = || places.iter().map(|place| place[axis]);
    let low = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(f64::NEG_INFINITY, f64::max);
    (f64::midpoint(low, high), (high - low) / 2.0)
}

fn canvas(panels: &[Panel<'_>]) -> Canvas {
    let columns = panels.len().clamp(2, COLUMNS);
    let side = (PAGE - 2.0 * MARGIN - GAP * (columns - 1) as f64) / columns as f64;
    let side = side.min(160.0);
    // As high as the highest panel needs at that width, square at most.
    let ratios = panels.iter().map(|panel| {
        let [(_, x), (_, y)] = [0, 1].map(|axis| middle_and_reach(&panel.places, axis));
        y / x.max(f64::MIN_POSITIVE)
    });
    let height = side * ratios.fold(0.5, f64::max).min(1.0);
    let rows = panels.len().div_ceil(columns);
    let row = height + 2.0 * TEXT + 9.0;
    let width = 2.0 * MARGIN + columns as f64 * (side + GAP) - GAP;
    let mut canvas = Canvas::new(width, 2.0 * MARGIN + rows as f64 * row - 4.0);
    for (place, panel) in panels.iter().enumerate() {
        let left = MARGIN + (place % columns) as f64 * (side + GAP);
        let top = MARGIN + (place / columns) as f64 * row + 2.0 * TEXT + 5.0;
        let frame = Frame {
            left,
            top,
            right: left + side,
            bottom: top + height,
        };
        draw_panel(&mut canvas, frame, panel);
    }
    canvas
}

fn draw_panel(canvas: &mut Canvas, frame: Frame, panel: &Panel<'_>) {
    let title = [frame.left, frame.top - TEXT - 5.5];
    canvas.text(Text::new(&panel.history.name, title, Anchor::Start).bold());
    let key = [frame.left, frame.top - 3.5];
    let real = Text::new("real", key, Anchor::Start)
        .size(SMALL)
        .colour(GREY);
    let next = [frame.left + real.width() + 7.0, key[1]];
    canvas.text(real);
    let generated = Text::new("generated", next, Anchor::Start).size(SMALL);
    canvas.text(generated.colour(readable(panel.history.colour)));
    // A frame without numbers: places have no unit.
    let (left, right, top, bottom) = (frame.left, frame.right, frame.top, frame.bottom);
    let corners = vec![
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
        [left, top],
    ];
    canvas.line(corners, Stroke::new(FAINT, AXIS));
    // One scale for both axes.
    let (x, reach_x) = middle_and_reach(&panel.places, 0);
    let (y, reach_y) = middle_and_reach(&panel.places, 1);
    let fit = |side: f64, reach: f64| (side / 2.0 - 3.0) / reach.max(f64::MIN_POSITIVE);
    let scale = fit(frame.width(), reach_x).min(fit(frame.height(), reach_y));
    let (centre_x, centre_y) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
    // Real and generated in turn, so that neither hides the other.
    let (real, generated) = panel.places.split_at(panel.real);
    for (real, generated) in real.iter().zip(generated) {
        for (place, colour) in [(real, [150; 3]), (generated, panel.history.colour)] {
            let at = [
                centre_x + (place[0] - x) * scale,
                centre_y + (place[1] - y) * scale,
            ];
            canvas.dot(at, 0.8, colour);
        }
    }
}
