//! `histogen evaluate` as a user runs it: runs, stores, folders, files of features, and what it refuses.

use std::fs::{self, File};

#[cfg(target_os = "linux")]
use image::{Rgb, RgbImage};
use npyz::WriterBuilder;
use serde_json::Value;

use crate::lab::Lab;
use crate::noise::signed;

/// Writes `rows` x `columns` numbers as `numpy.save` does.
fn numpy(lab: &Lab, name: &str, rows: usize, columns: usize, values: impl Iterator<Item = f64>) {
    let file = File::create(lab.path(name)).expect("a file");
    let mut writer = npyz::WriteOptions::new()
        .default_dtype()
        .shape(&[rows as u64, columns as u64])
        .writer(file)
        .begin_nd()
        .expect("a header");
    writer
        .extend(values.map(|value| value as f32))
        .expect("numbers");
    writer.finish().expect("written");
}

fn noise(lab: &Lab, name: &str, rows: usize, columns: usize, place: u32) {
    numpy(lab, name, rows, columns, signed(rows * columns, place));
}

fn scores(printed: &str) -> Vec<Value> {
    let scores: Value = serde_json::from_str(printed).expect("JSON");
    scores.as_array().expect("a list").clone()
}

fn refused(lab: &Lab, arguments: &str, message: &str, hint: &str) {
    let expected = format!("error: {message}\n\nhint: {hint}");
    assert_eq!(lab.refused(arguments), expected, "{arguments}");
}

#[test]
fn files_of_features_are_measured_against_each_other() {
    let lab = Lab::new();
    noise(&lab, "generated.npy", 60, 12, 1);
    noise(&lab, "real.npy", 50, 12, 2);
    let settings = "--set evaluation.metrics.kid_subset_size=20 --json";
    let printed = lab.succeed(&format!("evaluate generated.npy real.npy {settings}"));
    let all = scores(&printed);
    let names: Vec<&str> = all
        .iter()
        .filter_map(|score| score["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "fid",
            "kid",
            "precision",
            "recall",
            "f1",
            "density",
            "coverage"
        ]
    );
    let fid = &all[0];
    assert_eq!(fid["protocol"]["image_size"], 0);
    assert_eq!(fid["protocol"]["reference"], "real.npy");
    assert_eq!(fid["warning"], Value::Null);
    // The same number alone, and in the opposite direction.
    let alone = |arguments: &str| {
        let printed = lab.succeed(&format!("evaluate {arguments} {settings} --metrics fid"));
        scores(&printed)[0]["value"].as_f64().expect("a number")
    };
    let value = fid["value"].as_f64().expect("a number");
    assert!(alone("generated.npy real.npy").to_bits() == value.to_bits());
    assert!((alone("real.npy generated.npy") / value - 1.0).abs() < 1e-12);
    // All others by name, and the table.
    let printed = lab.succeed(
        "evaluate generated.npy real.npy --metrics kid-block,fid-infinity,authpct \
         --set evaluation.metrics.kid_subset_size=20",
    );
    assert!(printed.contains("(standard error "), "{printed}");
    assert!(
        printed.contains("60 rows of features against 50 of `real.npy`"),
        "{printed}"
    );
}

/// More images than features on either side, where images or features all in memory would take 40 MiB more.
#[cfg(target_os = "linux")]
#[test]
fn memory_for_fid_does_not_grow_with_the_number_of_images() {
    const ALLOWED: u64 = 10 << 10; // KiB: what the allocator keeps, names of files
    let lab = Lab::new();
    let (few, many) = (4_000, 40_000);
    for rows in [few, many] {
        noise(&lab, &format!("{rows}.npy"), rows, 256, 1);
    }
    let of_features =
        |rows| lab.peak_memory(&format!("evaluate {rows}.npy {few}.npy --metrics fid"));
    let (less, more) = (of_features(few), of_features(many));
    assert!(more < less + ALLOWED, "features: {less} KiB, {more} KiB");
    let reversed = lab.peak_memory(&format!("evaluate {few}.npy {many}.npy --metrics fid"));
    assert!(
        reversed < less + ALLOWED,
        "real features: {less} KiB, {reversed} KiB"
    );

    let (few, many) = (800, 4_000);
    fs::create_dir(lab.path("kinds")).expect("a folder");
    for number in 0..50u32 {
        let image = RgbImage::from_fn(64, 64, |x, y| {
            let value = (x * y + number * (x + 3 * y)).wrapping_mul(2_654_435_761) >> 24;
            Rgb([value as u8, (x * number) as u8, (y + number) as u8])
        });
        let path = lab.path(&format!("kinds/{number}.png"));
        image.save(path).expect("an image");
    }
    for count in [few, many] {
        fs::create_dir(lab.path(&count.to_string())).expect("a folder");
        for number in 0..count {
            let kind = lab.path(&format!("kinds/{}.png", number % 50));
            let path = lab.path(&format!("{count}/{number}.png"));
            fs::hard_link(kind, path).expect("a link");
        }
    }
    let of_images = |count| {
        lab.peak_memory(&format!(
            "evaluate {count} kinds --metrics fid --features pixels"
        ))
    };
    let (less, more) = (of_images(few), of_images(many));
    assert!(more < less + ALLOWED, "images: {less} KiB, {more} KiB");
}

