//! What goes to the server as files: the configuration, reports, and grids of samples under the names by which MLflow's own pages
//! show images over steps (`log_image` in `mlflow/tracking/client.py` of MLflow 3.17.2).

use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{ImageFormat, ImageReader};
use uuid::Uuid;
use walkdir::WalkDir;

use super::progress::UploadProgress;
use crate::digest::sha256;
use crate::error::Result;
use crate::tracker::Destination;
use crate::tracker::lines::{cannot_read, read_if_there};
use crate::tracker::mlflow::{Answered, Client, Failure, KeyValue, LogBatch};
use crate::workspace::config_file;

/// Longest side of the small copy that overviews show.
const SMALL: u32 = 256;

/// A file of a run.
pub(super) struct Attachment {
    /// Its path among the artifacts.
    pub(super) path: String,
    sha256: String,
    bytes: Vec<u8>,
}

impl Attachment {
    /// The next file of the run in `folder` that the server does not have as it is: the configuration, and reports once the run
    /// has `ended`. While it goes on, files are not looked at again.
    pub(super) fn next(
        folder: &Path,
        destination: &Destination,
        progress: &UploadProgress,
        ended: bool,
    ) -> Result<Option<Self>> {
        for (path, place) in files(folder, destination, ended)? {
            let known = progress.files.get(&path);
            if known.is_some() && !ended {
                continue;
            }
            let bytes = std::fs::read(&place).map_err(|error| cannot_read(&place, &error))?;
            let sha256 = sha256(&bytes);
            if known != Some(&sha256) {
                return Ok(Some(Self {
                    path,
                    sha256,
                    bytes,
                }));
            }
        }
        Ok(None)
    }

    /// Uploads it, unless the server keeps no files.
    pub(super) fn send(self, client: &Client, progress: &mut UploadProgress) -> Answered<()> {
        let run = progress.remote();
        if !client.put_artifact(&run, &self.path, self.bytes)? {
            progress.skipped.insert(self.path.clone());
        }
        progress.files.insert(self.path, self.sha256);
        Ok(())
    }
}

/// The files of a run as (path among the artifacts, place on disk).
fn files(folder: &Path, destination: &Destination, ended: bool) -> Result<Vec<(String, PathBuf)>> {
    let mut files = vec![("config.toml".to_owned(), config_file(folder))];
    let reports = folder.join(&destination.reports);
    if destination.reports.as_os_str().is_empty() || !ended || !reports.is_dir() {
        return Ok(files);
    }
    for entry in WalkDir::new(&reports).sort_by_file_name() {
        let entry = entry?;
        let inside = entry.path().strip_prefix(&reports)?;
        if entry.file_type().is_file() {
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            files.push((
                format!("reports/{}", parts.join("/")),
                entry.path().to_owned(),
            ));
        }
    }
    Ok(files)
}

/// The path among the artifacts of the grid of the run with `id` after `step`, without its ending. It names this grid of this
/// run, however often it is asked for.
pub(super) fn grid_name(id: &str, step: u64, time: i64) -> String {
    let hash = sha256(format!("{id} {step} {time}"));
    // In the place where MLflow has a random UUID.
    let unique = Uuid::parse_str(&hash[..32]).expect("32 hexadecimal digits");
    format!("images/samples+step+{step}+timestamp+{time}+{unique}")
}

/// Uploads the grid of samples that is `file` in the run's `folder`, and a small copy.
pub(super) fn send_grid(
    client: &Client,
    folder: &Path,
    file: &str,
    name: &str,
    progress: &mut UploadProgress,
) -> Answered<()> {
    let (place, run) = (folder.join(file), progress.remote());
    let Some(bytes) = read_if_there(&place)? else {
        progress.skipped.insert(file.to_owned());
        return Ok(());
    };
    let small = small(&bytes)
        .map_err(|error| Failure::here(format!("`{}`: {error:#}", place.display())))?;
    if !client.put_artifact(&run, &format!("{name}.png"), bytes)? {
        progress.skipped.insert(file.to_owned());
        return Ok(());
    }
    client.put_artifact(&run, &format!("{name}+compressed.png"), small)?;
    if !progress.has_grids {
        let tags = vec![KeyValue::tag("mlflow.loggedImages", "true")];
        client.log(&run.id, &mut LogBatch::of_tags(tags))?;
        progress.has_grids = true;
    }
    Ok(())
}

/// A copy of a picture that is at most 256 pixels high and wide.
fn small(bytes: &[u8]) -> Result<Vec<u8>> {
    let picture = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png).decode()?;
    if picture.width().max(picture.height()) <= SMALL {
        return Ok(bytes.to_vec());
    }
    let small = picture.resize(SMALL, SMALL, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
