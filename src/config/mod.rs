//! What an experiment is: defaults < experiment file < profile < environment < `--set`.
//!
//! [`Schema`] knows every setting. It checks each layer key by key and number by number before it is merged, so a mistyped
//! key is refused with the name that was probably meant, a number out of range with its range, and neither is ever
//! ignored. What determines the weights of a run is narrowed to a [`RunConfig`], whose hash names the run.

mod adversarial;
mod aliases;
mod layers;
mod optimiser;
mod ranges;
mod run;
mod schema;
mod sections;
mod settings;

pub use adversarial::{
    Bcr, ImageTransform, LatentPrior, MixtureConfig, MixtureMeans, PriorConfig, PriorKind, SigmaIs,
    Truncation, TruncationLaw, Zcr,
};
pub use aliases::Alias;
pub use layers::Layer;
pub use optimiser::{Method, Optimiser, OptimiserConfig, OptimiserProtocol};
pub use ranges::TAU;
pub use run::RunConfig;
pub use schema::Schema;
pub use sections::{
    BackboneConfig, Config, EvaluationConfig, LoggingConfig, System, TrackingConfig, TrainingConfig,
};
pub use settings::{Range, Section, Setting};
