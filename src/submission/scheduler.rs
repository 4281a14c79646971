//! What runs jobs on a cluster. There is one so far, [`super::Slurm`].

use std::path::Path;

use crate::error::Result;

/// A job to be submitted: one process, or one for each of `tasks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name, by which it is found again.
    pub name: String,
    /// Its script.
    pub script: String,
    /// What the script is given: what is added to a task's number for the index of its cell.
    pub offset: usize,
    /// The numbers of its tasks; empty for one process without a number.
    pub tasks: Vec<usize>,
    /// How many tasks run at once at most; 0 for no limit.
    pub throttle: usize,
    /// Where each process writes what it says, with `%a` for the number of a task.
    pub log: String,
    /// It begins when all of these have ended well; where one has not, it never does.
    pub after_ok: Vec<String>,
    /// It begins when all of these have ended.
    pub after_any: Vec<String>,
}

/// A process that is queued or runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The name of its job.
    pub name: String,
    /// The job's id.
    pub job: String,
    /// Its number in the job.
    pub task: Option<usize>,
    /// How it stands, in the scheduler's word.
    pub state: String,
    /// Why it waits, or where it runs.
    pub why: String,
}

/// Submits, lists and cancels jobs.
pub trait Scheduler {
    /// Submits a job whose script lies in `folder`; returns its id.
    ///
    /// # Errors
    /// Fails if the scheduler does not take it.
    fn submit(&self, folder: &Path, job: &Job) -> Result<String>;

    /// The command that submits it, for people; ids of jobs may be words.
    fn command(&self, folder: &Path, job: &Job) -> String;

    /// What of the jobs called `names` is queued or runs. An answer that could not be had is no empty one.
    ///
    /// # Errors
    /// Fails if the scheduler does not say.
    fn list(&self, names: &[String]) -> Result<Vec<Queued>>;

    /// Cancels jobs.
    ///
    /// # Errors
    /// Fails if the scheduler refuses.
    fn cancel(&self, jobs: &[String]) -> Result<()>;

    /// How many numbers the tasks of a job may have, from 0.
    ///
    /// # Errors
    /// Fails if the scheduler does not say.
    fn most_tasks(&self) -> Result<usize>;
}
