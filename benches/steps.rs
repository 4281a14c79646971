//! Times training steps, or sampling, of one model on random images, and prints one line of JSON.
//!
//! `benches/race.py` runs it against `benches/peers/train_steps.py`, which does the same in PyTorch.

use std::path::Path;
use std::time::Instant;

use clap::Parser;
use histogen::config::{LatentPrior, Optimiser, RunConfig};
use histogen::data::{Batch, Symmetry};
use histogen::device::{self, Compute, DeviceName, PrecisionSetting};
use histogen::error::Result;
use histogen::experiment;
use histogen::images::Images;
use histogen::models::{self, MODELS};
use histogen::random::Random;
use histogen::reward::{Reward, RewardModelConfig, Source};
use histogen::samplers::Samplers;
use histogen::samples::{self, Plan};

#[cfg(feature = "gpu")]
mod launches;
mod result;

const SIZE: usize = 64;

#[derive(Parser)]
struct Arguments {
    /// Name in the registry.
    #[arg(long)]
    model: String,
    /// Images in a step.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Feature maps of the generator, the critic and the U-Net.
    #[arg(long, default_value_t = 64)]
    width: usize,
    /// Timed steps.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// `cpu`, `wgpu[:n]` or `cuda[:n]`, as far as this build has them.
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Computes in bf16 instead of f32.
    #[arg(long)]
    bf16: bool,
    /// Times this many batches of samples instead of steps.
    #[arg(long, default_value_t = 0)]
    sample: usize,
    /// Waits for a GPU after this many steps, as a training does after 25, instead of after each.
    #[arg(long, default_value_t = 1, conflicts_with = "sample")]
    wait_every: usize,
    /// Prints the kernels that a step launches on a GPU, in place of the times of steps.
    #[cfg(feature = "gpu")]
    #[arg(long)]
    launches: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    device::prepare(arguments.threads)?;
    let compute = Compute {
        device: arguments.device,
        precision: if arguments.bf16 {
            PrecisionSetting::Bf16
        } else {
            PrecisionSetting::Auto
        },
    };
    let (run, samplers) = configure(&arguments, &compute)?;
    let begin = Instant::now();
    let device = compute.open()?;
    let mut model = models::build(&run, Path::new("reward models"), &device)?;
    let random = Random::new(0);
    let pixels = random.stream("images").normals(run.batch * 3 * SIZE * SIZE);
    let pixels = pixels.into_iter().map(|x| x.clamp(-1.0, 1.0)).collect();
    let batch = Batch {
        images: Images::new(run.batch, 3, SIZE, pixels),
        patches: (0..run.batch).collect(),
        symmetries: vec![Symmetry::default(); run.batch],
        classes: Vec::new(),
        class_names: [].into(),
        inputs: None,
    };
    let repeats = if arguments.sample > 0 {
        arguments.sample
    } else {
        arguments.steps
    };
    let mut milliseconds = Vec::new();
    let mut first_step = 0.0;
    // The first warms up: memory, kernels of a GPU, and the embeddings of real images.
    for position in 0..=repeats as u64 {
        let start = Instant::now();
        if arguments.sample > 0 {
            let sampler = samplers.of(model.as_ref(), 0, None)?;
            let plan = Plan::without_store(0, run.batch, position);
            samples::draw(sampler.as_ref(), &plan, &mut |_| {})?;
        } else {
            let steps = if position == 0 {
                1
            } else {
                arguments.wait_every
            };
            for step in 0..steps as u64 {
                model.step(
                    &batch,
                    random.at(position * arguments.wait_every as u64 + step),
                )?;
            }
            device.sync()?;
        }
        milliseconds.push(1e3 * start.elapsed().as_secs_f64() / arguments.wait_every as f64);
        if position == 0 {
            first_step = begin.elapsed().as_secs_f64();
        }
    }
    #[cfg(feature = "gpu")]
    if arguments.launches {
        let (launches, guard) = launches::Launches::listen();
        for position in 0..arguments.steps as u64 {
            model.step(&batch, random.at(position))?;
            device.sync()?;
        }
        drop(guard);
        println!("{}", launches.of_a_step(arguments.steps));
        return Ok(());
    }
    result::say(&milliseconds[1..], Some(first_step));
    Ok(())
}

/// The paper's run of the model at another batch and width; the reward model of `rl-eo` is VGG-16 with random weights.
fn configure(arguments: &Arguments, compute: &Compute) -> Result<(RunConfig, Samplers)> {
    let width = arguments.width;
    let pairs = [
        format!("backbone.generator_width={width}"),
        format!("backbone.critic_width={width}"),
        format!("models.ddpm.width={width}"),
        "evaluation.samplers=['ddim']".to_owned(),
    ];
    let config = experiment::resolve("table1", "paper", &pairs)?;
    let model = MODELS.find(&arguments.model)?;
    let reward = || {
        let reward_model = RewardModelConfig {
            source: Source::Untrained,
            layers: 13,
            image_size: SIZE,
            weights: String::new(),
            snn: None,
        };
        Reward::new(&config.reward, reward_model)
    };
    let samplers = Samplers::new(&config.evaluation.samplers, &config.samplers)?;
    let run = RunConfig {
        model: arguments.model.clone(),
        seed: 0,
        data_hash: "random".to_owned(),
        image_size: SIZE,
        channels: 3,
        classes: Vec::new(),
        input: None,
        steps: 0,
        batch: arguments.batch,
        training_images: None,
        symmetries: false,
        device: arguments.device.kind,
        precision: compute.precision(),
        backbone: config.backbone.clone(),
        optimiser: Optimiser::DCGAN,
        prior: LatentPrior::Normal,
        bcr: None,
        zcr: None,
        reward: model.needs.reward.then(reward),
        models: config.models.clone(),
    };
    Ok((run, samplers))
}
