//! The run at the server: found or created, hung below its parent, told how it stands.

use super::{Upload, UploadProgress, Work};
use crate::error::Result;
use crate::tracker::mlflow::{Answered, Client, KeyValue, LogBatch, RunStatus};
use crate::tracker::{Ending, Event};

/// The tag that a run is found again by.
const ID: &str = "histogen.id";
/// The tag that says how it ended.
const END: &str = "histogen.end";
/// What that tag says while the run goes on.
const RUNNING: &str = "running";

impl Upload {
    /// Finds the experiment at the server or creates it there; then the run.
    pub(super) fn find_run(&mut self, client: &Client) -> Answered<()> {
        if self.progress.experiment.is_empty() {
            self.progress.experiment = client.experiment(&self.destination.experiment)?;
            return Ok(());
        }
        let experiment = &self.progress.experiment;
        let run = if let Some(found) = client.run_with_tag(experiment, ID, &self.destination.id)? {
            found
        } else {
            let own = [
                KeyValue::tag(ID, &self.destination.id),
                KeyValue::tag(END, RUNNING),
            ];
            let tags: Vec<KeyValue> = self.summary.tags.iter().cloned().chain(own).collect();
            let tags = LogBatch::of_tags(tags).scrubbed(&self.server).tags;
            self.pending.fill(&self.progress, 1)?;
            let begun = self.pending.position.times.map(|[first, _]| first);
            let start = begun.unwrap_or(self.summary.created);
            let run = client.create_run(experiment, &self.summary.name, start, &tags)?;
            self.progress.status = Some(RunStatus::Running);
            RUNNING.clone_into(&mut self.progress.end);
            run
        };
        self.progress.run = run.id;
        self.progress.artifacts = run.artifacts;
        Ok(())
    }

    /// The parent's id at the server, once it has one.
    pub(super) fn parent(&self) -> Result<Option<String>> {
        if self.destination.parent.as_os_str().is_empty() {
            return Ok(None);
        }
        let folder = self.folder.join(&self.destination.parent);
        let progress = UploadProgress::load(&folder, &self.server)?;
        Ok(Some(progress.run).filter(|run| !run.is_empty()))
    }

    /// How the run stands, unless the server knows.
    pub(super) fn to_tell(&self, is_alive: bool) -> Option<Work> {
        let position = &self.pending.position;
        let (status, end) = standing(position.mark.as_ref(), position.step, is_alive);
        let end = self.server.scrub(&end);
        let is_known = self.progress.status == Some(status) && self.progress.end == end;
        let last = position.times.map(|[_, last]| last);
        let time = last.filter(|_| status != RunStatus::Running);
        (!is_known).then_some(Work::Tell(status, end, time))
    }

    pub(super) fn tell(
        &mut self,
        client: &Client,
        status: RunStatus,
        end: String,
        time: Option<i64>,
    ) -> Answered<()> {
        let run = &self.progress.run;
        client.log(run, &mut LogBatch::of_tags(vec![KeyValue::tag(END, &end)]))?;
        client.update_run(run, status, time)?;
        self.progress.status = Some(status);
        self.progress.end = end;
        Ok(())
    }
}

/// The status at the server of a run whose last start or end is `mark`, and its ending in a line.
fn standing(mark: Option<&Event>, step: u64, is_alive: bool) -> (RunStatus, String) {
    let (ending, step, reason) = match mark {
        Some(Event::End {
            ending,
            step,
            reason,
            ..
        }) => (*ending, *step, reason.as_str()),
        _ if is_alive => return (RunStatus::Running, RUNNING.to_owned()),
        _ => (Ending::Stopped, step, "its process is gone"),
    };
    let status = match ending {
        Ending::Finished => RunStatus::Finished,
        Ending::Killed | Ending::Stopped => RunStatus::Killed,
        Ending::Diverged | Ending::Failed => RunStatus::Failed,
    };
    (status, ending.describe(step, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_its_status() {
        let ended = |ending, reason: &str| {
            Some(Event::End {
                step: 7,
                ending,
                reason: reason.into(),
                seconds: 1.0,
                peak_megabytes: None,
                gigaflop: None,
            })
        };
        for (mark, alive, status, text) in [
            (None, true, RunStatus::Running, "running"),
            (
                None,
                false,
                RunStatus::Killed,
                "stopped after step 5: its process is gone",
            ),
            (
                ended(Ending::Finished, ""),
                true,
                RunStatus::Finished,
                "finished after step 7",
            ),
            (
                ended(Ending::Diverged, "NaN"),
                true,
                RunStatus::Failed,
                "diverged after step 7: NaN",
            ),
            (
                ended(Ending::Failed, "why"),
                false,
                RunStatus::Failed,
                "failed after step 7: why",
            ),
            (
                ended(Ending::Killed, ""),
                false,
                RunStatus::Killed,
                "killed after step 7",
            ),
        ] {
            assert_eq!(standing(mark.as_ref(), 5, alive), (status, text.to_owned()));
        }
    }
}
