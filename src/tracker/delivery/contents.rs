//! What is delivered of a run: the numbers of its ledger, its grids of samples, what its machine did, its files.

use std::path::{Path, PathBuf};

use super::entry::{Entry, tag};
use super::queue::Queue;
use super::{Delivery, pictures};
use crate::digest::sha256;
use crate::tracker::mlflow::{Answered, Batch, Client, Failure, Point};

/// Points that are sent at once: what one `log-batch` takes.
pub(super) const POINTS: usize = 1000;

impl Delivery {
    /// Delivers what is next of the ledger, up to the next grid of samples: as much as goes at once.
    pub(super) fn deliver_entries(&mut self, client: &Client) -> Answered<bool> {
        let mut batch = Batch::default();
        // As it will be once the batch is taken.
        let mut cursor = self.cursor.clone();
        let mut taken = 0;
        for entry in self.queue.entries() {
            let time = entry.step().map(|step| self.clock.time(step));
            if time == Some(None) || matches!(entry, Entry::Picture { .. }) {
                break;
            }
            let numbers = cursor.left_of(entry);
            if taken > 0 && batch.points.len() + numbers.len() > POINTS {
                break;
            }
            if !cursor.has(entry) {
                batch.tags.extend(entry.tags());
            }
            for (key, value) in numbers {
                let (step, timestamp) = (entry.step().unwrap_or(0), time.flatten().unwrap_or(0));
                if value.is_finite() {
                    batch.points.push(Point {
                        key,
                        value,
                        timestamp,
                        step,
                    });
                } else {
                    let key = format!("metric_nonfinite.{key}");
                    batch.tags.push(tag(key, &step.to_string()));
                }
            }
            cursor.take(entry);
            taken += 1;
        }
        if taken > 0 {
            self.log(client, batch)?;
            self.cursor = cursor;
            self.queue.take(taken);
        }
        Ok(taken > 0)
    }

    /// Delivers the grid of samples that is next, if one is.
    pub(super) fn deliver_picture(&mut self, client: &Client, is_alive: bool) -> Answered<bool> {
        let Some(entry @ Entry::Picture { step, file }) = self.queue.entries().next() else {
            return Ok(false);
        };
        let Some(time) = self.clock.time(*step) else {
            return Ok(false);
        };
        let (place, run) = (self.folder.join(file), self.cursor.remote());
        if place.exists() && run.keeps_artifacts() {
            if !self.cursor.has_pictures {
                let tags = vec![tag("mlflow.loggedImages", "true")];
                self.log(client, Batch::of_tags(tags))?;
                self.cursor.has_pictures = true;
                return Ok(true);
            }
            let bytes = std::fs::read(&place).map_err(|error| unreadable(&place, &error))?;
            let small = pictures::small(&bytes)
                .map_err(|error| Failure::here(format!("`{}`: {error:#}", place.display())))?;
            let name = pictures::name(&self.identity.id, *step, time);
            client.put_artifact(&run, &format!("{name}.png"), bytes)?;
            client.put_artifact(&run, &format!("{name}+compressed.png"), small)?;
        } else if is_alive && run.keeps_artifacts() {
            // A training that goes on from an earlier step takes it back, and draws it again: the ledger is read anew.
            self.queue = Queue::new(&self.folder);
            return Ok(false);
        } else {
            self.cursor.skipped.insert(file.clone());
        }
        self.cursor.take(entry);
        self.queue.take(1);
        Ok(true)
    }

    /// Delivers what is next of what the machine did.
    pub(super) fn deliver_system(&mut self, client: &Client) -> Answered<bool> {
        let samples = self.queue.system(self.cursor.system, POINTS)?;
        let Some(last) = samples.last() else {
            return Ok(false);
        };
        let next = last.step + 1;
        let points = samples.iter().flat_map(|sample| {
            sample.scalars.iter().map(|(key, value)| Point {
                key: key.clone(),
                value: *value,
                timestamp: sample.time,
                step: sample.step,
            })
        });
        let batch = Batch {
            points: points.collect(),
            ..Batch::default()
        };
        self.log(client, batch)?;
        self.cursor.system = next;
        Ok(true)
    }

    /// Delivers the next file of the run that the server does not have as it is. Reports are complete when the run has `ended`.
    pub(super) fn deliver_file(&mut self, client: &Client, ended: bool) -> Answered<bool> {
        let Some((path, place)) = self.next_file(ended)? else {
            return Ok(false);
        };
        let bytes = std::fs::read(&place).map_err(|error| unreadable(&place, &error))?;
        let (hash, run) = (sha256(&bytes), self.cursor.remote());
        if run.keeps_artifacts() {
            client.put_artifact(&run, &path, bytes)?;
        } else {
            self.cursor.skipped.insert(path.clone());
        }
        self.cursor.files.insert(path, hash);
        Ok(true)
    }

    fn next_file(&self, ended: bool) -> Answered<Option<(String, PathBuf)>> {
        for (path, place) in self.outline.files(ended)? {
            let is_known = self.cursor.files.contains_key(&path);
            // While it goes on, files are not looked at again.
            if is_known && !ended {
                continue;
            }
            if !self.cursor.is_delivered(&path, &place)? {
                return Ok(Some((path, place)));
            }
        }
        Ok(None)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::here(format!("cannot read `{}`: {error}", path.display()))
}
