//! Times the cutting of patches on tissue from one slide at full resolution, and prints one line of JSON.
//!
//! `benches/peers/slides.py` runs it against OpenSlide in Python, which cuts the same patches from the same file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use histogen::error::Result;
use histogen::slides::{self, Slide};
use image::RgbImage;
use rayon::prelude::*;

mod result;

/// The mask of tissue is made at the coarsest level that has no more than so many pixels of level 0 in one.
const MASK: f64 = 64.0;

#[derive(Parser)]
struct Arguments {
    /// The slide.
    #[arg(long)]
    slide: PathBuf,
    /// Height and width of a patch in pixels.
    #[arg(long, default_value_t = 256)]
    size: u32,
    /// Threads that read.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Where the patches are written, one after the other: n x size x size x 3 bytes.
    #[arg(long)]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rayon::ThreadPoolBuilder::new()
        .num_threads(arguments.threads)
        .build_global()?;
    let start = Instant::now();
    let slide = slides::open(&arguments.slide)?;
    let places = on_tissue(&*slide, arguments.size)?;
    let length = u64::from(arguments.size).pow(2) * 3;
    let mut file = File::create(&arguments.out)?;
    file.set_len(length * places.len() as u64)?;
    let file = Mutex::new(&mut file);
    places
        .par_iter()
        .enumerate()
        .try_for_each(|(number, &(x, y))| -> Result<()> {
            let patch = slide.region(0, x, y, arguments.size, arguments.size)?;
            let mut file = file.lock().expect("no thread panics");
            file.seek(SeekFrom::Start(number as u64 * length))?;
            Ok(file.write_all(&patch)?)
        })?;
    result::say(&[1e3 * start.elapsed().as_secs_f64()], None);
    Ok(())
}

/// The corners of the patches at least half of whose pixels are tissue, row by row.
fn on_tissue(slide: &dyn Slide, size: u32) -> Result<Vec<(u64, u64)>> {
    let levels = slide.levels();
    let coarse = levels.iter().rposition(|level| level.downsample <= MASK);
    let coarse = coarse.context("a slide has a level 0")?;
    let of = &levels[coarse];
    let picture = slide.region(coarse, 0, 0, of.width as u32, of.height as u32)?;
    let side = u64::from(size);
    let rows = (0..levels[0].height / side).map(|row| row * side);
    let places =
        rows.flat_map(|y| (0..levels[0].width / side).map(move |column| (column * side, y)));
    let reduced = |value: u64| (value as f64 / of.downsample) as u32;
    let is_on_tissue = |&(x, y): &(u64, u64)| {
        tissue(&picture, reduced(x), reduced(y), reduced(side).max(1)) >= 0.5
    };
    Ok(places.filter(is_on_tissue).collect())
}

/// The fraction of a square that is coloured and not white.
fn tissue(picture: &RgbImage, left: u32, top: u32, side: u32) -> f64 {
    let right = (left + side).min(picture.width());
    let bottom = (top + side).min(picture.height());
    let mut count = 0;
    for y in top..bottom {
        for x in left..right {
            let [red, green, blue] = picture.get_pixel(x, y).0.map(u32::from);
            let span = red.max(green).max(blue) - red.min(green).min(blue);
            count += u32::from(span > 20 && red + green + blue < 3 * 235);
        }
    }
    f64::from(count) / f64::from((right - left) * (bottom - top))
}
