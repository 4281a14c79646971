//! Mean and covariance of features that another tool fitted, and files of them as such tools write and read them.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use faer::{Mat, MatRef};

use super::file::hash_of;
use crate::error::{Result, refuse};
use crate::files::{cannot_write, split_entry, temporary_in};
use crate::images::{ImageSource, RGB};
use crate::numpy::{Archive, ArchiveWriter, STATISTICS};

/// How far entries of a covariance that should be equal may be apart, relative to its largest one: the rounding of f32.
const ASYMMETRY: f64 = 1e-5;

/// The mean and the covariance of the features of images that are not known themselves.
#[derive(Clone, Debug)]
pub struct Statistics {
    /// The mean of each feature.
    pub mean: Vec<f64>,
    /// The covariance, features x features.
    pub covariance: Mat<f64>,
    /// The SHA-256 of the file they come from.
    pub hash: String,
}

impl Statistics {
    /// Reads `mu` and `sigma` of the `.npz` file at `path`, as pytorch-fid, clean-fid and ADM's evaluator write them.
    ///
    /// # Errors
    /// Refuses what cannot be read, numbers that are not finite, a covariance that is not square, not symmetric, of another size
    /// than the mean, or with a negative variance.
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = split_entry(path);
        let shown = file.display();
        let wrong = |what: String| {
            refuse(
                format!("`{shown}` holds no mean and covariance of features: {what}"),
                "write them as pytorch-fid does: `numpy.savez(path, mu=mean, sigma=covariance)`, of as many features",
            )
        };
        // Both arrays.
        let mut archive = Archive::open(&file)?;
        let mut read = |name: &str| -> Result<(Vec<usize>, Vec<f64>)> {
            let array = archive.array(name)?;
            let values = array
                .values()
                .map_err(|error| wrong(format!("`{name}`: {error}")))?;
            match values.iter().position(|value| !value.is_finite()) {
                None => Ok((array.header.shape, values)),
                Some(place) => Err(wrong(format!("entry {place} of `{name}` is not finite"))),
            }
        };
        let [(mean_shape, mean), (shape, values)] = [read(STATISTICS[0])?, read(STATISTICS[1])?];
        let features = mean.len();
        if mean_shape.len() != 1 || features == 0 {
            return Err(wrong(format!(
                "`mu` has shape {mean_shape:?}, not one dimension"
            )));
        }
        if shape != [features, features] {
            return Err(wrong(format!(
                "`sigma` has shape {shape:?}, and `mu` has {features} features"
            )));
        }
        // A covariance.
        let covariance = MatRef::from_row_major_slice(&values, features, features);
        let largest = values
            .iter()
            .fold(0.0f64, |largest, value| largest.max(value.abs()));
        for row in 0..features {
            if covariance[(row, row)] < 0.0 {
                return Err(wrong(format!(
                    "`sigma` has a negative variance, of feature {row}"
                )));
            }
            for column in 0..row {
                let (one, other) = (covariance[(row, column)], covariance[(column, row)]);
                if (one - other).abs() > ASYMMETRY * largest {
                    return Err(wrong(format!(
                        "`sigma` is not symmetric: {one} at ({row}, {column}), {other} at ({column}, {row})"
                    )));
                }
            }
        }
        Ok(Self {
            covariance: covariance.to_owned(),
            mean,
            hash: hash_of(&file)?,
        })
    }
}

/// Mean and covariance to be written.
pub struct Fitted<'a> {
    /// The mean of each feature.
    pub mean: &'a [f64],
    /// The covariance, features x features, row by row.
    pub covariance: &'a [f64],
}

/// Writes a file of statistics: each of `fitted` under its two names, and `images` as `arr_0`, RGB, where there are any.
///
/// # Errors
/// It cannot be written; the images cannot be read.
pub fn write_statistics(
    path: &Path,
    fitted: &[([&str; 2], Fitted<'_>)],
    images: Option<&dyn ImageSource>,
) -> Result<()> {
    let failed = |error: std::io::Error| cannot_write(path, &error);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    let mut file = temporary_in(&folder).map_err(failed)?;
    let mut archive = ArchiveWriter::new(BufWriter::new(file.as_file_mut()));
    if let Some(images) = images {
        let size = images.size();
        archive.add::<u8>("arr_0", &[images.count(), size, size, RGB], |file| {
            for block in images.blocks() {
                file.write_all(&block?.to_rgb().bytes)?;
            }
            Ok(())
        })?;
    }
    for (
        [mean, covariance],
        Fitted {
            mean: values,
            covariance: matrix,
        },
    ) in fitted
    {
        let features = values.len();
        archive.add_f64(mean, &[features], values)?;
        archive.add_f64(covariance, &[features, features], matrix)?;
    }
    let writer = archive.finish().map_err(failed)?;
    writer
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// Whether `path` is written as `File::create` could: its folder is there. Checked before anything is computed.
///
/// # Errors
/// The folder is not there.
pub fn check_target(path: &Path) -> Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            let error = File::open(folder)
                .err()
                .unwrap_or_else(|| std::io::ErrorKind::NotADirectory.into());
            Err(cannot_write(path, &error))
        }
        _ => Ok(()),
    }
}
