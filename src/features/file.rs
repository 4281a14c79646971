//! Features that another program made: `.npy` as `numpy.save` writes them, or safetensors.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{NpyHeader, Order};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::Features;
use crate::digest::{Sha256Writer, sha256};
use crate::error::{Result, refuse};

/// The tensor of a safetensors file that is taken if there are several.
const TENSOR: &str = "features";
/// Bytes that are converted at a time.
const CHUNK: usize = 1 << 16;
/// What to do about an array that is no matrix of features.
const GIVE_MATRIX: &str =
    "give one row of f32 or f64 numbers an image, as `numpy.save(path, features)` writes them";

/// Features from a file.
#[derive(Clone, Debug)]
pub struct FeatureFile {
    /// The features, f64 numbers rounded to f32.
    pub features: Features,
    /// The SHA-256 of the file.
    pub hash: String,
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
    /// Reads a matrix of features, one row an image: a two-dimensional `.npy` array, or the only tensor, or the one called
    /// `features`, of a safetensors file.
    ///
    /// Refuses a file that cannot be read or is damaged, other numbers than f32 and f64, and other than two dimensions.
    /// NaN is not refused here, but by whatever compares the features.
    pub fn read(path: &Path) -> Result<Self> {
        let shown = path.display();
        let refused = |what: String| {
            let message = format!("`{shown}` is no file of features: {what}");
            refuse(message, GIVE_MATRIX)
        };
        let unreadable = |error: std::io::Error| {
            let message = format!("cannot read the features `{shown}`: {error}");
            refuse(message, "give the path of an `.npy` or safetensors file")
        };
        if is_numpy(path) {
            let file = File::open(path).map_err(unreadable)?;
            let length = file.metadata().map_err(unreadable)?.len();
            let mut file = Hashed::new(file);
            let features = numpy(&mut file, length).map_err(refused)?;
            return Ok(Self {
                features,
                hash: file.digest.finish(),
            });
        }
        let bytes = fs::read(path).map_err(unreadable)?;
        Ok(Self {
            features: safetensors(&bytes).map_err(refused)?,
            hash: sha256(&bytes),
        })
    }
}

/// A file that is hashed as it is read.
struct Hashed {
    file: BufReader<File>,
    digest: Sha256Writer,
    /// Bytes read so far.
    place: u64,
}

impl Hashed {
    fn new(file: File) -> Self {
        Self {
            file: BufReader::with_capacity(CHUNK, file),
            digest: Sha256Writer::default(),
            place: 0,
        }
    }
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        std::io::Write::write_all(&mut self.digest, &buffer[..count])?;
        self.place += count as u64;
        Ok(count)
    }
}

/// The matrix of an `.npy` file of `length` bytes, or what is wrong with it.
fn numpy(file: &mut Hashed, length: u64) -> std::result::Result<Features, String> {
    let header =
        NpyHeader::from_reader(&mut *file).map_err(|error| format!("it has no header: {error}"))?;
    let &[rows, columns] = header.shape() else {
        return Err(dimensions(header.shape()));
    };
    if header.order() != Order::C {
        return Err("its columns come first (Fortran order)".into());
    }
    let kind = header.dtype().descr();
    let (size, number): (u64, fn(&[u8]) -> f32) = match kind.trim_matches('\'') {
        "<f4" => (4, |bytes| f32::from_le_bytes(four(bytes))),
        "<f8" => (8, |bytes| f64::from_le_bytes(eight(bytes)) as f32),
        ">f4" => (4, |bytes| f32::from_be_bytes(four(bytes))),
        ">f8" => (8, |bytes| f64::from_be_bytes(eight(bytes)) as f32),
        _ => return Err(format!("it holds numbers of type {kind}, not f32 or f64")),
    };
    let wanted = [columns, size].into_iter().try_fold(rows, u64::checked_mul);
    let mut left = length.saturating_sub(file.place);
    if wanted != Some(left) {
        return Err(format!(
            "it is cut short or too long: {left} bytes of numbers for shape [{rows}, {columns}]"
        ));
    }
    let mut values = Vec::with_capacity((left / size) as usize);
    let mut chunk = vec![0; CHUNK];
    while left > 0 {
        let chunk = &mut chunk[..CHUNK.min(left as usize)];
        file.read_exact(chunk).map_err(|error| error.to_string())?;
        values.extend(chunk.chunks_exact(size as usize).map(number));
        left -= chunk.len() as u64;
    }
    Ok(Features::new(rows as usize, columns as usize, values))
}

/// The matrix of a safetensors file, or what is wrong with it.
fn safetensors(bytes: &[u8]) -> std::result::Result<Features, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let names = file.names();
    let name = match names.as_slice() {
        [only] => only,
        _ => TENSOR,
    };
    let tensor: TensorView<'_> = file.tensor(name).map_err(|_| {
        format!(
            "it holds {} tensors, and none is called `{TENSOR}`",
            names.len()
        )
    })?;
    let &[rows, columns] = tensor.shape() else {
        return Err(dimensions(tensor.shape()));
    };
    let data = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F32 => {
            let number = |bytes| f32::from_le_bytes(four(bytes));
            data.chunks_exact(4).map(number).collect()
        }
        Dtype::F64 => {
            let number = |bytes| f64::from_le_bytes(eight(bytes)) as f32;
            data.chunks_exact(8).map(number).collect()
        }
        kind => return Err(format!("it holds numbers of type {kind:?}, not F32 or F64")),
    };
    Ok(Features::new(rows, columns, values))
}

fn dimensions(shape: &[impl std::fmt::Debug]) -> String {
    let count = shape.len();
    format!("it has {count} dimensions, {shape:?}, not two")
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.try_into().expect("the size of an f32")
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.try_into().expect("the size of an f64")
}

#[cfg(test)]
mod tests {
    use safetensors::serialize;
    use tempfile::TempDir;

    use super::*;

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

    fn read(name: &str, bytes: &[u8]) -> Result<FeatureFile> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let file = FeatureFile::read(&path);
        if let Ok(file) = &file {
            assert_eq!(file.hash, sha256(bytes));
        }
        file
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
            let file = read("a.npy", &npy(kind, "False", "(2, 3)", &data)).unwrap();
            assert_eq!(file.features, expected, "{kind}");
        }
    }

    #[test]
    fn a_safetensors_file_has_one_matrix_or_one_called_features() {
        let data = bytes(f32::to_le_bytes);
        let tensor = || TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        let only = serialize([("anything", tensor())], None).unwrap();
        let named = serialize([("a", tensor()), ("features", tensor())], None).unwrap();
        for file in [only, named] {
            let file = read("a.safetensors", &file).unwrap();
            assert_eq!(file.features, Features::new(2, 3, values()));
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
        assert!(message("a.npy", b"PNG").starts_with("it has no header"));
        assert!(!message("a.safetensors", b"PNG").is_empty());
    }
}
