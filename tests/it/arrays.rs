//! Arrays of NumPy and statistics of other tools, as a user brings them: `.npy`, `.npz`, several sets at once.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use histogen::numpy::ArchiveWriter;
use image::RgbImage;
use serde_json::Value;

use crate::lab::Lab;
use crate::noise::signed;
use crate::shared;

/// The bytes of an `.npy` file.
fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    header += &" ".repeat(length - 1 - header.len());
    header.push('\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((length as u16).to_le_bytes());
    file.extend(header.as_bytes());
    file.extend(data);
    file
}

fn features(lab: &Lab, name: &str, rows: usize, columns: usize, place: u32) -> Vec<f64> {
    let values: Vec<f64> = signed(rows * columns, place)
        .map(|value| f64::from(value as f32))
        .collect();
    let data: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let file = npy("<f8", &format!("({rows}, {columns})"), &data);
    fs::write(lab.path(name), file).expect("a file");
    values
}

/// Mean and unbiased covariance by their definition.
fn moments(values: &[f64], columns: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = values.len() / columns;
    let mean: Vec<f64> = (0..columns)
        .map(|column| values.iter().skip(column).step_by(columns).sum::<f64>() / rows as f64)
        .collect();
    let entry = |i: usize, j: usize| {
        let rows = values.chunks_exact(columns);
        let products = rows.map(|row| (row[i] - mean[i]) * (row[j] - mean[j]));
        products.sum::<f64>() / (values.len() / columns - 1) as f64
    };
    let places = (0..columns * columns).map(|place| entry(place / columns, place % columns));
    (mean.clone(), places.collect())
}

fn statistics(lab: &Lab, name: &str, mean: &[f64], shape: &[usize], covariance: &[f64]) {
    let mut archive = ArchiveWriter::new(File::create(lab.path(name)).expect("a file"));
    archive.add_f64("mu", &[mean.len()], mean).expect("written");
    archive
        .add_f64("sigma", shape, covariance)
        .expect("written");
    archive.finish().expect("written");
}

fn scores(lab: &Lab, arguments: &str) -> Vec<Value> {
    let said = lab.run(&format!("evaluate {arguments} --json"));
    let scores: Value =
        serde_json::from_str(&said.output).unwrap_or_else(|_| panic!("{}", said.errors));
    scores.as_array().expect("a list").clone()
}

fn value(score: &Value) -> f64 {
    score["value"].as_f64().unwrap_or_else(|| panic!("{score}"))
}

fn assert_near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found / expected - 1.0).abs() < tolerance,
        "{found}, expected {expected}"
    );
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn the_small_inputs_of_others_give_their_numbers() {
    let lab = Lab::new();
    let case = |name: &str| shared::path("cases").join(name).display().to_string();
    let fid = |generated: &str, real: &str| {
        let found = scores(
            &lab,
            &format!("{} {} --metrics fid", case(generated), case(real)),
        );
        value(&found[0])
    };
    for (name, expected) in [
        ("features_f16.npy", 2.171_969_967_439_572_7),
        ("features_fortran.npy", 2.171_969_967_439_572_7),
        ("features_i64.npy", 359.456_568_057_716_7),
    ] {
        assert_near(fid(name, "reference_f64.npy"), expected, 1e-8);
        assert_near(fid(name, "statistics_pytorch_fid.npz"), expected, 1e-8);
    }
    let images = case("images_adm.npz");
    let found = scores(
        &lab,
        &format!("{images} {images} --features pixels --metrics fid,recall"),
    );
    assert!(value(&found[0]).abs() < 1e-9, "{}", found[0]);
    let duplicates = lab.succeed(&format!("duplicates {images} --features pixels --out ."));
    assert!(duplicates.contains("image "), "{duplicates}");
}

