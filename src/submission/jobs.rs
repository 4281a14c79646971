//! The cells of an experiment as processes of this machine, several at once.
//!
//! A child is the same `histogen cell` that a cluster starts. It stops when its standard input ends, and so when this process
//! asks, or is gone: no signal is sent, and none is lost. A letter before that end says which signal it stands for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use super::{Submission, program};
use crate::device::{DeviceKind, DeviceName, count};
use crate::error::{Result, refuse};
use crate::experiment::{Cell, CellState};
use crate::files::cannot_write;
use crate::shutdown::{self, Stopped};

/// Between two looks at the children.
const LOOK: Duration = Duration::from_millis(100);
/// Between two looks at what they say.
const LISTEN: Duration = Duration::from_secs(1);
/// As much of the end of a log is read for its last line.
const TAIL: u64 = 4096;
/// Memory that `auto` leaves for one training: one at the paper's width takes about 0.6 GB on a CPU.
const MEMORY: u64 = 1 << 30;

/// How many cells run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// As many as this machine has cores, memory and devices for.
    Auto,
    /// So many.
    Count(NonZeroUsize),
}

impl FromStr for Jobs {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match (text, text.parse()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(count)) => Ok(Self::Count(count)),
            _ => Err(refuse(
                format!("`{text}` is no number of trainings"),
                "write a number from 1, or `auto`",
            )),
        }
    }
}

impl Jobs {
    /// How many of `cells` cells run at once on `threads` threads, and `devices` devices besides the CPU; `free` is the memory in
    /// bytes, if that is known.
    fn resolve(self, cells: usize, threads: usize, devices: usize, free: Option<u64>) -> usize {
        let count = match self {
            Self::Count(count) => count.get(),
            Self::Auto if devices > 0 => devices.min(threads),
            Self::Auto => {
                let room = free.map_or(usize::MAX, |free| (free / MEMORY) as usize);
                threads.min(room)
            }
        };
        count.min(cells).max(1)
    }
}

/// A cell that ended.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// Which.
    pub cell: &'a Cell,
    /// How many have, and of how many.
    pub done: usize,
    /// Of how many.
    pub count: usize,
    /// How long its process ran; none if there was none.
    pub time: Option<Duration>,
    /// Why it is not done, in a line; empty if it is.
    pub reason: String,
}

/// Who is told of cells while processes run them.
pub trait Watcher {
    /// So many run at once, on so many threads each.
    fn begins(&mut self, at_once: usize, threads: usize);
    /// The last line of the log of one that runs, now and then.
    fn says(&mut self, cell: &Cell, line: &str);
    /// One has ended.
    fn ended(&mut self, ended: &Ended<'_>);
}

/// A process that runs a cell.
struct Running {
    index: usize,
    child: Child,
    start: Instant,
    /// How long its log was before.
    logged: u64,
}

/// The cells of a submission while processes run them.
struct Pool<'a> {
    submission: &'a Submission,
    watcher: &'a mut dyn Watcher,
    /// Whether each cell that has ended is done; none for those that have not.
    ended: Vec<Option<bool>>,
    /// Cells that no process runs yet, in their order.
    waiting: Vec<usize>,
    /// The processes; one seat keeps to one device.
    seats: Vec<Option<Running>>,
    /// Threads of each.
    threads: usize,
    kind: DeviceKind,
    devices: usize,
}

