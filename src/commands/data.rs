//! `histogen data`: patch stores.

use std::path::Path;

use super::reporter::Terminal;
use super::settings::configure;
use super::{Answer, Outcome};
use crate::cli::{Data, Settings};
use crate::data::PatchStore;
use crate::error::{Result, refuse};
use crate::experiment::patches;
use crate::random::Random;
use crate::workspace::Workspace;

/// Patches in a row of the picture of a store.
const COLUMNS: usize = 10;
/// Rows of it, shared among the classes.
const ROWS: usize = 12;
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
            describe(&make(&settings)?);
        }
        Data::Phantom { settings } => describe(&make(settings)?),
        Data::Show { store, grid } => {
            let store = PatchStore::open(store)?;
            describe(&store);
            println!("\n{}\n\n{}", store.slides_table(), store.colours_table()?);
            if let Some(path) = grid {
                write_grid(&store, path)?;
            }
        }
    }
    Ok(Answer::Yes)
}

fn make(settings: &Settings) -> Result<PatchStore> {
    let config = configure("table1", settings, None)?;
    let workspace = Workspace::new(&settings.out);
    patches(&config, &workspace, &mut Terminal::new())
}

fn describe(store: &PatchStore) {
    println!("{}", store.summary());
}

/// Patches drawn from each class, a class after the other, in rows of [`COLUMNS`].
fn write_grid(store: &PatchStore, path: &Path) -> Result<()> {
    let mut places = Vec::new();
    let rows = (ROWS / store.classes().len()).max(1);
    for (number, class) in store.classes().iter().enumerate() {
        let members: Vec<usize> = (0..store.len())
            .filter(|&patch| store.class_indices()[patch] == number)
            .collect();
        let count = (rows * COLUMNS).min(members.len() / COLUMNS * COLUMNS);
        let count = if count == 0 { members.len() } else { count };
        let mut stream = Random::new(0).stream(&format!("shown patches/{class}"));
        let drawn = stream.choose(members.len(), count);
        let first = places.len() / COLUMNS + 1;
        places.extend(drawn.into_iter().map(|place| members[place]));
        println!(
            "rows {first} to {}: {class}",
            places.len().div_ceil(COLUMNS)
        );
    }
    store
        .read(&places)?
        .grid(COLUMNS, 1)
        .save(path)
        .map_err(|error| {
            refuse(
                format!("cannot write `{}`: {error}", path.display()),
                "give a path that ends in `.png`, in a folder you may write",
            )
        })
}