#[test]
fn statistics_of_others_are_measured_against_and_named() {
    let lab = Lab::new();
    features(&lab, "a.npy", 60, 5, 1);
    let real = features(&lab, "real.npy", 50, 5, 2);
    let (mean, covariance) = moments(&real, 5);
    statistics(&lab, "real.npz", &mean, &[5, 5], &covariance);
    let expected = value(&scores(&lab, "a.npy real.npy --metrics fid")[0]);
    let settings = "--set evaluation.metrics.kid_subset_size=20";
    let found = scores(&lab, &format!("a.npy real.npz {settings}"));
    assert_near(value(&found[0]), expected, 1e-9);
    for score in &found[1..] {
        assert_eq!(score["value"], Value::Null);
        assert_eq!(
            score["absent"],
            "needs the features of single images, not mean and covariance"
        );
    }
    let hash = histogen::digest::sha256_file(&lab.path("real.npz")).expect("a file");
    assert_eq!(found[0]["protocol"]["reference_hash"], hash);
    assert_eq!(found[0]["protocol"]["reference_images"], 0);
    let table = lab.succeed("evaluate a.npy real.npz --metrics fid");
    let said = format!(
        "60 rows of features against the statistics `real.npz` ({}), made elsewhere",
        &hash[..8]
    );
    assert!(table.contains(&said), "{table}");

    // On the other side, and on both.
    let reversed = scores(&lab, "real.npz a.npy --metrics fid");
    assert_near(value(&reversed[0]), expected, 1e-9);
    assert_eq!(
        reversed[0]["protocol"]["settings"]["generated statistics"],
        hash
    );
    let itself = scores(&lab, "real.npz real.npz --metrics fid");
    assert!(value(&itself[0]).abs() < 1e-12, "{}", itself[0]);

    // Written by us: of features, and read again.
    let printed = lab.succeed("export statistics real.npy --format clean-fid --out ours.npz");
    assert!(
        printed.starts_with("50 rows made elsewhere, 5 features: ours.npz"),
        "{printed}"
    );
    assert_near(
        value(&scores(&lab, "a.npy ours.npz --metrics fid")[0]),
        expected,
        1e-9,
    );
    let refused = lab.refused("export statistics a.npy --format adm --out x.npz");
    assert!(refused.starts_with(
        "error: `a.npy` is a file of features, and a batch of ADM's has images in it"
    ));
    let refused = lab.refused("export statistics a.npy --format adm --out nowhere/x.npz");
    assert!(
        refused.starts_with("error: cannot write `nowhere/x.npz`: "),
        "{refused}"
    );
}

/// Two folders of images, and the first of them as arrays.
fn pictures(lab: &Lab) {
    let mut bytes = Vec::new();
    for (folder, factor) in [("a", 3u32), ("b", 5)] {
        fs::create_dir(lab.path(folder)).expect("a folder");
        for number in 0..6u32 {
            let image = RgbImage::from_fn(16, 16, |x, y| {
                let value =
                    (x * y * factor + number * (x + 3 * y)).wrapping_mul(2_654_435_761) >> 24;
                image::Rgb([value as u8, (x * number) as u8, (y + number) as u8])
            });
            image
                .save(lab.path(&format!("{folder}/{number}.png")))
                .expect("an image");
            if folder == "a" {
                bytes.extend_from_slice(&image);
            }
        }
    }
    fs::write(lab.path("a.npy"), npy("|u1", "(6, 16, 16, 3)", &bytes)).expect("a file");
    let mut archive = ArchiveWriter::new(File::create(lab.path("a.npz")).expect("a file"));
    let write = |file: &mut dyn Write| Ok(file.write_all(&bytes)?);
    archive
        .add::<u8>("arr_0", &[6, 16, 16, 3], write)
        .expect("written");
    archive.finish().expect("written");
}

#[test]
fn an_array_of_images_is_a_set_wherever_a_folder_is_one() {
    let lab = Lab::new();
    pictures(&lab);
    let settings = "--features pixels --metrics fid,precision";
    let of = |set: &str| scores(&lab, &format!("{set} b {settings}"));
    let folder = of("a");
    for array in ["a.npy", "a.npz", "a.npz:arr_0"] {
        let found = of(array);
        assert_eq!(found[0]["value"], folder[0]["value"], "{array}");
        assert_eq!(found[0]["protocol_id"], folder[0]["protocol_id"], "{array}");
        let reversed = scores(&lab, &format!("b {array} {settings}"));
        assert_near(value(&reversed[0]), value(&folder[0]), 1e-9);
        let few = scores(&lab, &format!("{array} b {settings} --images 4"));
        assert!(
            value(&few[0]) > 0.0 && few[0]["protocol"]["images"] == 4,
            "{}",
            few[0]
        );
    }
    let found = lab.succeed("retrieve a/3.png --in a.npz --features pixels -k 2");
    assert!(
        found
            .lines()
            .any(|line| line.starts_with("    1 ") && line.ends_with("image 3")),
        "{found}"
    );
    let written = lab.succeed("study make a.npz b --n 4 --out study");
    assert!(written.contains("study"), "{written}");
    // Statistics of images, against images.
    lab.succeed("export statistics b --format pytorch-fid --features pixels --out b.npz");
    let found = scores(&lab, "a.npz b.npz --features pixels --metrics fid");
    assert_near(value(&found[0]), value(&folder[0]), 1e-6);
    let sentence = lab.succeed("evaluate a.npz b.npz --features pixels --metrics fid");
    assert!(
        sentence.contains("6 generated images against the statistics `b.npz`"),
        "{sentence}"
    );
}

