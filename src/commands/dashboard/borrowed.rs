//! The terminal on loan to the dashboard: it is given back, and Ctrl-C stays SIGINT meanwhile.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crossterm::cursor::Show;
use crossterm::execute;
use crossterm::terminal::{disable_raw_mode, is_raw_mode_enabled};

use super::kept;
use crate::shutdown;

/// Longest wait for the dashboard to have the terminal.
const START: Duration = Duration::from_secs(5);

/// The terminal, given back when this is dropped.
pub(super) struct Borrowed {
    _held: shutdown::Held,
}

impl Borrowed {
    pub(super) fn new() -> Self {
        kept::begin();
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
        for line in kept::end() {
            eprintln!("{line}");
        }
    }
}

/// Waits until the dashboard has put the terminal into raw mode, and takes Ctrl-C out of it: the terminal makes it SIGINT, as
/// ever. The other keys that make signals stay out: they would leave the terminal as it is.
pub(super) fn keep_interrupt_key() -> io::Result<()> {
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
