//! The sentences under an experiment's tables: what the images are, how the systems were trained.

use toml::{Table, Value};

use super::plan::PlannedRow;
use crate::config::{Config, Method, OptimiserConfig, OptimiserProtocol, RunConfig};
use crate::data::{PatchStore, Split};
use crate::models::MODELS;
use crate::nn::conv::Upsampling;

/// The facts of an experiment for the appendix of its tables, and the notes that stand below each; one sentence an entry.
pub(super) fn captions(
    config: &Config,
    store: &PatchStore,
    planned: &[PlannedRow<'_>],
) -> (Vec<String>, Vec<String>) {
    let untrained = planned.iter().find(|row| !row.runs.is_empty());
    // Data, profile, and the rows that frame the others.
    let framing = [
        Some("Real: one half of the held-out patches against the other, the floor.".to_owned()),
        untrained.map(|row| {
            let row = &row.system.name;
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
    captions.extend(pieces(planned));
    captions.extend(reward_models(store, planned));
    let same = planned
        .iter()
        .filter(|row| !row.system.same_as.is_empty())
        .map(|row| {
            let (row, other, why) = (&row.system.name, &row.system.same_as, &row.system.because);
            format!("{row} is {other}, not trained again: {why}.")
        });
    captions.extend(same);
    (captions, elsewhere(store, planned))
}

/// Which rows have a reward model that was trained on other data than theirs, a sentence; none where none has.
fn elsewhere(store: &PatchStore, planned: &[PlannedRow<'_>]) -> Vec<String> {
    let is_elsewhere = |row: &&PlannedRow<'_>| {
        let reward = row.runs.first().and_then(|run| run.reward.as_ref());
        reward.is_some_and(|reward| reward.model.is_of_other_data(store.content_hash()))
    };
    let rows: Vec<&str> = planned
        .iter()
        .filter(is_elsewhere)
        .map(|row| row.system.name.as_str())
        .collect();
    if rows.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "The reward model of {} was trained on other data than that of the table.",
        rows.join(", ")
    )]
}

/// Prior and consistency of the rows that have another than a normal one, or any, rows with the same together.
fn pieces(planned: &[PlannedRow<'_>]) -> Vec<String> {
    let mut known: Vec<(String, Vec<&str>)> = Vec::new();
    for row in planned {
        let Some(pieces) = row.runs.first().map(pieces_of).filter(|it| !it.is_empty()) else {
            continue;
        };
        match known.iter_mut().find(|(other, _)| *other == pieces) {
            Some((_, rows)) => rows.push(&row.system.name),
            None => known.push((pieces, vec![&row.system.name])),
        }
    }
    let sentence = |(pieces, rows): (String, Vec<&str>)| format!("{}: {pieces}.", rows.join("; "));
    known.into_iter().map(sentence).collect()
}

/// `prior.mixture (components = 8, …), bcr (…)`; empty for a run without.
fn pieces_of(run: &RunConfig) -> String {
    let table = Table::try_from(run).expect("a run has string keys only");
    let mut said = Vec::new();
    for section in ["prior", "bcr", "zcr"] {
        let Some(Value::Table(inner)) = table.get(section) else {
            continue;
        };
        // The kind of a prior is a section of its own.
        let (name, inner) = match inner.iter().next() {
            Some((kind, Value::Table(settings))) => (format!("{section}.{kind}"), settings),
            _ => (section.to_owned(), inner),
        };
        let pairs: Vec<String> = inner
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        said.push(format!("{name} ({})", pairs.join(", ")));
    }
    said.join(", ")
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
    let upsampling = config.backbone.upsampling;
    let parts = [
        (factor > 1).then(|| format!("slides reduced {factor} times before patches were cut")),
        config
            .training
            .symmetries
            .then(|| "real images turned and mirrored at random".to_owned()),
        (upsampling == Upsampling::Nearest).then(|| {
            "nearest-neighbour upsampling and 3 x 3 convolutions in the generators of adversarial systems".to_owned()
        }),
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
            let method = match config.method {
                Method::Adam => "Adam",
                Method::RmsProp => "RMSprop",
            };
            let decays = match config.method {
                Method::Adam => format!("decays {} and {}", config.beta1, config.beta2),
                Method::RmsProp => format!("decay {}", config.alpha),
            };
            format!(
                "identical optimiser settings ({method}, learning rate {}{fall}, {decays}, critic steps {})",
                config.learning_rate, config.critic_steps
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
