//! What the commands that train or evaluate share: settings to a configuration, a configuration to patches.

use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::progress::Progress;
use crate::cli::Settings;
use crate::config::{Config, RunConfig};
use crate::data::{self, PatchStore};
use crate::error::Result;
use crate::experiments;
use crate::run::Run;
use crate::tracker::Event;
use crate::train;

/// Where the runs are.
pub(super) fn runs(settings: &Settings) -> PathBuf {
    settings.out.join("runs")
}

/// Where computed features are kept.
pub(super) fn feature_cache(out: &Path) -> PathBuf {
    out.join("runs/cache/features")
}

/// The profile of commands that train, without `--profile`.
const PROFILE: &str = "quick";

/// The configuration of `experiment` under `settings`.
pub(super) fn configure(
    experiment: &str,
    settings: &Settings,
    seeds: Option<&[u64]>,
) -> Result<Config> {
    configure_otherwise(PROFILE, experiment, settings, seeds)
}

/// The configuration of `experiment` under `settings`, which name a profile other than `profile` or none; the options are
/// `--set` in short.
pub(super) fn configure_otherwise(
    profile: &str,
    experiment: &str,
    settings: &Settings,
    seeds: Option<&[u64]>,
) -> Result<Config> {
    let mut pairs = Vec::new();
    let quoted = |path: &Path| toml::Value::from(path.to_string_lossy().into_owned());
    if let Some(folder) = &settings.data {
        pairs.push(format!("data.source={}", quoted(folder)));
    }
    if settings.skip_unreadable {
        pairs.push("data.skip_unreadable=true".to_owned());
    }
    if let Some(name) = &settings.features {
        pairs.push(format!(
            "evaluation.features.extractor={}",
            toml::Value::from(name.as_str())
        ));
    }
    if let Some(file) = &settings.weights {
        pairs.push(format!("evaluation.features.weights={}", quoted(file)));
    }
    let named = [
        ("compute.device", &settings.device),
        ("compute.precision", &settings.precision),
    ];
    for (key, name) in named {
        if let Some(name) = name {
            pairs.push(format!("{key}={}", toml::Value::from(name.as_str())));
        }
    }
    if let Some(seeds) = seeds {
        pairs.push(format!("seeds={seeds:?}"));
    }
    pairs.extend_from_slice(&settings.set);
    let profile = settings.profile.as_deref().unwrap_or(profile);
    experiments::resolve(experiment, profile, &pairs)
}

/// The patches of `config`, cut now or found.
pub(super) fn patches(config: &Config, out: &Path) -> Result<PatchStore> {
    let mut progress: Option<Progress> = None;
    let store = data::prepare(
        &config.data,
        &out.join("runs/cache/patches"),
        &mut |done, total, what| {
            progress
                .get_or_insert_with(|| Progress::new(what, total))
                .update(done, "");
        },
    )?;
    let found = format!("{} patches of {}", store.len(), store.name());
    match progress {
        Some(progress) => progress.finish(&found),
        None => eprintln!("data: {found}, found in `{}`", store.path().display()),
    }
    for name in store.skipped() {
        eprintln!("skipped: `{name}` does not decode");
    }
    Ok(store)
}

/// Trains one run, or finds it trained. `label` goes before its lines of progress.
pub(super) fn train_run(
    config: &Config,
    run_config: &RunConfig,
    store: &PatchStore,
    settings: &Settings,
    device: &Device,
    label: &str,
) -> Result<(Run, Box<dyn crate::models::GenerativeModel>)> {
    let mut run = Run::open(&runs(settings), run_config)?;
    let was_finished = run.is_finished();
    let mut progress = Progress::new(label, run_config.steps);
    let model = train::train(&mut run, store, &config.logging, device, &mut |state| {
        let losses: Vec<String> = state
            .scalars
            .iter()
            .map(|(name, value)| format!("{name} {value:.3}"))
            .collect();
        progress.update(state.step, &losses.join("  "));
    })?;
    let folder = run.path().display();
    if was_finished {
        eprintln!("{label}: already trained, in `{folder}`");
    } else {
        progress.finish(&format!("{} steps, in `{folder}`", run_config.steps));
    }
    Ok((run, model))
}

/// The picture of a run's last samples.
pub(super) fn last_grid(run: &Run) -> Option<PathBuf> {
    run.ledger
        .events()
        .iter()
        .rev()
        .find_map(|event| match event {
            Event::Samples { file, .. } => Some(run.path().join(file)),
            _ => None,
        })
}
