//! Slides that a table, a pattern or annotations say something of; and what they do not say.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::data::folder;
use crate::error::Refusal;

/// A folder with an empty file at each of `paths`, and the table `labels.csv`.
fn lab(paths: &[&str], table: &str) -> (TempDir, DataConfig) {
    let lab = tempfile::tempdir().unwrap();
    for path in paths {
        let path = lab.path().join("slides").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let labels = lab.path().join("labels.csv");
    fs::write(&labels, table).unwrap();
    let config = DataConfig {
        labels: labels.display().to_string(),
        ..DataConfig::default()
    };
    (lab, config)
}

fn labelled(lab: &TempDir, config: &DataConfig) -> Result<Source> {
    let source = folder::source(&lab.path().join("slides"), false)?;
    source.labelled(config)
}

fn refused(lab: &TempDir, config: &DataConfig) -> String {
    let error = labelled(lab, config).err().expect("a refusal");
    let Refusal { message, .. } = error.downcast().unwrap();
    message.replace(&lab.path().display().to_string(), "LAB")
}

/// Name, class and group of each slide.
fn rows(source: &Source) -> Vec<(&str, &str, Option<&str>)> {
    let mut rows = Vec::new();
    for slide in &source.slides {
        rows.push((&*slide.name, &*slide.class, slide.group.as_deref()));
    }
    rows
}

#[test]
fn a_table_names_classes_and_groups_in_place_of_folders() {
    let table = "slide,age,class,group\n1,40,benign,p1\nx/2.svs,50,invasive,p1\nx/3,60,benign,\nnot here,1,a,b\n";
    let (lab, mut config) = lab(&["1.png", "x/2.svs", "x/3.tif"], table);
    let source = labelled(&lab, &config).unwrap();
    assert_eq!(
        rows(&source),
        [
            ("1", "benign", Some("p1")),
            ("x/2", "invasive", Some("p1")),
            ("x/3", "benign", None)
        ]
    );
    let plain = folder::source(&lab.path().join("slides"), false).unwrap();
    assert_ne!(source.fingerprint, plain.fingerprint, "a store of its own");
    config.classes = vec!["invasive".to_owned()];
    assert_eq!(labelled(&lab, &config).unwrap().slides.len(), 1);
    config.classes = vec!["invasiv".to_owned()];
    assert_eq!(refused(&lab, &config), "unknown class `invasiv`");
    config.groups = "^.".to_owned();
    assert_eq!(
        refused(&lab, &config),
        "both `data.groups` and the column `group` of `LAB/labels.csv` name groups"
    );
}

#[test]
fn tables_that_lack_or_repeat_something_are_refused() {
    let message = |paths: &[&str], table: &str| {
        let (lab, config) = lab(paths, table);
        refused(&lab, &config)
    };
    assert_eq!(
        message(&["sample1.png"], "slide,class\nsample2,a\n"),
        "slide `sample1` has no row in `LAB/labels.csv` (not `sample2`?)"
    );
    assert_eq!(
        message(&["1.png"], "slide,class\n1,\n2,a\n"),
        "slide `1` has no class in `LAB/labels.csv`"
    );
    assert_eq!(
        message(&["1.png"], "slide,klass\n1,a\n"),
        "the table `LAB/labels.csv` has no column `class`"
    );
    assert_eq!(
        message(&["1.png"], "name,class\n1,a\n"),
        "cannot read the table `LAB/labels.csv`: it has no column `slide`"
    );
    assert_eq!(
        message(&["1.png"], "slide,class\n1,a\n1,b\n"),
        "cannot read the table `LAB/labels.csv`: slide `1` has two rows"
    );
    assert_eq!(
        message(&["x/1.png"], "slide,class\n1,a\nx/1,b\n"),
        "rows `1` and `x/1` both name slide `x/1`"
    );
    assert_eq!(
        message(&["x/1.png", "y/1.png"], "slide,class\n1,a\n"),
        "row `1` of `LAB/labels.csv` names slide `x/1` and slide `y/1`"
    );
    let (lab, config) = lab(&["1.png"], "");
    fs::remove_file(&config.labels).unwrap();
    assert!(refused(&lab, &config).starts_with("cannot read the table `LAB/labels.csv`: "));
}

#[test]
fn a_pattern_finds_groups_in_names() {
    let paths = [
        "ytma10_010704_benign1.png",
        "ytma10_010704_malignant1.png",
        "ytma49_042003_benign1.png",
    ];
    let (lab, mut config) = lab(&paths, "");
    config.labels.clear();
    config.groups = r"ytma\d+_\d+".to_owned();
    let groups = |config: &DataConfig| -> Vec<String> {
        let source = labelled(&lab, config).unwrap();
        source
            .slides
            .into_iter()
            .map(|slide| slide.group.unwrap())
            .collect()
    };
    assert_eq!(
        groups(&config),
        ["ytma10_010704", "ytma10_010704", "ytma49_042003"]
    );
    config.groups = r"ytma(\d+)_".to_owned();
    assert_eq!(groups(&config), ["10", "10", "49"]);
    config.groups = r"ytma10_\d+".to_owned();
    assert_eq!(
        refused(&lab, &config),
        r"`data.groups = ytma10_\d+` is not in the name of slide `ytma49_042003_benign1`"
    );
    config.groups = "(".to_owned();
    assert!(refused(&lab, &config).starts_with("`data.groups` is no regular expression: "));
}

#[test]
fn a_slide_without_annotations_is_refused() {
    let (lab, mut config) = lab(&["1.svs", "2.svs"], "");
    config.labels.clear();
    config.annotations = true;
    let region = "<Region Text='Benign'><Vertex X='0' Y='0'/><Vertex X='9' Y='0'/><Vertex X='0' Y='9'/></Region>";
    fs::write(
        lab.path().join("slides/1.xml"),
        format!("<Annotations>{region}</Annotations>"),
    )
    .unwrap();
    assert_eq!(
        refused(&lab, &config),
        "slide `2` has no annotations: no file of its name with the extension `.xml` lies beside it"
    );
    fs::copy(
        lab.path().join("slides/1.xml"),
        lab.path().join("slides/2.xml"),
    )
    .unwrap();
    config.classes = vec!["benign".to_owned()];
    assert_eq!(labelled(&lab, &config).unwrap().slides.len(), 2);
    config.classes = vec!["invasive".to_owned()];
    assert_eq!(refused(&lab, &config), "unknown class `invasive`");
}
