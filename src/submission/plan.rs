//! What of an experiment is submitted: the cells that are neither done nor queued, and the report.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::script::{Resources, Script};
use super::{About, Job, Queued, Scheduler, Submission, program};
use crate::digest::sha256_file;
use crate::error::{Result, refuse};
use crate::experiment::CellState;
use crate::files::{UNFINISHED, cannot_write, write_whole};
use crate::run::{Lock, Taken};

/// What was submitted, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Submitted {
    /// Each job and its id.
    pub jobs: Vec<(Job, String)>,
    /// Cells that are done.
    pub done: usize,
    /// Cells whose training diverged, which are not tried again.
    pub diverged: usize,
    /// Cells that were queued or running.
    pub queued: usize,
    /// The report that was cancelled for the new one.
    pub replaced: Option<String>,
}

/// What is asked of the scheduler.
pub struct Planned<'a> {
    /// How every cell stands.
    pub states: &'a [CellState],
    /// What is queued.
    pub queue: &'a [Queued],
    /// What jobs get.
    pub resources: &'a Resources,
    /// How many numbers the tasks of a job may have.
    pub most: usize,
    /// Whether tables were made of what is done.
    pub is_reported: bool,
}

impl Submission {
    /// The name of its jobs, and so of what it is found again by.
    fn job(&self) -> String {
        let name = self
            .folder
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        format!("histogen-{}", name.rsplit('-').next().unwrap_or_default())
    }

    /// The name of the job whose tasks are the cells from `offset` on.
    fn job_from(&self, offset: usize) -> String {
        match offset {
            0 => self.job(),
            offset => format!("{}+{offset}", self.job()),
        }
    }

    /// The name of the report's job.
    fn report_job(&self) -> String {
        format!("{}-report", self.job())
    }

    /// The names of all its jobs, where a job has at most `most` tasks.
    pub fn job_names(&self, most: usize) -> Vec<String> {
        let offsets = (0..self.cells.len().max(1)).step_by(most.max(1));
        let names = offsets.map(|offset| self.job_from(offset));
        names.chain([self.report_job()]).collect()
    }

    /// The cell that `queued` runs; none for a report.
    pub fn cell_of(&self, queued: &Queued) -> Option<usize> {
        let rest = queued.name.strip_prefix(&self.job())?;
        let offset = match rest.strip_prefix('+') {
            Some(offset) => offset.parse().ok()?,
            None if rest.is_empty() => 0,
            None => return None,
        };
        Some(queued.task? + offset)
    }

