//! Parses the command line, runs the command, says what went wrong.

use std::process::ExitCode;

fn main() -> ExitCode {
    histogen::commands::main()
}
