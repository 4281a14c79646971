//! What every registered model promises. The tests iterate over the registry: a new model is tested without a new test.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use histogen::config::{Config, RunConfig, System};
use histogen::data::{self, Batch, PatchStore};
use histogen::device;
use histogen::digest::sha256;
use histogen::experiment::{self, finetune};
use histogen::features::{self, FeatureConfig};
use histogen::images::{ImageSource, Images};
use histogen::metrics;
use histogen::models::{self, Draws, GenerativeModel, MODELS, StepScalars};
use histogen::random::Random;
use histogen::reward::SnnRunConfig;
use histogen::run::{Identity, Run, RunState, state};
use histogen::samplers::{Samplers, Sampling};
use histogen::samples::{self, Plan};
use histogen::tracker::Ending;
use histogen::train;
use tempfile::TempDir;

use crate::lab::{assert_same_trace, trace};
use crate::systems;
use crate::toy::{self, ToyDraws};

fn build(name: &str) -> Box<dyn GenerativeModel> {
    models::build(
        &toy::run(name, &[]),
        Path::new("reward models"),
        &device::cpu(),
    )
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

/// The images of two seeds.
fn two(model: &dyn GenerativeModel) -> Images {
    model.sample(&ToyDraws::new([1, 2]).get()).expect("samples")
}

#[test]
fn steps_return_finite_named_scalars() {
    let images = toy::images(64, 0);
    for entry in systems::models() {
        let mut model = build(entry.name);
        for position in 0..3 {
            let batch = toy::batch(&images, 8, position);
            let scalars = model
                .step(&batch, Random::new(1).at(position))
                .and_then(StepScalars::read)
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
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..2);
        let draws = ToyDraws::new([3, 4, 5]);
        let images = model.sample(&draws.get()).expect("samples");
        let shape = (images.count, images.size, images.channels);
        assert_eq!(shape, (3, toy::SIZE, 3), "{}", entry.name);
        let in_range = images
            .values
            .iter()
            .all(|value| (-1.0..=1.0).contains(value));
        assert!(in_range, "{} leaves [-1, 1]", entry.name);
    }
}

/// Compares images of one batch with the same in smaller ones, bit for bit.
fn is_one_whatever_the_batch(name: &str, sample: impl Fn(&Draws<'_>) -> Images) {
    let seeds = 10..18;
    let whole = sample(&ToyDraws::new(seeds.clone()).get());
    let seeds: Vec<u64> = seeds.collect();
    for batch in [1, 3] {
        let parts: Vec<Images> = seeds
            .chunks(batch)
            .map(|chunk| sample(&ToyDraws::new(chunk.iter().copied()).get()))
            .collect();
        let values = parts.iter().flat_map(|part| &part.values);
        for (index, (alone, together)) in values.zip(&whole.values).enumerate() {
            assert!(
                alone.to_bits() == together.to_bits(),
                "{name}: value {index} is {alone} in batches of {batch}, {together} in one of 8",
            );
        }
    }
}

#[test]
fn a_seed_gives_one_image_whatever_the_batch() {
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..3);
        is_one_whatever_the_batch(entry.name, |draws| model.sample(draws).expect("samples"));
    }
}

#[test]
fn every_sampler_gives_a_seed_one_image_in_range_for_every_model_that_it_fits() {
    let mut fitting = BTreeSet::new();
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..3);
        for sampler in systems::samplers() {
            if !(sampler.fits)(model.as_ref()) {
                continue;
            }
            fitting.insert(sampler.name);
            let name = format!("{} by {}", entry.name, sampler.name);
            let mut settings = (sampler.settings)();
            if let Some(images) = settings.get_mut("burn_in") {
                *images = 16.into();
            }
            let kept = model.keep_training();
            let sampling = Sampling {
                model: model.as_ref(),
                settings: &settings,
                classes: 2,
                kept: kept.as_deref(),
            };
            let sampler = (sampler.build)(&sampling).expect("a sampler");
            is_one_whatever_the_batch(&name, |draws| {
                let images = sampler.sample(draws).expect("samples");
                let mut values = images.values.iter();
                assert!(values.all(|value| (-1.0..=1.0).contains(value)), "{name}");
                images
            });
        }
    }
    let all: BTreeSet<&str> = systems::samplers().iter().map(|entry| entry.name).collect();
    assert_eq!(fitting, all, "every sampler fits some model");
}

#[test]
fn a_loaded_model_takes_the_step_that_would_have_followed() {
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..3);
        let folder = tempfile::tempdir().expect("a folder");
        models::save(model.as_mut(), folder.path()).expect("saved");
        take_steps(model.as_mut(), 3..5);

        let mut loaded = build(entry.name);
        models::load(loaded.as_mut(), folder.path()).expect("loaded");
        take_steps(loaded.as_mut(), 3..5);
        assert_eq!(two(model.as_ref()), two(loaded.as_ref()), "{}", entry.name);
    }
}

