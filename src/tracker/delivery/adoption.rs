//! The run at the server: found or created, hung below its parent, told how it stands.

use std::time::SystemTime;

use super::entry::tag;
use super::{Cursor, Delivery, outline};
use crate::tracker::clock::milliseconds;
use crate::tracker::mlflow::{Answered, Batch, Client, RunStatus, Tag, experiment_name};
use crate::tracker::places;

/// The tag that a run is found again by.
const ID: &str = "histogen.id";

impl Delivery {
    /// Finds the experiment at the server or creates it there; then the run.
    pub(super) fn adopt(&mut self, client: &Client) -> Answered<()> {
        if self.cursor.experiment.is_empty() {
            let name = experiment_name(&self.identity.experiment);
            self.cursor.experiment = client.experiment(&name)?;
            return Ok(());
        }
        let experiment = &self.cursor.experiment;
        let found = client.runs_with_tag(experiment, ID, &self.identity.id)?;
        let run = if let Some(run) = found.into_iter().next() {
            run
        } else {
            let start = self
                .clock
                .time(0)
                .unwrap_or_else(|| milliseconds(SystemTime::now()));
            let tags: Vec<Tag> = self
                .outline
                .tags
                .iter()
                .map(|known| tag(&known.key, &client.server().scrub(&known.value)))
                .chain([tag(ID, &self.identity.id)])
                .collect();
            client.create_run(experiment, &self.outline.name, start, &tags)?
        };
        self.cursor.run = run.id;
        self.cursor.artifacts = run.artifacts;
        Ok(())
    }

    /// The parent's id at the server, once it has one.
    pub(super) fn parent(&self, client: &Client) -> Answered<Option<String>> {
        if self.identity.parent.as_os_str().is_empty() {
            return Ok(None);
        }
        let folder = self.folder.join(&self.identity.parent);
        let cursor = Cursor::load(&folder, client.server())?;
        Ok(Some(cursor.run).filter(|run| !run.is_empty()))
    }

    /// Says whether the run goes on or how it ended.
    pub(super) fn deliver_standing(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        let (status, end) = outline::standing(&self.queue.standing, is_alive);
        let end = client.server().scrub(&end);
        if self.cursor.status == Some(status) && self.cursor.end == end {
            return Ok(false);
        }
        let tags = vec![tag("histogen.end", &end)];
        self.log(client, Batch::of_tags(tags))?;
        let running = status == RunStatus::Running;
        let ledger = std::fs::metadata(places::ledger(&self.folder));
        let written = ledger.and_then(|ledger| ledger.modified()).ok();
        let time = written.map(milliseconds).filter(|_| !running);
        client.update_run(&self.cursor.run, status, time)?;
        if !running {
            // Requests to create it that arrived after they were given up.
            let found = client.runs_with_tag(&self.cursor.experiment, ID, &self.identity.id)?;
            for other in found.iter().filter(|run| run.id != self.cursor.run) {
                client.delete_run(&other.id)?;
            }
        }
        self.cursor.status = Some(status);
        self.cursor.end = end;
        Ok(true)
    }
}
