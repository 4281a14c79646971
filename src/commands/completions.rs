//! `histogen completions`: what makes a shell complete this program's command lines.

use clap::CommandFactory;
use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use super::{Answer, Outcome};
use crate::cli::{Cli, Completions};
use crate::error::unknown_name;

/// The variable by which a shell asks.
const VARIABLE: &str = "COMPLETE";

/// Answers a shell that asks for completions, and ends the process; returns at once if none does.
pub(super) fn answer() {
    CompleteEnv::with_factory(Cli::command)
        .var(VARIABLE)
        .complete();
}

pub(super) fn run(arguments: &Completions) -> Outcome {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&arguments.shell)
        .ok_or_else(|| unknown_name("shell", &arguments.shell, shells.names()))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "histogen", "histogen", "histogen", &mut script)?;
    print!("{}", String::from_utf8(script)?);
    Ok(Answer::Yes)
}
