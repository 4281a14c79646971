//! Where a run is uploaded to, and as what. Written into the run's folder before anything is uploaded, so that whoever uploads
//! later, `histogen track sync` for example, uploads the same.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::lines::read_if_there;
use crate::error::{Result, refuse};
use crate::files::{write_new, write_whole};

/// Where a run is uploaded to, and as what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// 32 random hexadecimal digits that name this folder and no other: the run is found again by them, at any server. Runs
    /// of one configuration in two folders are two.
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

impl Destination {
    /// The destination of the run in `folder`, if it has one.
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = path(folder);
        let Some(bytes) = read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            refuse(
                format!("`{}` is damaged: {error}", path.display()),
                "restore it, or delete it to upload the run as another one",
            )
        })
    }

    /// The destination of the run in `folder`: the one it has, or `wanted` with an id of its own. The server is that of `wanted`
    /// if it names one.
    pub fn establish(folder: &Path, wanted: &Self) -> Result<Self> {
        let known = Self::load(folder)?;
        let mut destination = known.clone().unwrap_or_else(|| Self {
            id: Uuid::new_v4().simple().to_string(),
            ..wanted.clone()
        });
        if !wanted.server.is_empty() {
            destination.server.clone_from(&wanted.server);
        }
        if known.as_ref() == Some(&destination) {
            return Ok(destination);
        }
        let text = serde_json::to_vec_pretty(&destination).expect("text is JSON");
        if known.is_some() {
            write_whole(&path(folder), &text)?;
        } else if !write_new(&path(folder), &text)? {
            // Another process was first: an id is given once.
            return Self::establish(folder, wanted);
        }
        Ok(destination)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("tracking/identity.json")
}
