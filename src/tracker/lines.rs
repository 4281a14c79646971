//! Files of lines that grow while they are read, and may be cut off or written anew.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Result, refuse};

/// How much of a file is read at once.
const CHUNK: u64 = 256 * 1024;

/// The lines of the file at `path` that end in a line break; none if there is no file.
#[cfg(test)]
pub(super) fn whole_lines(path: &Path) -> Result<Vec<String>> {
    let mut tail = Tail::new(path);
    let mut lines = Vec::new();
    loop {
        let more = tail.read()?.lines;
        if more.is_empty() {
            return Ok(lines);
        }
        lines.extend(more);
    }
}

/// Cuts `file`, which lies at `path`, after its last line break.
pub(super) fn drop_cut_line(path: &Path, file: &File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut start = length;
    while start > 0 {
        let from = start.saturating_sub(CHUNK);
        let bytes = read_range(&mut File::open(path)?, from, start - from)?;
        if let Some(place) = bytes.iter().rposition(|byte| *byte == b'\n') {
            let whole = from + place as u64 + 1;
            return if whole == length {
                Ok(())
            } else {
                file.set_len(whole)
            };
        }
        start = from;
    }
    file.set_len(0)
}

/// The last lines of the file at `path`, at most [`CHUNK`] bytes of them, newest first.
pub(super) fn last_lines(path: &Path) -> Result<Vec<String>> {
    let Ok(mut file) = File::open(path) else {
        return Ok(Vec::new());
    };
    let failed = |error: io::Error| cannot_read(path, &error);
    let length = file.metadata().map_err(failed)?.len();
    let from = length.saturating_sub(CHUNK);
    let bytes = read_range(&mut file, from, length - from).map_err(failed)?;
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return Ok(Vec::new());
    };
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    // The first may have begun before.
    let skipped = usize::from(from > 0);
    let lines: Vec<String> = text.lines().skip(skipped).map(ToOwned::to_owned).collect();
    Ok(lines.into_iter().rev().collect())
}

/// What came since the last look.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Lines {
    /// Whether the file is not the one of the last look: these are its first lines.
    pub(super) anew: bool,
    /// Lines that end in a line break, at most about [`CHUNK`] bytes.
    pub(super) lines: Vec<String>,
}

/// A look at the end of a file of lines that grows, or is written anew under the same name.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    offset: u64,
    /// The line before `offset`, to see whether the file is the same.
    last: Vec<u8>,
}

impl Tail {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            offset: 0,
            last: Vec::new(),
        }
    }

    /// The lines that came since the last call.
    pub(super) fn read(&mut self) -> Result<Lines> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lines::default()),
            Err(error) => return Err(cannot_read(&self.path, &error)),
        };
        self.read_from(&mut file)
            .map_err(|error| cannot_read(&self.path, &error))
    }

    fn read_from(&mut self, file: &mut File) -> io::Result<Lines> {
        let length = file.metadata()?.len();
        let before = self.last.len() as u64;
        let anew =
            length < self.offset || read_range(file, self.offset - before, before)? != self.last;
        if anew {
            (self.offset, self.last) = (0, Vec::new());
        }
        let mut chunk = CHUNK.min(length - self.offset);
        loop {
            let bytes = read_range(file, self.offset, chunk)?;
            let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
                if self.offset + chunk < length {
                    // A line longer than what is read at once.
                    chunk = (2 * chunk).min(length - self.offset);
                    continue;
                }
                return Ok(Lines {
                    anew,
                    lines: Vec::new(),
                });
            };
            let whole = &bytes[..=end];
            let start = whole[..end].iter().rposition(|byte| *byte == b'\n');
            self.last = whole[start.map_or(0, |place| place + 1)..].to_vec();
            self.offset += whole.len() as u64;
            let text = String::from_utf8_lossy(whole);
            return Ok(Lines {
                anew,
                lines: text.lines().map(ToOwned::to_owned).collect(),
            });
        }
    }
}

fn read_range(file: &mut File, from: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The error of a file that cannot be read.
pub(super) fn cannot_read(path: &Path, error: &io::Error) -> anyhow::Error {
    refuse(
        format!("cannot read `{}`: {error}", path.display()),
        "restore the file, or delete the run's folder to train it again",
    )
}

/// The bytes of the file at `path`; `None` if there is none.
pub(super) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::Write;

    #[test]
    fn a_tail_sees_each_line_once_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let mut tail = Tail::new(&path);
        assert_eq!(tail.read().unwrap(), Lines::default());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        file.write_all(b"one\ntwo\nthr").unwrap();
        assert_eq!(tail.read().unwrap().lines, ["one", "two"]);
        assert_eq!(tail.read().unwrap(), Lines::default());
        file.write_all(b"ee\n").unwrap();
        assert_eq!(tail.read().unwrap().lines, ["three"]);
        // As a ledger that is rewound and has grown beyond its old end; then rewound alone.
        for text in ["one\ntwo\nTHREE\nfour\n", "one\n"] {
            fs::write(&path, text).unwrap();
            let lines = tail.read().unwrap();
            assert!(lines.anew);
            assert_eq!(lines.lines.join("\n") + "\n", text);
        }
    }

    #[test]
    fn a_line_longer_than_a_chunk_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let long = "x".repeat(3 * CHUNK as usize);
        fs::write(&path, format!("{long}\nshort\ncut")).unwrap();
        assert_eq!(whole_lines(&path).unwrap(), [long.as_str(), "short"]);
        assert_eq!(last_lines(&path).unwrap(), ["short"]);
        let file = OpenOptions::new().append(true).open(&path).unwrap();
        drop_cut_line(&path, &file).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            format!("{long}\nshort\n")
        );
        fs::write(&path, &long).unwrap();
        drop_cut_line(&path, &file).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "");
    }
}
