//! Features in a file, read a block of rows at a time: those that another program made, and those that were extracted.

use std::fs::File;
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::Features;
use super::layout::{self, Layout, Number};
use crate::digest::Sha256Writer;
use crate::error::{Result, refuse};
use crate::files::read_exact_at;

/// Rows of a block.
const BLOCK: usize = 1024;
/// Bytes that are converted at a time: a multiple of every number's.
const CHUNK: usize = 1 << 16;
/// What to do about an array that is no matrix of features.
const GIVE_MATRIX: &str =
    "give one row of f32 or f64 numbers an image, as `numpy.save(path, features)` writes them";

/// A file of features, f64 numbers rounded to f32.
#[derive(Debug)]
pub struct FeatureFile {
    /// How many images.
    pub rows: usize,
    /// How many features an image has.
    pub columns: usize,
    path: PathBuf,
    file: File,
    start: u64,
    number: Number,
    /// Which rows of the file; none for all of them.
    subset: Option<Vec<usize>>,
}

/// Whether `path` names a file of features: by its ending.
pub fn is_feature_file(path: &Path) -> bool {
    is_numpy(path) || has_ending(path, "safetensors")
}

fn is_numpy(path: &Path) -> bool {
    has_ending(path, "npy")
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

impl FeatureFile {
    /// Opens a matrix of features, one row an image: a two-dimensional `.npy` array, or the only tensor, or the one called
    /// `features`, of a safetensors file.
    ///
    /// Refuses a file that cannot be read or is damaged, other numbers than f32 and f64, and other than two dimensions.
    /// NaN is not refused here, but by whatever compares the features.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        let length = file.metadata().map_err(|error| unreadable(path, &error))?;
        let mut reader = BufReader::new(&file);
        let layout = if is_numpy(path) {
            layout::numpy(&mut reader, length.len())
        } else {
            layout::safetensors(&mut reader, length.len())
        };
        let Layout {
            rows,
            columns,
            start,
            number,
        } = layout.map_err(|what| {
            let message = format!("`{}` is no file of features: {what}", path.display());
            refuse(message, GIVE_MATRIX)
        })?;
        Ok(Self {
            rows,
            columns,
            path: path.to_owned(),
            file,
            start,
            number,
            subset: None,
        })
    }

    /// The rows at `indices` of the whole file, in that order.
    pub fn select(self, indices: Vec<usize>) -> Self {
        Self {
            rows: indices.len(),
            subset: Some(indices),
            ..self
        }
    }

    /// All rows in their order, some at a time; a block without rows where there are none.
    pub fn blocks(&self) -> impl Iterator<Item = Result<Features>> {
        let firsts = (0..self.rows.max(1)).step_by(BLOCK);
        firsts.map(|first| {
            let block = self.block(first..self.rows.min(first + BLOCK));
            block.map_err(|error| unreadable(&self.path, &error))
        })
    }

    fn block(&self, range: Range<usize>) -> io::Result<Features> {
        let rows = range.len();
        let mut values = Vec::with_capacity(rows * self.columns);
        match &self.subset {
            None => self.append(range, &mut values)?,
            Some(subset) => {
                for &row in &subset[range] {
                    self.append(row..row + 1, &mut values)?;
                }
            }
        }
        Ok(Features::new(rows, self.columns, values))
    }

    /// Appends the rows of the file at `range`.
    fn append(&self, range: Range<usize>, values: &mut Vec<f32>) -> io::Result<()> {
        let length = self.columns * self.number.size;
        let mut offset = self.start + (range.start * length) as u64;
        let mut left = range.len() * length;
        let mut chunk = vec![0; CHUNK.min(left)];
        while left > 0 {
            let chunk = &mut chunk[..CHUNK.min(left)];
            read_exact_at(&self.file, chunk, offset)?;
            offset += chunk.len() as u64;
            values.extend(chunk.chunks_exact(self.number.size).map(self.number.read));
            left -= chunk.len();
        }
        Ok(())
    }

    /// The SHA-256 of the whole file.
    pub fn hash(&self) -> Result<String> {
        let mut digest = Sha256Writer::default();
        File::open(&self.path)
            .and_then(|file| {
                let mut file = BufReader::with_capacity(CHUNK, file);
                io::copy(&mut file, &mut digest)
            })
            .map_err(|error| unreadable(&self.path, &error))?;
        Ok(digest.finish())
    }
}