#[test]
fn what_is_no_set_is_refused_with_what_it_is() {
    let lab = Lab::new();
    pictures(&lab);
    let write = |name: &str, bytes: &[u8]| fs::write(lab.path(name), bytes).expect("a file");
    write("first.npy", &npy("|u1", "(2, 3, 4, 4)", &[0; 96]));
    write("floats.npy", &npy("<f4", "(1, 4, 4, 3)", &[0; 192]));
    write("wide.npy", &npy("|u1", "(1, 4, 8, 3)", &[0; 96]));
    write("alpha.npy", &npy("|u1", "(1, 4, 4, 4)", &[0; 64]));
    write("objects.npy", &npy("|O", "(3, 2)", b"\x80\x04."));
    write("vector.npy", &npy("<f4", "(3,)", &[0; 12]));
    write(
        "cut.npz",
        &fs::read(lab.path("a.npz")).expect("a file")[..200],
    );
    write("text.npz", b"PK, but not a zip archive");
    for (name, said) in [
        (
            "first.npy",
            "the images of `first.npy` cannot be taken as they are: their channels come first, shape [2, 3, 4, 4]",
        ),
        (
            "floats.npy",
            "the images of `floats.npy` cannot be taken as they are: they are numbers of type <f4, of which the file does \
             not say which one is white",
        ),
        (
            "wide.npy",
            "the images of `wide.npy` cannot be taken as they are: they are 8 x 4 pixels",
        ),
        (
            "alpha.npy",
            "the images of `alpha.npy` cannot be taken as they are: shape [1, 4, 4, 4] is not n x height x width x 3 (or 1)",
        ),
        (
            "objects.npy",
            "`objects.npy` holds neither features nor images: it holds Python objects (pickled), which are not read",
        ),
        (
            "vector.npy",
            "`vector.npy` holds neither features nor images: it has 1 dimensions, [3], neither two (features) nor four \
             (images)",
        ),
        ("cut.npz", "`cut.npz` is no whole `.npz` archive: "),
        ("text.npz", "`text.npz` is no whole `.npz` archive: "),
        (
            "nowhere.npz",
            "cannot read `nowhere.npz`: No such file or directory (os error 2)",
        ),
        (
            "nowhere.npy",
            "cannot read `nowhere.npy`: No such file or directory (os error 2)",
        ),
    ] {
        for arguments in [
            format!("evaluate {name} b"),
            format!("evaluate b {name}"),
            format!("duplicates {name}"),
        ] {
            let found = lab.refused(&format!("{arguments} --features pixels"));
            assert!(
                found.starts_with(&format!("error: {said}")),
                "{arguments}: {found}"
            );
            assert!(found.contains("\n\nhint: "), "{found}");
        }
    }
}

#[test]
fn a_feature_that_is_no_number_is_refused_in_half_precision() {
    let lab = Lab::new();
    let nan = npy("<f2", "(2, 1)", &[0, 0, 0, 0x7e]);
    fs::write(lab.path("nan.npy"), nan).expect("a file");
    let found = lab.refused("evaluate nan.npy nan.npy");
    assert!(
        found.starts_with("error: feature 0 of image 1 of the generated images is not finite"),
        "{found}"
    );
}

