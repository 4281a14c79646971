//! What every registered model promises. The tests iterate over the registry: a new model is tested without a new test.

use std::path::Path;
use std::process::Command;

use histogen::device;
use histogen::digest::sha256;
use histogen::features::{self, FeatureConfig};
use histogen::images::Images;
use histogen::metrics;
use histogen::models::{self, GenerativeModel, MODELS};
use histogen::random::Random;
use histogen::samples;

use crate::toy;

fn build(name: &str) -> Box<dyn GenerativeModel> {
    models::build(&toy::run(name, &[]), Path::new("judges"), &device::cpu())
        .expect("the toy run can be built")
}

fn train(model: &mut dyn GenerativeModel, steps: std::ops::Range<u64>) {
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
        train(model.as_mut(), 0..2);
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
        train(model.as_mut(), 0..3);
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
        train(model.as_mut(), 0..3);
        let folder = tempfile::tempdir().expect("a folder");
        model.save(folder.path()).expect("saved");
        train(model.as_mut(), 3..5);

        let mut loaded = build(entry.name);
        loaded.load(folder.path()).expect("loaded");
        train(loaded.as_mut(), 3..5);
        assert_eq!(
            model.sample(&[1, 2]).unwrap(),
            loaded.sample(&[1, 2]).unwrap(),
            "{}",
            entry.name
        );
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
        train(model.as_mut(), 0..400);
        let after = distance(model.as_ref());
        assert!(
            after < 0.9 * before,
            "{}: {before} before training, {after} after",
            entry.name
        );
    }
}

#[test]
fn two_processes_with_one_seed_make_the_same_weights() {
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
            let mut files: Vec<_> = std::fs::read_dir(format!("{run}/checkpoint"))
                .expect("a checkpoint")
                .map(|file| file.expect("a file").path())
                // Moments are kept in an order of their own; equal weights after several steps imply equal moments.
                .filter(|path| !path.to_string_lossy().contains("optimiser"))
                .collect();
            files.sort();
            files
                .iter()
                .map(|path| {
                    let name = path.file_name().expect("a name").to_owned();
                    (name, sha256(std::fs::read(path).expect("a readable file")))
                })
                .collect::<Vec<_>>()
        };
        let (first, second) = (checkpoint(), checkpoint());
        assert!(first.len() > 1);
        assert_eq!(first, second, "{}", entry.name);
    }
}