    /// The scripts of its jobs: name and text.
    pub fn scripts(&self, resources: &Resources) -> [(&'static str, String); 2] {
        let text = |script: Script| (script.name(), script.text(&self.folder, resources));
        [Script::Cell, Script::Report].map(text)
    }

    /// Writes its files, the program and the scripts of its jobs.
    ///
    /// # Errors
    /// Refuses another build of the program while jobs of the one before are in `queue`, and fails if a file cannot be written.
    pub fn freeze_for_jobs(&self, resources: &Resources, queue: &[Queued]) -> Result<()> {
        let about = fs::read_to_string(self.folder.join("submission.toml")).ok();
        let about = about.and_then(|text| toml::from_str::<About>(&text).ok());
        if let Some(about) = about
            && about.program_sha256 != self.about.program_sha256
            && !queue.is_empty()
        {
            return Err(refuse(
                format!(
                    "{} jobs of `{}` are queued with another build of the program",
                    queue.len(),
                    self.folder.display()
                ),
                "wait for them, or cancel them with `--cancel` and submit again: finished cells stay, others go on",
            ));
        }
        self.freeze()?;
        for (name, text) in self.scripts(resources) {
            write_whole(&self.folder.join(name), text.as_bytes())?;
        }
        let place = self.folder.join("histogen");
        if sha256_file(&place).is_ok_and(|found| found == self.about.program_sha256) {
            return Ok(());
        }
        let failed = |error: std::io::Error| cannot_write(&place, &error);
        let copy: PathBuf = self.folder.join(format!(".histogen{UNFINISHED}"));
        fs::copy(program()?, &copy).map_err(failed)?;
        fs::rename(&copy, &place).map_err(failed)
    }

    /// Submits what is neither done nor queued through `submit`, which gives the id of a job: reward models, the cells that wait
    /// for them, the others at once, and last a report that waits for all. `cancel` is asked to cancel the report that waits
    /// already, if there is one.
    ///
    /// # Errors
    /// Those of `submit` and `cancel`.
    pub fn submit(
        &self,
        planned: &Planned<'_>,
        submit: &mut dyn FnMut(&Job) -> Result<String>,
        cancel: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Submitted> {
        let Planned { states, queue, .. } = planned;
        let mut submitted = Submitted::default();
        // The cells that are queued, by index: what another job would wait for.
        let mut known: BTreeMap<usize, String> = BTreeMap::new();
        for queued in *queue {
            if let (Some(index), Some(task)) = (self.cell_of(queued), queued.task) {
                known.insert(index, format!("{}_{task}", queued.job));
            }
        }
        let mut open = Vec::new();
        for (index, state) in states.iter().enumerate() {
            match state {
                CellState::Done => submitted.done += 1,
                CellState::Diverged(_) => submitted.diverged += 1,
                _ if known.contains_key(&index) => submitted.queued += 1,
                _ => open.push(index),
            }
        }
        // By the reward model that is waited for: first those that wait for none, reward models among them.
        let waits_for = |index: &usize| {
            let needs = self.cells[*index].needs;
            needs.filter(|&needs| states[needs] != CellState::Done)
        };
        let mut groups: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for index in open {
            let needs = waits_for(&index);
            if needs.is_none_or(|needs| !matches!(states[needs], CellState::Diverged(_))) {
                groups.entry(needs).or_default().push(index);
            }
        }
        let mut ids: Vec<String> = Vec::new();
        for (needs, cells) in groups {
            let after_ok: Vec<String> = needs
                .iter()
                .filter_map(|needs| known.get(needs).cloned())
                .collect();
            for job in self.arrays(&cells, &after_ok, planned) {
                let id = submit(&job)?;
                for task in &job.tasks {
                    known.insert(job.offset + task, format!("{id}_{task}"));
                }
                ids.push(id.clone());
                submitted.jobs.push((job, id));
            }
        }
        // The report waits for all cells, those that were queued before too.
        let cells = queue.iter().filter(|queued| self.cell_of(queued).is_some());
        ids.extend(cells.map(|queued| queued.job.clone()));
        ids.sort();
        ids.dedup();
        let mut reports = queue
            .iter()
            .filter(|queued| queued.name == self.report_job());
        let report = reports.next();
        let is_due = match report {
            Some(_) => !submitted.jobs.is_empty(),
            None => !ids.is_empty() || !planned.is_reported,
        };
        if is_due {
            if let Some(report) = report {
                cancel(&report.job)?;
                submitted.replaced = Some(report.job.clone());
            }
            let job = Job {
                name: self.report_job(),
                script: Script::Report.name().to_owned(),
                offset: 0,
                tasks: Vec::new(),
                throttle: 0,
                log: self.folder.join("logs/report.log").display().to_string(),
                after_ok: Vec::new(),
                after_any: ids,
            };
            let id = submit(&job)?;
            submitted.jobs.push((job, id));
        }
        Ok(submitted)
    }

    /// Arrays of `cells`, none with a number above what is allowed.
    fn arrays(&self, cells: &[usize], after_ok: &[String], planned: &Planned<'_>) -> Vec<Job> {
        let most = planned.most.max(1);
        let mut parts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in cells {
            parts
                .entry(index / most * most)
                .or_default()
                .push(index % most);
        }
        let logs = self.folder.join("logs");
        let array = |(offset, tasks)| Job {
            name: self.job_from(offset),
            script: Script::Cell.name().to_owned(),
            offset,
            tasks,
            throttle: planned.resources.throttle,
            log: match offset {
                0 => logs.join("%a.log").display().to_string(),
                offset => logs.join(format!("{offset}+%a.log")).display().to_string(),
            },
            after_ok: after_ok.to_vec(),
            after_any: Vec::new(),
        };
        parts.into_iter().map(array).collect()
    }

    /// Asks `scheduler` what is queued, freezes, and submits what is neither done nor queued. `begins` is called before the first
    /// job, `told` after each with its id.
    ///
    /// # Errors
    /// Refuses while another process submits it, and fails where the scheduler does or a file cannot be written.
    pub fn submit_to(
        &self,
        scheduler: &dyn Scheduler,
        resources: &Resources,
        begins: &mut dyn FnMut() -> Result<()>,
        told: &mut dyn FnMut(&Job, &str),
    ) -> Result<Submitted> {
        let folder = &self.folder;
        fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
        // One at a time, from what is queued to what is submitted.
        let _lock = match Lock::try_take(folder)? {
            Taken::Ours(lock) => lock,
            Taken::Held(by, hint) => {
                let folder = folder.display();
                return Err(refuse(
                    format!("another process {by} submits `{folder}`"),
                    hint,
                ));
            }
        };
        let most = scheduler.most_tasks()?;
        let queue = &scheduler.list(&self.job_names(most))?;
        self.freeze_for_jobs(resources, queue)?;
        let planned = Planned {
            states: &self.states()?,
            queue,
            resources,
            most,
            is_reported: self.is_reported()?,
        };
        let mut has_begun = false;
        let mut submit = |job: &Job| {
            if !has_begun {
                begins()?;
                has_begun = true;
            }
            let id = scheduler.submit(folder, job)?;
            told(job, &id);
            Ok(id)
        };
        let mut cancel = |job: &str| scheduler.cancel(&[job.to_owned()]);
        self.submit(&planned, &mut submit, &mut cancel)
    }

    /// Cancels what of it is queued or runs; returns how many processes that were.
    ///
    /// # Errors
    /// If the scheduler does not answer.
    pub fn cancel(&self, scheduler: &dyn Scheduler) -> Result<usize> {
        let queue = scheduler.list(&self.job_names(scheduler.most_tasks()?))?;
        let mut jobs: Vec<String> = queue.iter().map(|queued| queued.job.clone()).collect();
        jobs.sort();
        jobs.dedup();
        if !jobs.is_empty() {
            scheduler.cancel(&jobs)?;
        }
        Ok(queue.len())
    }
}

#[cfg(test)]
mod tests;
