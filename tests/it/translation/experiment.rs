//! Pretraining and fine-tuning from nothing to the tables.

use std::fs;
use std::path::PathBuf;

use crate::lab::{Lab, assert_same_trace};

/// All four experiments in seconds.
const SMOKE: &str = "reproduce transfer --profile smoke --seeds 0";
const SEGMENT: &str = "reproduce transfer-segment --profile smoke --seeds 0";

/// The runs of paired models.
fn translators(lab: &Lab) -> Vec<PathBuf> {
    let runs = fs::read_dir(lab.path("runs")).expect("runs").flatten();
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("translator-")
    };
    let mut found: Vec<PathBuf> = runs.map(|entry| entry.path()).filter(is_it).collect();
    found.sort();
    found
}

fn config(run: &std::path::Path) -> toml::Table {
    let text = fs::read_to_string(run.join("config.toml")).expect("a configuration");
    text.parse().expect("TOML")
}

#[test]
fn everything_from_nothing_to_the_tables_and_again_without_training() {
    let lab = Lab::new();
    let printed = lab.succeed(SMOKE);
    for row in [
        "unet-2 (width 2), 16 patches ",
        "unet-2 (width 3), 8 patches, random ",
        "unet-2 (width 3), 8 patches, pretrained ",
    ] {
        assert!(printed.contains(row), "{row}\n{printed}");
    }
    assert!(printed.contains("Dice") && printed.contains("PSNR") && printed.contains("LPIPS"));
    let experiments = [
        "pretrain",
        "transfer-segment",
        "transfer-denoise",
        "transfer-super",
    ];
    let read = || {
        let files = [
            "translation.md",
            "translation-protocol.md",
            "figures/learning-curves.svg",
        ];
        let all = experiments
            .iter()
            .flat_map(|name| files.map(|file| lab.read(format!("reports/{name}/{file}"))));
        all.collect::<Vec<_>>()
    };
    let before = read();
    let starts = lab.read("reports/transfer-segment/translation-starts.md");
    assert!(starts.contains("unet-2 (width 2), 4 patches"), "{starts}");
    let claims = lab.read("reports/transfer-segment/claims.md");
    assert!(
        claims.contains("arXiv 2402.18286") && claims.contains("## 3."),
        "{claims}"
    );
    let page = lab.read("reports/transfer-segment/index.html");
    assert!(page.contains("histogen reproduce transfer-segment --seeds 0 --profile smoke"));
    // Two networks pretrained on two numbers of patches, and three tasks of eight rows.
    let runs = translators(&lab);
    assert_eq!(runs.len(), 2 * 2 + 3 * 8);
    for run in &runs {
        let config = config(run);
        assert!(run.join("samples/step-000004.png").exists());
        let start = config.get("start").and_then(toml::Value::as_str);
        assert_eq!(start.is_some(), run.join("start.toml").exists());
        if let Some(start) = start {
            assert!(lab.path("runs").join(start).exists(), "{start}");
            let report = fs::read_to_string(run.join("start.toml")).expect("a report");
            let fresh = if config["task"].as_str() == Some("segment") {
                2
            } else {
                0
            };
            assert_eq!(report.matches("head.").count(), 2, "{report}");
            let report: toml::Table = report.parse().expect("TOML");
            assert_eq!(report["fresh"].as_array().expect("names").len(), fresh);
        }
    }
    let again = lab.run(SMOKE);
    assert_eq!(again.code, 0, "{}", again.errors);
    // The pretraining of a row is found once an experiment more.
    let found = again.errors.matches("already trained").count();
    assert_eq!(found, 2 * 2 + 3 * (8 + 2), "{}", again.errors);
    assert_eq!(again.output, printed);
    // Once more, from the ledgers alone.
    fs::remove_dir_all(lab.path("runs/cache")).expect("a cache");
    for name in experiments {
        lab.succeed(&format!("report {name}"));
    }
    assert_eq!(read(), before);
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_same_bytes() {
    let settings = format!(
        "{SEGMENT} --set translation.patches=[4] --set translation.training.steps=12 --set logging.checkpoint_every=1 \
         --set translation.pretraining.training.steps=12 --set translation.pretraining.training.dropout=0.5 \
         --set translation.backbones=[{{network=\"pix2pix-unet\",width=2}}]"
    );
    let whole = Lab::new();
    whole.succeed(&settings);
    let runs = translators(&whole);
    assert_eq!(
        runs.len(),
        3,
        "pretrained, and fine-tuned from it and from random weights"
    );
    let with = |key: &str, is_there: bool| {
        let is_it = |run: &&PathBuf| config(run).contains_key(key) == is_there;
        runs.iter().find(is_it).expect("a run").clone()
    };
    for run in [with("adversary", true), with("start", true)] {
        let name = run
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let lab = Lab::new();
        lab.kill_after_checkpoint(&settings, &format!("runs/{name}"));
        lab.succeed(&settings);
        assert_same_trace(&lab.path("runs").join(&name), &run, &name);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_trained() {
    let lab = Lab::new();
    let refused = |set: &str| lab.refused(&format!("{SEGMENT} --set {set}"));
    assert!(
        refused("translation.backbones=[{network=\"unet\",width=2,levels=9}]")
            .contains("`translation.backbones` has `unet-9 (width 2)` with `levels = 9`")
    );
    assert!(
        refused("data.masks=\"\"")
            .contains("the task `segment` needs masks, and the patches of `phantom` have none")
    );
    assert!(
        refused("translation.patches=[5000]")
            .contains("`translation.patches` asks for 5000 training patches, there are")
    );
    assert!(
        refused("translation.task=\"segmnt\"").contains("segmnt"),
        "an unknown task is named"
    );
    assert!(
        refused("translation.pretraining.adversary.layers=4")
            .contains("PatchGAN of 4 layers has no place left on images of 32 x 32")
    );
    assert!(
        refused("data.patch_size=33")
            .contains("makes images 2 times smaller, and these have 33 x 33")
    );
    assert!(translators(&lab).is_empty());
}

#[test]
fn a_class_that_no_training_patch_shows_is_refused() {
    let lab = Lab::new();
    for name in ["a", "b", "c", "d"] {
        lab.slide(&format!("slides/{name}.png"), 64, 64);
        let mask = image::GrayImage::new(64, 64);
        let path = lab.path(&format!("masks/{name}.png"));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        mask.save(path).expect("a mask");
    }
    let error = lab.refused(&format!(
        "{SEGMENT} --data slides --set data.reduction=1 --set data.minimum_tissue=0 --set data.masks=masks \
         --set data.mask_classes=[\"background=0\",\"nucleus=1\"]"
    ));
    assert!(
        error.contains("no pixel of a training patch is of class `nucleus`"),
        "{error}"
    );
}
