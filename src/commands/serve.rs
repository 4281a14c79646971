//! `histogen serve`: reports and runs in a browser on this machine.

use super::{Answer, Outcome};
use crate::cli::Serve;
use crate::site::Site;
use crate::workspace::Workspace;

/// Serves until a signal ends the process.
pub(super) fn run(arguments: &Serve) -> Outcome {
    let search = match &arguments.retrieve {
        Some(set) => Some(super::retrieve::open(set, &arguments.searched)?),
        None => None,
    };
    let out = &arguments.searched.settings.out;
    let site = Site::open(Workspace::new(out), arguments.port, search)?;
    println!("http://127.0.0.1:{}/", site.port);
    eprintln!("serving `{}`; Ctrl-C ends it", out.display());
    site.serve();
    Ok(Answer::Yes)
}
