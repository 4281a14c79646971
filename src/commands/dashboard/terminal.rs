//! The terminal while the dashboard has it.
//!
//! The dashboard takes it: raw mode, the alternate screen, the keys. A thread of ours stands between it and the training.
//! Whatever ends the one ends the other, and the terminal is given back first:
//!
//! * Ctrl-C stays SIGINT, and *Stop* behind `q` becomes it: the run is closed as `killed`, after a checkpoint. (By itself the
//!   dashboard has no use for Ctrl-C, and its *Kill* panics in whoever tells it something next.)
//! * After a signal or a panic, or when the training is at its end, the dashboard is closed. What was said meanwhile is said then.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use burn_train::Interrupter;
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use crossterm::terminal::is_raw_mode_enabled;

use super::board::Board;
use super::borrowed::{Borrowed, keep_interrupt_key};
use super::{Shown, Title, kept, say};
use crate::shutdown;

/// Time between two looks at signals and keys.
const LOOK: Duration = Duration::from_millis(50);

/// The dashboard while it is open.
pub(in crate::commands) struct Dashboard {
    shown: Option<Sender<Shown>>,
    thread: Option<JoinHandle<()>>,
}

impl Dashboard {
    /// Opens the dashboard of a training.
    pub(in crate::commands) fn open(title: Title) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let thread = thread::Builder::new()
            .name("dashboard".to_owned())
            .spawn(move || run(title, &receiver))?;
        Ok(Self {
            shown: Some(sender),
            thread: Some(thread),
        })
    }

    /// Shows something, and returns whether the dashboard is open: a signal or a panic closes it.
    pub(in crate::commands) fn show(&self, shown: Shown) -> bool {
        let sender = self.shown.as_ref();
        sender.is_some_and(|sender| sender.send(shown).is_ok())
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.shown = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(title: Title, shown: &Receiver<Shown>) {
    let borrowed = Borrowed::new();
    let interrupter = Interrupter::new();
    let before = title.number.checked_sub(1);
    let panics = kept::panics();
    let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), before);
    if let Err(error) = keep_interrupt_key() {
        say(&format!("no dashboard: {error}"));
        return;
    }
    let mut board = Board::new(Box::new(renderer), title);
    let is_stopped = loop {
        let next = match shown.recv_timeout(LOOK) {
            Ok(next) => Some(next),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break false,
        };
        // A panic leaves raw mode, whoever it befell. If it was *Kill*, no other hook hears of it.
        if !is_raw_mode_enabled().unwrap_or(false) {
            break panics == kept::panics();
        }
        if shutdown::requested().is_some() {
            break false;
        }
        let show = AssertUnwindSafe(|| next.map(|next| board.show(next)));
        if interrupter.should_stop() || catch_unwind(show).is_err() {
            break true;
        }
    };
    if is_raw_mode_enabled().unwrap_or(false) || !is_stopped {
        drop(board);
    } else {
        // Even its end would panic.
        std::mem::forget(board);
    }
    if is_stopped && let Err(error) = shutdown::interrupt() {
        say(&format!("cannot stop: {error:#}"));
    }
    drop(borrowed);
}
