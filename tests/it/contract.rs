//! What every registered model promises. The tests iterate over the registry: a new model is tested without a new test.

use std::path::Path;
use std::process::Command;

use histogen::config::{Config, System};
use histogen::data::{self, PatchStore};
use histogen::device;
use histogen::digest::sha256;
use histogen::experiments;
use histogen::features::{self, FeatureConfig};
use histogen::finetune;
use histogen::images::{ImageSource, Images};
use histogen::metrics;
use histogen::models::{self, GenerativeModel, MODELS};
use histogen::random::Random;
use histogen::run::{Identity, Run, RunState, state};
use histogen::samples;
use histogen::snn::SnnRunConfig;
use histogen::tracker::Ending;
use histogen::train;
use tempfile::TempDir;

use crate::lab::{assert_same_trace, trace};
use crate::toy;

fn build(name: &str) -> Box<dyn GenerativeModel> {
    models::build(&toy::run(name, &[]), Path::new("judges"), &device::cpu())
        .expect("the toy run can be built")
}

fn take_steps(model: &mut dyn GenerativeModel, steps: std::ops::Range<u64>) {
    let images = toy::images(64, 0);
    for position in steps {
        let batch = toy::batch(&images, 8, position);
        model
            .step(&batch, Random::new(1).at(position))
            .expect("a step");
    }
}

#[test]
fn steps_return_finite_named_scalars() {
    let images = toy::images(64, 0);
    for entry in MODELS {
        let mut model = build(entry.name);
        for position in 0..3 {
            let batch = toy::batch(&images, 8, position);
            let scalars = model
                .step(&batch, Random::new(1).at(position))
                .expect("a step");
            assert!(!scalars.is_empty(), "{} names no number", entry.name);
            for (name, value) in scalars {
                assert!(value.is_finite(), "{}: {name} is {value}", entry.name);
            }
        }
    }
}

#[test]
fn samples_are_images_in_range() {
    for entry in MODELS {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..2);
        let images = model.sample(&[3, 4, 5]).expect("samples");
        assert_eq!(
            (images.count, images.size),
            (3, toy::SIZE),
            "{}",
            entry.name
        );
        let in_range = images
            .values
            .iter()
            .all(|value| (-1.0..=1.0).contains(value));
        assert!(in_range, "{} leaves [-1, 1]", entry.name);
    }
}

#[test]
fn a_seed_gives_one_image_whatever_the_batch() {
    let seeds: Vec<u64> = (10..18).collect();
    for entry in MODELS {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..3);
        let whole = model.sample(&seeds).expect("samples");
        for batch in [1, 3] {
            let parts: Vec<Images> = seeds
                .chunks(batch)
                .map(|chunk| model.sample(chunk).expect("samples"))
                .collect();
            let values = parts.iter().flat_map(|part| &part.values);
            for (place, (alone, together)) in values.zip(&whole.values).enumerate() {
                assert!(
                    alone.to_bits() == together.to_bits(),
                    "{}: value {place} is {alone} in batches of {batch}, {together} in one of 8",
                    entry.name
                );
            }
        }
    }
}

#[test]
fn a_loaded_model_takes_the_step_that_would_have_followed() {
    for entry in MODELS {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..3);
        let folder = tempfile::tempdir().expect("a folder");
        model.save(folder.path()).expect("saved");
        take_steps(model.as_mut(), 3..5);

        let mut loaded = build(entry.name);
        loaded.load(folder.path()).expect("loaded");
        take_steps(loaded.as_mut(), 3..5);
        assert_eq!(
            model.sample(&[1, 2]).unwrap(),
            loaded.sample(&[1, 2]).unwrap(),
            "{}",
            entry.name
        );
    }
}

#[test]
fn a_falling_learning_rate_is_that_of_the_step() {
    let after_step_six = |name: &str, pairs: &[&str]| {
        let mut run = toy::run(name, pairs);
        run.steps = 8;
        let mut model = models::build(&run, Path::new("judges"), &device::cpu()).expect("built");
        take_steps(model.as_mut(), 6..7);
        model.sample(&[1, 2]).expect("samples")
    };
    for entry in MODELS {
        let name = entry.name;
        let constant = after_step_six(name, &[]);
        let half = after_step_six(name, &["optimiser.learning_rate=0.0005"]);
        let falling = after_step_six(name, &["optimiser.decay_from=0.5"]);
        assert_eq!(falling, half, "{name}: 4 steps fall, 2 of them are left");
        assert_ne!(falling, constant, "{name}");
    }
}

#[test]
fn latent_spaces_decode_what_samples_show() {
    for entry in MODELS {
        let model = build(entry.name);
        let Some(latents) = model.latents() else {
            continue;
        };
        let values = Random::new(9)
            .stream("latents")
            .normals(2 * latents.dimension());
        let images = latents.decode(&values).expect("decoded");
        assert_eq!(
            (images.count, images.size),
            (2, toy::SIZE),
            "{}",
            entry.name
        );
        let first = latents
            .decode(&values[..latents.dimension()])
            .expect("decoded");
        assert_eq!(
            first.values,
            images.values[..first.values.len()],
            "{}",
            entry.name
        );
    }
}

#[test]
fn samples_in_a_file_are_those_in_memory() {
    let model = build(MODELS[0].name);
    let folder = folder();
    let drawn = samples::draw(model.as_ref(), 40, 3, &mut |_| {}).expect("samples");
    let spooled = samples::spool(model.as_ref(), 40, 3, folder.path()).expect("a file");
    assert_eq!((spooled.count(), spooled.size()), (40, drawn.size));
    for range in [30..40, 0..40, 7..8] {
        let expected = drawn.select(&range.clone().collect::<Vec<_>>());
        assert_eq!(spooled.read(range).expect("images"), expected);
    }
    let mut entries = folder.path().read_dir().expect("a folder");
    assert!(entries.next().is_none(), "the file has no name");
}