#[test]
fn statistics_that_are_none_are_refused() {
    let lab = Lab::new();
    pictures(&lab);
    let (mean, covariance) = ([0.0, 1.0], [1.0, 0.5, 0.5, 2.0]);
    let other = [1.0, 0.5, 0.25, 2.0];
    for (name, mean, shape, covariance, said) in [
        (
            "long.npz",
            &mean[..],
            &[1, 4][..],
            &covariance[..],
            "`sigma` has shape [1, 4], and `mu` has 2 features",
        ),
        (
            "few.npz",
            &mean[..1],
            &[2, 2],
            &covariance,
            "`sigma` has shape [2, 2], and `mu` has 1 features",
        ),
        (
            "skew.npz",
            &mean,
            &[2, 2],
            &other,
            "`sigma` is not symmetric: 0.25 at (1, 0), 0.5 at (0, 1)",
        ),
        (
            "nan.npz",
            &[0.0, f64::NAN],
            &[2, 2],
            &covariance,
            "entry 1 of `mu` is not finite",
        ),
        (
            "minus.npz",
            &mean,
            &[2, 2],
            &[-1.0, 0.0, 0.0, 1.0],
            "`sigma` has a negative variance, of feature 0",
        ),
    ] {
        statistics(&lab, name, mean, shape, covariance);
        let found = lab.refused(&format!(
            "evaluate b {name} --features pixels --metrics fid"
        ));
        let said = format!("error: `{name}` holds no mean and covariance of features: {said}");
        assert!(found.starts_with(&said), "{found}");
    }
    statistics(&lab, "two.npz", &mean, &[2, 2], &covariance);
    let found = lab.refused("evaluate b two.npz --features pixels --metrics fid");
    assert!(
        found.starts_with("error: `two.npz` has the statistics of 2 features, and the extractor makes 768 of an image"),
        "{found}"
    );
    statistics(&lab, "none.npz", &mean, &[2, 2], &[1.0, 2.0, 2.0, 1.0]);
    let found = lab.refused("evaluate two.npz none.npz --metrics fid");
    assert!(
        found.starts_with("error: the covariance of the statistics has negative eigenvalues"),
        "{found}"
    );
}

#[test]
fn several_sets_are_measured_in_one_table() {
    let lab = Lab::new();
    for (name, rows, place) in [
        ("a.npy", 60, 1),
        ("b.npy", 60, 2),
        ("real.npy", 50, 3),
        ("few.npy", 40, 4),
    ] {
        features(&lab, name, rows, 5, place);
    }
    let settings = "--metrics fid,precision";
    let printed = lab.succeed(&format!(
        "evaluate a.npy b.npy --against real.npy {settings} --json"
    ));
    let sets: Value = serde_json::from_str(&printed).expect("JSON");
    for (place, name) in ["a.npy", "b.npy"].into_iter().enumerate() {
        let alone = scores(&lab, &format!("{name} real.npy {settings}"));
        assert_eq!(sets[place]["set"], name);
        assert_eq!(sets[place]["scores"], Value::Array(alone));
    }
    let table = lab.succeed(&format!(
        "evaluate a.npy b.npy --against real.npy {settings}"
    ));
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.contains(".npy "))
        .collect();
    assert!(table.contains("FID") && rows.len() >= 2, "{table}");
    let csv = lab.succeed(&format!(
        "evaluate a.npy b.npy --against real.npy {settings} --csv"
    ));
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].starts_with("set,score,value,spread,") && lines.len() == 5,
        "{csv}"
    );
    assert!(
        lines[1].starts_with(&format!("a.npy,fid,{}", value(&sets[0]["scores"][0]))),
        "{csv}"
    );
    // A column never mixes two protocols.
    let mixed = "evaluate a.npy few.npy --against real.npy --metrics fid";
    let found = lab.refused(mixed);
    assert!(
        found.starts_with("error: `fid` of `a.npy` and of `few.npy` do not compare. "),
        "{found}"
    );
    lab.succeed(&format!("{mixed} --csv"));
    lab.succeed(&format!("{mixed} --images 40"));
    let found = lab.refused("evaluate a.npy b.npy real.npy");
    assert!(
        found.starts_with("error: 3 sets are given, and not which of them"),
        "{found}"
    );
    assert!(
        found.ends_with("`histogen evaluate A B C --against REAL`"),
        "{found}"
    );
}

#[test]
fn copies_are_counted_and_said_beside_the_score() {
    let lab = Lab::new();
    pictures(&lab);
    fs::create_dir(lab.path("twice")).expect("a folder");
    for number in 0..6 {
        for copy in ["one", "other"] {
            let from = lab.path(&format!("a/{number}.png"));
            let to = lab.path(&format!("twice/{number}-{copy}.png"));
            fs::copy(from, to).expect("a copy");
        }
    }
    let settings = "--features pixels --metrics fid";
    let note =
        |what: &str| format!("50 % of {what} are copies: 6 of 12 have the features of one before");
    for (arguments, what) in [
        ("twice b", "the generated images"),
        ("b twice", "the real images"),
    ] {
        let said = lab.run(&format!("evaluate {arguments} {settings} --json"));
        assert!(said.errors.contains(&note(what)), "{}", said.errors);
        let found: Value = serde_json::from_str(&said.output).expect("JSON");
        assert!(
            found[0]["warning"]
                .as_str()
                .expect("a warning")
                .contains(&note(what))
        );
    }
    let table = lab.succeed(&format!("evaluate twice b {settings}"));
    assert!(table.contains("are copies: 6 of 12"), "{table}");
    let clean = scores(&lab, &format!("a b {settings}"));
    assert!(
        !clean[0]["warning"]
            .as_str()
            .unwrap_or_default()
            .contains("copies"),
        "{}",
        clean[0]
    );
    assert!(Path::new(&lab.path("twice")).is_dir());
}

