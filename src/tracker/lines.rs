//! Files of lines that grow while they are read, and may be cut off or written anew.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::error::{Result, refuse};

/// About how many bytes are read at once.
const CHUNK: u64 = 256 * 1024;

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

    /// The lines that came since the last call; none if there is no file.
    pub(super) fn read(&mut self) -> Result<Lines> {
        let read = match File::open(&self.path) {
            Ok(file) => self.read_from(BufReader::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lines::default()),
            Err(error) => Err(error),
        };
        read.map_err(|error| cannot_read(&self.path, &error))
    }

    fn read_from(&mut self, mut file: BufReader<File>) -> io::Result<Lines> {
        file.seek(SeekFrom::Start(self.offset - self.last.len() as u64))?;
        let mut last = vec![0; self.last.len()];
        let anew = file.read_exact(&mut last).is_err() || last != self.last;
        if anew {
            (self.offset, self.last) = (0, Vec::new());
            file.rewind()?;
        }
        let (start, mut lines) = (self.offset, Vec::new());
        while self.offset - start < CHUNK {
            let mut line = Vec::new();
            file.read_until(b'\n', &mut line)?;
            let Some((b'\n', text)) = line.split_last() else {
                break;
            };
            lines.push(String::from_utf8_lossy(text).into_owned());
            self.offset += line.len() as u64;
            self.last = line;
        }
        Ok(Lines { anew, lines })
    }
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
    fn many_lines_come_in_chunks_and_a_long_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let long = "x".repeat(3 * CHUNK as usize);
        fs::write(&path, format!("{long}\nshort\ncut")).unwrap();
        let mut tail = Tail::new(&path);
        assert_eq!(tail.read().unwrap().lines, [long.as_str()]);
        assert_eq!(tail.read().unwrap().lines, ["short"]);
        assert_eq!(tail.read().unwrap(), Lines::default());
    }
}
