//! `histogen weights`: pretrained networks, by SHA-256.

mod list;
mod verify;

use std::path::Path;

use super::progress::Progress;
use super::{Answer, Outcome};
use crate::cli::Weights;
use crate::error::Result;
use crate::weights::download::Download;
use crate::weights::{Cache, KNOWN, KnownFile, OwnFile, short};

pub(super) fn run(command: &Weights) -> Outcome {
    let cache = Cache::open()?;
    match command {
        Weights::List { json } => list::list(&cache, *json)?,
        Weights::Fetch { names } => {
            // Every name is looked at before anything is fetched.
            let files: Vec<KnownFile> = names
                .iter()
                .map(|name| KnownFile::named(name))
                .collect::<Result<_>>()?;
            for known in files {
                fetch(&known, &cache)?;
            }
        }
        Weights::Add { file } => match file.as_slice() {
            [name, file] => add_own(&name.to_string_lossy(), file, &cache)?,
            files => files.iter().try_for_each(|file| add(file, &cache))?,
        },
        Weights::Verify { json } => return verify::verify(&cache, *json),
    }
    Ok(Answer::Yes)
}

fn fetch(known: &KnownFile, cache: &Cache) -> Result<()> {
    let download = Download::from_environment();
    let mut progress: Option<Progress> = None;
    let path = download.fetch(known, cache, &mut |bytes, trouble| {
        progress
            .get_or_insert_with(|| {
                Progress::of_bytes(known.file, known.bytes.unwrap_or_default() as usize)
            })
            .update(bytes as usize, trouble);
    })?;
    let found = format!("SHA-256 {}, in `{}`", short(known.sha256), path.display());
    match progress {
        Some(progress) => progress.finish(&found),
        None => eprintln!("{}: there already, {found}", known.file),
    }
    println!("{}", path.display());
    Ok(())
}

fn add(file: &Path, cache: &Cache) -> Result<()> {
    let known = cache.add(file, &KNOWN)?;
    eprintln!("{} is `{}`", file.display(), known.file);
    println!("{}", cache.path(&known).display());
    Ok(())
}

fn add_own(name: &str, file: &Path, cache: &Cache) -> Result<()> {
    let path = cache.add_own(file, &OwnFile::named(name)?)?;
    println!("{}", path.display());
    Ok(())
}
