//! The thread that uploads runs while others train. It only reads what training writes, so a server that is slow, down or
//! gone costs a training nothing.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::mlflow::{Answered, Client, Failure, retry};
use super::upload::Upload;

/// Time between two looks at the runs.
const INTERVAL: Duration = Duration::from_secs(2);

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
                        let folder = run.folder.display();
                        (self.report)(&format!("`{folder}` is not uploaded further: {refused}"));
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
