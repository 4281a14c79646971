//! Images that are looked at twice, first for tissue and then for patches: small ones stay in memory as far as there is room for
//! them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::DataConfig;
use super::source::SlideImage;
use super::view::View;
use crate::error::Result;
use crate::images::RGB;
use crate::slides::Slide;

/// Bytes of pixels that are kept.
const ROOM: u64 = 1 << 28;

/// The images of a source.
#[derive(Default)]
pub(super) struct Images(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    images: HashMap<String, Arc<dyn Slide>>,
    bytes: u64,
    /// The last one that there was no room for: its patches are read in several turns.
    last: Option<(String, Arc<dyn Slide>)>,
}

impl Images {
    /// `image` at the resolution that `config` asks for.
    ///
    /// # Errors
    /// If its file cannot be read, and as [`View::new`].
    pub(super) fn view(&self, image: &SlideImage, config: &DataConfig) -> Result<View> {
        View::new(self.open(image)?, config)
    }

    /// `image`, ready to be read by region.
    ///
    /// # Errors
    /// If its file cannot be read.
    pub(super) fn open(&self, image: &SlideImage) -> Result<Arc<dyn Slide>> {
        {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let last = kept.last.as_ref().filter(|(name, _)| *name == image.name);
            let found = kept.images.get(&image.name);
            if let Some(slide) = found.or(last.map(|(_, slide)| slide)) {
                return Ok(Arc::clone(slide));
            }
        }
        // Not under the lock: this may decode the image.
        let slide = image.open()?;
        let level = &slide.levels()[0];
        let is_decoded =
            (u64::from(level.tile.0), u64::from(level.tile.1)) == (level.width, level.height);
        let bytes = level.width * level.height * RGB as u64;
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if is_decoded && kept.bytes + bytes <= ROOM {
            kept.bytes += bytes;
            kept.images.insert(image.name.clone(), Arc::clone(&slide));
        } else {
            kept.last = Some((image.name.clone(), Arc::clone(&slide)));
        }
        Ok(slide)
    }
}