#[test]
fn training_lowers_the_frechet_distance() {
    let real = toy::images(200, 7);
    let pixels = FeatureConfig {
        extractor: "pixels".into(),
        ..FeatureConfig::default()
    };
    let extractor = features::load(&pixels, &device::cpu()).expect("pixels need no file");
    let real = extractor.extract(&real).expect("features");
    let distance = |model: &dyn GenerativeModel| {
        let images = samples::draw(model, 200, 0, &mut |_| {}).expect("samples");
        let features = extractor.extract(&images).expect("features");
        metrics::frechet((&features).into(), (&real).into(), 1)
            .expect("a distance")
            .distance()
    };
    for entry in MODELS {
        let mut model = build(entry.name);
        let before = distance(model.as_ref());
        take_steps(model.as_mut(), 0..400);
        let after = distance(model.as_ref());
        assert!(
            after < 0.9 * before,
            "{}: {before} before training, {after} after",
            entry.name
        );
    }
}

/// A folder in memory where there is one: what is tested here are bytes, not disks.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    folder.expect("a folder")
}

/// The smoke profile with six steps, of which some have a checkpoint or a grid; with its patches.
fn short_runs(cache: &Path) -> (Config, PatchStore) {
    let pairs = [
        "training.steps=6",
        "logging.checkpoint_every=2",
        "logging.samples_every=3",
        "logging.grid_images=4",
        "snn.stage1.pairs=24",
    ];
    let config = experiments::resolve("table1", "smoke", &pairs.map(str::to_owned));
    let config = config.expect("the settings are known");
    let store = data::prepare(&config.data, cache, &mut |_, _, _| {}).expect("patches");
    (config, store)
}

/// Trains in `whole` without a break, and in other folders with one after every step; all must leave the same bytes.
///
/// `train` gets the folder and the step at which it is to panic.
fn stops_at_every_step<C: Identity>(
    config: &C,
    train: impl Fn(&Path, Option<u64>) -> histogen::error::Result<()>,
) {
    let whole = folder();
    train(whole.path(), None).expect("trained");
    for step in 1..=config.steps() {
        let broken = folder();
        let run = Run::folder(broken.path(), config);
        let name = config.name();
        let error = train(broken.path(), Some(step)).expect_err("it panics");
        assert_eq!(error.to_string(), "panic: stopped by the test");
        let ended = RunState::Ended {
            ending: Ending::Failed,
            step,
            reason: "panic: stopped by the test".to_owned(),
        };
        assert_eq!(state(&run).expect("a ledger"), ended, "{name}");
        train(broken.path(), None).expect("trained to the end");
        let expected = Run::folder(whole.path(), config);
        assert_same_trace(&run, &expected, &format!("{name} stopped at step {step}"));
    }
}

#[test]
fn a_run_stopped_at_any_step_goes_on_to_the_same_bytes() {
    let cache = folder();
    let (config, store) = short_runs(cache.path());
    for entry in MODELS {
        let system = System {
            name: entry.name.to_owned(),
            ..System::default()
        };
        let mut judge = |_: &Config| Ok(toy::judge());
        let run_config = experiments::run_config(&config, &system, 0, &store, &mut judge);
        let run_config = run_config.expect("a run");
        stops_at_every_step(&run_config, |root, stop| {
            let mut run = Run::open(root, &run_config)?;
            let device = device::cpu();
            train::train(
                &mut run,
                &store,
                &config.logging,
                &device,
                &mut |_| anyhow::bail!("nothing is measured here"),
                &mut |state| assert!(Some(state.step as u64) != stop, "stopped by the test"),
            )?;
            Ok(())
        });
    }
}

#[test]
fn a_finetuning_stopped_at_any_step_goes_on_to_the_same_bytes() {
    let cache = folder();
    let (config, store) = short_runs(cache.path());
    let run_config = SnnRunConfig::new(&config.snn, &store, &config.compute).expect("settings");
    assert_eq!(
        run_config.steps,
        [3, 3],
        "both stages, and the border between them"
    );
    stops_at_every_step(&run_config, |root, stop| {
        let mut run = Run::open(root, &run_config)?;
        finetune::finetune(
            &mut run,
            &config.snn,
            &config.data,
            &store,
            &config.logging,
            &device::cpu(),
            &mut |state| assert!(Some(state.step) != stop, "stopped by the test"),
        )?;
        Ok(())
    });
}

#[test]
fn two_processes_with_one_seed_leave_the_same_bytes() {
    for entry in MODELS {
        let checkpoint = || {
            let folder = tempfile::tempdir().expect("a folder");
            let output = Command::new(env!("CARGO_BIN_EXE_histogen"))
                .args([
                    "train",
                    "table1",
                    "--profile",
                    "smoke",
                    "--model",
                    entry.name,
                    "--out",
                ])
                .arg(folder.path())
                .output()
                .expect("the program starts");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{}: {errors}", entry.name);
            let run = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            let trace = trace(&folder.path().join(run));
            trace
                .into_iter()
                .map(|(name, bytes)| (name, sha256(bytes)))
                .collect::<Vec<_>>()
        };
        let (first, second) = (checkpoint(), checkpoint());
        assert!(first.len() > 1);
        assert_eq!(first, second, "{}", entry.name);
    }
}
