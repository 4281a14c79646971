//! Grids of samples under the names by which the stock user interface of MLflow shows images over steps
//! (`log_image` in `mlflow/tracking/client.py` of MLflow 3.17.2).

use std::io::Cursor;

use image::imageops::FilterType;
use image::{ImageFormat, ImageReader};

use crate::digest::sha256;
use crate::error::Result;

/// Longest side of the small copy that overviews show.
const SMALL: u32 = 256;

/// The path of the grid after `step` among a run's artifacts, without its ending. It names this grid of this run, however
/// often it is asked for.
pub(super) fn name(id: &str, step: u64, time: i64) -> String {
    let hash = sha256(format!("{id} {step} {time}"));
    // In the place where MLflow has a random UUID.
    let unique = [
        &hash[..8],
        &hash[8..12],
        &hash[12..16],
        &hash[16..20],
        &hash[20..32],
    ]
    .join("-");
    format!("images/samples+step+{step}+timestamp+{time}+{unique}")
}

/// A copy of a picture that is at most 256 pixels high and wide.
pub(super) fn small(bytes: &[u8]) -> Result<Vec<u8>> {
    let picture = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png).decode()?;
    if picture.width().max(picture.height()) <= SMALL {
        return Ok(bytes.to_vec());
    }
    let small = picture.resize(SMALL, SMALL, FilterType::Triangle);
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}
