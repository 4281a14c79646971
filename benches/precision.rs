//! Trains a system in f32 or bf16 on the CPU, and prints a line of JSON with the losses of each step, as a run's ledger has them.
//!
//! The CPU's bf16 is Burn's own and slow, so no command offers it; layers round to it as a GPU's do. `benches/precision.py` compares
//! the losses.

use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, bail};
use clap::Parser;
use histogen::config::RunConfig;
use histogen::data::{Batches, Loader, PatchStore, Split};
use histogen::device::{self, Precision};
use histogen::error::Result;
use histogen::experiment;
use histogen::models::{self, StepScalars};
use histogen::random::Random;
use serde_json::{Map, json};

#[derive(Parser)]
struct Arguments {
    /// Folder of the patch store.
    #[arg(long)]
    store: PathBuf,
    /// System of Table 1, but for `rl-eo`.
    #[arg(long)]
    model: String,
    /// Training seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Steps.
    #[arg(long, default_value_t = 1000)]
    steps: u64,
    /// Settings that the others are relative to.
    #[arg(long, default_value = "smoke")]
    profile: String,
    /// Settings, KEY=VALUE.
    #[arg(long)]
    set: Vec<String>,
    /// Multiplies in bf16 instead of f32.
    #[arg(long)]
    bf16: bool,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[expect(clippy::print_stdout, reason = "the lines are the result")]
fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let store = PatchStore::open(&arguments.store)?;
    let config = experiment::resolve("table1", &arguments.profile, &arguments.set)?;
    let systems = &mut config.systems.iter();
    let system = systems.find(|system| system.name == arguments.model);
    let system = system.context("no such system in Table 1")?;
    let run = experiment::run_config(&config, system, arguments.seed, &store, &mut |_| {
        bail!("a system with a reward needs its model first")
    })?;
    let run = RunConfig {
        precision: if arguments.bf16 {
            Precision::Bf16
        } else {
            Precision::F32
        },
        ..run
    };
    let mut model = models::build(&run, Path::new("reward models"), &device::cpu())?;
    let random = Random::new(arguments.seed);
    let batches = Batches::new(store.indices(Split::Train), run.batch, random)?;
    thread::scope(|scope| {
        let mut loader = Loader::start(scope, &store, batches, arguments.steps);
        for step in 0..arguments.steps {
            let scalars = StepScalars::read(model.step(&loader.at(step)?, random.at(step))?)?;
            let scalars: Map<_, _> = scalars
                .iter()
                .map(|(name, value)| (name.to_string(), json!(value)))
                .collect();
            println!("{}", json!({ "event": "step", "scalars": scalars }));
        }
        Ok(())
    })
}
