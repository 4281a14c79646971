//! `histogen weights verify`: whether the files are whole.

use serde::Serialize;

use super::super::output::{lines, show};
use super::super::{Answer, Outcome};
use crate::weights::{Cache, FileState, KNOWN};

/// The state of a file whose content is not what was published.
const DAMAGED: &str = "damaged";

/// A file in `weights verify`.
#[derive(Serialize)]
struct Verified {
    name: &'static str,
    state: &'static str,
    /// Of the file that is there; none where there is none.
    sha256: Option<String>,
    published_sha256: &'static str,
}

pub(super) fn verify(cache: &Cache, json: bool) -> Outcome {
    let mut files = Vec::new();
    for known in &KNOWN {
        let (state, sha256) = match cache.verify(known)? {
            FileState::Missing => ("missing", None),
            FileState::Whole => ("whole", Some(known.sha256.to_owned())),
            FileState::Damaged(hash) => (DAMAGED, Some(hash)),
        };
        files.push(Verified {
            name: known.name,
            state,
            sha256,
            published_sha256: known.sha256,
        });
    }
    show(json, &files, |files| {
        Ok(lines(files.iter().map(|file| {
            let (name, state, published) = (file.name, file.state, file.published_sha256);
            match &file.sha256 {
                None => format!("{name:17} {state}"),
                Some(hash) if state == DAMAGED => {
                    format!("{name:17} DAMAGED  {hash}, published {published}")
                }
                Some(hash) => format!("{name:17} {state:8} {hash}"),
            }
        })))
    })?;
    let is_whole = files.iter().all(|file| file.state != DAMAGED);
    if !is_whole {
        eprintln!("`histogen weights fetch NAME` gets a damaged file again");
    }
    Ok(Answer::of(is_whole))
}
