//! Times a published vision transformer on images of noise, and prints one line of JSON.
//!
//! `benches/peers/vit.py` runs it against timm on PyTorch, with the same weights.

use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use clap::Parser;
use histogen::device::{self, values};
use histogen::error::Result;
use histogen::features::vit_architecture;
use histogen::nn::vit::Vit;
use histogen::random::Random;

mod result;

#[derive(Parser)]
struct Arguments {
    /// Name of the extractor.
    #[arg(long, default_value = "dinov2-vits14")]
    extractor: String,
    /// Its weights.
    #[arg(long)]
    weights: PathBuf,
    /// Images of a forward pass.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Timed passes.
    #[arg(long, default_value_t = 5)]
    steps: usize,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    device::prepare(arguments.threads)?;
    let (config, namings) = vit_architecture(&arguments.extractor)
        .unwrap_or_else(|| panic!("`{}` is no vision transformer", arguments.extractor));
    let device = Device::flex();
    let (network, _) = Vit::from_file(&arguments.weights, config, namings, &device)?;
    let mut stream = Random::new(0).stream("images");
    let noise = stream.normals(arguments.batch * 3 * config.size * config.size);
    let shape = [arguments.batch, 3, config.size, config.size];
    let images = Tensor::<4>::from_data(TensorData::new(noise, shape), &device);
    let mut times = Vec::new();
    for step in 0..=arguments.steps {
        let start = Instant::now();
        values(network.features(images.clone()))?;
        // The first pass is the warm-up.
        if step > 0 {
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    result::say(&times, None);
    Ok(())
}
