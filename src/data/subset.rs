//! A subset of the patches of a store, for measuring.

use std::ops::Range;

use super::PatchStore;
use crate::error::Result;
use crate::images::{ImageSource, Pixels};

/// Patches of a store in some order, read when they are asked for.
pub struct PatchSubset {
    store: PatchStore,
    indices: Vec<usize>,
}

impl PatchSubset {
    /// The patches of `store` at `indices`, in that order; each must be below [`PatchStore::len`].
    pub fn new(store: PatchStore, indices: Vec<usize>) -> Self {
        Self { store, indices }
    }
}

impl ImageSource for PatchSubset {
    fn count(&self) -> usize {
        self.indices.len()
    }

    fn size(&self) -> usize {
        self.store.patch_size()
    }

    fn channels(&self) -> usize {
        self.store.channels()
    }

    fn read(&self, range: Range<usize>) -> Result<Pixels> {
        self.store.read(&self.indices[range])
    }

    fn classes(&self) -> Option<Vec<String>> {
        let records = self.store.records();
        let classes = self
            .indices
            .iter()
            .map(|&index| records[index].class.clone());
        Some(classes.collect())
    }
}
