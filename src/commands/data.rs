//! `histogen data`: patch stores.

use std::path::Path;

use super::session::{configure, patches};
use super::{Answer, Outcome};
use crate::cli::Data;
use crate::data::PatchStore;
use crate::error::{Result, refuse};
use crate::random::Random;

/// Patches in the picture of a store.
const SHOWN: usize = 100;

pub(super) fn run(arguments: &Data) -> Outcome {
    match arguments {
        Data::Import { source, settings } => {
            let mut settings = settings.clone();
            settings.data = Some(source.clone());
            let config = configure("table1", &settings, None)?;
            describe(&patches(&config, &settings.out)?);
        }
        Data::Phantom { settings } => {
            let config = configure("table1", settings, None)?;
            describe(&patches(&config, &settings.out)?);
        }
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

fn describe(store: &PatchStore) {
    println!("{}", store.summary());
}

fn write_grid(store: &PatchStore, path: &Path) -> Result<()> {
    let count = SHOWN.min(store.len());
    let chosen = Random::new(0)
        .stream("shown patches")
        .choose(store.len(), count);
    store
        .read(&chosen)?
        .grid(10, 1)
        .save(path)
        .map_err(|error| {
            refuse(
                format!("cannot write `{}`: {error}", path.display()),
                "give a path that ends in `.png`, in a folder you may write",
            )
        })
}
