//! What tracking servers have of the runs and executions under an output folder, and uploading the rest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::execution::keeps_open;
use crate::error::Result;
use crate::run;
use crate::tracker::mlflow::{Client, Failure, Server};
use crate::tracker::{Destination, Upload, UploadStatus};
use crate::workspace::{Workspace, ledger, run_folders};

/// How often a request is made before its server is given up.
const TRIES: u32 = 5;
/// The experiment of runs that were trained without any.
const EXPERIMENT: &str = "histogen";

/// The folders of all executions and runs that have begun, executions first: runs hang below them.
pub fn begun_folders(workspace: &Workspace) -> Vec<PathBuf> {
    let places = [workspace.executions(), workspace.runs()];
    let folders = places.iter().flat_map(|place| run_folders(place));
    folders.filter(|folder| ledger(folder).exists()).collect()
}

/// How far the run or execution in `folder` is uploaded: to the server at `uri`, or to that of the environment, or to the one it was
/// meant for. None where it was never meant for a server.
///
/// # Errors
/// Refuses an address that is no server's, and fails where the folder cannot be read.
pub fn upload_status(folder: &Path, uri: Option<&str>) -> Result<Option<UploadStatus>> {
    let server = server(folder, uri)?;
    let status = server.map(|server| Upload::status(folder, &server, is_written(folder)));
    status.transpose()
}

/// Uploads one folder after the other, each to its server.
pub struct Uploads<'a> {
    uri: Option<&'a str>,
    timeout: Duration,
    report: fn(&str),
    /// By address; none where the server was given up.
    clients: BTreeMap<String, Option<Client>>,
}

impl<'a> Uploads<'a> {
    /// To the server at `uri`, or else as [`upload_status`] has it. An answer is awaited for `timeout`; `report` gets a line where a
    /// request is made again, and where another process is at the same folder.
    pub fn new(uri: Option<&'a str>, timeout: Duration, report: fn(&str)) -> Self {
        Self {
            uri,
            timeout,
            report,
            clients: BTreeMap::new(),
        }
    }

    /// Uploads what is left of the run or execution in `folder`, unless its server was given up, and says how far it is then. None where
    /// it was never meant for a server.
    ///
    /// # Errors
    /// As [`upload_status`]; what the server says against it stands in the status.
    pub fn upload(&mut self, folder: &Path) -> Result<Option<UploadStatus>> {
        let Some(server) = server(folder, self.uri)? else {
            return Ok(None);
        };
        let address = server.address().to_owned();
        let wanted = Destination {
            experiment: EXPERIMENT.to_owned(),
            server: address.clone(),
            ..Destination::default()
        };
        Destination::establish(folder, &wanted)?;
        if !self.clients.contains_key(&address) {
            let client = Client::new(server.clone(), self.timeout)?;
            self.clients.insert(address.clone(), Some(client));
        }
        if let Some(Some(client)) = self.clients.get(&address)
            && self.is_given_up(folder, client)?
        {
            self.clients.insert(address, None);
        }
        Upload::status(folder, &server, is_written(folder)).map(Some)
    }

    /// Uploads what is left of `folder`; whether the server failed too often.
    fn is_given_up(&self, folder: &Path, client: &Client) -> Result<bool> {
        let Some(mut upload) = Upload::open(folder, client.server())? else {
            let folder = folder.display();
            (self.report)(&format!("`{folder}`: another process uploads it"));
            return Ok(false);
        };
        let again = |failure: &Failure| (self.report)(&format!("{failure}; tried again"));
        let uploaded = upload.finish(client, || is_written(folder), TRIES, again);
        Ok(matches!(uploaded, Err(Failure::Transient { .. })))
    }
}

/// The server of the run in `folder`: the one asked for, or the one the run was meant for.
fn server(folder: &Path, uri: Option<&str>) -> Result<Option<Server>> {
    let variable = |name: &str| std::env::var(name).ok();
    let asked = Server::find(uri.unwrap_or_default(), variable)?;
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
