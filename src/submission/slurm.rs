//! Slurm, by its commands. `sacct` is not asked: many clusters have none.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use super::scheduler::{Job, Queued, Scheduler};
use crate::error::{Result, refuse};

/// Slurm, from 20.02 on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slurm;

/// Runs a command of Slurm and returns what it printed.
fn run(program: &str, arguments: &[String]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    // Inside a job these say what that job was given, and would be defaults of the new one.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("SLURM_") && name != "SLURM_CONF" {
            command.env_remove(&*name);
        }
    }
    let output = command.output().map_err(|error| {
        refuse(
            format!("cannot start `{program}`: {error}"),
            "is this a machine that jobs are submitted from? `--local` runs the experiment on this one",
        )
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(refuse(
            format!("`{program}` failed: {}", said.trim()),
            "what Slurm says is above; lines for it are given with `--sbatch 'OPTION=VALUE'`",
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The options of `sbatch` for `job`.
fn options(folder: &Path, job: &Job) -> Vec<String> {
    let mut options = vec![
        "--parsable".to_owned(),
        format!("--job-name={}", job.name),
        format!("--output={}", job.log),
    ];
    if !job.tasks.is_empty() {
        let throttle = match job.throttle {
            0 => String::new(),
            most => format!("%{most}"),
        };
        options.push(format!("--array={}{throttle}", ranges(&job.tasks)));
    }
    let after = |what: &str, jobs: &[String]| format!("--dependency={what}:{}", jobs.join(":"));
    if !job.after_ok.is_empty() {
        options.push(after("afterok", &job.after_ok));
        // Else it would wait for ever.
        options.push("--kill-on-invalid-dep=yes".to_owned());
    }
    if !job.after_any.is_empty() {
        options.push(after("afterany", &job.after_any));
    }
    options.push(folder.join(&job.script).display().to_string());
    if job.offset > 0 {
        options.push(job.offset.to_string());
    }
    options
}

/// Numbers in order, neighbours as a range.
fn ranges(numbers: &[usize]) -> String {
    let mut text = String::new();
    let mut rest = numbers;
    while let Some(&first) = rest.first() {
        let count = (0..rest.len())
            .take_while(|&place| rest[place] == first + place)
            .count();
        let comma = if text.is_empty() { "" } else { "," };
        let last = first + count - 1;
        let _ = match count {
            1 => write!(text, "{comma}{first}"),
            _ => write!(text, "{comma}{first}-{last}"),
        };
        rest = &rest[count..];
    }
    text
}

/// A line of `squeue` in the format of [`Slurm::list`].
fn queued(line: &str) -> Option<Queued> {
    let [name, job, task, state, reason, node] = line.split('|').collect::<Vec<_>>()[..] else {
        return None;
    };
    let why = if node.is_empty() { reason } else { node };
    Some(Queued {
        name: name.to_owned(),
        job: job.to_owned(),
        task: task.parse().ok(),
        state: state.to_lowercase(),
        why: why.to_owned(),
    })
}

impl Scheduler for Slurm {
    fn submit(&self, folder: &Path, job: &Job) -> Result<String> {
        let said = run("sbatch", &options(folder, job))?;
        // The id, and the cluster's name where there are several.
        let id = said.trim().split(';').next().unwrap_or_default();
        Ok(id.to_owned())
    }

    fn command(&self, folder: &Path, job: &Job) -> String {
        format!("sbatch {}", options(folder, job).join(" "))
    }

    fn list(&self, names: &[String]) -> Result<Vec<Queued>> {
        let arguments = ["-h", "-r", "--me", "-o", "%j|%F|%K|%T|%r|%N", "--name"];
        let mut arguments = arguments.map(str::to_owned).to_vec();
        arguments.push(names.join(","));
        let said = run("squeue", &arguments)?;
        said.lines()
            .map(|line| {
                queued(line).ok_or_else(|| {
                    refuse(
                        format!("`squeue` says `{line}`, which is not what was asked for"),
                        "is it Slurm's own?",
                    )
                })
            })
            .collect()
    }

    fn cancel(&self, jobs: &[String]) -> Result<()> {
        run("scancel", jobs).map(|_| ())
    }

    fn most_tasks(&self) -> Result<usize> {
        let said = run("scontrol", &["show".to_owned(), "config".to_owned()])?;
        let mut lines = said.lines().filter_map(|line| line.split_once('='));
        let found = lines.find(|(key, _)| key.trim() == "MaxArraySize");
        let number = found.and_then(|(_, value)| value.trim().parse().ok());
        number.ok_or_else(|| {
            refuse(
                "`scontrol show config` names no `MaxArraySize`",
                "is it Slurm's own?",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_a_range() {
        assert_eq!(ranges(&[0, 1, 2, 5, 7, 8]), "0-2,5,7-8");
        assert_eq!(ranges(&[3]), "3");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn a_job_is_submitted_with_what_it_waits_for() {
        let job = Job {
            name: "histogen-x".to_owned(),
            script: "cell.sh".to_owned(),
            offset: 1001,
            tasks: vec![0, 1, 4],
            throttle: 8,
            log: "/s/logs/1001+%a.log".to_owned(),
            after_ok: vec!["7_0".to_owned(), "9".to_owned()],
            after_any: Vec::new(),
        };
        assert_eq!(
            Slurm.command(Path::new("/s"), &job),
            "sbatch --parsable --job-name=histogen-x --output=/s/logs/1001+%a.log --array=0-1,4%8 \
             --dependency=afterok:7_0:9 --kill-on-invalid-dep=yes /s/cell.sh 1001"
        );
    }

    #[test]
    fn a_line_of_the_queue_is_read() {
        let found = queued("histogen-x|12|3|PENDING|Resources|").unwrap();
        assert_eq!((found.job.as_str(), found.task), ("12", Some(3)));
        assert_eq!(
            (found.state.as_str(), found.why.as_str()),
            ("pending", "Resources")
        );
        assert_eq!(
            queued("histogen-x|12|N/A|RUNNING|None|n1").unwrap().task,
            None
        );
        assert_eq!(queued("histogen-x|12|3|RUNNING|None|n1").unwrap().why, "n1");
        assert!(queued("slurm_load_jobs error").is_none());
    }
}
