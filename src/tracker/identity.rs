//! What a run is to a tracking server. Written into the run's folder before anything is delivered, so that whoever delivers
//! later, `histogen track sync` for example, delivers the same.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::clock::milliseconds;
use super::lines::read_if_there;
use crate::digest::sha256;
use crate::error::{Result, refuse};
use crate::files::write_whole;

/// Where a run is delivered to, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Names this folder and no other: the run is found again by it, at any server. Runs of one configuration in two
    /// folders are two.
    pub id: String,
    /// Name of the experiment at the server.
    pub experiment: String,
    /// Folder of the experiment's execution that the run is part of, relative to the run's; empty if it is none's.
    pub parent: PathBuf,
    /// Folder of reports that go with the run, relative to the run's; empty if there is none.
    pub reports: PathBuf,
    /// Address of the server it was last meant for; empty if there was none.
    pub server: String,
}

impl Identity {
    /// The identity of the run in `folder`, if it has one.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = path(folder);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            refuse(
                format!("`{}` is damaged: {error}", path.display()),
                "restore it, or delete it to deliver the run as another one",
            )
        })
    }

    /// The identity of the run in `folder`: the one it has, or `wanted` with an id of its own. The server is that of `wanted`
    /// if it names one.
    pub fn establish(folder: &Path, wanted: &Self) -> Result<Self> {
        let known = Self::load(folder)?;
        let mut identity = known.clone().unwrap_or_else(|| Self {
            id: unique(folder),
            ..wanted.clone()
        });
        if !wanted.server.is_empty() {
            identity.server.clone_from(&wanted.server);
        }
        if known.as_ref() != Some(&identity) {
            let text = serde_json::to_vec_pretty(&identity).expect("text is JSON");
            write_whole(&path(folder), &text)?;
        }
        Ok(identity)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("tracking/identity.json")
}

/// 32 hexadecimal digits that nothing else has. They name a folder; no number of a run depends on them.
fn unique(folder: &Path) -> String {
    let text = format!(
        "{:?} {} {} {}",
        std::path::absolute(folder),
        std::process::id(),
        milliseconds(SystemTime::now()),
        arbitrary(),
    );
    sha256(text)[..32].to_owned()
}

/// A number that the operating system's randomness chose.
pub(super) fn arbitrary() -> u64 {
    RandomState::new().build_hasher().finish()
}
