//! `histogen track`: what the tracking server has of the runs, and uploading the rest.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::output::{lines, show};
use super::{Answer, Outcome};
use crate::cli::{Track, TrackPlace};
use crate::error::refuse;
use crate::experiment::{Uploads, begun_folders, upload_status};
use crate::tracker::UploadStatus;
use crate::workspace::Workspace;

pub(super) fn run(command: &Track) -> Outcome {
    match command {
        Track::Status { json, place } => status(place, *json),
        Track::Sync { timeout, place } => sync(place, *timeout),
    }
}

/// A run in `track status --json`.
#[derive(Serialize)]
struct Tracked {
    run: PathBuf,
    /// None for a run that was never meant for a server.
    upload: Option<UploadStatus>,
}

fn status(place: &TrackPlace, json: bool) -> Outcome {
    let workspace = Workspace::new(&place.out);
    let mut runs = Vec::new();
    for run in begun_folders(&workspace) {
        let upload = upload_status(&run, place.uri.as_deref())?;
        runs.push(Tracked { run, upload });
    }
    if runs.is_empty() && !json {
        eprintln!("no runs in `{}`", workspace.runs().display());
    }
    show(json, &runs, |runs| {
        Ok(lines(runs.iter().map(
            |Tracked { run, upload }| match upload {
                Some(status) => described(run, status),
                None => format!("{}  no tracking server", run.display()),
            },
        )))
    })?;
    Ok(Answer::Yes)
}

fn sync(place: &TrackPlace, timeout: f64) -> Outcome {
    let timeout = Duration::try_from_secs_f64(timeout).map_err(|_| {
        refuse(
            format!("`--timeout` is {timeout}"),
            "give a number of seconds, more than 0",
        )
    })?;
    let workspace = Workspace::new(&place.out);
    let mut uploads = Uploads::new(place.uri.as_deref(), timeout, |line| eprintln!("{line}"));
    let (mut found, mut complete) = (false, true);
    for folder in begun_folders(&workspace) {
        if let Some(status) = uploads.upload(&folder)? {
            found = true;
            complete &= status.is_complete;
            println!("{}", described(&folder, &status));
        }
    }
    if !found {
        let runs = workspace.runs();
        return Err(refuse(
            format!("no tracking server for the runs in `{}`", runs.display()),
            "give its address with `--uri` or `MLFLOW_TRACKING_URI`; `just mlflow` starts one",
        ));
    }
    Ok(Answer::of(complete))
}

/// The status of the run in `folder` in a line, and its error in another.
fn described(folder: &Path, status: &UploadStatus) -> String {
    let progress = &status.progress;
    let whole = if status.is_complete {
        "uploaded"
    } else {
        "not all uploaded"
    };
    let in_flight = match progress.in_flight {
        Some(_) => "; the last of it has no answer yet",
        None => "",
    };
    let skipped = match progress.skipped.len() {
        0 => String::new(),
        count => format!("; {count} grids or files are gone, or the server keeps none"),
    };
    let error = match progress.error.as_str() {
        "" => String::new(),
        error => format!("\n  last error: {error}"),
    };
    format!(
        "{}  {}  {whole}: {} parameters, steps to {}, {} system samples, {} files{in_flight}{skipped}{error}",
        folder.display(),
        progress.server,
        progress.parameters,
        progress.step,
        progress.system,
        progress.files.len()
    )
}