fn unreadable(path: &Path, error: &io::Error) -> anyhow::Error {
    refuse(
        format!("cannot read the features `{}`: {error}", path.display()),
        "give the path of an `.npy` or safetensors file",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, serialize};
    use tempfile::TempDir;

    use super::*;
    use crate::digest::sha256;

    /// `numpy.save` of an array of `kind` and `shape`, with a header as NumPy writes it.
    fn npy(kind: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let mut header =
            format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        header += &" ".repeat(length - 1 - header.len());
        header.push('\n');
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((length as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(data);
        file
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Features> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let file = FeatureFile::open(&path)?;
        assert_eq!(file.hash().unwrap(), sha256(bytes));
        let all = Features::join(file.rows, file.blocks())?;
        assert_eq!((file.rows, file.columns), (all.rows, all.columns));
        Ok(all)
    }

    fn message(name: &str, bytes: &[u8]) -> String {
        let message = read(name, bytes).unwrap_err().to_string();
        let (_, what) = message.split_once(": ").unwrap();
        what.to_owned()
    }

    fn values() -> Vec<f32> {
        (0..6u8).map(|value| f32::from(value) / 7.0).collect()
    }

    fn bytes<T, const N: usize>(bytes: fn(T) -> [u8; N]) -> Vec<u8>
    where
        f32: Into<T>,
    {
        values()
            .into_iter()
            .flat_map(|value| bytes(value.into()))
            .collect()
    }

    #[test]
    fn matrices_of_numpy_are_read_in_either_precision_and_byte_order() {
        let expected = Features::new(2, 3, values());
        for (kind, data) in [
            ("<f4", bytes(f32::to_le_bytes)),
            (">f4", bytes(f32::to_be_bytes)),
            ("<f8", bytes(f64::to_le_bytes)),
            (">f8", bytes(f64::to_be_bytes)),
        ] {
            let features = read("a.npy", &npy(kind, "False", "(2, 3)", &data)).unwrap();
            assert_eq!(features, expected, "{kind}");
        }
    }

    #[test]
    fn a_safetensors_file_has_one_matrix_or_one_called_features() {
        let data = bytes(f32::to_le_bytes);
        let tensor = || TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        let only = serialize([("anything", tensor())], None).unwrap();
        let named = serialize([("a", tensor()), ("features", tensor())], None).unwrap();
        for file in [only, named] {
            let features = read("a.safetensors", &file).unwrap();
            assert_eq!(features, Features::new(2, 3, values()));
        }
        let none = serialize([("a", tensor()), ("b", tensor())], None).unwrap();
        assert_eq!(
            message("a.safetensors", &none),
            "it holds 2 tensors, and none is called `features`"
        );
    }

    #[test]
    fn what_is_no_matrix_of_features_is_refused() {
        let data = bytes(f32::to_le_bytes);
        for (file, expected) in [
            (
                npy("<f4", "False", "(6,)", &data),
                "it has 1 dimensions, [6], not two",
            ),
            (
                npy("<f4", "False", "(1, 2, 3)", &data),
                "it has 3 dimensions, [1, 2, 3], not two",
            ),
            (
                npy("<i4", "False", "(2, 3)", &data),
                "it holds numbers of type '<i4', not f32 or f64",
            ),
            (
                npy("<f4", "True", "(2, 3)", &data),
                "its columns come first (Fortran order)",
            ),
            (
                npy("<f4", "False", "(2, 4)", &data),
                "it is cut short or too long: 24 bytes of numbers for shape [2, 4]",
            ),
            (
                npy("<f4", "False", "(1, 3)", &data),
                "it is cut short or too long: 24 bytes of numbers for shape [1, 3]",
            ),
        ] {
            assert_eq!(message("a.npy", &file), expected);
        }
        for name in ["a.npy", "a.safetensors"] {
            for bytes in [&b"PNG"[..], &[b'P'; 100]] {
                assert!(message(name, bytes).starts_with("it has no header: "));
            }
        }
        let tensor = TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        let whole = serialize([("features", tensor)], None).unwrap();
        assert_eq!(
            message("a.safetensors", &whole[..whole.len() - 4]),
            "it is cut short or too long: 20 bytes of numbers for tensors of 24"
        );
    }

    #[test]
    fn blocks_are_all_rows_or_a_subset_in_their_order() {
        let (rows, columns) = (2 * BLOCK + 3, 3);
        let values: Vec<f32> = (0..rows * columns).map(|place| place as f32).collect();
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let all = Features::new(rows, columns, values);
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.npy");
        let shape = format!("({rows}, {columns})");
        fs::write(&path, npy("<f4", "False", &shape, &data)).unwrap();
        let file = FeatureFile::open(&path).unwrap();
        assert!(file.blocks().all(|block| block.unwrap().rows <= BLOCK));
        assert_eq!(Features::join(rows, file.blocks()).unwrap(), all);
        let indices: Vec<usize> = (0..BLOCK + 2).map(|place| (7 * place) % rows).collect();
        let expected = all.select(&indices);
        let file = file.select(indices);
        assert_eq!(file.blocks().count(), 2);
        assert_eq!(Features::join(BLOCK + 2, file.blocks()).unwrap(), expected);
        let none = file.select(Vec::new());
        let none = Features::join(0, none.blocks()).unwrap();
        assert_eq!((none.rows, none.columns), (0, columns));
    }
}
