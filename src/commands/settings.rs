//! From the options of a command to the configuration of an experiment.

use std::path::Path;

use crate::cli::Settings;
use crate::config::Config;
use crate::error::Result;
use crate::experiment;

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
    experiment::resolve(experiment, profile, &pairs)
}
