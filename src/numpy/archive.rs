//! `.npz`: a zip archive of `.npy` files, as `numpy.savez` (stored) and `numpy.savez_compressed` (deflated) write it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::{Array, Header};
use crate::error::{Result, refuse};

/// An archive of arrays.
pub struct Archive {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    members: Vec<Member>,
}

/// An array in an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name, without the ending `.npy`.
    pub name: String,
    /// What it is, or why it cannot be read.
    pub header: std::result::Result<Header, String>,
    /// Its place in the archive.
    place: usize,
}

impl Archive {
    /// Opens the archive at `path` and reads the headers of its arrays.
    ///
    /// # Errors
    /// It cannot be read, or is no whole zip archive.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", path.display());
            refuse(message, "give the path of an `.npz` file")
        })?;
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            refuse(
                format!("`{}` is no whole `.npz` archive: {error}", path.display()),
                "the file is cut short or of another kind: get it again, or write it with `numpy.savez`",
            )
        })?;
        let members = (0..zip.len()).filter_map(|place| {
            let member = match zip.by_index(place) {
                Ok(member) => member,
                Err(error) => {
                    let name = format!("member {place}");
                    let header = Err(format!("it cannot be read: {error}"));
                    return Some(Member {
                        name,
                        header,
                        place,
                    });
                }
            };
            let name = member.name().ok()?.strip_suffix(".npy")?.to_owned();
            let header = Header::read(member).and_then(|(header, number)| number.map(|_| header));
            Some(Member {
                name,
                header,
                place,
            })
        });
        Ok(Self {
            members: members.collect(),
            path: path.to_owned(),
            zip,
        })
    }

    /// Its arrays, in their order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The array called `name`. A deflated one is unpacked into a file without a name.
    ///
    /// # Errors
    /// There is none, or it is cut short or holds no numbers.
    pub fn array(&mut self, name: &str) -> Result<Array> {
        let whole = "get the file again, or write it with `numpy.savez`";
        let path = self.path.display().to_string();
        let Some(member) = self.members.iter().find(|member| member.name == name) else {
            let names: Vec<&str> = self
                .members
                .iter()
                .map(|member| member.name.as_str())
                .collect();
            return Err(refuse(
                format!("`{path}` has no array `{name}`"),
                format!("it has: {}", names.join(", ")),
            ));
        };
        let failed = |what: String| refuse(format!("array `{name}` of `{path}`: {what}"), whole);
        let unreadable = |error: io::Error| failed(format!("it cannot be read: {error}"));
        let mut packed = self
            .zip
            .by_index(member.place)
            .map_err(|error| failed(format!("it cannot be read: {error}")))?;
        let (method, length) = (packed.compression(), packed.size());
        if let (CompressionMethod::Stored, Some(start)) = (method, packed.data_start()) {
            drop(packed);
            let file = File::open(&self.path).map_err(unreadable)?;
            return Array::within(Arc::new(file), start, length).map_err(failed);
        }
        let mut file = tempfile::tempfile().map_err(unreadable)?;
        // No more than the archive says, whatever it is packed as.
        let written = io::copy(&mut packed.by_ref().take(length), &mut file).map_err(unreadable)?;
        Array::within(Arc::new(file), 0, written).map_err(failed)
    }
}