#[test]
fn fewer_images_than_features_are_warned_of() {
    let lab = Lab::new();
    noise(&lab, "generated.npy", 20, 30, 1);
    noise(&lab, "real.npy", 40, 30, 2);
    let said = lab.run("evaluate generated.npy real.npy --metrics fid --json");
    let warning = "`fid`: 20 images of 30 features give a covariance of rank 19 at most; the distance is well defined but \
                   biased upwards, and compares only with others of as many images";
    assert_eq!(said.errors.trim(), format!("warning: {warning}"));
    assert_eq!(scores(&said.output)[0]["warning"], warning);
    let table = lab.succeed("evaluate generated.npy real.npy --metrics fid");
    assert!(table.contains(&format!("Warning: {warning}.")), "{table}");
}

#[test]
fn features_that_cannot_be_compared_are_refused() {
    let lab = Lab::new();
    noise(&lab, "a.npy", 40, 6, 1);
    noise(&lab, "wide.npy", 40, 7, 1);
    numpy(
        &lab,
        "nan.npy",
        2,
        6,
        (0..12).map(|place| if place == 9 { f64::NAN } else { 0.0 }),
    );
    lab.slide("images/one.png", 32, 32);
    fs::create_dir(lab.path("empty")).expect("a folder");
    refused(
        &lab,
        "evaluate a.npy nan.npy",
        "feature 3 of image 1 of the real images is not finite",
        "look at that image, and at the weights of the extractor",
    );
    refused(
        &lab,
        "evaluate wide.npy a.npy",
        "generated images have 7 features and real images 6",
        "take both from the same extractor",
    );
    refused(
        &lab,
        "evaluate a.npy a.npy --features vgg16-random",
        "`--features` has no meaning for files of features: nothing is extracted",
        "leave `--features` out, or give images",
    );
    refused(
        &lab,
        "evaluate a.npy images",
        "`a.npy` is a file of features, `images` holds images: what made the features is not known",
        "give two files of features, or two sets of images",
    );
    refused(
        &lab,
        "evaluate a.npy a.npy --images 50",
        "`a.npy` has 40 rows, `--images` asks for 50",
        "ask for 40 or fewer",
    );
    refused(
        &lab,
        "evaluate empty images",
        "no images in `empty`",
        "looked in all sub-folders for `.png`, `.jpg`, `.jpeg`, `.tif`, `.tiff`",
    );
    refused(
        &lab,
        "evaluate nowhere images",
        "no folder `nowhere` to read images from",
        "give a run, a patch store, a folder of images, or a file of images, features or statistics (`.npy`, `.npz`, `.safetensors`)",
    );
    let missing = lab.refused("evaluate nowhere.npy a.npy");
    assert!(
        missing.starts_with("error: cannot read `nowhere.npy`: No such file"),
        "{missing}"
    );
    // One dimension too many.
    let file = File::create(lab.path("cube.npy")).expect("a file");
    let mut writer = npyz::WriteOptions::<f32>::new()
        .default_dtype()
        .shape(&[2, 2, 2])
        .writer(file)
        .begin_nd()
        .expect("a header");
    writer.extend((0..8u8).map(f32::from)).expect("numbers");
    writer.finish().expect("written");
    refused(
        &lab,
        "evaluate cube.npy a.npy",
        "`a.npy` is a file of features, `cube.npy` holds images: what made the features is not known",
        "give two files of features, or two sets of images",
    );
    fs::write(lab.path("images/two.png"), b"not an image").expect("a file");
    let broken = lab.refused("evaluate images images");
    assert!(
        broken.contains("two.png`") && broken.contains("repair it or take it out of the folder"),
        "{broken}"
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let lab = Lab::new();
    noise(&lab, "a.npy", 40, 6, 1);
    refused(
        &lab,
        "evaluate a.npy a.npy --repeat 3",
        "`--repeat` draws new images each time: `a.npy` is not a run",
        "give a run first, or leave `--repeat` out",
    );
    refused(
        &lab,
        "evaluate a.npy a.npy --metrics ppl",
        "`ppl` needs a latent space: `a.npy` is not a run",
        "give a run first, or leave that metric out",
    );
    refused(
        &lab,
        "evaluate a.npy a.npy --metrics ppl-pth",
        "unknown metric `ppl-pth`",
        "did you mean `ppl-path`?",
    );
    lab.slide("images/one.png", 16, 16);
    refused(
        &lab,
        "evaluate images images --split train",
        "`--split` has no meaning: neither `images` nor `images` is a patch store",
        "leave it out",
    );
    refused(
        &lab,
        "evaluate a.npy a.npy --split train",
        "`--split` has no meaning: neither `a.npy` nor `a.npy` is a patch store",
        "leave it out",
    );
    // Too few for KID's subsets of 1000: its cell fails, the others stand.
    let said = lab.run("evaluate a.npy a.npy --json");
    assert_eq!(said.code, 1, "{}", said.errors);
    let all = scores(&said.output);
    let failure = all[1]["failure"].as_str().expect("a reason");
    assert!(
        failure.starts_with("`kid` needs at least 1000"),
        "{failure}"
    );
    assert_eq!(all[1]["value"], Value::Null);
    assert!(all[0]["value"].is_f64());
}

#[test]
fn a_run_is_measured_with_several_sampling_seeds_and_along_its_paths() {
    let lab = Lab::new();
    let run = lab.succeed("train table1 --model dcgan --profile smoke");
    let run = run.trim();
    let mut stores = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
    let store = stores.next().expect("a store").expect("a folder").path();
    let against = format!("{} --profile smoke --json", store.display());
    let repeated = format!("evaluate {run} {against} --metrics fid --images 20 --repeat 3");
    let printed = lab.succeed(&repeated);
    let fid = &scores(&printed)[0];
    assert_eq!(fid["seeds"], serde_json::json!([0, 1, 2]));
    let values: Vec<f64> = fid["values"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(values.len(), 3);
    let mean = values.iter().sum::<f64>() / 3.0;
    assert!((fid["value"].as_f64().expect("a mean") / mean - 1.0).abs() < 1e-12);
    assert_eq!(fid["spread_of"], "standard deviation over 3 sampling seeds");
    assert!(values[0].to_bits() != values[1].to_bits());
    let once = format!("evaluate {run} {against} --metrics fid --images 20");
    let once = scores(&lab.succeed(&once));
    assert_eq!(once[0]["value"].as_f64(), Some(values[0]));
    assert_eq!(lab.succeed(&repeated), printed);

    // Memorisation: against what it was trained on.
    let trained = format!("evaluate {run} {against} --metrics authpct --images 20 --split train");
    let trained = &scores(&lab.succeed(&trained))[0];
    let reference = trained["protocol"]["reference"].as_str().expect("a name");
    assert!(reference.starts_with("train split of "), "{reference}");

    // What FLD fits to is the training split, and the protocol says so.
    let more =
        format!("evaluate {run} {against} --metrics fld,vendi --images 20 --features pixels");
    let more = scores(&lab.succeed(&more));
    assert!(more[0]["value"].is_f64() && more[1]["value"].as_f64() >= Some(1.0));
    let fitted_to = more[0]["protocol"]["settings"]["fitted_to"].as_str();
    let fitted_to = fitted_to.expect("what it was fitted to");
    assert!(fitted_to.contains("train split of"), "{fitted_to}");
    refused(
        &lab,
        &format!("evaluate {run} {against} --images 20 --split tets"),
        "unknown split `tets`",
        "did you mean `test`?",
    );

    let path = format!("evaluate {run} {against} --metrics ppl,ppl-path");
    let printed = lab.succeed(&path);
    let lengths = scores(&printed);
    assert_eq!(lengths.len(), 2);
    for length in &lengths {
        assert!(
            length["value"].as_f64().expect("a length") > 0.0,
            "{length}"
        );
        assert_eq!(length["protocol"]["reference_images"], 0);
    }
    let extractor = lengths[0]["protocol"]["extractor"]
        .as_str()
        .expect("a name");
    assert!(extractor.contains("vgg16-random"), "{extractor}");
    assert_eq!(lab.succeed(&path), printed);
}
