//! Stores with masks: a PNG beside each image, and the phantom's own nuclei.

use std::path::Path;

use histogen::data::{self, DataConfig, PatchStore, PhantomConfig};
use histogen::error::Result;
use image::{GrayImage, Luma, Rgb, RgbImage};
use tempfile::TempDir;

/// Two slides of 16 x 16 in `images/`, to be cut into patches of 8.
fn images(folder: &Path) {
    for name in ["a", "b"] {
        let pixel = |x, y| Rgb([200, 120 + ((x * 7 + y * 3) % 16) as u8, 180]);
        let path = folder.join(format!("images/{name}.png"));
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        RgbImage::from_fn(16, 16, pixel)
            .save(path)
            .expect("an image");
    }
    std::fs::create_dir_all(folder.join("masks")).expect("a folder");
}

/// The class of a pixel: the right half is a nucleus, but for a row.
fn class(x: u32, y: u32) -> u8 {
    u8::from(x >= 8 && y != 3)
}

fn config(folder: &Path, classes: &[&str]) -> DataConfig {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    DataConfig {
        source: path("images"),
        masks: path("masks"),
        mask_classes: classes.iter().map(|&class| class.to_owned()).collect(),
        patch_size: 8,
        stride: 8,
        minimum_tissue: 0.0,
        held_out: 0.5,
        ..DataConfig::default()
    }
}

fn prepare(folder: &TempDir, config: &DataConfig) -> Result<PatchStore> {
    data::prepare(config, &folder.path().join("cache"), &mut |_, _, _| {})
}

fn refusal(folder: &TempDir, config: &DataConfig) -> String {
    let error = prepare(folder, config).expect_err("refused").to_string();
    error.replace(&folder.path().display().to_string(), "LAB")
}

/// Every mask of a store is the one that was drawn.
fn check(store: &PatchStore) {
    assert_eq!(store.mask_classes(), ["background", "nucleus"]);
    assert_eq!(store.masks_hash().len(), 64);
    let all: Vec<usize> = (0..store.len()).collect();
    let masks = store.masks(&all).expect("read").expect("masks");
    assert_eq!((masks.size, masks.channels), (8, 1));
    for (patch, record) in store.records().iter().enumerate() {
        for (place, found) in masks.image(patch).iter().enumerate() {
            let (x, y) = (record.x + place % 8, record.y + place / 8);
            assert_eq!(
                *found,
                class(x as u32, y as u32),
                "{}: {x}, {y}",
                record.slide
            );
        }
    }
}

#[test]
fn masks_are_read_by_grey_value_by_index_and_by_colour() {
    let folder = tempfile::tempdir().expect("a folder");
    images(folder.path());
    let plain = DataConfig {
        masks: String::new(),
        mask_classes: Vec::new(),
        ..config(folder.path(), &[])
    };
    let plain = prepare(&folder, &plain).expect("a store");
    assert!(plain.masks(&[0]).expect("read").is_none() && plain.mask_classes().is_empty());

    // Grey values.
    let save = |name: &str| folder.path().join(format!("masks/{name}.png"));
    for name in ["a", "b"] {
        let mask = GrayImage::from_fn(16, 16, |x, y| Luma([class(x, y) * 255]));
        mask.save(save(name)).expect("a mask");
    }
    let grey = config(folder.path(), &["background=0", "nucleus=255"]);
    let store = prepare(&folder, &grey).expect("a store");
    check(&store);
    assert_eq!(
        store.content_hash(),
        plain.content_hash(),
        "patches are the same"
    );
    assert_ne!(store.path(), plain.path());

    // Colours.
    for name in ["a", "b"] {
        let colour = |x, y| {
            Rgb(if class(x, y) == 1 {
                [255, 0, 16]
            } else {
                [0; 3]
            })
        };
        RgbImage::from_fn(16, 16, colour)
            .save(save(name))
            .expect("a mask");
    }
    let colours = config(folder.path(), &["background=#000000", "nucleus=#ff0010"]);
    check(&prepare(&folder, &colours).expect("a store"));

    // Indices of a palette, two pixels a byte.
    for name in ["a", "b"] {
        let file = std::fs::File::create(save(name)).expect("a file");
        let mut encoder = png::Encoder::new(file, 16, 16);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::Four);
        encoder.set_palette(vec![9, 9, 9, 1, 2, 3, 4, 5, 6]);
        let index = |x, y| if class(x, y) == 1 { 2u8 } else { 0 };
        let bytes = (0..16 * 8).map(|at| {
            let (x, y) = (at % 8 * 2, at / 8);
            index(x, y) << 4 | index(x + 1, y)
        });
        let bytes: Vec<u8> = bytes.collect();
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&bytes).expect("a mask");
    }
    let indices = config(folder.path(), &["background=0", "nucleus=2"]);
    check(&prepare(&folder, &indices).expect("a store"));

    // A store that was altered is refused.
    let store = prepare(&folder, &indices).expect("a store");
    let path = store.path().join("segmentation.npy");
    let mut bytes = std::fs::read(&path).expect("a file");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&path, bytes).expect("written");
    let error = PatchStore::open(store.path()).expect_err("damaged");
    let text = "`segmentation.npy` is not what `store.toml` was written for";
    assert!(error.to_string().ends_with(text), "{error}");
}

