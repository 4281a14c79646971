//! A data set small enough to learn in seconds, and runs small enough to train on it.

use histogen::config::RunConfig;
use histogen::data::Batch;
use histogen::device::{Kind, Precision};
use histogen::experiments;
use histogen::images::{Images, Pixels};
use histogen::random::Random;
use histogen::snn::{Judge, Reward, Source};

/// Height and width of toy images.
pub(crate) const SIZE: usize = 16;

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
    Pixels::new(count, SIZE, bytes)
}

/// The batch of step `position`: `batch` of the toy images.
pub(crate) fn batch(images: &Pixels, batch: usize, position: u64) -> Batch {
    let mut stream = Random::new(0).at(position).stream("toy batches");
    let patches = stream.choose(images.count, batch);
    let images: Images = images.select(&patches).to_images();
    let classes = patches
        .iter()
        .map(|patch| ["left", "top"][patch % 2].to_owned())
        .collect();
    Batch {
        images,
        patches,
        classes,
    }
}

/// A judge that needs no file.
pub(crate) fn judge() -> Judge {
    Judge {
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
        "models.ddpm.sampling_steps=10",
        "models.ddpm.timesteps=100",
        "models.ddpm.beta_end=0.1",
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    settings.extend(pairs.iter().map(ToString::to_string));
    let config =
        experiments::resolve("table1", "smoke", &settings).expect("the settings are known");
    let entry = histogen::models::find(model).expect("the model is registered");
    RunConfig {
        model: model.to_owned(),
        seed: 1,
        data_hash: "toy".into(),
        image_size: SIZE,
        steps: 0,
        batch: 8,
        device: Kind::Cpu,
        precision: Precision::F32,
        backbone: config.backbone.clone(),
        optimiser: config.optimiser.shared(),
        reward: entry.rewarded.then(|| Reward::new(&config.reward, judge())),
        models: config.models.clone(),
    }
}