#[test]
fn a_falling_learning_rate_is_that_of_the_step() {
    let after_step_six = |name: &str, pairs: &[&str]| {
        let mut run = toy::run(name, pairs);
        run.steps = 8;
        let mut model =
            models::build(&run, Path::new("reward models"), &device::cpu()).expect("built");
        take_steps(model.as_mut(), 6..7);
        two(model.as_ref())
    };
    for entry in systems::models() {
        let name = entry.name;
        let constant = after_step_six(name, &[]);
        let half = after_step_six(name, &["optimiser.learning_rate=0.0005"]);
        let falling = after_step_six(name, &["optimiser.decay_from=0.5"]);
        assert_eq!(falling, half, "{name}: 4 steps fall, 2 of them are left");
        assert_ne!(falling, constant, "{name}");
    }
}

#[test]
fn averaging_the_generators_weights_changes_what_is_drawn_and_not_what_is_learned() {
    for entry in systems::models() {
        let of_average = |decay: &str| {
            let run = toy::run(entry.name, &[&format!("backbone.ema_decay={decay}")]);
            let model = models::build(&run, Path::new("reward models"), &device::cpu());
            let mut model = model.expect("a model");
            let untrained = two(model.as_ref());
            let batch = toy::batch(&toy::images(64, 0), 8, 0);
            let steps = (0..4).map(|step| {
                let step = model.step(&batch, Random::new(1).at(step)).unwrap();
                step.read().unwrap()
            });
            let scalars: Vec<_> = steps.collect();
            (untrained, scalars, two(model.as_ref()), model)
        };
        let (untrained, scalars, drawn, model) = of_average("0");
        let (of_untrained, of_scalars, of_drawn, _) = of_average("0.999");
        assert_eq!(untrained, of_untrained, "{}", entry.name);
        assert_eq!(scalars, of_scalars, "{}", entry.name);
        // DDPM has an average of its own.
        let is_averaged = model.latents().is_some();
        assert_eq!(drawn != of_drawn, is_averaged, "{}", entry.name);
        // An average that forgets at once is the weights themselves.
        let (_, _, forgetting, _) = of_average("1e-12");
        let differences = drawn.values.iter().zip(&forgetting.values);
        let largest = differences.fold(0.0f32, |largest, (a, b)| largest.max((a - b).abs()));
        assert!(largest < 1e-5, "{}: {largest}", entry.name);
    }
}

#[test]
fn latent_spaces_decode_what_samples_show() {
    let mut decoded = 0;
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..2);
        let Some(latents) = model.latents() else {
            continue;
        };
        let seeds = [9, 12];
        let prior = latents.prior().expect("a prior");
        let vectors: Vec<f32> = seeds.iter().flat_map(|&seed| prior.latent(seed)).collect();
        assert_eq!(vectors.len(), 2 * prior.dimension());
        let draws = ToyDraws::new(seeds);
        let images = latents
            .decode(&vectors, draws.get().classes)
            .expect("decoded");
        let samples = model.sample(&draws.get()).expect("samples");
        assert_eq!(images, samples, "{}", entry.name);
        decoded += 1;
    }
    assert!(decoded > 5, "the GANs have latent spaces");
}

#[test]
fn a_class_or_an_input_makes_a_difference_to_a_model_that_needs_it() {
    for entry in systems::models() {
        let mut model = build(entry.name);
        take_steps(model.as_mut(), 0..2);
        let draws = ToyDraws::new([1]);
        let (one, other) = (draws.get(), ToyDraws::new([2]));
        let with_class = Draws {
            classes: &[1 - one.classes[0]],
            ..one
        };
        let with_input = Draws {
            inputs: other.get().inputs,
            ..one
        };
        let image = |draws: &Draws<'_>| model.sample(draws).expect("a sample");
        let moves = |draws: &Draws<'_>| image(draws) != image(&one);
        assert_eq!(moves(&with_class), entry.needs.classes, "{}", entry.name);
        assert_eq!(moves(&with_input), entry.needs.input, "{}", entry.name);
    }
}

