//! `histogen cache`: the kernels of GPUs that are kept from one process to the next.

use indicatif::HumanBytes;
use serde_json::json;

use super::output::show;
use super::{Answer, Outcome};
use crate::cli::Cache;
use crate::device::KernelCache;

pub(super) fn run(command: &Cache) -> Outcome {
    let cache = KernelCache::open()?;
    let (folder, bytes) = (cache.folder().display(), cache.size());
    let size = HumanBytes(bytes);
    match command {
        Cache::Show { json } => {
            let kernels = json!({"kernels": cache.folder(), "bytes": bytes});
            show(*json, &kernels, |_| {
                Ok(format!("kernels  {size}  {folder}"))
            })?;
        }
        Cache::Clear => {
            cache.clear()?;
            eprintln!("deleted `{folder}`, {size}");
        }
    }
    Ok(Answer::Yes)
}
