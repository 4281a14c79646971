//! Files that lie beside the checkout, too large for it: weights and data that only some machines have. Tests that need
//! them are ignored unless `--include-ignored` is given.

use std::path::{Path, PathBuf};

/// The file or folder `relative` of `../shared`.
///
/// # Panics
///
/// If it is absent.
pub(crate) fn path(relative: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(relative);
    assert!(path.exists(), "`{}` is absent", path.display());
    path
}
