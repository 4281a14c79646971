//! The figures of a report: rendered again from ledgers, caches and pictures, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::Lab;

/// Every file below `folder` by its path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("a file");
            found.insert(path, bytes);
        }
    }
    found
}

#[test]
fn a_report_is_rendered_twice_to_the_same_bytes_with_figures_of_every_kind() {
    let lab = Lab::new();
    let systems = "systems=[{name=\"dcgan\"},{name=\"rl-eo\"}]";
    lab.succeed(&format!(
        "reproduce all --profile smoke --seeds 0,1 --set {systems} --set training.steps=6 --set logging.evaluate_every=2 --set \
         logging.samples_every=2"
    ));
    let report = lab.path("reports/table1");
    lab.succeed("report table1");
    let first = files(&report);
    let said = lab.run("report table1");
    assert!(files(&report) == first, "the same bytes");

    let missing = |name: &&&str| !report.join("figures").join(name).exists();
    let expected = [
        "cost.png",
        "cost.svg",
        "losses.svg",
        "nearest.svg",
        "precision-recall.svg",
        "rewards.svg",
        "rewards-by-class.svg",
        "samples.svg",
        "scores.svg",
        "table1-dots.svg",
        "table2-dots.svg",
        "table3-dots.svg",
        "table4-dots.svg",
        "training.svg",
        "tsne.svg",
    ];
    let absent: Vec<&&str> = expected.iter().filter(missing).collect();
    assert!(absent.is_empty(), "{absent:?}: {}", said.errors);
    assert!(!said.errors.contains("not drawn"), "{}", said.errors);

    // Without the cache all but the features are there, and it is said.
    fs::remove_dir_all(lab.path("runs/cache/features")).expect("a folder");
    let said = lab.run("report table1");
    assert!(
        said.errors.contains("its features are not in the cache"),
        "{}",
        said.errors
    );
}