/// What an archive unpacks to and an array in Fortran order are read in blocks: more rows take no more memory, where all of them
/// would take 40 MiB.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_rows_of_an_archive() {
    const ALLOWED: u64 = 12 << 10; // KiB: what the allocator keeps, 64 bits of every row
    let lab = Lab::new();
    let (few, many, columns) = (4_000, 40_000, 256);
    for rows in [few, many] {
        let values: Vec<f32> = signed(rows * columns, 1)
            .map(|value| value as f32)
            .collect();
        let file = File::create(lab.path(&format!("{rows}.npz"))).expect("a file");
        let mut archive = ArchiveWriter::new(file);
        archive
            .add_f32("features", &[rows, columns], &values)
            .expect("written");
        archive.finish().expect("written");
        let data: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let fortran = npy("<f4", &format!("({rows}, {columns})"), &data);
        let fortran = replaced(fortran, b"False", b"True ");
        fs::write(lab.path(&format!("{rows}.npy")), fortran).expect("a file");
    }
    for ending in ["npz", "npy"] {
        let peak =
            |rows| lab.peak_memory(&format!("evaluate {rows}.{ending} {few}.npz --metrics fid"));
        let (less, more) = (peak(few), peak(many));
        assert!(more < less + ALLOWED, "{ending}: {less} KiB, {more} KiB");
    }
}

/// `bytes` with the first `from` in it replaced.
#[cfg(target_os = "linux")]
fn replaced(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    let place = bytes.windows(from.len()).position(|found| found == from);
    let place = place.expect("it is there");
    bytes[place..place + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn two_sets_are_compared_with_intervals_of_their_difference() {
    let lab = Lab::new();
    for (name, rows, place) in [
        ("a.npy", 60, 1),
        ("b.npy", 60, 2),
        ("real.npy", 50, 3),
        ("few.npy", 40, 4),
    ] {
        features(&lab, name, rows, 5, place);
    }
    let settings = "--metrics fid,precision --set evaluation.metrics.bootstrap=50";
    let compare = |sets: &str| -> Vec<Value> {
        let printed = lab.succeed(&format!(
            "compare {sets} --against real.npy {settings} --json"
        ));
        serde_json::from_str::<Value>(&printed)
            .expect("JSON")
            .as_array()
            .expect("a list")
            .clone()
    };
    let found = compare("a.npy b.npy");
    let [a, b] = ["a.npy", "b.npy"]
        .map(|set| value(&scores(&lab, &format!("{set} real.npy --metrics fid"))[0]));
    assert_eq!(found[0]["values"], serde_json::json!([a, b]));
    let difference = found[0]["difference"].as_f64().expect("a number");
    assert!((difference - (a - b)).abs() < 1e-12);
    let interval = found[0]["interval"].as_array().expect("an interval");
    let [low, high] = [0, 1].map(|end| interval[end].as_f64().expect("a number"));
    assert!(
        low < difference && difference < high && found[0]["draws"] == 50,
        "{}",
        found[0]
    );
    assert_eq!(found[1]["interval"], Value::Null);
    // The other way round, and a set beside itself.
    let reversed = compare("b.npy a.npy");
    assert_near(
        reversed[0]["interval"][0].as_f64().expect("a number"),
        -high,
        1e-9,
    );
    assert!(
        compare("a.npy a.npy")[0]["interval"][1]
            .as_f64()
            .expect("a number")
            .abs()
            < 1e-12
    );
    let table = lab.succeed(&format!(
        "compare a.npy b.npy --against real.npy {settings}"
    ));
    assert!(
        table.contains("A - B") && table.contains("paired bootstrap over images, 50 draws"),
        "{table}"
    );
    let found = lab.refused(&format!(
        "compare a.npy few.npy --against real.npy {settings}"
    ));
    assert!(
        found.starts_with("error: sets of 60 and of 40 images do not compare"),
        "{found}"
    );
    statistics(&lab, "s.npz", &[0.0; 2], &[2, 2], &[1.0, 0.0, 0.0, 1.0]);
    let found = lab.refused(&format!(
        "compare a.npy s.npz --against real.npy {settings}"
    ));
    assert!(
        found.starts_with("error: `s.npz` is a file of statistics of features"),
        "{found}"
    );
}
