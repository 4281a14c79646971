//! `histogen track`: what the tracking server has of the runs, and uploading the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::output::{lines, show};
use super::tracking::folders;
use super::{Answer, Outcome};
use crate::cli::{Track, TrackPlace};
use crate::error::{Result, refuse};
use crate::experiment::keeps_open;
use crate::run;
use crate::tracker::mlflow::{Client, Failure, Server};
use crate::tracker::{Destination, Upload, UploadStatus, retry};
use crate::workspace::Workspace;

/// Failures in a row after which a server is given up.
const TRIES: u32 = 5;
/// The experiment of runs that were trained without any.
const EXPERIMENT: &str = "histogen";

pub(super) fn run(command: &Track) -> Outcome {
    match command {
        Track::Status { json, place } => status(place, *json),
        Track::Sync { timeout, place } => sync(place, *timeout),
    }
}

/// The server of the run in `folder`: the one asked for, or the one the run was meant for.
fn server(place: &TrackPlace, folder: &Path) -> Result<Option<Server>> {
    let variable = |name: &str| std::env::var(name).ok();
    let asked = Server::find(place.uri.as_deref().unwrap_or_default(), variable)?;
    if asked.is_some() {
        return Ok(asked);
    }
    let destination = Destination::load(folder)?.unwrap_or_default();
    Server::find(&destination.server, variable)
}

/// Whether a process writes the run or execution in `folder`, or will: one that was submitted goes on until its report.
fn is_written(folder: &Path) -> bool {
    run::is_written(folder) || keeps_open(folder)
}

/// A run in `track status --json`.
#[derive(Serialize)]
struct Line {
    run: PathBuf,
    /// None for a run that was never meant for a server.
    upload: Option<UploadStatus>,
}

fn status(place: &TrackPlace, json: bool) -> Outcome {
    let mut runs = Vec::new();
    for run in folders(&place.out) {
        let upload = match server(place, &run)? {
            Some(server) => Some(Upload::status(&run, &server, is_written(&run))?),
            None => None,
        };
        runs.push(Line { run, upload });
    }
    if runs.is_empty() && !json {
        eprintln!(
            "no runs in `{}`",
            Workspace::new(&place.out).runs().display()
        );
    }
    show(json, &runs, |runs| {
        Ok(lines(runs.iter().map(
            |Line { run, upload }| match upload {
                Some(status) => described(run, status),
                None => format!("{}  no tracking server", run.display()),
            },
        )))
    })?;
    Ok(Answer::Yes)
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

fn sync(place: &TrackPlace, timeout: f64) -> Outcome {
    let timeout = Duration::try_from_secs_f64(timeout).map_err(|_| {
        refuse(
            format!("`--timeout` is {timeout}"),
            "give a number of seconds, more than 0",
        )
    })?;
    // Clients by address; none where the server was given up.
    let mut clients: BTreeMap<String, Option<Client>> = BTreeMap::new();
    let (mut found, mut complete) = (false, true);
    for folder in folders(&place.out) {
        let Some(server) = server(place, &folder)? else {
            continue;
        };
        found = true;
        let wanted = Destination {
            experiment: EXPERIMENT.to_owned(),
            server: server.address().to_owned(),
            ..Destination::default()
        };
        Destination::establish(&folder, &wanted)?;
        let address = server.address().to_owned();
        if !clients.contains_key(&address) {
            let client = Client::new(server.clone(), timeout)?;
            clients.insert(address.clone(), Some(client));
        }
        if let Some(Some(client)) = clients.get(&address)
            && is_given_up(&folder, client)?
        {
            clients.insert(address, None);
        }
        let status = Upload::status(&folder, &server, is_written(&folder))?;
        complete &= status.is_complete;
        println!("{}", described(&folder, &status));
    }
    if !found {
        return Err(refuse(
            format!(
                "no tracking server for the runs in `{}`",
                Workspace::new(&place.out).runs().display()
            ),
            "give its address with `--uri` or `MLFLOW_TRACKING_URI`; `just mlflow` starts one",
        ));
    }
    Ok(if complete { Answer::Yes } else { Answer::No })
}

/// Uploads the run in `folder`, until all is uploaded, the server refuses, or it fails too often and is given up.
fn is_given_up(folder: &Path, client: &Client) -> Result<bool> {
    let Some(mut upload) = Upload::open(folder, client.server())? else {
        eprintln!("`{}`: another process uploads it", folder.display());
        return Ok(false);
    };
    let goes_on = |failures, failure: &Failure| {
        let is_tried = failures < TRIES;
        if is_tried {
            let why = client.server().scrub(&failure.to_string());
            eprintln!("{why}; tried again");
        }
        is_tried
    };
    loop {
        let advance = || upload.advance(client, is_written(folder));
        match retry(advance, goes_on, thread::sleep) {
            Ok(true) => {}
            Ok(false) | Err(Failure::Refused { .. }) => return Ok(false),
            Err(Failure::Transient { .. }) => return Ok(true),
        }
    }
}
