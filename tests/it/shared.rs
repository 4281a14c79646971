//! Files that lie beside the checkout, too large for it: weights and data that only some machines have.

use std::path::{Path, PathBuf};

/// The file or folder `relative` of `../shared`. Where it is absent the test is skipped and says so, but fails in CI.
pub(crate) fn path(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(relative);
    if path.exists() {
        return Some(path);
    }
    let shown = path.display();
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "`{shown}` is absent, and CI skips no test"
    );
    #[expect(
        clippy::print_stderr,
        reason = "a test that proved nothing must not look as if it had"
    )]
    {
        eprintln!("skipped: `{shown}` is absent");
    }
    None
}
