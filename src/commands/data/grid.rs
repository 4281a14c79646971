//! The picture of `histogen data show`: patches of every class.

use std::path::Path;

use serde::Serialize;

use crate::data::PatchStore;
use crate::error::{Result, refuse};
use crate::random::Random;

/// Patches in a row of the picture of a store.
const COLUMNS: usize = 10;
/// Rows of it, shared among the classes.
const ROWS: usize = 12;
/// Rows of the picture of a store.
#[derive(Serialize)]
pub(super) struct Rows {
    class: String,
    first: usize,
    last: usize,
}

impl Rows {
    pub(super) fn line(&self) -> String {
        let (first, last, class) = (self.first, self.last, &self.class);
        format!("rows {first} to {last}: {class}")
    }
}

/// Patches drawn from each class, a class after the other, in rows of [`COLUMNS`].
pub(super) fn write_grid(store: &PatchStore, path: &Path) -> Result<Vec<Rows>> {
    let (mut places, mut found) = (Vec::new(), Vec::new());
    let rows = (ROWS / store.classes().len()).max(1);
    for (number, class) in store.classes().iter().enumerate() {
        let members: Vec<usize> = (0..store.len())
            .filter(|&patch| store.class_indices()[patch] == number)
            .collect();
        let count = (rows * COLUMNS).min(members.len() / COLUMNS * COLUMNS);
        let count = if count == 0 { members.len() } else { count };
        let mut stream = Random::new(0).stream(&format!("shown patches/{class}"));
        let first = places.len() / COLUMNS + 1;
        places.extend(stream.choose_from(&members, count));
        found.push(Rows {
            class: class.clone(),
            first,
            last: places.len().div_ceil(COLUMNS),
        });
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
        })?;
    Ok(found)
}
