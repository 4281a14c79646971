//! What the commands that train or evaluate share: settings to a configuration, a configuration to patches.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use burn::tensor::Device;

use super::progress::Progress;
use super::tracking::Tracking;
use super::watch::{Watch, Watched};
use crate::cli::Settings;
use crate::config::{Config, Evaluation, RunConfig};
use crate::data::{self, PatchStore};
use crate::error::Result;
use crate::evaluation::{Bench, Reference, held_out};
use crate::experiments;
use crate::models::GenerativeModel;
use crate::run::{self, Identity, Run, RunState};
use crate::samples;
use crate::tracker::{self, Ending, Event};
use crate::train;

/// Where the runs are.
pub(super) fn runs(settings: &Settings) -> PathBuf {
    settings.out.join("runs")
}

/// The folders of the runs or executions that lie in `place`, in the order of their names.
pub(super) fn run_folders(place: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = folders
        .filter(|folder| folder.join("config.toml").exists())
        .collect();
    folders.sort();
    folders
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

/// Trains one run, or finds it trained.
pub(super) fn train_run(
    config: &Config,
    run_config: &RunConfig,
    store: &PatchStore,
    settings: &Settings,
    tracking: &Tracking,
    device: &Device,
    watched: &Watched,
) -> Result<(Run, Box<dyn GenerativeModel>)> {
    let mut run = Run::open(&runs(settings), run_config)?;
    let _recorder = tracking.follow(run.path())?;
    tell_notices(&run);
    let was_finished = run.is_finished();
    let mut watch = Watch::new(watched, run_config.steps);
    watch.before(run.ledger.events());
    let watch = RefCell::new(watch);
    let mut bench = None;
    let mut measure = |model: &dyn GenerativeModel| {
        if bench.is_none() {
            bench = Some(fid_bench(config, store, &settings.out, device)?);
        }
        let bench = bench.as_ref().context("it was just made")?;
        let Evaluation { images, seed, .. } = config.evaluation;
        let pixels = samples::draw(model, images, seed, &mut |_| {})?;
        let evaluation = tracker::Evaluation {
            step: 0,
            seed,
            scores: bench.measure_once(&pixels)?,
        };
        watch.borrow_mut().measured_now(&evaluation);
        Ok(evaluation)
    };
    let model = train::train(
        &mut run,
        store,
        &config.logging,
        device,
        &mut measure,
        &mut |state| {
            let mut watch = watch.borrow_mut();
            watch.step(state.step, "", state.scalars);
        },
    )?;
    let folder = run.path().display();
    if was_finished {
        eprintln!("{}: already trained, in `{folder}`", watched.label);
    } else {
        let result = format!("{} steps, in `{folder}`", run_config.steps);
        watch.into_inner().finish(&result)?;
    }
    Ok((run, model))
}

/// What measures FID during training, as tables do after it.
fn fid_bench(config: &Config, store: &PatchStore, out: &Path, device: &Device) -> Result<Bench> {
    let (reference, _) = held_out(&config.evaluation, store)?;
    let names = [run::BEST_BY.to_owned()];
    let cache = feature_cache(out);
    let Reference { name, images } = &reference;
    Bench::new(&config.evaluation, &names, name, images, device, &cache)
}

/// Says what was found amiss in a run.
pub(super) fn tell_notices<C: Identity>(run: &Run<C>) {
    for notice in run.notices() {
        eprintln!("note: {notice}");
    }
}

/// Whether the last training of a run ended because it diverged.
pub(super) fn diverged(run_config: &RunConfig, settings: &Settings) -> Result<bool> {
    let state = run::state(&Run::folder(&runs(settings), run_config))?;
    Ok(matches!(state, RunState::Ended { ending, .. } if ending == Ending::Diverged))
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
