//! The samplers of diffusion models against the schedulers of diffusers, by a denoiser in closed form.
//! (`tests/golden/samplers/make.py` made the numbers.)

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use histogen::data::Batch;
use histogen::error::Result;
use histogen::images::Images;
use histogen::models::diffusion::{self, Denoiser, NoiseSchedule};
use histogen::models::{Draws, GenerativeModel, StepScalars};
use histogen::nn::record::EachPart;
use histogen::random::Random;
use histogen::samplers::Samplers;
use serde::Deserialize;

const SEEDS: [u64; 2] = [3, 4];
const SIZE: usize = 2;

#[derive(Deserialize)]
struct Golden {
    ancestral: Vec<f32>,
    ddim: Vec<f32>,
}

struct ClosedForm(NoiseSchedule);

impl ClosedForm {
    fn new() -> Self {
        Self(NoiseSchedule::linear(8, 0.001, 0.3))
    }
}

impl Denoiser for ClosedForm {
    fn schedule(&self) -> &NoiseSchedule {
        &self.0
    }

    fn predict(&self, images: Tensor<4>, level: usize) -> Tensor<4> {
        images.mul_scalar(2.0).sin().add_scalar(0.1 * level as f64)
    }

    fn shape(&self) -> [usize; 3] {
        [1, SIZE, SIZE]
    }

    fn device(&self) -> Device {
        Device::flex()
    }
}

impl GenerativeModel for ClosedForm {
    fn step(&mut self, _batch: &Batch, _random: Random) -> Result<StepScalars> {
        unreachable!("there is nothing to learn")
    }

    fn sample(&self, draws: &Draws<'_>) -> Result<Images> {
        diffusion::ancestral(self, draws)
    }

    fn parts(&mut self, _each: &mut EachPart<'_>) -> Result<()> {
        Ok(())
    }

    fn denoiser(&self) -> Option<&dyn Denoiser> {
        Some(self)
    }
}

fn sampled(names: &[&str], steps: usize) -> Vec<f32> {
    let settings = format!("[ddim]\nsteps = {steps}");
    let settings: BTreeMap<String, toml::Table> = toml::from_str(&settings).expect("settings");
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let samplers = Samplers::new(&names, &settings).expect("known samplers");
    let model = ClosedForm::new();
    let sampler = samplers.of(&model, 0, None).expect("a sampler");
    let images = sampler.sample(&Draws::of_seeds(&SEEDS)).expect("samples");
    images.values
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 2e-6,
            "{found}, expected {expected}"
        );
    }
}

#[test]
fn both_samplers_draw_what_the_schedulers_of_diffusers_draw() {
    let golden: Golden =
        serde_json::from_str(include_str!("../golden/samplers/data.json")).expect("golden values");
    assert_close(&sampled(&["ancestral"], 4), &golden.ancestral);
    assert_close(&sampled(&["ddim"], 4), &golden.ddim);
    assert_eq!(sampled(&[], 4), sampled(&["ancestral"], 4), "its own way");
    assert_ne!(sampled(&["ddim"], 3), sampled(&["ddim"], 4));
}

#[test]
fn the_noise_behind_the_golden_samples_is_that_of_the_streams() {
    let noise: BTreeMap<String, Vec<f32>> = {
        let file: BTreeMap<String, serde_json::Value> =
            serde_json::from_str(include_str!("../golden/samplers/noise.json")).expect("noise");
        let flat = |value: serde_json::Value| flatten(&value);
        file.into_iter()
            .map(|(name, value)| (name, flat(value)))
            .collect()
    };
    let drawn = |name: &str, level: u64| -> Vec<f32> {
        let of_seed = |&seed: &u64| {
            let mut stream = Random::new(seed).at(level).stream(name);
            stream.normals(SIZE * SIZE)
        };
        SEEDS.iter().flat_map(of_seed).collect()
    };
    let mut expected = BTreeMap::from([("start".to_owned(), drawn("sample", 0))]);
    for level in 1..8 {
        expected.insert(format!("level {level}"), drawn("sample/noise", level));
    }
    assert_eq!(noise, expected);
}

/// The numbers of nested arrays, in order.
fn flatten(value: &serde_json::Value) -> Vec<f32> {
    match value {
        serde_json::Value::Array(values) => values.iter().flat_map(flatten).collect(),
        value => vec![value.as_f64().expect("a number") as f32],
    }
}
