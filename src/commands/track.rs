//! `histogen track`: what the tracking server has of the runs, and delivering the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::tracking::folders;
use super::{Answer, Outcome};
use crate::cli::{Track, TrackPlace};
use crate::error::{Result, refuse};
use crate::tracker::mlflow::{Client, Failure, Server};
use crate::tracker::{Balance, Delivery, Identity, Pause, is_written, record_once};

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
    let identity = Identity::load(folder)?.unwrap_or_default();
    Server::find(&identity.server, variable)
}

/// A run in `track status --json`.
#[derive(Serialize)]
struct Line {
    run: PathBuf,
    /// None for a run that was never meant for a server.
    delivery: Option<Balance>,
}

fn status(place: &TrackPlace, json: bool) -> Outcome {
    let mut lines = Vec::new();
    for folder in folders(&place.out) {
        let delivery = match server(place, &folder)? {
            Some(server) => Some(Balance::of(&folder, &server, is_written(&folder))?),
            None => None,
        };
        lines.push(Line {
            run: folder,
            delivery,
        });
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(Answer::Yes);
    }
    if lines.is_empty() {
        eprintln!("no runs in `{}`", place.out.join("runs").display());
    }
    for Line { run, delivery } in &lines {
        match delivery {
            Some(balance) => println!("{}", described(balance)),
            None => println!("{}  no tracking server", run.display()),
        }
    }
    Ok(Answer::Yes)
}

/// A balance in a line, and its error in another.
fn described(balance: &Balance) -> String {
    let counts = [
        ("parameters", balance.parameters),
        ("points", balance.points),
        ("system points", balance.system),
        ("pictures", balance.pictures),
        ("files", balance.files),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(_, count)| count.total > 0)
        .map(|(name, count)| format!("{} of {} {name}", count.delivered, count.total))
        .collect();
    let whole = if balance.is_delivered() {
        "delivered"
    } else {
        "not all delivered"
    };
    let mut text = format!(
        "{}  {}  {whole}: {}",
        balance.folder.display(),
        balance.server,
        counts.join(", ")
    );
    if balance.skipped > 0 {
        text = format!(
            "{text}; {} pictures or files are gone, or the server keeps none",
            balance.skipped
        );
    }
    if let Some(left) = balance.doubt_left() {
        let late = if left.is_zero() {
            "may have been taken: `histogen track sync` looks".to_owned()
        } else {
            let seconds = left.as_secs_f64().ceil();
            format!("may be taken for another {seconds} s: `histogen track sync` waits, and looks")
        };
        text = format!("{text}\n  a request that had no answer {late}");
    }
    if !balance.error.is_empty() {
        text = format!("{text}\n  last error: {}", balance.error);
    }
    text
}

fn sync(place: &TrackPlace, timeout: f64) -> Outcome {
    let timeout = Duration::try_from_secs_f64(timeout).map_err(|_| {
        refuse(
            format!("`--timeout` is {timeout}"),
            "give a number of seconds, more than 0",
        )
    })?;
    let mut clients: BTreeMap<String, (Client, Pause)> = BTreeMap::new();
    let mut runs: Vec<(PathBuf, Server)> = Vec::new();
    for folder in folders(&place.out) {
        let Some(server) = server(place, &folder)? else {
            continue;
        };
        let wanted = Identity {
            experiment: EXPERIMENT.to_owned(),
            server: server.address().to_owned(),
            ..Identity::default()
        };
        Identity::establish(&folder, &wanted)?;
        record_once(&folder)?;
        runs.push((folder, server));
    }
    let mut complete = true;
    // What is waited for is waited for together, when all else is delivered.
    for waits in [false, true] {
        for (folder, server) in &runs {
            let (client, pause) = match clients.entry(server.address().to_owned()) {
                std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::btree_map::Entry::Vacant(new) => {
                    new.insert((Client::new(server.clone(), timeout)?, Pause::default()))
                }
            };
            let is_left = !Balance::of(folder, server, is_written(folder))?.is_delivered();
            if pause.failures() < TRIES && (is_left || !waits) {
                deliver(folder, client, pause, waits)?;
            }
            if waits {
                let balance = Balance::of(folder, server, is_written(folder))?;
                complete &= balance.is_delivered();
                println!("{}", described(&balance));
            }
        }
    }
    if runs.is_empty() {
        return Err(refuse(
            format!(
                "no tracking server for the runs in `{}`",
                place.out.join("runs").display()
            ),
            "give its address with `--uri` or `MLFLOW_TRACKING_URI`; `just mlflow` starts one",
        ));
    }
    Ok(if complete { Answer::Yes } else { Answer::No })
}

/// Delivers the run in `folder`, until all is delivered, the server refuses, or it fails too often. `waits`: and until no
/// request is in doubt.
fn deliver(folder: &Path, client: &Client, pause: &mut Pause, waits: bool) -> Result<()> {
    let Some(mut delivery) = Delivery::open(folder, client.server())? else {
        eprintln!("`{}`: another process delivers it", folder.display());
        return Ok(());
    };
    loop {
        match delivery.advance(client, is_written(folder)) {
            Ok(true) => *pause = Pause::default(),
            Ok(false) => match delivery.doubt().filter(|left| waits && !left.is_zero()) {
                None => return Ok(()),
                Some(left) => {
                    eprintln!(
                        "`{}`: waits {:.0} s for a request that had no answer and may be taken late",
                        folder.display(),
                        left.as_secs_f64().ceil()
                    );
                    thread::sleep(left);
                }
            },
            Err(failure) => {
                pause.lengthen(&failure);
                let is_passing = matches!(failure, Failure::Passing { .. });
                if !is_passing || pause.failures() >= TRIES {
                    return Ok(());
                }
                eprintln!(
                    "{}; tried again",
                    client.server().scrub(&failure.to_string())
                );
                thread::sleep(pause.left());
            }
        }
    }
}
