//! `--dashboard`: the terminal dashboard of burn-train, for the time of one training; behind the feature `dashboard`.

#[cfg(feature = "dashboard")]
mod board;
#[cfg(feature = "dashboard")]
mod borrowed;
#[cfg(feature = "dashboard")]
mod kept;
#[cfg(feature = "dashboard")]
mod terminal;

use std::io::{self, IsTerminal};

#[cfg(feature = "dashboard")]
pub(super) use self::terminal::Dashboard;
use crate::error::{Result, refuse};

/// Which training it is.
#[derive(Clone, Debug)]
#[cfg_attr(
    not(feature = "dashboard"),
    expect(dead_code, reason = "only the dashboard reads it")
)]
pub(super) struct Title {
    /// Its name.
    pub(super) label: String,
    /// Which of how many, counted from 1.
    pub(super) number: usize,
    /// How many the command has.
    pub(super) count: usize,
    /// How many steps it takes.
    pub(super) steps: usize,
}

/// Something to show.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "dashboard"),
    expect(dead_code, reason = "only the dashboard reads it")
)]
pub(super) enum Shown {
    /// A step was made.
    Step {
        step: usize,
        /// Part of the training; empty where it has none.
        stage: &'static str,
        /// Its numbers, by their names in the ledger.
        numbers: Vec<(String, f64)>,
    },
    /// The model was measured: the score's name, its value, after which step.
    Score(String, f64, usize),
}

/// The dashboard of a program built without it: there is none.
#[cfg(not(feature = "dashboard"))]
pub(super) enum Dashboard {}

#[cfg(not(feature = "dashboard"))]
impl Dashboard {
    pub(super) fn open(_: Title) -> io::Result<Self> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    pub(super) fn show(&self, _: Shown) -> bool {
        match *self {}
    }
}

/// Says a line on stderr: now, or once the dashboard is closed.
pub(super) fn say(line: &str) {
    #[cfg(feature = "dashboard")]
    if kept::keep(line) {
        return;
    }
    eprintln!("{line}");
}

/// Checks that the program has a dashboard where one is asked for.
///
/// # Errors
///
/// If it was built without.
pub(super) fn check(asked: bool) -> Result<()> {
    if asked && !cfg!(feature = "dashboard") {
        return Err(refuse(
            "`--dashboard`: this program was built without its dashboard",
            "build it with `cargo build --release --features dashboard`, or leave `--dashboard` out",
        ));
    }
    Ok(())
}

/// Whether there can be a dashboard where one is asked for; says so if there cannot.
pub(super) fn is_possible(asked: bool) -> bool {
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if asked && !is_terminal {
        say(
            "no dashboard: standard input and output are not a terminal; progress is told as without it",
        );
    }
    asked && is_terminal
}
