//! `histogen data`: patch stores.

mod grid;

use std::path::Path;

use serde::Serialize;

use self::grid::{Rows, write_grid};
use super::output::{lines, show};
use super::reporter::Terminal;
use super::settings::configure;
use super::{Answer, Outcome};
use crate::cli::{Data, Settings};
use crate::data::{Overview, PatchStore, SlidePatches};
use crate::error::Result;
use crate::experiment::patches;
use crate::workspace::Workspace;

/// Height and width of the pictures of whole slides in the paper.
const WHOLE: usize = 224;

pub(super) fn run(arguments: &Data) -> Outcome {
    match arguments {
        Data::Import {
            source,
            whole,
            settings,
        } => {
            let mut settings = settings.clone();
            settings.data = Some(source.clone());
            if *whole {
                settings.set.push(format!("data.whole_slides={WHOLE}"));
            }
            println!("{}", make(&settings)?.overview());
        }
        Data::Phantom { settings } => println!("{}", make(settings)?.overview()),
        Data::Show { store, grid, json } => {
            describe(&PatchStore::open(store)?, grid.as_deref(), *json)?;
        }
    }
    Ok(Answer::Yes)
}

fn make(settings: &Settings) -> Result<PatchStore> {
    let config = configure("table1", settings, None)?;
    let workspace = Workspace::new(&settings.out);
    patches(&config, &workspace, &mut Terminal::new())
}

/// A store in `data show --json`.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    overview: Overview,
    slides: Vec<SlidePatches>,
    /// Of each class and channel the mean and the standard deviation over all pixels, in bytes.
    colours: Vec<Vec<(f64, f64)>>,
    /// Rows of the picture, from the top; none where no picture was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    grid: Vec<Rows>,
}

fn describe(store: &PatchStore, grid: Option<&Path>, json: bool) -> Result<()> {
    let colours = store.colours()?;
    let grid = grid.map(|path| write_grid(store, path)).transpose()?;
    let shown = Shown {
        overview: store.overview(),
        slides: store.patches_by_slide(),
        colours,
        grid: grid.unwrap_or_default(),
    };
    show(json, &shown, |shown| {
        let slides = PatchStore::slides_table(&shown.slides);
        let colours = store.colours_table(&shown.colours);
        let text = format!("{}\n\n{slides}\n\n{colours}", shown.overview);
        let rows = shown.grid.iter().map(Rows::line);
        Ok(lines([text].into_iter().chain(rows)))
    })
}
