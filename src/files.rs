//! Writing files so that they are whole or not there, whatever happens to the process or the machine.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use etcetera::BaseStrategy;
use tempfile::NamedTempFile;

use crate::error::{Result, refuse};

/// Ends the names of files that are not whole yet: `.NAME.RANDOM` before it.
pub const UNFINISHED: &str = ".unfinished";

/// Writes a file under another name, sees it onto the disk and renames it, so that it is never seen half-written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let folder = path.parent().context("a file lies in a folder")?;
    let file = unfinished(path, bytes)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(folder).map_err(failed)
}

/// `bytes` on disk under another name beside `path`.
fn unfinished(path: &Path, bytes: &[u8]) -> Result<NamedTempFile> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).map_err(failed)?;
    let name = path.file_name().context("a file has a name")?;
    let name = format!(".{}.", name.to_string_lossy());
    let mut builder = tempfile::Builder::new();
    let builder = readable(builder.prefix(&name).suffix(UNFINISHED));
    let mut file = builder.tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    Ok(file)
}

/// A file in `folder` that has no name of its own yet.
///
/// # Errors
/// It cannot be made.
pub fn temporary_in(folder: &Path) -> io::Result<NamedTempFile> {
    readable(&mut tempfile::Builder::new()).tempfile_in(folder)
}

/// With the permissions of any new file, by the user's mask; temporary files are the user's alone, and a group shares its runs.
fn readable<'a, 'b, 'c>(
    builder: &'a mut tempfile::Builder<'b, 'c>,
) -> &'a mut tempfile::Builder<'b, 'c> {
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder
}

/// Writes a file as [`write_whole`] does, unless there is one. Says whether there was none: of several processes, on one machine
/// or on many, one writes it.
///
/// # Errors
/// If it cannot be written.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<bool> {
    let failed = |error: io::Error| cannot_write(path, &error);
    let folder = path.parent().context("a file lies in a folder")?;
    match unfinished(path, bytes)?.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(failed(error.error)),
    }
    sync_folder(folder).map_err(failed)?;
    Ok(true)
}

/// The folder that the environment variable `variable` names, or `histogen/NAME` in the user's cache folder.
///
/// # Errors
/// Fails if the variable is not set and the user has no home folder.
pub fn cache_folder(variable: &str, name: &str) -> Result<PathBuf> {
    let named = std::env::var_os(variable).filter(|folder| !folder.is_empty());
    if let Some(folder) = named {
        return Ok(PathBuf::from(folder));
    }
    let strategy = etcetera::choose_base_strategy().map_err(|error| {
        refuse(
            format!("cannot tell where the cache folder is: {error}"),
            format!("name one in the environment variable `{variable}`"),
        )
    })?;
    Ok(strategy.cache_dir().join("histogen").join(name))
}

/// Fills `bytes` with what stands in `file` from `offset` on, wherever its cursor is: threads may read one file at once.
///
/// # Errors
/// If the file cannot be read, or ends before.
#[cfg(unix)]
pub fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

/// Fills `bytes` with what stands in `file` from `offset` on: threads may read one file at once.
///
/// # Errors
/// If the file cannot be read, or ends before.
#[cfg(windows)]
pub fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

/// `FILE:NAME`, where FILE is there and holds several things, one of which is called NAME; any other path is a file's.
pub fn split_entry(path: &Path) -> (PathBuf, Option<String>) {
    if !path.exists()
        && let Some((file, name)) = path.to_str().and_then(|path| path.rsplit_once(':'))
        && Path::new(file).is_file()
    {
        return (PathBuf::from(file), Some(name.to_owned()));
    }
    (path.to_owned(), None)
}

/// Sees the names in a folder onto the disk: a file that was renamed is there after a loss of power too.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Removes what [`write_whole`] left in `folder` where its process was killed. Only who alone writes there may do this.
pub fn remove_unfinished(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(|error| cannot_write(folder, &error))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            fs::remove_file(&path).map_err(|error| cannot_write(&path, &error))?;
        }
    }
    Ok(())
}

/// The error of a path that cannot be written.
pub fn cannot_write(path: &Path, reason: &io::Error) -> anyhow::Error {
    let hint = match reason.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "make room and repeat the command: what is whole is kept, and runs go on from their last checkpoint"
        }
        _ => "choose a folder you may write with `--out DIR`",
    };
    refuse(format!("cannot write `{}`: {reason}", path.display()), hint)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_has_the_permissions_of_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let [whole, other] = ["whole", "other"].map(|name| folder.path().join(name));
        write_whole(&whole, b"numbers").unwrap();
        fs::write(&other, b"numbers").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&whole), mode(&other));
        let temporary = temporary_in(folder.path()).unwrap();
        assert_eq!(mode(temporary.path()), mode(&other));
    }
}
