//! MLflow's methods that runs are uploaded with.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::limits::{EXPERIMENT, cut};
use super::{Answered, Client, Failure, KeyValue, LogBatch};

/// A run at the server.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteRun {
    /// Its id.
    pub id: String,
    /// Where its artifacts go.
    pub artifacts: String,
}

impl RemoteRun {
    /// Where the server keeps its artifacts, relative to all artifacts; none where it does not keep them itself.
    fn artifact_place(&self) -> Option<&str> {
        let rest = self.artifacts.strip_prefix("mlflow-artifacts:")?;
        // With a host: `mlflow-artifacts://host/…`; without: `mlflow-artifacts:/…`.
        let rest = rest.strip_prefix("//").map_or(rest, |rest| {
            rest.split_once('/').map_or("", |(_, path)| path)
        });
        Some(rest.trim_matches('/'))
    }
}

/// Statuses of a run at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// It goes on.
    Running,
    /// It came to its end.
    Finished,
    /// It broke off by itself.
    Failed,
    /// It was ended from outside.
    Killed,
}

impl Client {
    /// The id of the experiment called `name`, which is created if it is new.
    pub fn experiment(&self, name: &str) -> Answered<String> {
        let name = &cut(name, EXPERIMENT);
        let find = || {
            let found = self.get("experiments/get-by-name", &[("experiment_name", name)])?;
            text(&found["experiment"]["experiment_id"])
        };
        match find() {
            Err(failure) if failure.is("RESOURCE_DOES_NOT_EXIST") => {}
            found => return found,
        }
        match self.post("experiments/create", &json!({ "name": name })) {
            Ok(created) => text(&created["experiment_id"]),
            // Created a moment ago, by another or by a request whose answer was lost.
            Err(failure) if failure.is("RESOURCE_ALREADY_EXISTS") => find(),
            Err(failure) => Err(failure),
        }
    }

    /// The oldest run of an experiment with a tag, if there is one.
    pub fn run_with_tag(
        &self,
        experiment: &str,
        key: &str,
        value: &str,
    ) -> Answered<Option<RemoteRun>> {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{key}` = '{value}'"),
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        });
        let found = self.post("runs/search", &body)?;
        found["runs"].get(0).map(remote_run).transpose()
    }

    /// Creates a run.
    pub fn create_run(
        &self,
        experiment: &str,
        name: &str,
        start: i64,
        tags: &[KeyValue],
    ) -> Answered<RemoteRun> {
        let body = json!({
            "experiment_id": experiment,
            "run_name": name,
            "start_time": start,
            "tags": tags,
        });
        remote_run(&self.post("runs/create", &body)?["run"])
    }

    /// Sets the status of a run.
    pub fn update_run(&self, run: &str, status: RunStatus, end: Option<i64>) -> Answered<()> {
        let mut body = json!({ "run_id": run, "status": status });
        if let Some(end) = end {
            body["end_time"] = end.into();
        }
        self.post("runs/update", &body).map(drop)
    }

    /// Sends a batch in as many requests as the server's limits ask for; what is taken is in it no more. Equal batches leave the
    /// server in one state, however often they are sent.
    pub fn log(&self, run: &str, batch: &mut LogBatch) -> Answered<()> {
        while let Some(body) = batch.request(run) {
            self.post("runs/log-batch", &body)?;
            batch.advance();
        }
        Ok(())
    }

    /// Puts a file among the artifacts of a run, in place of one that is there; false where the server does not keep them itself
    /// (it does with `--serve-artifacts`).
    pub fn put_artifact(&self, run: &RemoteRun, path: &str, bytes: Vec<u8>) -> Answered<bool> {
        match run.artifact_place() {
            Some(place) => self.put(&format!("{place}/{path}"), bytes).map(|()| true),
            None => Ok(false),
        }
    }
}

fn remote_run(run: &Value) -> Answered<RemoteRun> {
    Ok(RemoteRun {
        id: text(&run["info"]["run_id"])?,
        artifacts: text(&run["info"]["artifact_uri"])?,
    })
}

fn text(value: &Value) -> Answered<String> {
    let found = value.as_str().map(ToOwned::to_owned);
    found.ok_or_else(|| {
        Failure::here("the server's answer lacks something: is it an MLflow server?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_go_where_the_server_says_or_nowhere() {
        for (artifacts, place) in [
            ("mlflow-artifacts:/1/abc/artifacts", Some("1/abc/artifacts")),
            (
                "mlflow-artifacts://host:80/1/abc/artifacts",
                Some("1/abc/artifacts"),
            ),
            ("s3://bucket/1/abc/artifacts", None),
            ("/var/mlruns/1/abc/artifacts", None),
        ] {
            let (id, artifacts) = (String::new(), artifacts.to_owned());
            let run = RemoteRun { id, artifacts };
            assert_eq!(run.artifact_place(), place);
        }
    }
}
