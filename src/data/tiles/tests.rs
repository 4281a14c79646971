//! Where patches lie, which class they are of, and which images are refused.

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;
use crate::data::pixels::of_channels;
use crate::data::tests::histology;
use crate::error::Refusal;
use crate::slides;

/// Glass on the left, tissue right of column 64.
fn half_tissue(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if x < 64 {
            Rgb([242; 3])
        } else {
            Rgb([200, (x % 100) as u8, (100 + y % 50) as u8])
        }
    })
}

/// A slide of one file, and the folder that this lies in.
fn slide(image: &RgbImage) -> (Slide, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    image.save(&path).unwrap();
    let slide = Slide {
        name: "a".to_owned(),
        class: "all".to_owned(),
        group: None,
        regions: None,
        images: vec![SlideImage {
            name: "a.png".to_owned(),
            x: 0,
            y: 0,
            origin: Origin::File(path),
        }],
    };
    (slide, folder)
}

fn tiled(slide: &Slide, folder: &TempDir, config: &DataConfig) -> Tiles {
    tile(
        slide,
        config,
        &Images::default(),
        &folder.path().join("masks"),
    )
    .unwrap()
}

fn places(tiles: &Tiles) -> Vec<(u32, u32)> {
    tiles
        .places
        .iter()
        .map(|place| (place.x, place.y))
        .collect()
}

#[test]
fn patches_lie_on_a_grid_where_tissue_is() {
    let (slide, folder) = slide(&half_tissue(200, 130));
    let config = DataConfig::default();
    let found = tiled(&slide, &folder, &config);
    assert_eq!(places(&found), [(64, 0), (128, 0), (64, 64), (128, 64)]);
    assert!(found.places.iter().all(|tile| tile.tissue == 10_000));
    assert_eq!(found.classes, ["all"]);
    let all = DataConfig {
        minimum_tissue: 0.0,
        stride: 32,
        ..config
    };
    assert_eq!(tiled(&slide, &folder, &all).places.len(), 5 * 3);
    let mask = image::open(folder.path().join("masks/a.png")).unwrap();
    assert_eq!(
        (mask.width(), mask.height()),
        (200, 130),
        "a picture of the mask"
    );
}

#[test]
fn an_image_of_the_size_of_a_patch_is_taken_whole_whatever_it_shows() {
    let (slide, folder) = slide(&RgbImage::from_pixel(64, 64, Rgb([242; 3])));
    let found = tiled(&slide, &folder, &DataConfig::default());
    let expected = Tile {
        image: 0,
        x: 0,
        y: 0,
        tissue: 0,
        class: 0,
    };
    assert_eq!(found.places, [expected]);
}

#[test]
fn patches_of_an_annotated_slide_have_the_class_of_their_region() {
    let (mut slide, folder) = slide(&RgbImage::from_pixel(256, 128, Rgb([200, 90, 120])));
    let path = folder.path().join("a.xml");
    let vertices: String = [(0, 0), (130, 0), (130, 120), (0, 120)]
        .map(|(x, y)| format!("<Vertex X='{x}' Y='{y}'/>"))
        .concat();
    std::fs::write(
        &path,
        format!(
            "<Annotations><Annotation><Regions><Region Text='Benign'><Vertices>{vertices}</Vertices></Region>\
             </Regions></Annotation></Annotations>"
        ),
    )
    .unwrap();
    slide.regions = Some(Regions::read(&path).unwrap());
    let mut config = DataConfig {
        annotations: true,
        ..DataConfig::default()
    };
    let classes = |config: &DataConfig| -> Vec<((u32, u32), String)> {
        let found = tiled(&slide, &folder, config);
        let class = |tile: &Tile| found.classes[usize::from(tile.class)].clone();
        found
            .places
            .iter()
            .map(|tile| ((tile.x, tile.y), class(tile)))
            .collect()
    };
    let benign = |columns: &[u32]| -> Vec<(u32, u32)> {
        let rows = [0, 64].into_iter();
        rows.flat_map(|y| columns.iter().map(move |&x| (x, y)))
            .collect()
    };
    let of = |found: &[((u32, u32), String)], class: &str| -> Vec<(u32, u32)> {
        found
            .iter()
            .filter(|(_, of)| of == class)
            .map(|(place, _)| *place)
            .collect()
    };
    // By the centre: those at 0 and 64; the region ends at 130.
    let found = classes(&config);
    assert_eq!(of(&found, "benign"), benign(&[0, 64]));
    assert_eq!(of(&found, "normal"), benign(&[128, 192]));
    // Of the lower row 56 of 64 lines are in the region, 0.875: of the one at 128 two columns in 64 are.
    config.region_overlap = 0.9;
    let found = classes(&config);
    assert_eq!(of(&found, "benign"), [(0, 0), (64, 0)]);
    assert_eq!(of(&found, "normal"), benign(&[128, 192]));
    config.region_overlap = 0.98;
    assert_eq!(of(&classes(&config), "normal"), benign(&[192]));
    config.region_overlap = 0.85;
    assert_eq!(of(&classes(&config), "benign"), benign(&[0, 64]));
    // In pixels of the finest level, whatever the patches are cut at.
    config.reduction = 2;
    config.patch_size = 32;
    config.stride = 32;
    assert_eq!(
        of(&classes(&config), "benign"),
        [(0, 0), (32, 0), (0, 32), (32, 32)]
    );
    config.classes = vec!["benign".to_owned()];
    assert_eq!(classes(&config).len(), 4);
}

#[test]
fn damaged_images_are_refused_by_name_or_noted() {
    let (mut slide, folder) = slide(&half_tissue(200, 130));
    let path = folder.path().join("b.png");
    std::fs::write(&path, "no image").unwrap();
    slide.images[0].name = "b.png".to_owned();
    slide.images[0].origin = Origin::File(path);
    let mut config = DataConfig::default();
    let error = tile(
        &slide,
        &config,
        &Images::default(),
        &folder.path().join("masks"),
    )
    .unwrap_err();
    let Refusal { message, .. } = error.downcast().unwrap();
    assert!(
        message.starts_with("cannot read image `b.png`: "),
        "{message}"
    );
    config.skip_unreadable = true;
    let found = tiled(&slide, &folder, &config);
    assert!(found.places.is_empty());
    assert_eq!(found.skipped[0].0, "b.png");
    assert!(!found.skipped[0].1.is_empty());
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn the_tiles_of_real_images_are_those_made_of_them_elsewhere() {
    let root = histology();
    let config = DataConfig {
        minimum_tissue: 0.0,
        ..DataConfig::default()
    };
    let masks = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for class in ["benign", "malignant"] {
        let source = crate::data::folder::source(&root.join("slides").join(class), true).unwrap();
        for slide in source.slides {
            let images = Images::default();
            let found = tile(&slide, &config, &images, masks.path()).unwrap();
            let view = images.view(&slide.images[0], &config).unwrap();
            for tile in &found.places {
                let name = format!("{}__x{:04}_y{:04}.png", slide.name, tile.x, tile.y);
                let file = root.join("patches").join(class).join(name);
                if !file.exists() {
                    continue;
                }
                let patch = view.region(tile.x.into(), tile.y.into(), 64, 64).unwrap();
                let expected = slides::read(&file).unwrap();
                assert_eq!(
                    of_channels(patch, 3),
                    expected.into_raw(),
                    "{}",
                    file.display()
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 650 + 617, "patches");
}
