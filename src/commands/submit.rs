//! `histogen submit`: an experiment on a cluster.

use super::jobs;
use super::output::{lines, show};
use super::report::Tables;
use super::reporter::Terminal;
use super::settings::configure;
use super::{Answer, Outcome, tracking};
use crate::cli::Submit;
use crate::error::Result;
use crate::experiment::Asked;
use crate::submission::{Job, Planned, Queued, Resources, Scheduler, Slurm, Submission};
use crate::workspace::Workspace;

/// The largest array of a cluster that does not say.
const USUAL_ARRAY: usize = 1001;

pub(super) fn run(arguments: &Submit) -> Outcome {
    let settings = &arguments.settings;
    let config = configure(&arguments.experiment, settings, arguments.seeds.as_deref())?;
    let name = config.name.as_str();
    let asked = jobs::cells(&config, Asked::of(name).as_ref())?.clone();
    if arguments.local {
        let tables = &mut Tables::new(false);
        return jobs::run(&config, Some(&asked), arguments.jobs, settings, tables);
    }
    let workspace = Workspace::new(&settings.out);
    let reports = workspace.report(name);
    let submission = Submission::new(&config, asked, &workspace, &mut Terminal::new())?;
    for note in &submission.notes {
        eprintln!("{note}");
    }
    let slurm: &dyn Scheduler = &Slurm;
    if arguments.cancel {
        let count = submission.cancel(slurm)?;
        tracking::cancelled(&config, &workspace, &reports)?;
        eprintln!("cancelled {count} jobs");
        return Ok(Answer::Yes);
    }
    if arguments.status {
        return status(&submission, slurm, arguments.json);
    }
    let resources = &arguments.resources();
    if arguments.dry_run {
        return dry_run(&submission, slurm, resources);
    }
    // Its runs hang below the execution from their first step on.
    let mut begins = || tracking::submitted(&config, &workspace, &reports);
    let mut told = |job: &Job, id: &str| {
        println!("{id}  {}", slurm.command(&submission.folder, job));
    };
    let submitted = submission.submit_to(slurm, resources, &mut begins, &mut told)?;
    let cells = submission.cells.len();
    let new: usize = submitted.jobs.iter().map(|(job, _)| job.tasks.len()).sum();
    let (done, diverged, queued) = (submitted.done, submitted.diverged, submitted.queued);
    eprintln!(
        "{cells} cells: {new} submitted now, {queued} queued before, {done} done, {diverged} diverged; `{}`",
        submission.folder.display()
    );
    if submitted.jobs.is_empty() {
        eprintln!("nothing to do");
    }
    Ok(Answer::Yes)
}

/// What is queued; nothing, and a line that says so, where Slurm does not answer.
fn ask(submission: &Submission, slurm: &dyn Scheduler) -> (usize, Vec<Queued>) {
    let asked = slurm.most_tasks().and_then(|most| {
        let queue = slurm.list(&submission.job_names(most))?;
        Ok((most, queue))
    });
    asked.unwrap_or_else(|error| {
        eprintln!("nothing is known of the queue: {error}");
        (USUAL_ARRAY, Vec::new())
    })
}

/// Prints how every cell stands.
fn status(submission: &Submission, slurm: &dyn Scheduler, json: bool) -> Outcome {
    let (_, queue) = ask(submission, slurm);
    let status = submission.status(&queue)?;
    show(json, &status, |cells| {
        Ok(lines(cells.iter().map(ToString::to_string)))
    })?;
    Ok(Answer::Yes)
}

/// Prints what would be submitted.
fn dry_run(submission: &Submission, slurm: &dyn Scheduler, resources: &Resources) -> Outcome {
    let (most, queue) = ask(submission, slurm);
    let states = &submission.states()?;
    for cell in &submission.cells {
        println!("cell {}: {}", cell.index, cell.label());
    }
    for (name, text) in submission.scripts(resources) {
        println!("\n{name}:\n{text}");
    }
    let planned = Planned {
        states,
        queue: &queue,
        resources,
        most,
        is_reported: false,
    };
    let mut count = 0;
    let mut submit = |job: &Job| -> Result<String> {
        count += 1;
        println!("{}", slurm.command(&submission.folder, job));
        Ok(format!("JOB{count}"))
    };
    submission.submit(&planned, &mut submit, &mut |job| {
        println!("scancel {job}");
        Ok(())
    })?;
    Ok(Answer::Yes)
}