#[test]
fn what_a_model_needs_is_named_where_it_is_missing() {
    let refused = |name: &str, change: &dyn Fn(&mut RunConfig)| {
        systems::models();
        let mut run = toy::run(name, &[]);
        change(&mut run);
        models::check(&run).expect_err("refused").to_string()
    };
    assert_eq!(
        refused("ac-gan", &|run| run.classes.truncate(1)),
        "`ac-gan` needs patches of two classes or more, there are 1"
    );
    assert_eq!(
        refused("translator", &|run| run.input = None),
        "`translator` needs an input beside every patch, and the patch store has none"
    );
    assert_eq!(
        refused("wgan-gp", &|run| run.image_size = 30),
        "`wgan-gp` has no network for images of 30 x 30"
    );
    assert_eq!(
        refused("ddpm", &|run| run.image_size = 33),
        "`models.ddpm.multipliers` does not fit"
    );
}

#[test]
fn models_make_images_of_every_size_and_of_one_channel() {
    for (size, channels) in [(28, 1), (32, 3), (96, 1), (128, 3), (256, 1)] {
        for entry in MODELS.built_in() {
            let mut run = toy::run(entry.name, &["backbone.generator_width=2"]);
            (run.image_size, run.channels) = (size, channels);
            if let Some(reward) = &mut run.reward {
                reward.model.image_size = size;
            }
            let mut model =
                models::build(&run, Path::new("reward models"), &device::cpu()).expect("a model");
            let values = Random::new(0)
                .stream("images")
                .normals(2 * channels * size * size);
            let values = values.into_iter().map(|value| value.clamp(-1.0, 1.0));
            let batch = Batch {
                images: Images::new(2, channels, size, values.collect()),
                ..toy::batch(&toy::images(2, 0), 2, 0)
            };
            let step = model.step(&batch, Random::new(1)).expect("a step");
            let scalars = step.read().expect("numbers");
            assert!(scalars.iter().all(|(_, value)| value.is_finite()));
            if entry.name == "ddpm" && size > 32 {
                continue; // a hundred levels of large images take long
            }
            let images = two(model.as_ref());
            assert_eq!(
                (images.size, images.channels),
                (size, channels),
                "{}",
                entry.name
            );
        }
    }
}

#[test]
fn samples_in_a_file_are_those_in_memory() {
    let model = build(MODELS.built_in()[0].name);
    let samplers = Samplers::default();
    let sampler = samplers.of(model.as_ref(), 0, None).expect("a sampler");
    let (folder, plan) = (folder(), Plan::without_store(0, 40, 3));
    let drawn = samples::draw(sampler.as_ref(), &plan, &mut |_| {}).expect("samples");
    let spooled = samples::spool(sampler.as_ref(), &plan, folder.path()).expect("a file");
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
        let draws = ToyDraws::new(0..200);
        let images = model.sample(&draws.get()).expect("samples").quantise();
        let features = extractor.extract(&images).expect("features");
        metrics::frechet((&features).into(), (&real).into(), 1)
            .expect("a distance")
            .distance()
    };
    for entry in systems::models() {
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

/// The smoke profile with six steps, of which some have a checkpoint or a grid; with its patches. Whatever a step may do
/// besides is switched on.
fn short_runs(cache: &Path) -> (Config, PatchStore) {
    let pairs = [
        "training.steps=6",
        "logging.checkpoint_every=2",
        "logging.samples_every=3",
        "logging.grid_images=4",
        "snn.stage1.pairs=24",
        "backbone.ema_decay=0.9",
        "training.symmetries=true",
    ];
    let config = experiment::resolve("table1", "smoke", &pairs.map(str::to_owned));
    let config = config.expect("the settings are known");
    let store = data::prepare(&config.data, cache, &mut |_, _, _| {}).expect("patches");
    (config, store)
}

/// A copy of a store in `folder` whose patches have their luminance beside them.
fn with_luminance(store: &PatchStore, folder: &Path) -> PatchStore {
    for entry in store.path().read_dir().expect("a store") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, folder.join(name)).expect("copied");
    }
    let store = PatchStore::open(folder).expect("the copy");
    data::add_inputs(&store, 1, &mut |_, patches| {
        Ok(toy::inputs(&patches.to_images()).quantise())
    })
    .expect("inputs")
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
    let with_inputs = folder();
    let store = with_luminance(&store, with_inputs.path());
    for entry in systems::models() {
        let system = System {
            name: entry.name.to_owned(),
            ..System::default()
        };
        let mut reward_model = |_: &Config| Ok(toy::reward_model());
        let run_config = experiment::run_config(&config, &system, 0, &store, &mut reward_model);
        let run_config = run_config.expect("a run");
        stops_at_every_step(&run_config, |root, stop| {
            let mut run = Run::open(root, &run_config)?;
            let device = device::cpu();
            train::train(
                &mut run,
                &store,
                &config.logging,
                &Samplers::new(&config.evaluation.samplers, &config.samplers)?,
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
        finetune(
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
    for entry in MODELS.built_in() {
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
