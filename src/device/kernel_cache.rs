//! Kernels of a GPU that were compiled, and which of several were fastest, kept from one process to the next: without them every
//! process spends a minute before its first step.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;

#[cfg(feature = "gpu")]
use super::DeviceKind;
use crate::error::Result;
use crate::files::cache_folder;
#[cfg(feature = "gpu")]
use crate::workspace::file_name;

/// The environment variable that names the folder.
const FOLDER_VARIABLE: &str = "HISTOGEN_KERNELS";

/// The folder of kernels: what `HISTOGEN_KERNELS` names, or `histogen/kernels` in the user's cache folder.
#[derive(Clone, Debug)]
pub struct KernelCache {
    folder: PathBuf,
}

impl KernelCache {
    /// The cache of this user, whether or not there is anything in it.
    ///
    /// # Errors
    /// Fails if the variable is not set and the user has no home folder.
    pub fn open() -> Result<Self> {
        let folder = cache_folder(FOLDER_VARIABLE, "kernels")?;
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Bytes of all its files.
    pub fn size(&self) -> u64 {
        let files = walkdir::WalkDir::new(&self.folder).into_iter().flatten();
        let lengths = files.filter_map(|entry| entry.metadata().ok());
        lengths
            .filter(fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    }

    /// Deletes it. The next process compiles anew.
    ///
    /// # Errors
    /// A file cannot be deleted.
    pub fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot delete `{}`", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Bytes above which the cache is started anew. (DCGAN's and the U-Net's kernels are some tens of megabytes.)
#[cfg(feature = "gpu")]
const LARGEST: u64 = 1 << 30;

/// Tells CubeCL to keep its kernels in the cache; to be called before the first device is opened. The folder is named by
/// what kernels depend on: the version of this program, and on `cuda` the cards and their driver. A folder that cannot be written is no error: CubeCL
/// then compiles as if there were none.
///
/// # Errors
/// As [`KernelCache::open`].
#[cfg(feature = "gpu")]
pub(super) fn keep_kernels(kind: DeviceKind) -> Result<()> {
    use cubecl_runtime::config::cache::CacheConfig;
    use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};

    let cache = KernelCache::open()?;
    if cache.size() > LARGEST {
        cache.clear()?;
    }
    let device = match kind {
        #[cfg(feature = "cuda")]
        DeviceKind::Cuda => nvidia(),
        kind => kind.name().to_owned(),
    };
    let name = file_name(&format!("{} {device}", env!("CARGO_PKG_VERSION")));
    // A user's own `cubecl.toml` and variables of the environment are read as ever; only the cache is ours.
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    config.environment.path = CacheConfig::Directory(cache.folder.join(name));
    // The second device of a process finds it set.
    CubeClRuntimeConfig::try_set(config);
    Ok(())
}

/// The cards of NVIDIA and their driver, as the driver names them.
#[cfg(feature = "cuda")]
fn nvidia() -> String {
    let names = || -> Option<String> {
        let driver = nvml_wrapper::Nvml::init().ok()?;
        let count = driver.device_count().ok()?;
        let cards = (0..count).map(|index| driver.device_by_index(index).ok()?.name().ok());
        let cards: Option<Vec<String>> = cards.collect();
        Some(format!(
            "{} {}",
            driver.sys_driver_version().ok()?,
            cards?.join(" ")
        ))
    };
    names().unwrap_or_else(|| "cuda".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_has_the_size_of_its_files_and_is_cleared_whole() {
        let folder = tempfile::tempdir().unwrap();
        let cache = KernelCache {
            folder: folder.path().join("kernels"),
        };
        assert_eq!(cache.size(), 0);
        cache.clear().unwrap();
        fs::create_dir_all(cache.folder.join("a/b")).unwrap();
        fs::write(cache.folder.join("a/one"), [0; 3]).unwrap();
        fs::write(cache.folder.join("a/b/two"), [0; 4]).unwrap();
        assert_eq!(cache.size(), 7);
        cache.clear().unwrap();
        assert!(!cache.folder.exists());
    }
}
