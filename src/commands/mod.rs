//! One file per verb. The only place that prints, by the macros of `output`.

#[macro_use]
mod output;

mod ablate;
mod cache;
mod completions;
mod cell;
mod compare;
mod dashboard;
mod data;
mod duplicates;
mod evaluate;
mod jobs;
mod export;
mod list;
mod progress;
mod report;
mod reporter;
mod reproduce;
mod retrieve;
mod sample;
mod serve;
mod settings;
mod snn;
mod study;
mod submit;
mod track;
mod tracking;
mod train;
mod transfer;
mod watch;
mod weights;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::device;
use crate::error::Result;
use crate::nn::weights::take_notes as weights_notes;
use crate::shutdown::{self, Stopped};
use output::{Unread, print_error};

/// What a command that ran to its end has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done.
    Yes,
    /// Done, but part of what was asked for failed.
    No,
}

impl Answer {
    /// Yes where nothing failed.
    fn of(is_complete: bool) -> Self {
        if is_complete { Self::Yes } else { Self::No }
    }
}

/// Runs the command line. Exit codes: 0 done, 1 the answer is no, 2 the request was wrong or something broke, 130 and 143
/// stopped by SIGINT and SIGTERM, 141 done and not read to the end.
pub fn main() -> ExitCode {
    completions::answer();
    let cli = Cli::parse();
    let ready = shutdown::listen().and_then(|()| device::prepare(0));
    let result = ready.and_then(|()| run(&cli.command));
    let result = result.and_then(output::taken);
    for note in weights_notes() {
        eprintln!("note: {note}");
    }
    match result {
        Ok(Answer::Yes) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(1),
        Err(error) => {
            if let Some(stopped) = error.downcast_ref::<Stopped>() {
                eprintln!("{stopped}: nothing is lost, repeat the command to go on");
                return ExitCode::from(stopped.exit_code());
            }
            if error.is::<Unread>() {
                return ExitCode::from(Unread::EXIT_CODE);
            }
            print_error(&error);
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> Outcome {
    dashboard::check(command.asks_for_dashboard())?;
    match command {
        Command::Reproduce(arguments) => reproduce::run(arguments),
        Command::Ablate(arguments) => ablate::run(arguments),
        Command::Train(arguments) => train::run(arguments),
        Command::Submit(arguments) => submit::run(arguments),
        Command::Cell(arguments) => cell::run(arguments),
        Command::Evaluate(arguments) => evaluate::run(arguments),
        Command::Compare(arguments) => compare::run(arguments),
        Command::Retrieve(arguments) => retrieve::run(arguments),
        Command::Duplicates(arguments) => duplicates::run(arguments),
        Command::Study(command) => study::run(command),
        Command::Sample(arguments) => sample::run(arguments),
        Command::Export(command) => export::run(command),
        Command::Report(arguments) => report::run(arguments),
        Command::Serve(arguments) => serve::run(arguments),
        Command::Data(arguments) => data::run(arguments),
        Command::Snn(arguments) => snn::run(arguments),
        Command::Cache(command) => cache::run(command),
        Command::Weights(arguments) => weights::run(arguments),
        Command::Track(arguments) => track::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
    }
}

/// Shorthand of the commands' signatures.
type Outcome = Result<Answer>;
