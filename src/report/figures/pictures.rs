//! Sheets of pictures that runs and the experiment wrote: samples of all systems beside real images, samples from fixed latents
//! over the training, ways between latents, samples above the training patches nearest to them.

use std::collections::BTreeSet;
use std::path::Path;

use image::RgbImage;

use super::canvas::{Anchor, Text};
use super::heat::{LaidPair, lay_pairs};
use super::history::History;
use super::sheet::Sheet;
use super::style::{GREY, MARGIN, PAGE, SMALL, TEXT};
use super::{Drawer, Drawn, INTERPOLATION_STEPS};
use crate::error::{Result, refuse};
use crate::report::Record;
use crate::workspace::Workspace;

/// Pixels between the images of a grid that was written.
const GAP: u32 = 2;
/// Space between blocks of images, and height of a line of text, in points.
const BETWEEN: f64 = 7.0;
const LINE: f64 = 10.0;
/// Systems beside each other, and rows of images of each.
const COLUMNS: usize = 3;
const ROWS: u32 = 3;
/// Most steps beside each other.
const STEPS: usize = 5;

/// Draws the sheets.
pub(super) fn draw(
    record: &Record,
    histories: &[History],
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    let mut trainings = histories.iter().flat_map(|history| &history.seeds);
    let Some(size) = trainings.find_map(|training| training.image_size) else {
        drawn.miss("Samples", "no training has begun");
        return Ok(());
    };
    samples(record, size, workspace, drawer, drawn)?;
    training(histories, size, workspace, drawer, drawn)?;
    interpolations(record, size, workspace, drawer, drawn)?;
    nearest(record, size, workspace, drawer, drawn)?;
    similarity_maps(record, size, workspace, drawer, drawn)
}

/// Draws the sheet of samples of an experiment whose rows are samplers.
pub(super) fn draw_samples(
    record: &Record,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    let mut ledgers = record.rows.iter().flat_map(|row| &row.ledgers);
    let size = ledgers.find_map(|ledger| {
        let settings = workspace.out().join(ledger).with_file_name("config.toml");
        let table: toml::Table = std::fs::read_to_string(settings).ok()?.parse().ok()?;
        u32::try_from(table.get("image_size")?.as_integer()?).ok()
    });
    let Some(size) = size else {
        drawn.miss("Samples", "no training has come to its end");
        return Ok(());
    };
    samples(record, size, workspace, drawer, drawn)
}

/// The images in the grid in a file, without empty places at its end.
pub(super) fn read(path: &Path, size: u32) -> Result<Vec<RgbImage>> {
    let picture = image::open(path).map_err(|error| {
        refuse(
            format!("cannot read `{}`: {error}", path.display()),
            "delete it and run the experiment again: finished runs are reused",
        )
    })?;
    let picture = picture.into_rgb8();
    let cells = |side: u32| side.saturating_sub(GAP) / (size + GAP);
    let mut found = Vec::new();
    for row in 0..cells(picture.height()) {
        for column in 0..cells(picture.width()) {
            let (x, y) = (GAP + column * (size + GAP), GAP + row * (size + GAP));
            found.push(image::imageops::crop_imm(&picture, x, y, size, size).to_image());
        }
    }
    while found.last().is_some_and(is_empty) {
        found.pop();
    }
    Ok(found)
}

fn is_empty(image: &RgbImage) -> bool {
    image.pixels().all(|pixel| pixel.0 == [255; 3])
}

/// The images of every row that an experiment made a picture of with `detail` in its name, and the row's label; of its seeds the
/// first that has one.
fn of_rows(
    record: &Record,
    detail: &str,
    size: u32,
    workspace: &Workspace,
) -> Result<Vec<(String, Vec<RgbImage>)>> {
    let mut found = Vec::new();
    for row in &record.rows {
        let path = row.ledgers.iter().find_map(|ledger| {
            // The folder of a run is `<model>-s<seed>-<hash>`.
            let folder = ledger.parent()?.file_name()?.to_str()?;
            let seed = folder.rsplit('-').nth(1)?;
            let path = workspace.picture(&record.name, &row.name, &format!("-{seed}{detail}"));
            path.exists().then_some(path)
        });
        if let Some(path) = path {
            found.push((row.name.clone(), read(&path, size)?));
        }
    }
    Ok(found)
}

