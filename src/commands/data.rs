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

/// Patches in the picture of a store.
const SHOWN: usize = 100;

pub(super) fn run(arguments: &Data) -> Outcome {
    match arguments {
        Data::Import { source, settings } => {
            let mut settings = settings.clone();
            settings.data = Some(source.clone());
            describe(&make(&settings)?);
        }
        Data::Phantom { settings } => describe(&make(settings)?),
        Data::Show { store, grid } => {
            let store = PatchStore::open(store)?;
            describe(&store);
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

fn write_grid(store: &PatchStore, path: &Path) -> Result<()> {
    let count = SHOWN.min(store.len());
    let places = Random::new(0)
        .stream("shown patches")
        .choose(store.len(), count);
    store
        .read(&places)?
        .grid(10, 1)
        .save(path)
        .map_err(|error| {
            refuse(
                format!("cannot write `{}`: {error}", path.display()),
                "give a path that ends in `.png`, in a folder you may write",
            )
        })
}
