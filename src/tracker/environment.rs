//! What a run ran on, as far as it can explain a number; nothing that names a person or a machine.

use std::process::Command;

use serde::{Deserialize, Serialize};

/// Versions and resources of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of this program.
    pub histogen: String,
    /// Commit of the working folder, with `+` if it has changes; empty outside a repository.
    pub commit: String,
    /// Operating system and processor family.
    pub platform: String,
    /// Processor threads available.
    pub threads: usize,
}

impl Environment {
    /// The environment of this process.
    pub fn capture() -> Self {
        Self {
            histogen: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit().unwrap_or_default(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            threads: rayon::current_num_threads(),
        }
    }
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain"])?.is_empty();
    Some(if changed {
        format!("{commit}+")
    } else {
        commit
    })
}
