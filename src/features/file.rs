//! Features in a file, read a block of rows at a time: those that another program made, and those that were extracted. Or in
//! memory that another program holds, as the file that it would write.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Features, tensor_file};
use crate::digest::{sha256, sha256_all, sha256_file};
use crate::error::{Result, refuse};
use crate::files::split_entry;
use crate::numpy::{self, Array, Content, Source, SourceReader};

/// Rows of a block.
const BLOCK: usize = 1024;

/// A file of features, numbers rounded to f32.
#[derive(Clone, Debug)]
pub struct FeatureFile {
    /// How many images.
    pub rows: usize,
    /// How many features an image has.
    pub columns: usize,
    path: PathBuf,
    /// The bytes of a file that is in memory.
    in_memory: Option<Arc<dyn Source>>,
    matrix: Array,
    /// Which rows of the file; none for all of them.
    subset: Option<Vec<usize>>,
}

/// Whether `path` names a file of safetensors: by its ending.
pub fn is_safetensors(path: &Path) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case("safetensors"))
}

impl FeatureFile {
    /// Opens a matrix of features, one row an image: a two-dimensional array of an `.npy` or `.npz` file (`FILE.npz:NAME` names
    /// it), or the only tensor, or the one called `features`, of a safetensors file.
    ///
    /// Takes floating-point numbers of 16, 32 and 64 bits and integers, in either order and byte order. Refuses a file that
    /// cannot be read or is damaged, other entries, and other than two dimensions. NaN is not refused here, but by whatever
    /// compares the features.
    pub fn open(path: &Path) -> Result<Self> {
        let matrix = if is_safetensors(path) {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            tensor_file::matrix(file).map_err(|what| {
                let message = format!("`{}` is no file of features: {what}", path.display());
                refuse(
                    message,
                    "give one matrix of numbers, a row an image, called `features`",
                )
            })?
        } else {
            let found = numpy::look(path)?;
            if found.content != Content::Features {
                return Err(refuse(
                    format!(
                        "`{}` is no file of features: it holds {}",
                        path.display(),
                        found.content.name()
                    ),
                    "give one row of numbers an image, as `numpy.save(path, features)` writes them",
                ));
            }
            found.array()?
        };
        Ok(Self {
            rows: matrix.header.shape[0],
            columns: matrix.header.shape[1],
            path: path.to_owned(),
            in_memory: None,
            matrix,
            subset: None,
        })
    }

    /// The features in memory that holds what a `.npy` file does; messages and protocols call it `name`.
    ///
    /// # Errors
    /// Refuses what is no matrix of numbers.
    pub fn in_memory(name: &str, source: Arc<dyn Source>) -> Result<Self> {
        let refused = |what: &str| {
            refuse(
                format!("`{name}` holds no features: {what}"),
                "give one row of numbers an image",
            )
        };
        let matrix = Array::of(Arc::clone(&source)).map_err(|what| refused(&what))?;
        let &[rows, columns] = matrix.header.shape.as_slice() else {
            let count = matrix.header.shape.len();
            return Err(refused(&format!("it has {count} dimensions, not two")));
        };
        Ok(Self {
            rows,
            columns,
            path: PathBuf::from(name),
            in_memory: Some(source),
            matrix,
            subset: None,
        })
    }

    /// Where it lies, or what it is called.
    pub fn path(&self) -> &Path {
        &self.path
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
        let mut append = |range| self.matrix.rows(range, &mut values);
        match &self.subset {
            None => append(range)?,
            Some(subset) => subset[range]
                .iter()
                .try_for_each(|&row| append(row..row + 1))?,
        }
        Ok(Features::new(rows, self.columns, values))
    }

    /// The SHA-256 of the whole file; of one array of an archive that of the file and the array's name, where it was named.
    pub fn hash(&self) -> Result<String> {
        let Some(source) = &self.in_memory else {
            return hash_of(&self.path);
        };
        sha256_all(SourceReader::new(source.as_ref(), 0))
            .map_err(|error| unreadable(&self.path, &error))
    }
}

