//! The run at the server: found or created, hung below its parent, told how it stands.

use std::time::SystemTime;

use super::entry::tag;
use super::{Cursor, Delivery, outline};
use crate::tracker::clock::milliseconds;
use crate::tracker::mlflow::{Answered, Batch, Client, FoundRun, RunStatus, Tag, experiment_name};
use crate::tracker::places;

/// The tag that a run is found again by.
const ID: &str = "histogen.id";
/// The tag that says how it stands.
pub(super) const END: &str = "histogen.end";

impl Delivery {
    /// Finds the experiment at the server or creates it there; then the run.
    pub(super) fn adopt(&mut self, client: &Client) -> Answered<()> {
        if self.cursor.experiment.is_empty() {
            let name = experiment_name(&self.identity.experiment);
            self.cursor.experiment = client.experiment(&name)?;
            return Ok(());
        }
        let experiment = self.cursor.experiment.clone();
        let found = client.runs_with_tag(&experiment, ID, &self.identity.id)?;
        let run = if let Some(found) = found.into_iter().next() {
            found.run
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
            self.ask(client, |delivery| {
                client.create_run(&experiment, &delivery.outline.name, start, &tags)
            })?
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
        let running = status == RunStatus::Running;
        let ledger = std::fs::metadata(places::ledger(&self.folder));
        let written = ledger.and_then(|ledger| ledger.modified()).ok();
        let time = written.map(milliseconds).filter(|_| !running);
        self.ask(client, |delivery| {
            delivery.log(client, Batch::of_tags(vec![tag(END, &end)]))?;
            client.update_run(&delivery.cursor.run, status, time)
        })?;
        if !running {
            self.delete_doubles(client)?;
        }
        self.cursor.status = Some(status);
        self.cursor.end = end;
        Ok(true)
    }
    /// Deletes runs that requests have made in addition, which were given up and arrived all the same. They are empty. Returns
    /// what was found.
    pub(super) fn delete_doubles(&self, client: &Client) -> Answered<Vec<FoundRun>> {
        let found = client.runs_with_tag(&self.cursor.experiment, ID, &self.identity.id)?;
        let others = found.iter().filter(|found| found.run.id != self.cursor.run);
        for other in others {
            client.delete_run(&other.run.id)?;
        }
        Ok(found)
    }
}
