//! What an import has done so far, so that one that was interrupted goes on.
//!
//! In the folder of a store that is being built: `tiles.jsonl` has a line for each slide whose tiles are known, `written.json` how
//! many patches are in the file of patches, and on the disk. A line that is cut ends what is known.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::tiles::Tiles;
use crate::error::Result;
use crate::files::write_whole;

const TILES: &str = "tiles.jsonl";
const WRITTEN: &str = "written.json";

/// The progress of an import.
pub(super) struct Journal {
    file: File,
    written: PathBuf,
}

impl Journal {
    /// Opens the journal in `folder`, with the tiles of the slides that it knows, by their numbers.
    ///
    /// # Errors
    /// If the folder cannot be read or written.
    pub(super) fn open(folder: &Path) -> Result<(Self, BTreeMap<usize, Tiles>)> {
        let path = folder.join(TILES);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        let mut known = BTreeMap::new();
        let mut whole = 0;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let parsed: Option<(usize, Tiles)> = line
                .strip_suffix(b"\n")
                .and_then(|text| serde_json::from_slice(text).ok());
            let Some((slide, tiles)) = parsed else { break };
            known.insert(slide, tiles);
            whole += line.len() as u64;
            line.clear();
        }
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        let written = folder.join(WRITTEN);
        Ok((Self { file, written }, known))
    }

    /// Notes the tiles of slide number `slide`, in place of what was noted before.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn note_tiles(&mut self, slide: usize, tiles: &Tiles) -> Result<()> {
        let mut line = serde_json::to_vec(&(slide, tiles))?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        Ok(())
    }

    /// How many patches are written.
    ///
    /// # Errors
    /// If what was noted cannot be read.
    pub(super) fn written(&self) -> Result<usize> {
        match fs::read(&self.written) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that so many patches are written, and on the disk.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn note_written(&self, patches: usize) -> Result<()> {
        write_whole(&self.written, &serde_json::to_vec(&patches)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tiles::Tile;

    fn tiles(x: u32) -> Tiles {
        Tiles {
            classes: vec!["a".to_owned()],
            places: vec![Tile {
                image: 0,
                x,
                y: 2,
                tissue: 10_000,
                class: 0,
            }],
            level: 1,
            skipped: vec![("b".to_owned(), "it is no image".to_owned())],
        }
    }

    #[test]
    fn what_was_noted_is_known_up_to_a_line_that_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, known) = Journal::open(folder.path()).unwrap();
        assert!(known.is_empty());
        assert_eq!(journal.written().unwrap(), 0);
        for slide in 0..3 {
            journal.note_tiles(slide, &tiles(slide as u32)).unwrap();
        }
        journal.note_tiles(1, &tiles(9)).unwrap();
        journal.note_written(77).unwrap();
        let (journal, known) = Journal::open(folder.path()).unwrap();
        assert_eq!(
            known,
            BTreeMap::from([(0, tiles(0)), (1, tiles(9)), (2, tiles(2))])
        );
        assert_eq!(journal.written().unwrap(), 77);
        let path = folder.path().join(TILES);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (mut journal, known) = Journal::open(folder.path()).unwrap();
        assert_eq!(known[&1], tiles(1));
        journal.note_tiles(1, &tiles(9)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}
