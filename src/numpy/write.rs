//! Writing `.npz` archives, a block of an array at a time.

use std::io::{self, Seek, Write};

use npyz::{AutoSerialize, DType, WriteOptions, WriterBuilder};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// An archive that arrays are written into, deflated, one after the other.
pub struct ArchiveWriter<W: Write + Seek>(ZipWriter<W>);

impl<W: Write + Seek> ArchiveWriter<W> {
    /// Starts an archive.
    pub fn new(file: W) -> Self {
        Self(ZipWriter::new(file))
    }

    /// Adds the array `name` of `shape`, whose numbers `write` writes in little endian.
    ///
    /// # Errors
    /// The file cannot be written; those of `write`.
    pub fn add<T: AutoSerialize>(
        &mut self,
        name: &str,
        shape: &[usize],
        write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        // One date for all, so that equal arrays are equal files.
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::default());
        self.0
            .start_file(format!("{name}.npy"), options.large_file(true))
            .map_err(io::Error::from)?;
        let shape: Vec<u64> = shape.iter().map(|&length| length as u64).collect();
        let kind: DType = T::default_dtype();
        WriteOptions::new_header_only()
            .dtype(kind)
            .shape(&shape)
            .writer(&mut self.0)
            .write_header_only()?;
        write(&mut self.0)
    }

    /// Adds an array of f64.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_f64(&mut self, name: &str, shape: &[usize], values: &[f64]) -> anyhow::Result<()> {
        self.add::<f64>(name, shape, |file| {
            values
                .iter()
                .try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
            Ok(())
        })
    }

    /// Adds an array of f32.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_f32(&mut self, name: &str, shape: &[usize], values: &[f32]) -> anyhow::Result<()> {
        self.add::<f32>(name, shape, |file| {
            values
                .iter()
                .try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
            Ok(())
        })
    }

    /// Adds an array of i64.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add_i64(&mut self, name: &str, shape: &[usize], values: &[i64]) -> anyhow::Result<()> {
        self.add::<i64>(name, shape, |file| {
            values
                .iter()
                .try_for_each(|value| file.write_all(&value.to_le_bytes()))?;
            Ok(())
        })
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish().map_err(io::Error::from)
    }
}
