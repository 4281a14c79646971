//! `histogen cache`: the kernels of GPUs that are kept from one process to the next.

use indicatif::HumanBytes;

use super::{Answer, Outcome};
use crate::cli::Cache;
use crate::device::KernelCache;

pub(super) fn run(command: &Cache) -> Outcome {
    let cache = KernelCache::open()?;
    let (folder, size) = (cache.folder().display(), HumanBytes(cache.size()));
    match command {
        Cache::Show => println!("kernels  {size}  {folder}"),
        Cache::Clear => {
            cache.clear()?;
            eprintln!("deleted `{folder}`, {size}");
        }
    }
    Ok(Answer::Yes)
}
