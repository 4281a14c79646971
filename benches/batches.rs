//! Times the reading of batches from a patch store, as a training reads them, and prints one line of JSON.
//!
//! `benches/race.py` runs it against `benches/peers/data_loader.py`, which reads the same file in PyTorch.

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use clap::Parser;
use histogen::data::{Batches, Loader, PatchStore, Split};
use histogen::error::Result;
use histogen::random::Random;

mod result;

#[derive(Parser)]
struct Arguments {
    /// Folder of the store.
    #[arg(long)]
    store: PathBuf,
    /// Images in a batch.
    #[arg(long, default_value_t = 128)]
    batch: usize,
    /// Timed batches.
    #[arg(long, default_value_t = 400)]
    batches: u64,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let store = PatchStore::open(&arguments.store)?;
    let batches = Batches::new(store.indices(Split::Train), arguments.batch, Random::new(0))?;
    let milliseconds = thread::scope(|scope| -> Result<f64> {
        let mut loader = Loader::start(scope, &store, batches, arguments.batches + 1);
        let mut sum = f64::from(loader.at(0)?.images.values[0]); // the first warms up
        let start = Instant::now();
        for step in 1..=arguments.batches {
            sum += f64::from(loader.at(step)?.images.values[0]);
        }
        assert!(sum.is_finite());
        Ok(1e3 * start.elapsed().as_secs_f64() / arguments.batches as f64)
    })?;
    result::say(&[milliseconds], None);
    Ok(())
}
