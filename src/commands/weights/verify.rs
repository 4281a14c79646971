//! `histogen weights verify`: whether the files are whole.

use serde::Serialize;

use super::super::output::{lines, show};
use super::super::{Answer, Outcome};
use crate::weights::{Cache, KNOWN, State};

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
            State::Missing => ("missing", None),
            State::Whole => ("whole", Some(known.sha256.to_owned())),
            State::Damaged(hash) => ("damaged", Some(hash)),
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
            let (name, published) = (file.name, file.published_sha256);
            match &file.sha256 {
                None => format!("{name:17} missing"),
                Some(hash) if hash == published => format!("{name:17} whole    {hash}"),
                Some(hash) => format!("{name:17} DAMAGED  {hash}, published {published}"),
            }
        })))
    })?;
    let is_whole = files.iter().all(|file| file.state != "damaged");
    if !is_whole {
        eprintln!("`histogen weights fetch NAME` gets a damaged file again");
    }
    Ok(Answer::of(is_whole))
}
