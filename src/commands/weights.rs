//! `histogen weights`: pretrained networks, by SHA-256.

use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use serde::Serialize;
use serde_json::Value;

use super::progress::Progress;
use super::{Answer, Outcome};
use crate::cli::Weights;
use crate::error::Result;
use crate::weights::download::Download;
use crate::weights::{Cache, KNOWN, KnownFile, OWN, OwnFile, State, short};

pub(super) fn run(command: &Weights) -> Outcome {
    let cache = Cache::open()?;
    match command {
        Weights::List { json } => list(&cache, *json)?,
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
        Weights::Verify => return verify(&cache),
    }
    Ok(Answer::Yes)
}

fn list(cache: &Cache, json: bool) -> Result<()> {
    let present = |known: &KnownFile| cache.path(known).exists();
    if json {
        let known = KNOWN.iter().map(|known| listed(known, cache.path(known)));
        let own = OWN.iter().map(|own| listed(own, cache.own_path(own)));
        let files: Vec<Value> = known.chain(own).collect::<Result<_>>()?;
        println!("{}", serde_json::to_string_pretty(&files)?);
        return Ok(());
    }
    for known in &KNOWN {
        println!(
            "{:17} {:8} {:>11}  {}  {}",
            known.name,
            if present(known) { "present" } else { "missing" },
            known
                .bytes
                .map_or_else(String::new, |bytes| HumanBytes(bytes).to_string()),
            short(known.sha256),
            known.used_by,
        );
    }
    for own in &OWN {
        let there = cache.own_path(own).exists();
        let there = if there { "present" } else { "missing" };
        println!(
            "{:17} {there:8} {:>11}  your copy  from {}",
            own.name, "", own.from
        );
    }
    eprintln!("in `{}`", cache.folder().display());
    Ok(())
}

fn listed(file: &impl Serialize, path: PathBuf) -> Result<Value> {
    let mut fields = serde_json::to_value(file)?;
    fields["present"] = path.exists().into();
    fields["path"] = serde_json::to_value(path)?;
    Ok(fields)
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

fn verify(cache: &Cache) -> Outcome {
    let mut answer = Answer::Yes;
    for known in &KNOWN {
        let state = match cache.verify(known)? {
            State::Missing => "missing".to_owned(),
            State::Whole => format!("whole    {}", known.sha256),
            State::Damaged(hash) => {
                answer = Answer::No;
                format!("DAMAGED  {hash}, published {}", known.sha256)
            }
        };
        println!("{:17} {state}", known.name);
    }
    if answer == Answer::No {
        eprintln!("`histogen weights fetch NAME` gets a damaged file again");
    }
    Ok(answer)
}
