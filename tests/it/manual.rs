//! The pages of the manual, as the release has them.

use std::collections::BTreeSet;
use std::fs;

use clap::{Command, CommandFactory};
use histogen::cli::Cli;

#[path = "../../examples/man_pages.rs"]
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
mod man_pages;

/// The names of the pages of `command` and of all that it shows.
fn pages(command: &Command, name: &str, found: &mut BTreeSet<String>) {
    found.insert(format!("{name}.1"));
    for inner in command
        .get_subcommands()
        .filter(|inner| !inner.is_hide_set())
    {
        pages(inner, &format!("{name}-{}", inner.get_name()), found);
    }
}

#[test]
fn every_visible_command_has_a_page_and_hidden_ones_have_none() {
    let folder = tempfile::tempdir().unwrap();
    man_pages::write(folder.path()).unwrap();
    let entries = fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let written: BTreeSet<String> = names.collect();
    let mut wanted = BTreeSet::new();
    pages(&Cli::command(), "histogen", &mut wanted);
    assert_eq!(written, wanted);
    assert!(!written.contains("histogen-cell.1"), "it is hidden");
    assert!(written.contains("histogen-weights-fetch.1"));

    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let main = read("histogen.1");
    assert!(main.contains("histogen\\-reproduce(1)"), "{main}");
    assert!(!main.contains("histogen\\-cell"), "{main}");
    let reproduce = read("histogen-reproduce.1");
    assert!(reproduce.contains("\\-\\-seeds"), "{reproduce}");
}