/// The SHA-256 of the file at `path`, with the name of the entry where `path` names one.
pub(super) fn hash_of(path: &Path) -> Result<String> {
    let (file, entry) = split_entry(path);
    let hash = sha256_file(&file).map_err(|error| unreadable(path, &error))?;
    Ok(match entry {
        None => hash,
        Some(name) => sha256(format!("{hash}:{name}")),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> anyhow::Error {
    refuse(
        format!("cannot read the features `{}`: {error}", path.display()),
        "give the path of an `.npy`, `.npz` or safetensors file",
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, serialize};
    use tempfile::TempDir;

    use super::*;
    use crate::numpy::npy;

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
    fn a_safetensors_file_has_one_matrix_or_one_called_features() {
        let data = bytes(f32::to_le_bytes);
        let tensor = || TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        let only = serialize([("anything", tensor())], None).unwrap();
        let named = serialize([("a", tensor()), ("features", tensor())], None).unwrap();
        for file in [only, named] {
            let features = read("a.safetensors", &file).unwrap();
            assert_eq!(features, Features::new(2, 3, values()));
        }
        let half: Vec<u8> = values()
            .into_iter()
            .flat_map(|value| half::bf16::from_f32(value).to_le_bytes())
            .collect();
        let half = TensorView::new(Dtype::BF16, vec![2, 3], &half).unwrap();
        let half = serialize([("features", half)], None).unwrap();
        let found = read("a.safetensors", &half).unwrap().values;
        for (found, expected) in found.into_iter().zip(values()) {
            assert!((found - expected).abs() <= expected / 256.0);
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
                "it has 1 dimensions, [6], neither two (features) nor four (images)",
            ),
            (npy("<f4", "False", "(1, 2, 3)", &data), "it holds images"),
            (
                npy("<c8", "False", "(1, 3)", &data),
                "it holds entries of type '<c8', not numbers",
            ),
            (
                npy("|O", "False", "(2, 3)", &data),
                "it holds Python objects (pickled), which are not read",
            ),
            (
                npy("<f4", "False", "(2, 4)", &data),
                "it is cut short or too long: 24 bytes of numbers for shape [2, 4]",
            ),
            (
                npy("<f4", "True", "(1, 3)", &data),
                "it is cut short or too long: 24 bytes of numbers for shape [1, 3]",
            ),
        ] {
            assert_eq!(message("a.npy", &file), expected);
        }
        for (name, expected) in [
            ("a.npy", "it has no header of an array: "),
            ("a.safetensors", "it has no header: "),
        ] {
            for bytes in [&b"PNG"[..], &[b'P'; 100]] {
                let said = message(name, bytes);
                assert!(said.starts_with(expected), "{said}");
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
    fn memory_is_read_as_the_file_that_it_would_be() {
        let data = bytes(f32::to_le_bytes);
        for order in ["False", "True"] {
            let file = npy("<f4", order, "(2, 3)", &data);
            let expected = read("a.npy", &file).unwrap();
            let found = FeatureFile::in_memory("a", Arc::new(file.clone())).unwrap();
            assert_eq!(found.hash().unwrap(), sha256(&file));
            assert_eq!(Features::join(2, found.blocks()).unwrap(), expected);
            let second = Features::join(1, found.select(vec![1]).blocks()).unwrap();
            assert_eq!(second, expected.select(&[1]));
        }
        for (shape, what) in [
            (
                "(6,)",
                "`a` holds no features: it has 1 dimensions, not two",
            ),
            (
                "(2, 4)",
                "`a` holds no features: it is cut short or too long",
            ),
        ] {
            let file = npy("<f4", "False", shape, &data);
            let said = FeatureFile::in_memory("a", Arc::new(file)).unwrap_err();
            assert!(said.to_string().starts_with(what), "{said}");
        }
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
