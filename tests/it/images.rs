//! Folders of images: every kind of pixel becomes 8-bit RGB by a stated rule, and what cannot be measured is refused.

use std::fs;

use burn::tensor::Tensor;
use histogen::data::ImageFolder;
use histogen::device;
use histogen::images::{ImageSource, Pixels};
use histogen::nn::vgg::Vgg16;
use image::{DynamicImage, ImageBuffer, Luma, LumaA, Rgb, RgbImage, Rgba};

use crate::lab::Lab;
use crate::slides::Tiff;

#[test]
fn every_kind_of_image_is_read_by_its_rule() {
    let lab = Lab::new();
    fs::create_dir(lab.path("kinds")).unwrap();
    let grey = |value: u8| [value; 3];
    let cases: [(&str, DynamicImage, [u8; 3]); 5] = [
        // Grey is repeated.
        (
            "0.png",
            ImageBuffer::from_pixel(16, 16, Luma([77u8])).into(),
            grey(77),
        ),
        // 16 bits are scaled to 8: v / 257, rounded.
        (
            "1.png",
            ImageBuffer::from_pixel(16, 16, Luma([30_000u16])).into(),
            grey(117),
        ),
        (
            "2.png",
            ImageBuffer::from_pixel(16, 16, Rgb([65_535u16, 514, 385])).into(),
            [255, 2, 1],
        ),
        // Transparency is laid on white, the colour of glass.
        (
            "3.png",
            ImageBuffer::from_pixel(16, 16, Rgba([200u8, 100, 0, 51])).into(),
            [244, 224, 204],
        ),
        (
            "4.png",
            ImageBuffer::from_pixel(16, 16, LumaA([0u8, 0])).into(),
            grey(255),
        ),
    ];
    let mut expected = Vec::new();
    for (name, image, right) in cases {
        image.save(lab.path("kinds").join(name)).unwrap();
        expected.push((name, right));
    }
    let mut tiff = |name, tiff: Tiff, right| {
        fs::write(lab.path("kinds").join(name), tiff.bytes()).unwrap();
        expected.push((name, right));
    };
    tiff(
        "5.tif",
        Tiff::rgb(16, 16, &[1, 2, 3].repeat(256)),
        [1, 2, 3],
    );
    let mut deep = Tiff::rgb(16, 16, &[255; 512]);
    for (tag, number) in [(258, 16), (262, 1), (277, 1)] {
        deep.set(tag, &[number]);
    }
    tiff("6.tiff", deep, grey(255));
    let images = ImageFolder::open(&lab.path("kinds")).unwrap();
    assert_eq!((images.count(), images.size()), (expected.len(), 16));
    let pixels = images.read(0..expected.len()).unwrap();
    for (index, (name, expected)) in expected.iter().enumerate() {
        let mut found = pixels.image(index).chunks_exact(3);
        assert!(
            found.all(|pixel| pixel == expected),
            "{name}: {:?}",
            &pixels.image(index)[..3]
        );
    }
}

