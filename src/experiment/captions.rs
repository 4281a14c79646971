//! The sentences under an experiment's tables: what the images are, how the systems were trained.

use super::plan::PlannedRow;
use crate::config::{Config, OptimiserConfig, OptimiserProtocol};
use crate::data::{PatchStore, Split};
use crate::models::MODELS;

/// One sentence an entry; `untrained` is the label of the row whose generator is measured untrained.
pub(super) fn captions(
    config: &Config,
    store: &PatchStore,
    planned: &[PlannedRow<'_>],
    untrained: Option<&str>,
) -> Vec<String> {
    // Data, profile, and the rows that frame the others.
    let framing = [
        Some("Real: one half of the held-out patches against the other, the floor.".to_owned()),
        untrained.map(|row| {
            format!("Untrained: the generator of row `{row}` before training, the ceiling.")
        }),
    ];
    let framing: Vec<String> = framing.into_iter().flatten().collect();
    let mut captions = vec![
        data_caption(store),
        profile_caption(config),
        framing.join(" "),
    ];
    // What the models of the rows were trained with.
    let settings = model_settings(config);
    if !settings.is_empty() {
        captions.push(format!("Settings of the models: {settings}."));
    }
    captions.extend(reward_models(store, planned));
    captions
}
/// The patches in a sentence.
pub(super) fn data_caption(store: &PatchStore) -> String {
    let slides = |split| store.slides(split).len();
    format!(
        "Data: {} ({}), {} training patches of {} slides, {} held-out patches of {} other slides, classes {}.",
        store.name(),
        &store.content_hash()[..8],
        store.indices(Split::Train).len(),
        slides(Split::Train),
        store.indices(Split::Test).len(),
        slides(Split::Test),
        store.classes().join(" and "),
    )
}

/// How models are trained, a sentence or two.
pub(super) fn profile_caption(config: &Config) -> String {
    let training = &config.training;
    let length = match training.steps {
        0 => format!("{} epochs", training.epochs),
        steps => format!("{steps} steps"),
    };
    let backbone = &config.backbone;
    format!(
        "Profile {}: {length} of batch {}, widths {} (generator) and {} (critic), latent {}, {}, seeds \
             {:?}.{}",
        config.profile,
        training.batch,
        backbone.generator_width,
        backbone.critic_width,
        backbone.latent,
        optimiser(&config.optimiser),
        config.seeds,
        pictures(config),
    )
}

/// What is done to images and weights for the look of samples, a sentence; empty where nothing is.
fn pictures(config: &Config) -> String {
    let factor = config.data.reduction;
    let decay = config.backbone.ema_decay;
    let parts = [
        (factor > 1).then(|| format!("slides reduced {factor} times before patches were cut")),
        config
            .training
            .symmetries
            .then(|| "real images turned and mirrored at random".to_owned()),
        (decay > 0.0).then(|| {
            format!("samples of adversarial systems from averaged weights (decay {decay})")
        }),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return String::new();
    }
    format!(" With {}.", parts.join(", "))
}

/// The reward model of every row that has one, rows of one reward model together.
fn reward_models(store: &PatchStore, planned: &[PlannedRow<'_>]) -> Vec<String> {
    let mut known: Vec<(String, Vec<&str>)> = Vec::new();
    for row in planned {
        let Some(reward) = row.runs.first().and_then(|run| run.reward.as_ref()) else {
            continue;
        };
        let model = reward.model.describe(store.content_hash());
        match known.iter_mut().find(|(other, _)| *other == model) {
            Some((_, rows)) => rows.push(&row.system.name),
            None => known.push((model, vec![&row.system.name])),
        }
    }
    let sentence = |(model, rows): (String, Vec<&str>)| {
        format!("The reward model of {} is {model}.", rows.join(", "))
    };
    known.into_iter().map(sentence).collect()
}

/// The optimiser in words.
fn optimiser(config: &OptimiserConfig) -> String {
    match config.protocol {
        OptimiserProtocol::Canonical => "each paper's own optimiser settings".to_owned(),
        OptimiserProtocol::Identical => {
            let fall = if config.decay_from < 1.0 {
                format!(
                    " for {} of the steps and then falling to 0",
                    config.decay_from
                )
            } else {
                String::new()
            };
            format!(
                "identical optimiser settings (Adam, learning rate {}{fall}, decays {} and {}, critic steps {})",
                config.learning_rate, config.beta1, config.beta2, config.critic_steps
            )
        }
    }
}

/// The settings that the models in the table read: their own, and those of a model that they build on.
fn model_settings(config: &Config) -> String {
    let is_read = |name: &str| {
        let mut models = config
            .systems
            .iter()
            .filter_map(|system| MODELS.find(system.model()).ok());
        models.any(|model| model.name == name || model.reads.contains(&name))
    };
    let shown = config
        .models
        .iter()
        .filter(|(name, table)| is_read(name) && !table.is_empty());
    let sentences: Vec<String> = shown
        .map(|(name, table)| {
            let pairs: Vec<String> = table
                .iter()
                .map(|(key, value)| format!("{key} = {value}"))
                .collect();
            format!("{name} ({})", pairs.join(", "))
        })
        .collect();
    sentences.join("; ")
}
