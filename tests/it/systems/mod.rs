//! Systems and samplers that only tests know: each is one file, as one of a user's own would be. The contract holds of them
//! as of those that come with the program.

mod ac_gan;
mod rejection;
mod translator;
mod truncation;

use std::sync::Once;

use histogen::models::{MODELS, Model};
use histogen::samplers::{SAMPLERS, SamplerEntry};

static REGISTERED: Once = Once::new();

fn register() {
    REGISTERED.call_once(|| {
        for model in [&ac_gan::MODEL, &translator::MODEL] {
            MODELS.add(model).expect("a new name");
        }
        for sampler in [&truncation::SAMPLER, &rejection::SAMPLER] {
            SAMPLERS.add(sampler).expect("a new name");
        }
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
