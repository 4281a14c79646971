//! The manual of the program: `histogen.1`, and a page for each command and the commands within it, without the hidden ones.
//!
//!     cargo run --release --example man_pages -- FOLDER

use std::io;
use std::path::Path;

use clap::CommandFactory;
use histogen::cli::Cli;

/// Writes the pages into `folder`, which is made if it is new.
pub fn write(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Cli::command(), folder)
}

fn main() -> io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1) else {
        let usage = "name the folder to write the pages into";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, usage));
    };
    write(Path::new(&folder))
}
