//! SHA-256 in the form everything is named by: lower-case hexadecimal.

use std::fmt::Write;
use std::fs::File;
use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// The SHA-256 of `bytes`, 64 hexadecimal digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of the file at `path`, of whatever size, 64 hexadecimal digits.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_file(path: &Path) -> io::Result<String> {
    sha256_all(File::open(path)?)
}

/// The SHA-256 of all that `reader` gives, 64 hexadecimal digits.
///
/// # Errors
/// If it cannot be read.
pub fn sha256_all(reader: impl io::Read) -> io::Result<String> {
    let mut digest = Sha256Writer::default();
    io::copy(
        &mut io::BufReader::with_capacity(1 << 16, reader),
        &mut digest,
    )?;
    Ok(digest.finish())
}

/// The SHA-256 of everything written to it, for what is too large to hold.
#[derive(Default)]
pub struct Sha256Writer(Sha256);

impl Sha256Writer {
    /// The SHA-256 of what was written, 64 hexadecimal digits.
    pub fn finish(self) -> String {
        hexadecimal(&self.0.finalize())
    }
}

impl std::io::Write for Sha256Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn hexadecimal(digest: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest {
        write!(text, "{byte:02x}").expect("writing to a string succeeds");
    }
    text
}
