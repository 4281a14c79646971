//! The thread that uploads runs while others train. It only reads what training writes, so a server that is slow, down or
//! gone costs a training nothing.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};

use super::mlflow::{Answered, Client, Failure};
use super::upload::Upload;

/// Time between two looks at the runs.
const INTERVAL: Duration = Duration::from_secs(2);
/// Pause after the first failure, doubled after each further one, and lengthened at random so that those who failed together do
/// not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause by itself (up to twice that at random), and longest that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_REQUEST: Duration = Duration::from_mins(10);

/// Makes a request until it is taken, refused, or `goes_on` says no to the failures in a row and the last one; `sleep` waits
/// between two tries.
///
/// # Errors
/// The last failure.
pub fn retry<T>(
    mut request: impl FnMut() -> Answered<T>,
    goes_on: impl Fn(u32, &Failure) -> bool,
    sleep: impl Fn(Duration),
) -> Answered<T> {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times();
    // Not backon's own loop: the server may ask for a longer pause, and the end of a command ends one.
    let (mut pauses, mut failures) = (pauses.build(), 0);
    loop {
        let failure = match request() {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        failures += 1;
        let asked = match &failure {
            Failure::Transient { after, .. } if goes_on(failures, &failure) => *after,
            _ => return Err(failure),
        };
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
        sleep(pause.max(asked.unwrap_or_default().min(LONGEST_REQUEST)));
    }
}

/// Uploads runs in the background until it is ended.
pub struct Uploader {
    messages: Sender<Message>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
}

enum Message {
    /// Upload the run in this folder from now on.
    Follow(PathBuf),
    /// Upload what is left until then, and end.
    End(Instant),
}

impl Uploader {
    /// Uploads through `client`. `report` gets a line when something changes that a user should know.
    pub fn start(client: Client, report: impl Fn(&str) + Send + 'static) -> Self {
        let (messages, received) = channel();
        let (end, ended) = channel();
        let worker = Worker {
            client,
            report: Box::new(report),
            inbox: Inbox {
                messages: received,
                folders: RefCell::default(),
                deadline: Cell::default(),
            },
        };
        // Where there is no thread, `track sync` uploads all of it.
        let _ = thread::Builder::new()
            .name("uploader".to_owned())
            .spawn(move || {
                worker.run();
                drop(end);
            });
        Self { messages, ended }
    }

    /// Uploads the run in `folder` from now on. It has a destination, and this process writes it.
    pub fn follow(&self, folder: &Path) {
        let _ = self.messages.send(Message::Follow(folder.to_owned()));
    }

    /// Uploads what it can within `wait`, and ends. A request that is under way is left alone: it can be made again.
    pub fn end(self, wait: Duration) {
        let _ = self.messages.send(Message::End(Instant::now() + wait));
        let _ = self.ended.recv_timeout(wait);
    }
}

/// What the thread was told.
struct Inbox {
    messages: Receiver<Message>,
    folders: RefCell<Vec<PathBuf>>,
    /// When to end, once that is known.
    deadline: Cell<Option<Instant>>,
}

impl Inbox {
    /// Takes messages for `time`, or until one says to end.
    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Message::Follow(folder)) => self.folders.borrow_mut().push(folder),
                Ok(Message::End(deadline)) => return self.deadline.set(Some(deadline)),
                Err(RecvTimeoutError::Timeout) => return,
                // Nobody waits any more.
                Err(RecvTimeoutError::Disconnected) => {
                    return self.deadline.set(Some(Instant::now()));
                }
            }
        }
    }

    fn is_late(&self) -> bool {
        let deadline = self.deadline.get();
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

struct Worker {
    client: Client,
    report: Box<dyn Fn(&str) + Send>,
    inbox: Inbox,
}

struct Followed {
    folder: PathBuf,
    /// `None` while another process uploads it.
    upload: Option<Upload>,
    /// Whether it was refused: not tried again by this process.
    is_refused: bool,
}

impl Worker {
    fn run(&self) {
        let mut runs: Vec<Followed> = Vec::new();
        loop {
            if self.inbox.deadline.get().is_none() {
                self.inbox.wait(INTERVAL);
            }
            let is_last = self.inbox.deadline.get().is_some();
            for folder in self.inbox.folders.take() {
                if runs.iter().all(|known| known.folder != folder) {
                    runs.push(Followed {
                        folder,
                        upload: None,
                        is_refused: false,
                    });
                }
            }
            for run in runs.iter_mut().filter(|run| !run.is_refused) {
                match self.upload(run) {
                    Ok(()) => {}
                    Err(Failure::Transient { .. }) => return,
                    Err(refused) => {
                        run.is_refused = true;
                        let why = self.client.server().scrub(&refused.to_string());
                        let folder = run.folder.display();
                        (self.report)(&format!("`{folder}` is not uploaded further: {why}"));
                    }
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Uploads what there is of a run. Fails with a transient error only if the command has ended meanwhile.
    fn upload(&self, run: &mut Followed) -> Answered<()> {
        if run.upload.is_none() {
            run.upload = Upload::open(&run.folder, self.client.server())?;
        }
        let Some(upload) = &mut run.upload else {
            return Ok(());
        };
        loop {
            self.inbox.wait(Duration::ZERO);
            let told = Cell::new(false);
            let goes_on = |failures, failure: &Failure| {
                // One lost request is nothing to talk of.
                if failures == 2 {
                    told.set(true);
                    (self.report)(&format!(
                        "{failure}; training goes on, and what is left is uploaded later"
                    ));
                }
                // At the end a server that was down gets one chance, another one more.
                self.inbox.deadline.get().is_none() || (failures == 1 && !self.inbox.is_late())
            };
            // When the command ends, what it followed is written no more.
            let advance = || upload.advance(&self.client, self.inbox.deadline.get().is_none());
            let is_more = retry(advance, goes_on, |pause| self.inbox.wait(pause))?;
            if told.get() {
                let address = self.client.server().address();
                (self.report)(&format!("`{address}` answers again"));
            }
            if !is_more || self.inbox.is_late() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_as_long_as_the_server_asks() {
        let pauses = RefCell::new(Vec::new());
        let after = |seconds| Some(Duration::from_secs(seconds));
        let mut asked = [None; 10].into_iter().chain([after(100), after(1_000_000)]);
        let failed: Answered<()> = retry(
            || {
                Err(Failure::Transient {
                    reason: String::new(),
                    after: asked.next().flatten(),
                })
            },
            |failures, _| failures <= 12,
            |pause| pauses.borrow_mut().push(pause.as_secs_f64()),
        );
        assert!(failed.is_err());
        let least = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        for (pause, least) in pauses.borrow().iter().zip(least) {
            assert!((least..=2.0 * least).contains(pause), "{pause} of {least}");
        }
        assert_eq!(pauses.borrow()[10..], [100.0, 600.0]);
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let tries = Cell::new(0);
        let refused: Answered<()> = retry(
            || {
                tries.set(tries.get() + 1);
                Err(Failure::here("no"))
            },
            |_, _| true,
            |_| {},
        );
        assert_eq!((refused, tries.get()), (Err(Failure::here("no")), 1));
    }
}