#[test]
fn masks_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    images(folder.path());
    let config = |classes: &[&str]| config(folder.path(), classes);
    let two = ["background=0", "nucleus=1"];
    assert!(
        refusal(&folder, &config(&two))
            .starts_with("image `a.png` has no mask: cannot read `LAB/masks/a.png`"),
    );
    let save = |name: &str, size: u32, value: u8| {
        let path = folder.path().join(format!("masks/{name}.png"));
        let mask = GrayImage::from_fn(size, size, |x, y| {
            Luma([if (x, y) == (5, 2) { value } else { 0 }])
        });
        mask.save(path).expect("a mask");
    };
    save("b", 16, 1);
    save("a", 15, 1);
    assert_eq!(
        refusal(&folder, &config(&two)),
        "the mask `LAB/masks/a.png` has 15 x 15 pixels, its image 16 x 16"
    );
    save("a", 16, 7);
    assert_eq!(
        refusal(&folder, &config(&two)),
        "the mask `LAB/masks/a.png` has the value 7 at column 5, row 2, which no class has"
    );
    assert_eq!(
        refusal(
            &folder,
            &DataConfig {
                level: 1,
                ..config(&two)
            }
        ),
        "`data.masks` have the pixels of the images, and `data.level` or `data.micrometres_per_pixel` has others"
    );
    let phantom = DataConfig {
        masks: "phantom".to_owned(),
        ..config(&[])
    };
    assert_eq!(
        refusal(&folder, &phantom),
        "`data.masks` is `phantom`, and `data.source` is `LAB/images`"
    );
    let nowhere = DataConfig {
        masks: String::new(),
        ..config(&two)
    };
    assert_eq!(
        refusal(&folder, &nowhere),
        "`data.mask_classes` is set, and there are no masks without `data.masks`"
    );
}

#[test]
fn the_phantom_writes_the_nuclei_that_it_drew_at_any_reduction() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = |masks: &str, reduction: usize| {
        let config = DataConfig {
            masks: masks.to_owned(),
            patch_size: 32,
            stride: 32,
            reduction,
            phantom: PhantomConfig {
                slides_per_class: 2,
                slide_size: 256,
            },
            ..DataConfig::default()
        };
        prepare(&folder, &config).expect("a store")
    };
    let fraction = |store: &PatchStore| {
        let all: Vec<usize> = (0..store.len()).collect();
        let masks = store.masks(&all).expect("read").expect("masks");
        let nuclei: u32 = masks.bytes.iter().map(|class| u32::from(*class)).sum();
        f64::from(nuclei) / masks.bytes.len() as f64
    };
    let (whole, half) = (store("phantom", 1), store("phantom", 2));
    assert_eq!(whole.content_hash(), store("", 1).content_hash());
    for store in [&whole, &half] {
        assert!(
            (0.05..0.6).contains(&fraction(store)),
            "{}",
            fraction(store)
        );
    }
    // Nuclei are darker in red than what lies around them.
    let patches = half.read(&[0]).expect("read");
    let masks = half.masks(&[0]).expect("read").expect("masks");
    let red = |class: u8| {
        let pixels = patches.bytes.chunks_exact(3).zip(&masks.bytes);
        let values: Vec<f64> = pixels
            .filter(|(_, found)| **found == class)
            .map(|(pixel, _)| f64::from(pixel[0]))
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!(red(1) + 20.0 < red(0), "{} {}", red(1), red(0));
}
