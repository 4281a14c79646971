//! What goes to standard output and standard error: the only place that writes there.
//!
//! The macros stand in place of those of the standard library, which panic where a pipe is closed, as by `| head -1`. With these
//! a command goes on to its end though its pipe is closed, and [`taken`] then decides on the exit code.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use serde::Serialize;

use super::{Answer, Outcome};
use crate::error::{Refusal, Result, explained, refuse};

/// Why standard output takes no more.
static CLOSED: OnceLock<io::Error> = OnceLock::new();

/// Standard output is a closed pipe.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub(super) struct Unread;

impl Unread {
    /// What shells give a program that SIGPIPE ended, which is how most programs end then.
    pub(super) const EXIT_CODE: u8 = 141;
}

macro_rules! print {
    ($($text:tt)*) => { $crate::commands::output::say(format_args!($($text)*)) };
}

macro_rules! println {
    ($($text:tt)*) => { $crate::commands::output::say(format_args!("{}\n", format_args!($($text)*))) };
}

macro_rules! eprintln {
    ($($text:tt)*) => { $crate::commands::output::tell(format_args!($($text)*)) };
}

/// Writes to standard output; once that fails, nothing more.
pub(super) fn say(text: Arguments<'_>) {
    if CLOSED.get().is_none()
        && let Err(error) = io::stdout().write_fmt(text)
    {
        CLOSED.get_or_init(|| error);
    }
}

/// Writes a line to standard error. What cannot be told is lost: no work ends because nobody follows it.
pub(super) fn tell(line: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Says what went wrong, and what to do about it.
pub(super) fn print_error(error: &anyhow::Error) {
    eprintln!("error: {}", explained(error));
    let refusal = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Refusal>());
    if let Some(Refusal { hint, .. }) = refusal {
        eprintln!("\nhint: {hint}");
    }
}

/// Prints `records`: as JSON or, where that was not asked for, as what `text` makes of them, its last line not ended.
pub(super) fn show<R: Serialize + ?Sized, T: Display>(
    json: bool,
    records: &R,
    text: impl FnOnce(&R) -> Result<T>,
) -> Result<()> {
    let text = if json {
        serde_json::to_string_pretty(records)?
    } else {
        text(records)?.to_string()
    };
    if !text.is_empty() {
        println!("{text}");
    }
    Ok(())
}

/// Lines as one text, the last not ended.
pub(super) fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// The end of a command that ended with `answer`.
///
/// # Errors
/// Standard output could not be written; [`Unread`] if only its reader went away, which leaves an answer of no as it is.
pub(super) fn taken(answer: Answer) -> Outcome {
    if let Err(error) = io::stdout().flush() {
        CLOSED.get_or_init(|| error);
    }
    match CLOSED.get() {
        None => Ok(answer),
        Some(error) if error.kind() != ErrorKind::BrokenPipe => Err(refuse(
            format!("cannot write to standard output: {error}"),
            "make room where it goes, and repeat the command",
        )),
        Some(_) if answer == Answer::No => Ok(answer),
        Some(_) => Err(Unread.into()),
    }
}