impl Submission {
    /// Runs every cell that is not done, `jobs` at once. Says whether all are done.
    ///
    /// # Errors
    /// Fails where a process cannot be started, and with [`Stopped`] if a signal came: the cells were told, and have ended.
    pub fn run_here(&self, jobs: Jobs, watcher: &mut dyn Watcher) -> Result<bool> {
        let states = self.states()?;
        let is_open =
            |state: &CellState| !matches!(state, CellState::Done | CellState::Diverged(_));
        let open = states.iter().enumerate();
        let open = open.filter(|(_, state)| is_open(state));
        let waiting: Vec<usize> = open.map(|(index, _)| index).collect();
        // Cores and devices are shared out.
        let threads = rayon::current_num_threads();
        let DeviceName { kind, index } = self.config.compute.device;
        let devices = match (kind, index) {
            (DeviceKind::Cpu, _) => 0,
            (_, Some(_)) => 1,
            (kind, None) => count(kind),
        };
        let at_once = jobs.resolve(waiting.len(), threads, devices, free_memory());
        let mut pool = Pool {
            submission: self,
            watcher,
            ended: vec![None; self.cells.len()],
            waiting,
            seats: (0..at_once).map(|_| None).collect(),
            threads: (threads / at_once).max(1),
            kind,
            devices,
        };
        pool.watcher.begins(at_once, pool.threads);
        for (index, state) in states.into_iter().enumerate() {
            if !is_open(&state) {
                let reason = match &state {
                    CellState::Diverged(how) => how.clone(),
                    _ => String::new(),
                };
                pool.end(index, state == CellState::Done, None, reason);
            }
        }
        pool.run()
    }
}

impl Pool<'_> {
    /// Until all have ended, or a signal came and those that ran have.
    fn run(&mut self) -> Result<bool> {
        let deferred = shutdown::defer();
        let mut stopped = None;
        let mut listened = Instant::now();
        loop {
            if let (None, Some(signal)) = (stopped, shutdown::requested()) {
                stopped = Some(signal);
                self.ask_to_stop(signal);
            }
            self.see_who_ended()?;
            if stopped.is_none() {
                self.give_up();
                self.start_what_can()?;
            }
            let is_idle = self.seats.iter().all(Option::is_none);
            if is_idle && (self.waiting.is_empty() || stopped.is_some()) {
                break;
            }
            if listened.elapsed() >= LISTEN {
                listened = Instant::now();
                self.listen();
            }
            thread::sleep(LOOK);
        }
        drop(deferred);
        match stopped {
            Some(stopped) => Err(stopped.into()),
            None => Ok(self.ended.iter().all(|ended| *ended == Some(true))),
        }
    }

    /// Notes that a cell has ended; `time` is that of its process, if there was one.
    fn end(&mut self, index: usize, is_done: bool, time: Option<Duration>, reason: String) {
        self.ended[index] = Some(is_done);
        self.watcher.ended(&Ended {
            cell: &self.submission.cells[index],
            done: self.ended.iter().flatten().count(),
            count: self.ended.len(),
            time,
            reason,
        });
    }

    /// Hands on what those that run said last.
    fn listen(&mut self) {
        for running in self.seats.iter().flatten() {
            let log = self.submission.log(running.index);
            let length = log.metadata().map_or(0, |log| log.len());
            let from = running.logged.max(length.saturating_sub(TAIL));
            let said = said(&log, from).unwrap_or_default();
            if let Some(line) = said.lines().rev().find(|line| !line.trim().is_empty()) {
                self.watcher
                    .says(&self.submission.cells[running.index], line.trim());
            }
        }
    }

    /// Asks those that run to stop: once, by the end of their input.
    fn ask_to_stop(&mut self, signal: Stopped) {
        let letter: &[u8] = match signal.name() {
            "SIGINT" => b"I",
            _ => b"T",
        };
        for running in self.seats.iter_mut().flatten() {
            if let Some(mut input) = running.child.stdin.take() {
                let _ = input.write_all(letter); // it may have ended by itself
            }
        }
    }

    fn see_who_ended(&mut self) -> Result<()> {
        for number in 0..self.seats.len() {
            let Some(running) = &mut self.seats[number] else {
                continue;
            };
            let Some(status) = running.child.try_wait()? else {
                continue;
            };
            let (index, logged, time) = (running.index, running.logged, running.start.elapsed());
            self.seats[number] = None;
            let state = self.submission.state(&self.submission.cells[index])?;
            let reason = match &state {
                CellState::Done => String::new(),
                CellState::Diverged(how) => how.clone(),
                _ => {
                    let log = self.submission.log(index);
                    let said = last_error(&log, logged).unwrap_or_else(|| status.to_string());
                    format!("{said} (`{}`)", log.display())
                }
            };
            self.end(index, state == CellState::Done, Some(time), reason);
        }
        Ok(())
    }

    /// What a failed reward model was for fails with it.
    fn give_up(&mut self) {
        for index in self.waiting.clone() {
            let needs = self.submission.cells[index].needs;
            if let Some(needs) = needs.filter(|&needs| self.ended[needs] == Some(false)) {
                let reason = format!("the {} failed", self.submission.cells[needs].label());
                self.waiting.retain(|&other| other != index);
                self.end(index, false, None, reason);
            }
        }
    }

    /// Gives each free seat the first cell that waits for nothing.
    fn start_what_can(&mut self) -> Result<()> {
        for number in 0..self.seats.len() {
            let is_ready = |&index: &usize| {
                let needs = self.submission.cells[index].needs;
                needs.is_none_or(|needs| self.ended[needs] == Some(true))
            };
            let next = self.waiting.iter().position(is_ready);
            if let (None, Some(place)) = (&self.seats[number], next) {
                let index = self.waiting.remove(place);
                self.seats[number] = Some(self.start(index, number)?);
            }
        }
        Ok(())
    }

    /// Starts the cell `index` on the seat `number`.
    fn start(&self, index: usize, number: usize) -> Result<Running> {
        let path = self.submission.log(index);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| cannot_write(&path, &error))?;
        let logged = log.metadata()?.len();
        let mut command = Command::new(program()?);
        command
            .args(["cell", "--with-parent"])
            .args(["--index", &index.to_string()])
            .arg("--submission")
            .arg(&self.submission.folder)
            .env("RAYON_NUM_THREADS", self.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        if self.devices > 1 {
            let place = DeviceName {
                kind: self.kind,
                index: Some(number % self.devices),
            };
            command.args(["--device", &place.to_string()]);
        }
        // Ctrl-C on a terminal goes to a whole group: this process passes it on.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Running {
            index,
            child: command.spawn()?,
            start: Instant::now(),
            logged,
        })
    }
}