#[test]
fn folders_that_cannot_be_measured_are_refused_by_evaluate() {
    let lab = Lab::new();
    for number in 0..3 {
        lab.slide(&format!("good/{number}.png"), 64, 64);
    }
    let evaluate = |folder: &str| {
        let said = lab.refused(&format!("evaluate {folder} good --features pixels"));
        let reversed = lab.refused(&format!("evaluate good {folder} --features pixels"));
        assert_eq!(said, reversed, "either side is checked");
        said
    };
    let repair = "\n\nhint: repair it or take it out of the folder";

    fs::create_dir(lab.path("empty")).unwrap();
    assert_eq!(
        evaluate("empty"),
        "error: no images in `empty`\n\nhint: looked in all sub-folders for `.png`, `.jpg`, `.jpeg`, `.tif`, `.tiff`"
    );
    assert_eq!(
        evaluate("nowhere"),
        "error: no folder `nowhere` to read images from\n\nhint: give a run, a patch store, a folder of images, or a file of images, features or statistics (`.npy`, `.npz`, `.safetensors`)"
    );

    // A text with the name of an image, and whole images that lose their ends.
    lab.slide("text/0.png", 64, 64);
    fs::write(lab.path("text/1.png"), "not an image").unwrap();
    let said = evaluate("text");
    assert!(
        said.starts_with("error: cannot decode `text/1.png`: "),
        "{said}"
    );
    assert!(said.ends_with(repair), "{said}");
    for name in ["cut.png", "cut.jpg", "cut.tif"] {
        let path = lab.path("whole").join(name);
        fs::create_dir_all(lab.path("whole")).unwrap();
        let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (x * 7) as u8, y as u8]));
        if name == "cut.tif" {
            fs::write(&path, Tiff::rgb(64, 64, &noise).bytes()).unwrap();
        } else {
            noise.save(&path).unwrap();
        }
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for share in [0.5, 0.95] {
            let folder = format!("{}-{share}", name.replace('.', "-"));
            fs::create_dir(lab.path(&folder)).unwrap();
            let end = (bytes.len() as f64 * share) as usize;
            fs::write(lab.path(&folder).join(name), &bytes[..end]).unwrap();
            let said = evaluate(&folder);
            let start = format!("error: cannot decode `{folder}/{name}`: ");
            assert!(said.starts_with(&start) && said.ends_with(repair), "{said}");
        }
    }

    lab.slide("sizes/0.png", 64, 64);
    lab.slide("sizes/1.png", 32, 32);
    assert_eq!(
        evaluate("sizes"),
        "error: `sizes/1.png` is 32 x 32, expected 64 x 64\n\nhint: measure square images of one size; `histogen data \
         import` tiles larger ones"
    );
}

#[test]
fn grey_patches_are_measured_as_grey_and_never_against_colour() {
    let lab = Lab::new();
    for number in 0..6 {
        lab.slide(&format!("slides/{number}.png"), 128, 128);
    }
    let import = |channels: usize| {
        let printed = lab.succeed(&format!(
            "data import slides --set data.patch_size=32 --set data.stride=32 --set data.channels={channels}"
        ));
        let store = printed
            .split_whitespace()
            .nth(1)
            .expect("a path")
            .to_owned();
        (store, printed)
    };
    let ((colour, of_colour), (grey, of_grey)) = (import(3), import(1));
    assert!(of_grey.contains(" of 32 x 32 pixels, grey\n"), "{of_grey}");
    assert!(of_colour.contains(" of 32 x 32 pixels\n"), "{of_colour}");
    let extractor = |store: &str| {
        let printed = lab.succeed(&format!(
            "evaluate {store} {store} --features pixels --metrics fid --json"
        ));
        let scores: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
        scores[0]["protocol"]["extractor"].clone()
    };
    assert_eq!(extractor(&colour), "pixels (16 x 16 x 3)");
    assert_eq!(
        extractor(&grey),
        "pixels (16 x 16 x 3), grey repeated as RGB"
    );
    assert_eq!(
        lab.refused(&format!("evaluate {grey} {colour} --features pixels")),
        "error: grey images cannot be compared with RGB ones\n\nhint: bring both to RGB or both to grey \
         first (`data.channels`); nothing is converted silently"
    );
    lab.succeed(&format!("data show {grey} --grid grid.png"));
    let grid = image::open(lab.path("grid.png"))
        .expect("a picture")
        .to_rgb8();
    assert!(
        grid.pixels()
            .all(|Rgb([red, green, blue])| red == green && green == blue)
    );
}

#[test]
fn the_siamese_network_sees_grey_patches_as_rgb() {
    let pixels = Pixels::new(
        2,
        16,
        1,
        (0..2 * 16 * 16).map(|place| place as u8).collect(),
    );
    let network = Vgg16::random(3, &device::cpu());
    let embed = |pixels: &Pixels| {
        let images: Tensor<4> = device::tensor(&pixels.to_images(), &device::cpu());
        device::values(network.embed(images)).expect("numbers")
    };
    assert_eq!(embed(&pixels), embed(&pixels.to_rgb()));
    // Both stages, thumbnails and patches, and what is measured of them.
    Lab::new().succeed("snn train --profile smoke --set data.channels=1");
}
