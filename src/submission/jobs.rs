//! The cells of an experiment as processes of this machine, several at once.
//!
//! A child is the same `histogen cell` that a cluster starts. It stops when its standard input ends, and so when this process
//! asks, or is gone: no signal is sent, and none is lost. A letter before that end says which signal it stands for.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use super::{Submission, program};
use crate::device::{Kind, Place, count};
use crate::error::{Result, refuse};
use crate::experiment::{Cell, CellState};
use crate::files::cannot_write;
use crate::shutdown::{self, Stopped};

/// Between two looks at the children.
const LOOK: Duration = Duration::from_millis(100);
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
    /// How it stands now.
    pub state: CellState,
    /// Whether nothing was to be done for it.
    pub was_done: bool,
    /// How long its process ran.
    pub time: Duration,
    /// Why it is not done, in a line; empty if it is.
    pub reason: String,
}

/// A process that runs a cell.
struct Running {
    index: usize,
    child: Child,
    start: Instant,
}

impl Submission {
    /// Runs every cell that is not done, `jobs` at once, and tells `told` of each that ended. Says whether all are done.
    ///
    /// # Errors
    /// Fails where a process cannot be started, and with [`Stopped`] if a signal came: the cells were told, and have ended.
    pub fn run_here(
        &self,
        jobs: Jobs,
        begins: &mut dyn FnMut(usize, usize),
        told: &mut dyn FnMut(&Ended<'_>),
    ) -> Result<bool> {
        let states = self.states()?;
        let is_open =
            |index: usize| !matches!(states[index], CellState::Done | CellState::Diverged(_));
        let mut waiting: Vec<usize> = (0..self.cells.len())
            .filter(|&index| is_open(index))
            .collect();
        // Cores and devices are shared out.
        let threads = rayon::current_num_threads();
        let Place { kind, index } = self.config.compute.device;
        let devices = if kind == Kind::Cpu {
            0
        } else {
            index.map_or_else(|| count(kind), |_| 1)
        };
        let at_once = jobs.resolve(waiting.len(), threads, devices, free_memory());
        let each = (threads / at_once).max(1);
        begins(at_once, each);
        let mut seats: Vec<Option<Running>> = (0..at_once).map(|_| None).collect();
        let (mut done, mut complete) = (0, true);
        let mut closed = vec![false; self.cells.len()];
        let mut failed = vec![false; self.cells.len()];
        let mut end = |index: usize, state: CellState, time, reason: String, was_done| {
            done += 1;
            let is_done = state == CellState::Done;
            let (cell, count) = (&self.cells[index], self.cells.len());
            told(&Ended {
                cell,
                done,
                count,
                state,
                was_done,
                time,
                reason,
            });
            is_done
        };
        for (index, state) in states
            .iter()
            .enumerate()
            .filter(|(index, _)| !is_open(*index))
        {
            let reason = match state {
                CellState::Diverged(how) => how.clone(),
                _ => String::new(),
            };
            complete &= end(index, state.clone(), Duration::ZERO, reason, true);
            closed[index] = true;
            failed[index] = *state != CellState::Done;
        }
        let deferred = shutdown::defer();
        let mut stopped: Option<Stopped> = None;
        loop {
            // Who is asked to stop, is asked once.
            if let (None, Some(signal)) = (stopped, shutdown::requested()) {
                stopped = Some(signal);
                for running in seats.iter_mut().flatten() {
                    let letter: &[u8] = if signal.name() == "SIGINT" {
                        b"I"
                    } else {
                        b"T"
                    };
                    if let Some(mut input) = running.child.stdin.take() {
                        let _ = input.write_all(letter);
                    }
                }
            }
            for (number, seat) in seats.iter_mut().enumerate() {
                if let Some(running) = seat
                    && let Some(status) = running.child.try_wait()?
                {
                    let (index, time) = (running.index, running.start.elapsed());
                    *seat = None;
                    let state = self.state(&self.cells[index])?;
                    let reason = self.reason(index, &state, status);
                    let is_done = end(index, state, time, reason, false);
                    complete &= is_done;
                    (closed[index], failed[index]) = (true, !is_done);
                }
                if seat.is_none() && stopped.is_none() {
                    // What a failed reward model was for fails with it.
                    waiting.retain(|&index| {
                        let needs = self.cells[index].needs.filter(|&needs| failed[needs]);
                        let Some(needs) = needs else { return true };
                        let reason = format!("the {} failed", self.cells[needs].label());
                        complete &= end(index, CellState::Waits, Duration::ZERO, reason, false);
                        (closed[index], failed[index]) = (true, true);
                        false
                    });
                    let is_ready =
                        |&index: &usize| self.cells[index].needs.is_none_or(|needs| closed[needs]);
                    if let Some(place) = waiting.iter().position(is_ready) {
                        let index = waiting.remove(place);
                        let device = (devices > 1).then(|| Place {
                            kind,
                            index: Some(number % devices),
                        });
                        *seat = Some(self.start(index, each, device)?);
                    }
                }
            }
            if seats.iter().all(Option::is_none) && (waiting.is_empty() || stopped.is_some()) {
                break;
            }
            thread::sleep(LOOK);
        }
        drop(deferred);
        match stopped {
            Some(stopped) => Err(stopped.into()),
            None => Ok(complete),
        }
    }

    /// Starts the cell `index` on `threads` threads.
    fn start(&self, index: usize, threads: usize, device: Option<Place>) -> Result<Running> {
        let path = self.log(index);
        let log = File::options().create(true).append(true).open(&path);
        let log = log.map_err(|error| cannot_write(&path, &error))?;
        let mut command = Command::new(program()?);
        command
            .args([
                "cell",
                "--with-parent",
                "--index",
                &index.to_string(),
                "--submission",
            ])
            .arg(&self.folder)
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(device) = device {
            command.args(["--device", &device.to_string()]);
        }
        // Ctrl-C on a terminal goes to a whole group: this process passes it on.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(Running {
            index,
            child: command.spawn()?,
            start: Instant::now(),
        })
    }

    /// Why a cell is not done, in a line.
    fn reason(&self, index: usize, state: &CellState, status: ExitStatus) -> String {
        match state {
            CellState::Done => String::new(),
            CellState::Diverged(how) => how.clone(),
            _ => {
                let log = self.log(index);
                let said = last_error(&log).unwrap_or_else(|| status.to_string());
                format!("{said} (`{}`)", log.display())
            }
        }
    }
}

/// The last error that a log tells of.
fn last_error(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
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
