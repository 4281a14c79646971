//! The real images that generated ones are compared with.

use crate::config::EvaluationConfig;
use crate::data::{PatchStore, Split};
use crate::error::{Result, refuse};
use crate::images::Pixels;
use crate::random::Random;

/// Real images that others are compared with.
pub struct Reference {
    /// Which images: for captions and protocols.
    pub name: String,
    /// The images.
    pub images: Pixels,
}

/// Two disjoint draws of `config.images` held-out patches each: the reference, and the half that is measured against it as
/// if it were generated (the floor).
///
/// # Errors
/// Refuses a test split that is too small for both: a number at another n would not compare.
pub fn held_out(config: &EvaluationConfig, store: &PatchStore) -> Result<(Reference, Pixels)> {
    let indices = store.indices(Split::Test);
    let needed = 2 * config.images;
    if indices.len() < needed {
        return Err(refuse(
            format!(
                "the test split of `{}` has {} patches; `evaluation.images = {}` needs {needed}, half of them as the \
                 reference and half to measure the floor",
                store.name(),
                indices.len(),
                config.images,
            ),
            format!(
                "use `--set evaluation.images={}` or less, a larger `data.held_out`, or more slides",
                indices.len() / 2
            ),
        ));
    }
    let mut stream = Random::new(config.seed).stream("held-out halves");
    let drawn = stream.choose_from(&indices, needed);
    let reference = Reference {
        name: format!("test split of {}", store.name()),
        images: store.read(&drawn[..config.images])?,
    };
    Ok((reference, store.read(&drawn[config.images..])?))
}

/// Patches that the models were trained on, at most `config.training_images` of them.
pub fn trained_on(config: &EvaluationConfig, store: &PatchStore) -> Result<Reference> {
    let indices = store.indices(Split::Train);
    let count = indices.len().min(config.training_images);
    let mut stream = Random::new(config.seed).stream("training patches");
    let drawn = stream.choose_from(&indices, count);
    Ok(Reference {
        name: format!("training split of {}", store.name()),
        images: store.read(&drawn)?,
    })
}
