//! The thread that delivers runs while others train. It only reads what training writes, so a server that is slow, down or
//! gone costs a training nothing.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::delivery::Delivery;
use super::identity::arbitrary;
use super::mlflow::{Client, Failure};

/// Time between two looks at the runs.
const INTERVAL: Duration = Duration::from_secs(2);
/// Pause after the first failure, doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause by itself, and longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_REQUEST: Duration = Duration::from_mins(10);

/// Delivers runs in the background until it is ended.
pub struct Courier {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    folders: Vec<PathBuf>,
    /// When to stop, once that is known.
    deadline: Option<Instant>,
    /// Whether the thread has stopped.
    ended: bool,
}

impl Courier {
    /// Delivers through `client`. `report` gets a line when something changes that a user should know.
    pub fn start(client: Client, report: impl Fn(&str) + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let mut round = Round {
            client,
            report: Box::new(report),
            runs: Vec::new(),
            pause: Pause::default(),
        };
        let of_thread = Arc::clone(&shared);
        let body = move || {
            round.run(&of_thread);
            of_thread.lock().ended = true;
            of_thread.woken.notify_all();
        };
        let thread = thread::Builder::new()
            .name("courier".to_owned())
            .spawn(body);
        if thread.is_err() {
            shared.lock().ended = true;
        }
        Self { shared }
    }

    /// Delivers the run in `folder` from now on. It has an identity, and this process writes it.
    pub fn follow(&self, folder: &Path) {
        let mut state = self.shared.lock();
        if !state.folders.iter().any(|known| known == folder) {
            state.folders.push(folder.to_owned());
        }
    }

    /// Delivers what it can within `wait`, and stops. A request that is under way is left alone: it can be made again.
    pub fn end(self, wait: Duration) {
        let mut state = self.shared.lock();
        state.deadline = Some(Instant::now() + wait);
        self.shared.woken.notify_all();
        let waited = self
            .shared
            .woken
            .wait_timeout_while(state, wait, |state| !state.ended);
        drop(waited);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for `time` or the end; returns the runs to deliver, and when to stop.
    fn wait(&self, time: Duration) -> (Vec<PathBuf>, Option<Instant>) {
        let waited = self
            .woken
            .wait_timeout_while(self.lock(), time, |state| state.deadline.is_none());
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        (state.folders.clone(), state.deadline)
    }

    fn deadline(&self) -> Option<Instant> {
        self.lock().deadline
    }
}

struct Round {
    client: Client,
    report: Box<dyn Fn(&str) + Send>,
    runs: Vec<Followed>,
    pause: Pause,
}

struct Followed {
    folder: PathBuf,
    /// `None` while another process delivers it.
    delivery: Option<Delivery>,
    /// Whether it was refused: not tried again by this process.
    is_refused: bool,
}

impl Round {
    fn run(&mut self, shared: &Shared) {
        loop {
            let (folders, deadline) = shared.wait(self.pause.left().max(INTERVAL));
            for folder in folders.iter().skip(self.runs.len()) {
                self.runs.push(Followed {
                    folder: folder.clone(),
                    delivery: None,
                    is_refused: false,
                });
            }
            if let Some(deadline) = deadline {
                self.finish(shared, deadline);
                return;
            }
            let result = self.deliver(shared);
            self.note(result);
        }
    }

    /// Delivers what there is, until nothing is left, the server fails, or the time is up.
    fn deliver(&mut self, shared: &Shared) -> Result<(), Failure> {
        for run in &mut self.runs {
            if run.is_refused {
                continue;
            }
            let refused = match run.deliver(&self.client, shared) {
                Ok(()) => continue,
                Err(failure @ Failure::Passing { .. }) => return Err(failure),
                Err(refused) => self.client.server().scrub(&refused.to_string()),
            };
            run.is_refused = true;
            (self.report)(&format!(
                "`{}` is not delivered further: {refused}",
                run.folder.display()
            ));
        }
        Ok(())
    }

    fn note(&mut self, result: Result<(), Failure>) {
        let address = self.client.server().address();
        match result {
            Ok(()) => {
                if self.pause.is_noted {
                    (self.report)(&format!("`{address}` answers again"));
                }
                self.pause = Pause::default();
            }
            Err(failure) => {
                self.pause.lengthen(&failure);
                // One lost request is nothing to talk of.
                if self.pause.failures > 1 && !self.pause.is_noted {
                    self.pause.is_noted = true;
                    (self.report)(&format!(
                        "{failure}; training goes on, and what is left is delivered later"
                    ));
                }
            }
        }
    }

    /// The last deliveries: a server that was down gets one chance, another one more until `deadline`.
    fn finish(&mut self, shared: &Shared, deadline: Instant) {
        let was_down = self.pause.failures > 1;
        self.pause = Pause::default();
        while let Err(failure) = self.deliver(shared) {
            self.pause.lengthen(&failure);
            let pause = self.pause.left();
            if was_down || Instant::now() + pause >= deadline {
                return;
            }
            thread::sleep(pause);
        }
    }
}

impl Followed {
    fn deliver(&mut self, client: &Client, shared: &Shared) -> Result<(), Failure> {
        if self.delivery.is_none() {
            let opened = Delivery::open(&self.folder, client.server());
            self.delivery = opened.map_err(|error| Failure::here(format!("{error:#}")))?;
        }
        let Some(delivery) = &mut self.delivery else {
            return Ok(());
        };
        loop {
            // When the command ends, what it followed is written no more.
            let deadline = shared.deadline();
            let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if is_late || !delivery.advance(client, deadline.is_none())? {
                return Ok(());
            }
        }
    }
}

/// How long to leave a failing server alone: longer with each failure, and never for a time that others share.
#[derive(Default)]
pub struct Pause {
    failures: u32,
    is_noted: bool,
    until: Option<Instant>,
}

impl Pause {
    /// After another failure.
    pub fn lengthen(&mut self, failure: &Failure) {
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        let most = doubled.min(LONGEST_PAUSE);
        // Between half of it and all, so that those who failed together do not come back together.
        let share = 0.5 + 0.5 * (arbitrary() % 1024) as f64 / 1024.0;
        let asked = match failure {
            Failure::Passing { after, .. } => after.unwrap_or_default().min(LONGEST_REQUEST),
            Failure::Refused { .. } => Duration::ZERO,
        };
        self.failures += 1;
        self.until = Some(Instant::now() + most.mul_f64(share).max(asked));
    }

    /// How much of it is left.
    pub fn left(&self) -> Duration {
        let until = self
            .until
            .map(|until| until.saturating_duration_since(Instant::now()));
        until.unwrap_or_default()
    }

    /// How many failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_as_long_as_the_server_asks() {
        let failure = |after| Failure::Passing {
            reason: String::new(),
            after,
            in_doubt: false,
        };
        let mut pause = Pause::default();
        for most in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            pause.lengthen(&failure(None));
            let left = pause.left().as_secs_f64();
            assert!(0.45 * most < left && left <= most, "{left} of {most}");
        }
        pause.lengthen(&failure(Some(Duration::from_secs(100))));
        assert!(pause.left() > Duration::from_secs(99));
        pause.lengthen(&failure(Some(Duration::from_secs(1_000_000))));
        assert!(pause.left() <= LONGEST_REQUEST);
    }
}
