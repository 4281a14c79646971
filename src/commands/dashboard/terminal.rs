//! The terminal while the dashboard has it.
//!
//! The dashboard takes it: raw mode, the alternate screen, the keys. A thread of ours stands between it and the training.
//! Whatever ends the one ends the other, and the terminal is given back first:
//!
//! * Ctrl-C stays SIGINT, and *Stop* behind `q` becomes it: the run is closed as `killed`, after a checkpoint. (By itself the
//!   dashboard has no use for Ctrl-C, and its *Kill* panics in whoever tells it something next.)
//! * After a signal or a panic, or when the training is at its end, the dashboard is closed. What was said meanwhile is said then.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use burn_train::Interrupter;
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{disable_raw_mode, is_raw_mode_enabled};

use super::board::Board;
use super::{Shown, Title, say};
use crate::shutdown;

/// Time between two looks at signals and keys.
const LOOK: Duration = Duration::from_millis(50);
/// Longest wait for the dashboard to have the terminal.
const START: Duration = Duration::from_secs(5);

/// What is said while the dashboard has the terminal; `None` while it does not.
static KEPT: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// How many panics there were.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn kept() -> MutexGuard<'static, Option<Vec<String>>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a line until the dashboard is closed, if it is open; returns whether it is.
pub(super) fn keep(line: &str) -> bool {
    let mut kept = kept();
    if let Some(lines) = kept.as_mut() {
        lines.push(line.to_owned());
    }
    kept.is_some()
}

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

/// The terminal, given back when this is dropped.
struct Borrowed {
    _held: shutdown::Held,
}

impl Borrowed {
    fn new() -> Self {
        keep_panics();
        *kept() = Some(Vec::new());
        Self {
            _held: shutdown::hold(),
        }
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // Only where the dashboard broke off; otherwise it did so.
        let _ = disable_raw_mode();
        let _ = execute!(io::stdout(), Show);
        for line in kept().take().unwrap_or_default() {
            eprintln!("{line}");
        }
    }
}

fn run(title: Title, shown: &Receiver<Shown>) {
    let borrowed = Borrowed::new();
    let interrupter = Interrupter::new();
    let before = title.number.checked_sub(1);
    let panics = PANICS.load(Ordering::SeqCst);
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
            break panics == PANICS.load(Ordering::SeqCst);
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

/// Keeps the words of panics with the other lines, so that they do not vanish with the alternate screen.
fn keep_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            let kept = KEPT.try_lock().ok();
            match kept.and_then(|mut kept| kept.as_mut().map(|lines| lines.push(panic.to_string())))
            {
                Some(()) => {}
                None => before(panic),
            }
        }));
    });
}

/// Waits until the dashboard has put the terminal into raw mode, and takes Ctrl-C out of it: the terminal makes it SIGINT, as
/// ever. The other keys that make signals stay out: they would leave the terminal as it is.
fn keep_interrupt_key() -> io::Result<()> {
    let start = Instant::now();
    while !is_raw_mode_enabled()? {
        if start.elapsed() > START {
            return Err(io::Error::other("the dashboard does not get the terminal"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    #[cfg(unix)]
    {
        use rustix::termios::{
            LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr,
        };
        /// No key (`_POSIX_VDISABLE`).
        const NONE: u8 = if cfg!(target_os = "linux") { 0 } else { 0xff };
        let terminal = io::stdin();
        let mut modes = tcgetattr(&terminal)?;
        modes.local_modes |= LocalModes::ISIG;
        for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            modes.special_codes[key] = NONE;
        }
        tcsetattr(&terminal, OptionalActions::Now, &modes)?;
    }
    Ok(())
}
