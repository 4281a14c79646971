//! Stopping when asked to, by SIGINT (Ctrl-C) or SIGTERM.
//!
//! Most of what the program does can be left at any moment, as files are written whole or not at all: there a signal ends the
//! process at once. Inside a training, between [`defer`] and the end of what it returns, a signal is only noted; the training
//! asks with [`requested`], writes a checkpoint and ends. A second signal ends the process at once wherever it is, except while
//! something has borrowed the terminal ([`hold`]): that is given back first. In a Slurm job a second SIGTERM is the first one
//! again: warning, preemption and cancellation each send their own, to one process or to all of a job.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use crate::error::Result;

/// The signals that stop the program.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// What the handlers of signals share with the program.
struct Flags {
    /// The last signal; 0 before the first.
    signal: Arc<AtomicUsize>,
    /// Whether the next signal ends the process in its handler.
    at_once: Arc<AtomicBool>,
    waits: Mutex<Waits>,
}

/// Why signals wait.
#[derive(Default)]
struct Waits {
    deferred: usize,
    held: usize,
    /// Whether there are handlers at all.
    listens: bool,
    /// Those that let a second signal end the process.
    arming: Vec<SigId>,
}

static FLAGS: LazyLock<Flags> = LazyLock::new(|| Flags {
    signal: Arc::new(AtomicUsize::new(0)),
    at_once: Arc::new(AtomicBool::new(true)),
    waits: Mutex::default(),
});

impl Flags {
    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A signal finds `at_once` set once one has been there.
    fn arm(&self, waits: &mut Waits) -> Result<()> {
        let is_repeated =
            |signal: i32| signal == SIGTERM && std::env::var_os("SLURM_JOB_ID").is_some();
        let signals = SIGNALS.into_iter().filter(|&signal| !is_repeated(signal));
        for signal in signals.filter(|_| waits.listens) {
            waits
                .arming
                .push(flag::register(signal, Arc::clone(&self.at_once))?);
        }
        Ok(())
    }
}

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
    }
    let mut waits = flags.waits();
    waits.listens = true;
    flags.arm(&mut waits)
}

/// While it lives, a signal waits until it is asked for.
#[must_use]
pub struct Deferred(());

/// Lets signals wait: the caller asks [`requested`] now and then.
pub fn defer() -> Deferred {
    FLAGS.waits().deferred += 1;
    FLAGS.at_once.store(false, Ordering::SeqCst);
    Deferred(())
}

impl Drop for Deferred {
    fn drop(&mut self) {
        let mut waits = FLAGS.waits();
        waits.deferred -= 1;
        if waits.deferred == 0 && waits.held == 0 {
            FLAGS.at_once.store(true, Ordering::SeqCst);
        }
    }
}

/// While it lives, no signal ends the process, not even a second one.
#[must_use]
pub struct Held(());

/// Keeps signals from ending the process: the caller looks often whether one is [`requested`], and lets go then.
pub fn hold() -> Held {
    let mut waits = FLAGS.waits();
    waits.held += 1;
    for handler in waits.arming.drain(..) {
        low_level::unregister(handler);
    }
    FLAGS.at_once.store(false, Ordering::SeqCst);
    Held(())
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut waits = FLAGS.waits();
        waits.held -= 1;
        if waits.held > 0 {
            return;
        }
        // It was possible before, and there is nobody to tell if it is not now.
        let _ = FLAGS.arm(&mut waits);
        if waits.deferred == 0 || requested().is_some() {
            FLAGS.at_once.store(true, Ordering::SeqCst);
        }
    }
}

/// As if SIGINT had come from outside.
pub fn interrupt() -> Result<()> {
    Ok(low_level::raise(SIGINT)?)
}

/// As if SIGINT had come, for a process whose signals belong to somebody else, as an interpreter's do.
pub fn request() {
    FLAGS.signal.store(SIGINT as usize, Ordering::SeqCst);
}

/// Takes the request back, once everything that was asked to stop has stopped.
pub fn forget() {
    FLAGS.signal.store(0, Ordering::SeqCst);
}

/// As if SIGTERM had come from outside.
///
/// # Errors
/// If the system refuses.
pub fn terminate() -> Result<()> {
    Ok(low_level::raise(SIGTERM)?)
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
