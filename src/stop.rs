//! Stopping when asked to, by SIGINT (Ctrl-C) or SIGTERM.
//!
//! Most of what the program does can be left at any moment, as files are written whole or not at all: there a signal ends the
//! process at once. Inside a training, between [`defer`] and the end of what it returns, a signal is only noted; the training
//! asks with [`requested`], writes a checkpoint and ends. A second signal ends the process at once wherever it is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::Result;

/// The signals that stop the program.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// What the handlers of signals share with the program.
struct Flags {
    /// The last signal; 0 before the first.
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process in its handler.
    at_once: Arc<AtomicBool>,
}

static FLAGS: LazyLock<Flags> = LazyLock::new(|| Flags {
    signal: Arc::new(AtomicUsize::new(0)),
    at_once: Arc::new(AtomicBool::new(true)),
});

/// The work was stopped by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopped by {}", self.name())]
pub struct Stopped {
    signal: i32,
}

impl Stopped {
    /// The signal's name.
    pub fn name(self) -> &'static str {
        match self.signal {
            SIGINT => "SIGINT",
            _ => "SIGTERM",
        }
    }

    /// The exit code that shells give a process ended by the signal: 130 for SIGINT, 143 for SIGTERM.
    pub fn exit_code(self) -> u8 {
        128 + self.signal as u8
    }
}

/// Listens to signals, from now to the end of the process.
pub fn listen() -> Result<()> {
    let flags = &*FLAGS;
    for signal in SIGNALS {
        // In this order: the first signal passes the shutdown by, the second finds it armed.
        let code = i32::from(Stopped { signal }.exit_code());
        flag::register_conditional_shutdown(signal, code, Arc::clone(&flags.at_once))?;
        flag::register_usize(signal, Arc::clone(&flags.signal), signal as usize)?;
        flag::register(signal, Arc::clone(&flags.at_once))?;
    }
    Ok(())
}

/// While it lives, a signal waits until it is asked for.
#[must_use]
pub struct Deferred(());

/// Lets signals wait: the caller asks [`requested`] now and then.
pub fn defer() -> Deferred {
    FLAGS.at_once.store(false, Ordering::SeqCst);
    Deferred(())
}

impl Drop for Deferred {
    fn drop(&mut self) {
        FLAGS.at_once.store(true, Ordering::SeqCst);
    }
}

/// The signal that waits, if one does.
pub fn requested() -> Option<Stopped> {
    let signal = FLAGS.signal.load(Ordering::SeqCst) as i32;
    (signal != 0).then_some(Stopped { signal })
}

/// Fails with [`Stopped`] if a signal waits: for work that is given up without loss.
pub fn check() -> Result<()> {
    match requested() {
        None => Ok(()),
        Some(stopped) => Err(stopped.into()),
    }
}
