//! Formats of vendors, read by the C library OpenSlide (Goode et al., Journal of Pathology Informatics 4:27, 2013).

mod library;

use std::path::Path;

use anyhow::Context;
use image::RgbImage;

use self::library::OpenSlide;
use super::{Level, Slide, check_inside};
use crate::error::Result;

/// A slide that OpenSlide reads.
pub(super) struct VendorSlide {
    slide: OpenSlide,
    levels: Vec<Level>,
    micrometres_per_pixel: Option<f64>,
}

impl VendorSlide {
    /// Opens the file at `path`, one of `format`.
    pub(super) fn open(path: &Path, format: &str) -> Result<Self> {
        let slide = OpenSlide::open(path).context(format.to_owned())?;
        let number = |name: &str| slide.property(name)?.parse().ok();
        let levels = slide.levels()?.into_iter().enumerate();
        let levels = levels.map(|(level, (width, height, downsample))| {
            let side = |side: &str, whole: u64| {
                let tile = number(&format!("openslide.level[{level}].tile-{side}"));
                tile.unwrap_or(whole as f64) as u32
            };
            Level {
                width,
                height,
                downsample,
                tile: (side("width", width), side("height", height)),
            }
        });
        Ok(Self {
            levels: levels.collect(),
            micrometres_per_pixel: number("openslide.mpp-x"),
            slide,
        })
    }
}

impl Slide for VendorSlide {
    fn levels(&self) -> &[Level] {
        &self.levels
    }

    fn micrometres_per_pixel(&self) -> Option<f64> {
        self.micrometres_per_pixel
    }

    fn region(&self, level: usize, x: u64, y: u64, width: u32, height: u32) -> Result<RgbImage> {
        check_inside(&self.levels, level, (x, y), (width, height))?;
        // OpenSlide wants places in pixels of level 0.
        let finest = |place: u64| (place as f64 * self.levels[level].downsample).round() as u64;
        let place = (finest(x), finest(y));
        let pixels = self.slide.region(level, place, (width, height))?;
        // Premultiplied by the opacity; what was not scanned is transparent, and becomes glass.
        let bytes = pixels.into_iter().flat_map(|argb| {
            let glass = 255 - (argb >> 24) as u8;
            [16, 8, 0].map(|shift| ((argb >> shift) as u8).saturating_add(glass))
        });
        RgbImage::from_raw(width, height, bytes.collect()).context("OpenSlide gave too few pixels")
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::slides::{open, whole};

    fn golden(name: &str) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/slides");
        folder.join(name)
    }

    /// The largest difference of a byte.
    fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
        assert_eq!(a.dimensions(), b.dimensions());
        let pairs = a.as_raw().iter().zip(b.as_raw());
        pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    }

    #[test]
    fn openslide_finds_what_our_reader_does() {
        for (name, tolerance) in [
            ("aperio.svs", 0),
            ("pyramid_pages.tif", 0),
            ("jpeg_420.tif", 4),
        ] {
            let ours = open(&golden(name)).unwrap();
            let theirs = VendorSlide::open(&golden(name), "TIFF").unwrap();
            assert_eq!(ours.levels(), theirs.levels(), "{name}");
            assert_eq!(ours.micrometres_per_pixel(), theirs.micrometres_per_pixel());
            // The version of libtiff behind it misreads a tile that is larger than its level.
            let whole_tiles = |of: &&Level| of.width >= u64::from(of.tile.0);
            for level in 0..ours.levels().iter().filter(whole_tiles).count() {
                let (ours, theirs) = (whole(&*ours, level), whole(&theirs, level));
                let difference = difference(&ours.unwrap(), &theirs.unwrap());
                assert!(
                    difference <= tolerance,
                    "{name}, level {level}: {difference}"
                );
            }
        }
    }

    #[test]
    #[ignore = "needs ../shared: run with --include-ignored"]
    fn openslide_finds_what_our_reader_does_in_a_real_slide() {
        let file = "../shared/data/histology/wsi/openslide__cmu-1-small-region.svs";
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let (ours, theirs) = (
            open(&path).unwrap(),
            VendorSlide::open(&path, "SVS").unwrap(),
        );
        assert_eq!(ours.levels(), theirs.levels());
        let found = difference(&whole(&*ours, 0).unwrap(), &whole(&theirs, 0).unwrap());
        assert!(found <= 2, "the JPEG decoders differ by {found}");
    }

    #[test]
    fn jpeg_2000_goes_to_openslide() {
        let slide = open(&golden("jpeg_2000.svs")).unwrap();
        assert_eq!(
            (slide.levels()[0].width, slide.levels()[0].height),
            (100, 75)
        );
        let right = whole(&*open(&golden("aperio.svs")).unwrap(), 0).unwrap();
        let found = difference(&whole(&*slide, 0).unwrap(), &right);
        assert!(found <= 60, "{found}: it is written with loss");
        let refused = open(&golden("../resize/data.json")).err().unwrap();
        assert!(refused.to_string().starts_with("it is no PNG"), "{refused}");
    }
}
