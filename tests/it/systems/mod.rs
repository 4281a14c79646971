//! Systems and samplers that only tests know: each is one file, as one of a user's own would be. The contract holds of them
//! as of those that come with the program.

mod composed;
mod studies;
mod translator;

use std::sync::Once;

use histogen::models::{MODELS, Model};
use histogen::samplers::{SAMPLERS, SamplerEntry};

static REGISTERED: Once = Once::new();

fn register() {
    REGISTERED.call_once(|| {
        MODELS.add(&translator::MODEL).expect("a new name");
    });
}

/// Every model: those of the program and those of this folder.
pub(crate) fn models() -> Vec<&'static Model> {
    register();
    MODELS.all()
}

/// Every sampler, likewise.
pub(crate) fn samplers() -> Vec<&'static SamplerEntry> {
    register();
    SAMPLERS.all()
}
