//! A data set small enough to learn in seconds, and runs small enough to train on it.

use histogen::config::RunConfig;
use histogen::data::{Batch, Input, Symmetry};
use histogen::device::{DeviceKind, Precision};
use histogen::experiment;
use histogen::images::{Images, Pixels};
use histogen::models::{Draws, MODELS};
use histogen::random::Random;
use histogen::reward::{Reward, RewardModelConfig, Source};

/// Height and width of toy images.
pub(crate) const SIZE: usize = 16;
/// What toy images show, by class.
const CLASSES: [&str; 2] = ["left", "top"];

/// `count` images of two kinds: pink with a purple left half, or with a purple top half, and a little noise.
pub(crate) fn images(count: usize, seed: u64) -> Pixels {
    let mut stream = Random::new(seed).stream("toy");
    let mut bytes = Vec::new();
    for index in 0..count {
        for place in 0..SIZE * SIZE {
            let (x, y) = (place % SIZE, place / SIZE);
            let dark = if index % 2 == 0 {
                x < SIZE / 2
            } else {
                y < SIZE / 2
            };
            let colour = if dark {
                [90.0, 60.0, 140.0]
            } else {
                [230.0, 170.0, 200.0]
            };
            bytes.extend(
                colour.map(|value| (value + 6.0 * stream.normal()).clamp(0.0, 255.0) as u8),
            );
        }
    }
    Pixels::new(count, SIZE, 3, bytes)
}

/// The batch of step `position`: `batch` of the toy images.
pub(crate) fn batch(images: &Pixels, batch: usize, position: u64) -> Batch {
    let mut stream = Random::new(0).at(position).stream("toy batches");
    let patches = stream.choose(images.count, batch);
    let images: Images = images.select(&patches).to_images();
    Batch {
        classes: patches.iter().map(|patch| patch % 2).collect(),
        patches,
        symmetries: vec![Symmetry::default(); batch],
        class_names: CLASSES.map(String::from).into(),
        inputs: Some(inputs(&images)),
        images,
    }
}

/// What a paired model gets beside images: their luminance, as the mean of the channels.
pub(crate) fn inputs(images: &Images) -> Images {
    let area = images.size * images.size;
    let grey = images.values.chunks_exact(3 * area).flat_map(|image| {
        (0..area).map(|at| (image[at] + image[area + at] + image[2 * area + at]) / 3.0)
    });
    Images::new(images.count, 1, images.size, grey.collect())
}

/// What toy images are made from: seeds, with classes and inputs that depend on the seed alone.
pub(crate) struct ToyDraws {
    seeds: Vec<u64>,
    classes: Vec<usize>,
    inputs: Images,
}

impl ToyDraws {
    pub(crate) fn new(seeds: impl IntoIterator<Item = u64>) -> Self {
        let seeds: Vec<u64> = seeds.into_iter().collect();
        let real = images(64, 0).to_images();
        let of_seed: Vec<usize> = seeds.iter().map(|seed| *seed as usize % 64).collect();
        Self {
            classes: of_seed.iter().map(|index| index % 2).collect(),
            inputs: inputs(&real.select(&of_seed)),
            seeds,
        }
    }

    pub(crate) fn get(&self) -> Draws<'_> {
        Draws {
            seeds: &self.seeds,
            classes: &self.classes,
            inputs: Some(&self.inputs),
        }
    }
}

/// A reward model that needs no file.
pub(crate) fn reward_model() -> RewardModelConfig {
    RewardModelConfig {
        source: Source::Untrained,
        layers: 2,
        image_size: SIZE,
        weights: String::new(),
        snn: None,
    }
}

/// A run of `model` on the toy images: the smoke profile, a faster optimiser.
pub(crate) fn run(model: &str, pairs: &[&str]) -> RunConfig {
    let mut settings: Vec<String> = [
        "optimiser.learning_rate=0.001",
        "backbone.generator_width=8",
        "backbone.critic_width=8",
        "models.ddpm.timesteps=100",
        "models.ddpm.beta_end=0.1",
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    settings.extend(pairs.iter().map(ToString::to_string));
    let config = experiment::resolve("table1", "smoke", &settings).expect("the settings are known");
    let entry = MODELS.find(model).expect("the model is registered");
    RunConfig {
        model: model.to_owned(),
        seed: 1,
        data_hash: "toy".into(),
        image_size: SIZE,
        channels: 3,
        classes: if entry.needs.classes {
            CLASSES.map(String::from).to_vec()
        } else {
            Vec::new()
        },
        input: entry.needs.input.then(|| Input {
            channels: 1,
            hash: "toy".into(),
        }),
        steps: 0,
        batch: 8,
        training_images: None,
        symmetries: false,
        device: DeviceKind::Cpu,
        precision: Precision::F32,
        backbone: config.backbone.clone(),
        optimiser: config.optimiser.shared(),
        prior: config.prior.of(entry.prior),
        bcr: config.bcr.term().filter(|_| entry.prior.is_some()),
        zcr: config.zcr.term().filter(|_| entry.prior.is_some()),
        reward: entry
            .needs
            .reward
            .then(|| Reward::new(&config.reward, reward_model())),
        models: config.models.clone(),
    }
}
