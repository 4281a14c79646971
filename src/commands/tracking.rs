//! What the commands that train do for a tracking server: the execution that their runs hang below, from their beginning to their end.

use std::path::Path;

use super::dashboard::say;
use super::{Answer, Outcome};
use crate::config::Config;
use crate::error::Result;
use crate::experiment::{PART_FAILED, Role, TrackedExecution, execution, keeps_open};
use crate::shutdown::Stopped;
use crate::tracker::Ending;
use crate::workspace::Workspace;

/// Why an execution ended whose jobs were cancelled.
const CANCELLED: &str = "cancelled";

/// Does `work`, what it trains being followed, and uploads what can be uploaded soon. `reports` are the files that belong to
/// the whole.
pub(super) fn during(
    role: Role,
    config: &Config,
    workspace: &Workspace,
    reports: &Path,
    work: impl FnOnce(&TrackedExecution) -> Outcome,
) -> Outcome {
    let execution = TrackedExecution::start(role, config, workspace, reports, report)?;
    let outcome = work(&execution);
    let (ending, reason) = match &outcome {
        Ok(Answer::Yes) => (Ending::Finished, String::new()),
        Ok(Answer::No) => (Ending::Failed, PART_FAILED.to_owned()),
        Err(error) if error.is::<Stopped>() => (Ending::Killed, format!("{error:#}")),
        Err(error) => (Ending::Failed, format!("{error:#}")),
    };
    execution.end(ending, reason);
    outcome
}

/// Opens an execution until its report.
pub(super) fn submitted(config: &Config, workspace: &Workspace, reports: &Path) -> Result<()> {
    TrackedExecution::start(Role::Submits, config, workspace, reports, report)?.leave_open()
}

/// Closes an execution whose jobs were cancelled.
pub(super) fn cancelled(config: &Config, workspace: &Workspace, reports: &Path) -> Result<()> {
    if keeps_open(&workspace.executions().join(execution(config).0)) {
        let execution = TrackedExecution::start(Role::Cancels, config, workspace, reports, report)?;
        execution.end(Ending::Killed, CANCELLED.to_owned());
    }
    Ok(())
}

fn report(line: &str) {
    say(&format!("tracking: {line}"));
}
