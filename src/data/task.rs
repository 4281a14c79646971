//! What a model is asked to make: read off the patch store, and part of a run's configuration.

use serde::{Deserialize, Serialize};

use super::PatchStore;

/// What a model is asked to make. Made from the store; part of a run's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Height and width of an image in pixels.
    pub size: usize,
    /// Channels of an image: 3 (RGB) or 1 (grey).
    pub channels: usize,
    /// The names of the classes, sorted.
    pub classes: Vec<String>,
    /// What is given beside each image, where the store has inputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Input>,
}

/// What a paired model gets beside each image: an image of the same size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Channels of an input: 3 (RGB) or 1 (grey).
    pub channels: usize,
    /// The SHA-256 of the store's `inputs.npy`.
    pub hash: String,
}

impl Task {
    /// The task that the patches of `store` pose.
    pub fn of(store: &PatchStore) -> Self {
        Self {
            size: store.patch_size(),
            channels: store.channels(),
            classes: store.classes().to_vec(),
            input: store.input(),
        }
    }
}
