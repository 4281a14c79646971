//! The main job as a user runs it.

use std::fs;

use crate::lab::Lab;
use crate::schema::assert_ledgers;
use crate::shared;

const SMOKE: &str = "reproduce all --profile smoke";

#[test]
fn everything_from_nothing_to_the_tables_and_again_without_training() {
    let lab = Lab::new();
    let printed = lab.succeed(SMOKE);
    for label in [
        "dcgan",
        "improved-dcgan",
        "sngan",
        "wgan-gp",
        "lsgan",
        "ddpm",
        "rl-eo (expected-reward)",
    ] {
        assert!(printed.contains(label), "no row {label}:\n{printed}");
    }
    let files = [
        "table1.md",
        "table1.csv",
        "table1.tex",
        "table2.md",
        "table3.md",
        "table4.md",
        "table1.html",
        "table1-protocol.md",
        "table2-protocol.md",
        "table2-protocol.tex",
    ];
    let tables: Vec<String> = files
        .iter()
        .map(|file| lab.read(format!("reports/table1/{file}")))
        .collect();
    assert!(
        tables[0].contains("57.45") && tables[0].contains("44.04"),
        "{}",
        tables[0]
    );
    let pictures = || fs::read_dir(lab.path("reports/table1/samples")).expect("pictures");
    let of = |kind: &str| {
        let is = |file: &fs::DirEntry| file.path().to_string_lossy().contains(kind);
        pictures().flatten().filter(is).count()
    };
    let (nearest, ways, maps) = (of("-nearest"), of("-interpolation"), of("-grad-cam"));
    assert_eq!(nearest, 8, "the nearest training patches of eight systems");
    assert_eq!(ways, 7, "all but the diffusion model have latents");
    assert_eq!(maps, 2, "both systems with a reward");
    let grids = pictures().count() - nearest - ways - maps;
    assert_eq!(grids, 9, "eight systems and the real patches");
    // Operations are counted: those of an image are a small part of those of a step.
    let costs = lab.read("reports/table1/costs.csv");
    let mut costs = csv::Reader::from_reader(costs.as_bytes());
    let rows: Vec<csv::StringRecord> = costs.records().map(|row| row.expect("a row")).collect();
    let of = |title: &str| -> Vec<f64> {
        let rows = rows.iter().filter(|row| row[2].starts_with(title));
        rows.map(|row| row[3].parse().expect("a number")).collect()
    };
    let (steps, images) = (of("GFLOP per step"), of("GFLOP per image"));
    assert_eq!((steps.len(), images.len()), (8, 8));
    for (step, image) in steps.iter().zip(&images) {
        assert!(
            *image > 0.0 && *step > 8.0 * image,
            "{step} a step, {image} an image"
        );
    }
    // No path without a latent space, and none but the reason; the paper's numbers beside.
    let ddpm = tables[3].lines().find(|line| line.contains("ddpm"));
    assert_eq!(ddpm, Some("| ddpm | - [1] | - [1] | - |"), "{}", tables[3]);
    for part in [
        "[1] no latent space that decodes to images.",
        "3.171046062094e-08",
        "`table2-protocol`",
        "a generator that always shows one image has length 0",
    ] {
        assert!(tables[3].contains(part), "{part}: {}", tables[3]);
    }
    assert!(tables[5].contains("AuthPct"), "{}", tables[5]);
    let lpips = "LPIPS on vgg16-random (random weights, all channels alike)";
    assert!(tables[8].contains(lpips), "{}", tables[8]);
    assert!(tables[0].contains("n = 1: one seed"), "{}", tables[0]);
    assert!(tables[0].contains("Warning: `fid`: 24 images of 512 features"));

    let lines = assert_ledgers(&lab.path("runs"));
    assert!(lines > 50, "{lines} lines of ledgers");

    // Again: everything is found, nothing is trained, every byte is the same.
    let again = lab.run(SMOKE);
    assert_eq!(again.code, 0, "{}", again.errors);
    assert_eq!(
        again.errors.matches("already trained").count(),
        8 + 1, // the systems and the reward model
        "{}",
        again.errors
    );
    assert_eq!(again.output, printed);
    // The tables once more, from the ledgers alone.
    fs::remove_dir_all(lab.path("runs/cache")).expect("a cache");
    assert_eq!(lab.succeed("report table1"), printed);
    for (file, before) in files.iter().zip(&tables) {
        assert_eq!(
            &lab.read(format!("reports/table1/{file}")),
            before,
            "{file}"
        );
    }
}

