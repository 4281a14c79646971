//! The structure of a TIFF file: its header, its directories and their entries (TIFF 6.0, section 2; BigTIFF).
//!
//! Files come from anywhere, so nothing is allocated before the file is known to be long enough to hold it.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::error::Result;
use crate::files::read_exact_at;

/// Directories that are looked at: a pyramid has some ten, and some more for its label and its overview.
const MOST_DIRECTORIES: usize = 1000;

/// The bytes of a file, read where they are asked for: threads may read at once.
pub(super) struct Bytes {
    file: File,
    length: u64,
}

impl Bytes {
    /// Opens the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// How many there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// `length` bytes from `offset` on; refused before they are allocated where the file ends before.
    pub(super) fn read(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let end = offset.checked_add(length);
        ensure!(
            end.is_some_and(|end| end <= self.length),
            "{length} bytes at {offset} are beyond the end of the file, which has {}",
            self.length
        );
        let mut bytes = vec![0; length as usize];
        read_exact_at(&self.file, &mut bytes, offset)?;
        Ok(bytes)
    }
}

/// How numbers are written in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    /// Most significant byte first.
    pub(super) big_endian: bool,
    /// BigTIFF: counts and offsets of 64 bits.
    big: bool,
}

impl Layout {
    /// The unsigned number in `bytes`, at most eight of them.
    pub(super) fn number(self, bytes: &[u8]) -> u64 {
        let join = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        if self.big_endian {
            bytes.iter().fold(0, join)
        } else {
            bytes.iter().rev().fold(0, join)
        }
    }
}

/// One entry: a list of numbers, or a text.
struct Entry {
    kind: u64,
    count: u64,
    /// Where the values stand in the file.
    offset: u64,
}

/// The entries of one directory, by their tags.
#[derive(Default)]
pub(super) struct Directory {
    entries: BTreeMap<u64, Entry>,
}

/// A TIFF file and its directories.
pub(super) struct TiffFile {
    pub(super) bytes: Bytes,
    pub(super) layout: Layout,
    /// The directories that the header leads to, one after the other.
    pub(super) pages: Vec<Directory>,
}

impl TiffFile {
    /// Reads the directories of `bytes`.
    pub(super) fn read(bytes: Bytes) -> Result<Self> {
        let head = bytes.read(0, 8).context("no header")?;
        let big_endian = head[0] == b'M';
        let mut layout = Layout {
            big_endian,
            big: false,
        };
        let mut next = match layout.number(&head[2..4]) {
            42 => layout.number(&head[4..8]),
            43 => {
                layout.big = true;
                ensure!(layout.number(&head[4..6]) == 8, "a header of no BigTIFF");
                layout.number(&bytes.read(8, 8).context("no header")?)
            }
            version => bail!("version {version} of TIFF"),
        };
        let mut file = Self {
            bytes,
            layout,
            pages: Vec::new(),
        };
        let mut seen = HashSet::new();
        while next != 0 {
            ensure!(
                seen.insert(next),
                "the directory at {next} comes twice: they form a loop"
            );
            ensure!(
                seen.len() <= MOST_DIRECTORIES,
                "more than {MOST_DIRECTORIES} directories: this is no slide"
            );
            let directory;
            (directory, next) = file.directory(next)?;
            file.pages.push(directory);
        }
        ensure!(!file.pages.is_empty(), "it has no directory");
        Ok(file)
    }

    /// The directory at `offset`, and where the next one is.
    pub(super) fn directory(&self, offset: u64) -> Result<(Directory, u64)> {
        let (count_bytes, entry_bytes, field) = if self.layout.big {
            (8, 20, 8)
        } else {
            (2, 12, 4)
        };
        let what = || format!("the directory at {offset}");
        let count = self.bytes.read(offset, count_bytes).with_context(what)?;
        let count = self.layout.number(&count);
        let length = count
            .checked_mul(entry_bytes)
            .and_then(|length| length.checked_add(field))
            .context("the number of its entries is no number")
            .with_context(what)?;
        let start = offset + count_bytes;
        let bytes = self.bytes.read(start, length).with_context(what)?;
        let (entries, next) = bytes.split_at(bytes.len() - field as usize);
        let mut directory = Directory::default();
        for (index, bytes) in entries.chunks_exact(entry_bytes as usize).enumerate() {
            let (tag, kind) = (&bytes[..2], self.layout.number(&bytes[2..4]));
            let count = self.layout.number(&bytes[4..4 + field as usize]);
            let value = 4 + field as usize;
            // What fits into the entry stands there.
            let short = width(kind).and_then(|width| count.checked_mul(width));
            let offset = if short.is_some_and(|length| length <= field) {
                start + index as u64 * entry_bytes + value as u64
            } else {
                self.layout.number(&bytes[value..])
            };
            let entry = Entry {
                kind,
                count,
                offset,
            };
            directory.entries.insert(self.layout.number(tag), entry);
        }
        Ok((directory, self.layout.number(next)))
    }

    /// The numbers of entry `tag`, at most the first `most`; none if it is not there. A fraction is two of them.
    pub(super) fn numbers(&self, of: &Directory, tag: u64, most: u64) -> Result<Option<Vec<u64>>> {
        let Some(entry) = of.entries.get(&tag) else {
            return Ok(None);
        };
        let what = || format!("entry {tag}");
        let width = width(entry.kind).context("a kind of value that is unknown");
        let (width, parts) = match (width.with_context(what)?, entry.kind) {
            (_, 5) => (4, 2),
            (width, _) => (width, 1),
        };
        let count = entry.count.saturating_mul(parts).min(most);
        let length = count.saturating_mul(width);
        let bytes = self.bytes.read(entry.offset, length).with_context(what)?;
        let numbers = bytes.chunks_exact(width as usize);
        let numbers = numbers.map(|bytes| self.layout.number(bytes));
        Ok(Some(numbers.collect()))
    }

    /// The first number of entry `tag`; none if it is not there.
    pub(super) fn number(&self, of: &Directory, tag: u64) -> Result<Option<u64>> {
        let numbers = self.numbers(of, tag, 1)?;
        Ok(numbers.and_then(|numbers| numbers.first().copied()))
    }

    /// The bytes of entry `tag`, whatever they mean, at most `most` of them; none if it is not there.
    pub(super) fn bytes(&self, of: &Directory, tag: u64, most: u64) -> Result<Option<Vec<u8>>> {
        let Some(entry) = of.entries.get(&tag) else {
            return Ok(None);
        };
        let length = entry.count.min(most);
        let bytes = self.bytes.read(entry.offset, length);
        bytes.with_context(|| format!("entry {tag}")).map(Some)
    }
}

impl Directory {
    /// Whether there is an entry `tag`.
    pub(super) fn has(&self, tag: u64) -> bool {
        self.entries.contains_key(&tag)
    }
}

/// Bytes of one value of a kind of entry; none for kinds that are unknown.
fn width(kind: u64) -> Option<u64> {
    match kind {
        1 | 2 | 6 | 7 => Some(1),
        3 | 8 => Some(2),
        4 | 9 | 11 | 13 => Some(4),
        5 | 10 | 12 | 16 | 17 | 18 => Some(8),
        _ => None,
    }
}
