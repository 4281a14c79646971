//! What the reward costs: a step of `rl-eo` beside one of improved DCGAN, in one process and taking turns, at the widths and
//! the batch of arXiv 2409.20340 (64, 64 x 64 pixels, 128 images) and with all 13 convolutions of the reward model.
//!
//!     cargo bench --bench reward [-- WIDTH BATCH IMAGE_SIZE MODEL_LAYERS MODEL_SIZE]
//!
//! Prints the times of a step and their ratio; the real patches are those of one batch, seen before, as their embeddings
//! are kept from the first time on.
#![allow(missing_docs, clippy::print_stdout, reason = "a program that prints")]

use std::path::Path;
use std::time::{Duration, Instant};

use histogen::config::{BackboneConfig, LatentPrior, Optimiser, RunConfig};
use histogen::data::{Batch, Symmetry};
use histogen::device::{self, DeviceKind, Precision};
use histogen::images::Images;
use histogen::models::{self, GenerativeModel};
use histogen::random::Random;
use histogen::reward::{Coupling, Reward, RewardConfig, RewardModelConfig, Source};

/// Timed steps of each; the median counts.
const STEPS: u64 = 5;

fn main() {
    device::prepare(0).expect("nothing computes yet");
    let given: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|word| word.parse().ok())
        .collect();
    let argument = |place: usize, otherwise: usize| given.get(place).copied().unwrap_or(otherwise);
    let (width, batch, size) = (argument(0, 64), argument(1, 128), argument(2, 64));
    let (layers, model_size) = (argument(3, 13), argument(4, 64));
    let run = |model: &str, coupling: Option<Coupling>| RunConfig {
        model: model.to_owned(),
        seed: 0,
        data_hash: "none".to_owned(),
        image_size: size,
        channels: 3,
        classes: Vec::new(),
        input: None,
        steps: 0,
        batch,
        training_images: None,
        symmetries: false,
        device: DeviceKind::Cpu,
        precision: Precision::F32,
        backbone: BackboneConfig {
            latent: 100,
            generator_width: width,
            critic_width: width,
            ema_decay: 0.0,
            upsampling: histogen::nn::conv::Upsampling::Transposed,
        },
        optimiser: Optimiser::DCGAN,
        prior: LatentPrior::Normal,
        bcr: None,
        zcr: None,
        reward: coupling.map(|coupling| {
            let model = RewardModelConfig {
                source: Source::Untrained,
                layers,
                image_size: model_size,
                weights: String::new(),
                snn: None,
            };
            let config = RewardConfig {
                coupling,
                ..RewardConfig::default()
            };
            Reward::new(&config, model)
        }),
        models: models::settings(),
    };
    let build = |run: RunConfig| {
        models::build(&run, Path::new("none"), &device::cpu()).expect("the run can be built")
    };
    let mut systems = [
        ("improved-dcgan", build(run("improved-dcgan", None))),
        (
            "rl-eo (expected-reward)",
            build(run("rl-eo", Some(Coupling::ExpectedReward))),
        ),
    ];
    let values = Random::new(0)
        .stream("images")
        .normals(batch * 3 * size * size);
    let values = values
        .into_iter()
        .map(|value| value.clamp(-1.0, 1.0))
        .collect();
    let batch = Batch {
        images: Images::new(batch, 3, size, values),
        patches: (0..batch).collect(),
        symmetries: vec![Symmetry::default(); batch],
        classes: Vec::new(),
        class_names: [].into(),
        inputs: None,
    };
    let mut times = [Vec::new(), Vec::new()];
    for position in 0..=STEPS {
        for ((_, system), times) in systems.iter_mut().zip(&mut times) {
            let time = step(system.as_mut(), &batch, position);
            if position > 0 {
                times.push(time);
            }
        }
    }
    let medians = times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    });
    for ((name, _), median) in systems.iter().zip(medians) {
        println!("{name:24} {median:.3} s a step");
    }
    println!(
        "a step with reward takes {:.2} times the step without",
        medians[1] / medians[0]
    );
}

fn step(system: &mut dyn GenerativeModel, batch: &Batch, position: u64) -> Duration {
    let start = Instant::now();
    system
        .step(batch, Random::new(0).at(position))
        .expect("a step");
    start.elapsed()
}