#[test]
fn a_table_measures_what_it_shows_and_trains_nothing_again() {
    let lab = Lab::new();
    let settings = "--profile smoke --set systems=[{name=\"lsgan\"}]";
    let first = lab.run(&format!("reproduce table1 {settings}"));
    assert_eq!(first.code, 0, "{}", first.errors);
    assert!(!first.errors.contains("ppl"), "{}", first.errors);
    let second = lab.run(&format!("reproduce table2 {settings}"));
    assert_eq!(second.code, 0, "{}", second.errors);
    assert!(
        second.errors.contains("already trained"),
        "{}",
        second.errors
    );
    assert!(
        second.errors.contains("ppl ") && !second.errors.contains("fid "),
        "{}",
        second.errors
    );
    // What the first table shows is still there, and what the second shows stays.
    let third = lab.succeed(&format!("reproduce table1 {settings}"));
    assert_eq!(third, first.output);
    let report = lab.succeed("report table1");
    assert!(report.contains(&first.output) && report.contains(&second.output));
}

#[test]
fn a_seed_adds_a_spread_and_reuses_the_first() {
    let lab = Lab::new();
    let settings = "--set systems=[{name=\"lsgan\"}]";
    lab.succeed(&format!("{SMOKE} {settings}"));
    let said = lab.run(&format!("{SMOKE} --seeds 0,1 {settings}"));
    assert_eq!(said.code, 0, "{}", said.errors);
    assert_eq!(
        said.errors.matches("already trained").count(),
        1,
        "{}",
        said.errors
    );
    assert!(said.output.contains('±'), "{}", said.output);
    let statistics = lab.read("reports/table1/table1-statistics.md");
    assert!(statistics.contains("**FID over seeds**"), "{statistics}");
}

#[test]
fn the_reward_is_logged_at_every_step() {
    let lab = Lab::new();
    let run = lab.succeed("train table1 --model rl-eo --profile smoke");
    let ledger = lab.read(format!("{}/ledger.jsonl", run.trim()));
    let steps: Vec<&str> = ledger
        .lines()
        .filter(|line| line.contains("\"step\","))
        .collect();
    assert_eq!(steps.len(), 3);
    for step in steps {
        assert!(
            step.contains("\"reward\":") && step.contains("\"similarity\":"),
            "{step}"
        );
    }
}

#[test]
fn two_sets_of_images_are_measured_against_each_other() {
    let lab = Lab::new();
    let run = lab.succeed("train table1 --model dcgan --profile smoke");
    let run = run.trim();
    let store = fs::read_dir(lab.path("runs/cache/patches"))
        .expect("a cache")
        .next();
    let store = store.expect("a store").expect("a folder").path();
    let settings = "--profile smoke --metrics fid,recall --json";
    let printed = lab.succeed(&format!("evaluate {run} {} {settings}", store.display()));
    let scores: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let names: Vec<&str> = scores
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|score| score["name"].as_str())
        .collect();
    assert_eq!(names, ["fid", "recall"]);
    assert!(scores[0]["value"].as_f64().expect("a number") > 0.0);
    assert_eq!(scores[0]["protocol_id"].as_str().expect("an id").len(), 8);

    lab.succeed(&format!("sample {run} --n 9 --out grid.png"));
    let grid = image::open(lab.path("grid.png")).expect("a picture");
    assert_eq!(grid.width(), 3 * 32 + 4 * 2);
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn real_tissue_with_real_features_makes_the_same_table() {
    let slides = shared::path("data/histology/slides");
    let weights = shared::path("weights/vgg16_imagenet_conv.safetensors");
    let lab = Lab::new();
    let printed = lab.succeed(&format!(
        "{SMOKE} --data {} --set data.classes=[\"benign\",\"malignant\"] --features vgg16 --weights {}",
        slides.display(),
        weights.display()
    ));
    assert!(printed.contains("table1-protocol"), "{printed}");
    let protocol = lab.read("reports/table1/table1-protocol.md");
    assert!(
        protocol.contains("classes benign and malignant."),
        "{protocol}"
    );
    assert!(protocol.contains("vgg16 (relu5_3"), "{protocol}");
}