/// Samples of every system beside real images.
fn samples(
    record: &Record,
    size: u32,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Samples of all systems";
    let real = workspace.picture(&record.name, "real", "");
    let mut blocks = Vec::new();
    if real.exists() {
        blocks.push(("real".to_owned(), read(&real, size)?));
    }
    blocks.extend(of_rows(record, "", size, workspace)?);
    if blocks.len() < 2 {
        drawn.miss(TITLE, "no system has been sampled yet");
        return Ok(());
    }
    let mut sheet = Sheet::new(size);
    let room = (PAGE - 2.0 * MARGIN - BETWEEN * (COLUMNS - 1) as f64) / COLUMNS as f64;
    let most = blocks
        .iter()
        .map(|(_, images)| images.len() as u32)
        .max()
        .unwrap_or(1);
    let columns = sheet.across(room).min(most);
    let rows = most.div_ceil(columns).min(ROWS);
    let (width, height) = (sheet.side(columns), sheet.side(rows));
    for (place, (name, images)) in blocks.iter().enumerate() {
        let x = MARGIN + (place % COLUMNS) as f64 * (room + BETWEEN);
        let y = MARGIN + (place / COLUMNS) as f64 * (LINE + height + BETWEEN);
        let name = Text::new(name, [x, y + TEXT], Anchor::Start).bold();
        sheet.canvas.text(name);
        sheet.block(images, columns, rows, [x, y + LINE]);
        sheet.canvas.size[1] = y + LINE + height;
    }
    if blocks.len() < COLUMNS {
        sheet.canvas.size[0] = MARGIN * 2.0 + (blocks.len() - 1) as f64 * (room + BETWEEN) + width;
    }
    let scale = sheet.scale;
    let caption = format!(
        "Real patches and the first samples of every system, not chosen, all at one scale: a pixel of {size} x {size} is {scale} \
         of the sheet's 300 to the inch."
    );
    sheet.finish("samples", TITLE, &caption, drawer, drawn)
}

/// Samples from the same latents as the training goes on: a row a system, a column a step.
fn training(
    histories: &[History],
    size: u32,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Samples from fixed latents over the training";
    // The first training of each system that has drawn any; the steps of all of them, at most so many and the last among them.
    let shown: Vec<_> = histories
        .iter()
        .filter_map(|history| {
            Some((
                history,
                history.seeds.iter().find(|seed| !seed.grids.is_empty())?,
            ))
        })
        .collect();
    let steps: BTreeSet<u64> = shown
        .iter()
        .flat_map(|(_, seed)| seed.grids.iter().map(|(step, _)| *step))
        .collect();
    let steps: Vec<u64> = steps.into_iter().collect();
    if steps.len() < 2 {
        drawn.miss(TITLE, "fewer than two grids were drawn on the way: set `logging.samples_every` to fewer steps");
        return Ok(());
    }
    let steps = spread(&steps, STEPS);
    let mut sheet = Sheet::new(size);
    let between = BETWEEN * 0.6;
    let room = (PAGE - 2.0 * MARGIN - between * (steps.len() - 1) as f64) / steps.len() as f64;
    let columns = sheet.across(room).min(4);
    let rows = if shown.len() > 4 { 1 } else { 2 };
    let mut y = MARGIN + LINE;
    for (place, step) in steps.iter().enumerate() {
        let x = MARGIN + place as f64 * (room + between);
        let label = Text::new(format!("step {step}"), [x, MARGIN + TEXT], Anchor::Start);
        sheet.canvas.text(label);
    }
    for (history, seed) in shown {
        let name = Text::new(&history.name, [MARGIN, y + TEXT], Anchor::Start).bold();
        sheet.canvas.text(name);
        if let Some(remark) = seed.remark() {
            let x = MARGIN + super::font::width(&history.name, TEXT, true) + 6.0;
            let remark = Text::new(remark, [x, y + TEXT], Anchor::Start).size(SMALL);
            sheet.canvas.text(remark.colour(GREY));
        }
        y += LINE;
        for (place, step) in steps.iter().enumerate() {
            let x = MARGIN + place as f64 * (room + between);
            let drawn = seed.grids.iter().find(|(at, _)| at == step);
            let path = drawn.map(|(_, file)| workspace.out().join(&seed.folder).join(file));
            if let Some(path) = path.filter(|path| path.exists()) {
                sheet.block(&read(&path, size)?, columns, rows, [x, y]);
            } else {
                let words = Text::new("not drawn", [x, y + TEXT], Anchor::Start).size(SMALL);
                sheet.canvas.text(words.colour(GREY));
            }
        }
        y += sheet.side(rows) + between;
        sheet.canvas.size[1] = y - between;
    }
    let caption = "Samples from the same latents as the training goes on: a row a system, a column a step; the first seed of each.";
    sheet.finish("training", TITLE, caption, drawer, drawn)
}

/// At most `count` of `steps`, evenly spread, the first and the last among them.
fn spread(steps: &[u64], count: usize) -> Vec<u64> {
    if steps.len() <= count {
        return steps.to_vec();
    }
    let last = steps.len() - 1;
    (0..count)
        .map(|place| steps[(place * last + (count - 1) / 2) / (count - 1)])
        .collect()
}

