//! What a file is, by its first bytes.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::{Result, refuse};

/// Formats by how they are read.
#[derive(Debug, PartialEq)]
pub(super) enum Format {
    /// PNG and JPEG: decoded whole.
    Plain,
    /// TIFF and BigTIFF, SVS among them.
    Tiff,
    /// Of which vendor, for OpenSlide.
    Vendor(&'static str),
}

/// What begins a file of each vendor, and where.
const VENDORS: [(usize, &[u8], &str); 5] = [
    (0, b"ZISRAWFILE", "Zeiss CZI"),
    (128, b"DICM", "DICOM"),
    (0, b"[Virtual Microscope Specimen]", "Hamamatsu VMS"),
    (
        0,
        b"[Uncompressed Virtual Microscope Specimen]",
        "Hamamatsu VMU",
    ),
    (0, b"SQLite format 3\0", "Sakura SVSLIDE"),
];

impl Format {
    /// The format of the file at `path`.
    ///
    /// # Errors
    /// If it is none that is known.
    pub(super) fn of(path: &Path) -> Result<Self> {
        let mut head = Vec::new();
        File::open(path)?.take(256).read_to_end(&mut head)?;
        // MIRAX: a picture of the slide beside a folder of the same name that has its tiles.
        if path.with_extension("").join("Slidedat.ini").is_file() {
            return Ok(Self::Vendor("3DHISTECH MRXS"));
        }
        if let Some(vendor) = vendor(&head) {
            return Ok(Self::Vendor(vendor));
        }
        match &head[..] {
            [0x89, b'P', b'N', b'G', ..] | [0xFF, 0xD8, 0xFF, ..] => Ok(Self::Plain),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Ok(Self::Tiff),
            [] => Err(refuse("the file is empty", "copy it again")),
            _ => Err(refuse(
                "it is no PNG, JPEG, TIFF or SVS, and no slide of a vendor that is known",
                "convert it, for example with `vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`",
            )),
        }
    }
}

/// The vendor whose files begin like `head`.
fn vendor(head: &[u8]) -> Option<&'static str> {
    VENDORS
        .iter()
        .find(|(place, start, _)| {
            head.get(*place..)
                .is_some_and(|rest| rest.starts_with(start))
        })
        .map(|(_, _, name)| *name)
}