/// What a log says after its first `from` bytes.
fn said(log: &Path, from: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last error that a log tells of, after its first `from` bytes.
fn last_error(log: &Path, from: u64) -> Option<String> {
    let text = said(log, from)?;
    let line = text
        .lines()
        .rev()
        .find(|line| line.starts_with("error: ") || line.starts_with("stopped by "))?;
    Some(line.strip_prefix("error: ").unwrap_or(line).to_owned())
}

/// Memory that is free, in bytes; none where the system does not say.
fn free_memory() -> Option<u64> {
    let mut system = sysinfo::System::new().ok()?;
    system.refresh_memory();
    let group = system.cgroup_limits().map(|limits| limits.free_memory);
    Some(group.unwrap_or(u64::MAX).min(system.available_memory()))
}

/// Ends this process as a signal would once its standard input ends: the process that holds the other end asks for it, or is gone.
///
/// # Errors
/// If there can be no thread that waits for it.
pub fn end_with_parent() -> Result<()> {
    let wait = || {
        let mut said = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut said);
        let _ = if said == b"I" {
            shutdown::interrupt()
        } else {
            shutdown::terminate()
        };
    };
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(wait)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_run_at_once_as_there_is_room_for() {
        let auto =
            |cells, threads, devices, free| Jobs::Auto.resolve(cells, threads, devices, free);
        assert_eq!(auto(24, 16, 0, Some(64 << 30)), 16, "cores");
        assert_eq!(auto(24, 16, 0, Some(5 << 30)), 5, "memory");
        assert_eq!(auto(24, 16, 4, Some(1 << 29)), 4, "devices");
        assert_eq!(auto(3, 16, 0, None), 3, "cells");
        assert_eq!(auto(24, 2, 0, Some(1 << 29)), 1, "one in any case");
        let two: Jobs = "2".parse().unwrap();
        assert_eq!(two.resolve(24, 1, 0, Some(0)), 2, "what is asked for");
        for wrong in ["0", "-1", "many"] {
            assert!(wrong.parse::<Jobs>().is_err(), "{wrong}");
        }
    }
}