/// Images on the way from one latent vector to another: a row a way, the systems that have latents.
fn interpolations(
    record: &Record,
    size: u32,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Ways between latents";
    let found = of_rows(record, "-interpolation", size, workspace)?;
    if found.is_empty() {
        drawn.miss(
            TITLE,
            "no system with a latent space was measured by a version that draws them",
        );
        return Ok(());
    }
    let between = BETWEEN * 1.5;
    let room = (PAGE - 2.0 * MARGIN - between) / 2.0;
    let mut sheet = Sheet::new(size);
    let columns = sheet.across(room).min(INTERPOLATION_STEPS as u32);
    for (place, (name, images)) in found.iter().enumerate() {
        let rows = (images.len() / INTERPOLATION_STEPS) as u32;
        let height = LINE + sheet.side(rows) + BETWEEN;
        let x = MARGIN + (place % 2) as f64 * (room + between);
        let y = MARGIN + (place / 2) as f64 * height;
        sheet
            .canvas
            .text(Text::new(name, [x, y + TEXT], Anchor::Start).bold());
        // Where not all steps fit, those that are shown are spread evenly, with both ends.
        let last = INTERPOLATION_STEPS - 1;
        let shown: Vec<RgbImage> = images
            .chunks_exact(INTERPOLATION_STEPS)
            .flat_map(|way| {
                (0..columns as usize).map(|step| {
                    let step = step * last / (columns as usize - 1).max(1);
                    way[step].clone()
                })
            })
            .collect();
        sheet.block(&shown, columns, rows, [x, y + LINE]);
        sheet.canvas.size[1] = y + height - BETWEEN;
    }
    let caption = "Images on the arc from the latent vector of one sample (left) to that of another (right), a row a pair of \
                   samples, not chosen: a smooth change says that the generator has learned more than single images.";
    sheet.finish("interpolations", TITLE, caption, drawer, drawn)
}

/// Samples above the training patches that are nearest to them.
fn nearest(
    record: &Record,
    size: u32,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    const TITLE: &str = "Samples and their nearest training patches";
    let found = of_rows(record, "-nearest", size, workspace)?;
    // One system beside the other where there are many.
    let beside = if found.len() > 4 { 2 } else { 1 };
    let between = BETWEEN * 1.5;
    let room = (PAGE - 2.0 * MARGIN - between * (beside - 1) as f64) / beside as f64;
    let mut sheet = Sheet::new(size);
    let columns = sheet.across(room);
    let height = LINE + 2.0 * sheet.side(1) + 2.0 + BETWEEN;
    for (place, (name, images)) in found.iter().enumerate() {
        let x = MARGIN + (place % beside) as f64 * (room + between);
        let y = MARGIN + (place / beside) as f64 * height;
        sheet
            .canvas
            .text(Text::new(name, [x, y + TEXT], Anchor::Start).bold());
        // The upper half of the grid are samples, the lower half their neighbours.
        let (upper, lower) = images.split_at(images.len() / 2);
        let columns = columns.min(upper.len().max(1) as u32);
        sheet.block(upper, columns, 1, [x, y + LINE]);
        sheet.block(lower, columns, 1, [x, y + LINE + sheet.side(1) + 2.0]);
        sheet.canvas.size[1] = y + height - BETWEEN;
    }
    if found.is_empty() {
        drawn.miss(
            TITLE,
            "nearest training patches were not looked for: table 4 does it where `evaluation.training_images` is more than 0",
        );
        return Ok(());
    }
    let caption = "The first samples of every system (upper rows) and below each the training patch nearest to it in feature \
                   space: copies would look alike.";
    sheet.finish("nearest", TITLE, caption, drawer, drawn)
}

/// Where the similarity of samples and held-out patches comes from, for every system that was rewarded by it.
fn similarity_maps(
    record: &Record,
    size: u32,
    workspace: &Workspace,
    drawer: &Drawer<'_>,
    drawn: &mut Drawn,
) -> Result<()> {
    let found = of_rows(record, "-grad-cam", size, workspace)?;
    if found.is_empty() {
        // Where no system has a reward, the figure of rewards says so.
        return Ok(());
    }
    let groups = found.into_iter().map(|(name, images)| {
        let laid = images.chunks_exact(4).map(|pictures| LaidPair {
            pictures: pictures.to_vec(),
            note: String::new(),
        });
        (name, laid.collect())
    });
    let mut sheet = Sheet::new(size);
    lay_pairs(&mut sheet, &groups.collect::<Vec<_>>());
    let caption = "What the reward model looks at: a sample, a held-out patch beside it, and for each where the similarity of \
                   the two comes from (Grad-CAM of the cosine of their embeddings; dark red most). Pairs are drawn at random.";
    sheet.finish(
        "grad-cam",
        "Grad-CAM of the reward model",
        caption,
        drawer,
        drawn,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::{Pixels, write_png};

    #[test]
    fn a_grid_is_taken_apart_into_its_images() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.png");
        let bytes: Vec<u8> = (0..5u8)
            .flat_map(|image| vec![image * 20; 4 * 4 * 3])
            .collect();
        write_png(&Pixels::new(5, 4, 3, bytes).grid(3, 1), &path).unwrap();
        let images = read(&path, 4).unwrap();
        let values: Vec<u8> = images
            .iter()
            .map(|image| image.get_pixel(3, 3).0[0])
            .collect();
        assert_eq!(values, [0, 20, 40, 60, 80]);
    }

    #[test]
    fn steps_are_spread_with_their_ends() {
        let steps: Vec<u64> = (1..=20).collect();
        assert_eq!(spread(&steps, 5), [1, 6, 11, 15, 20]);
        assert_eq!(spread(&[4, 8], 5), [4, 8]);
    }
}
