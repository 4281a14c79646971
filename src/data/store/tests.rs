//! What a store gives back, and which folders are refused.

use std::fs::File;

use tempfile::TempDir;

use super::*;
use crate::data::npy::ImagesWriter;

/// A store of four 2 x 2 patches, filled with 0, 1, 2 and 3, of two slides; `change` may spoil the records.
fn written(change: impl Fn(&mut Vec<PatchRecord>)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create_new(folder.path().join(PATCHES)).unwrap();
    let mut writer = ImagesWriter::new(file, 4, 2, 3).unwrap();
    let mut records = Vec::new();
    for index in 0..4usize {
        writer.push(&[index as u8; 12]).unwrap();
        let (slide, split) = [("all, of it", Split::Train), ("b", Split::Test)][index % 2];
        records.push(PatchRecord {
            slide: slide.to_owned(),
            class: "all".to_owned(),
            x: 2 * index,
            y: 0,
            level: 0,
            tissue: 0.5,
            split,
        });
    }
    writer.finish().unwrap();
    change(&mut records);
    write_records(folder.path(), &records).unwrap();
    let notes = Notes {
        skipped: vec![("c.png".to_owned(), "it is no image".to_owned())],
        ..Notes::default()
    };
    let settings = DataConfig::default();
    write_description(folder.path(), "four", &settings, &records, notes).unwrap();
    folder
}

fn refusal(folder: &TempDir) -> String {
    let text = PatchStore::open(folder.path()).unwrap_err().to_string();
    text.replace(&folder.path().display().to_string(), "STORE")
}

#[test]
fn a_store_gives_back_what_was_written() {
    let folder = written(|_| {});
    let store = PatchStore::open(folder.path()).unwrap();
    assert_eq!(
        (store.len(), store.patch_size(), store.name()),
        (4, 2, "four")
    );
    assert_eq!(store.indices(Split::Test), [1, 3]);
    assert_eq!(store.slides(Split::Train), ["all, of it"]);
    assert_eq!(**store.classes(), ["all"]);
    assert_eq!(store.class_indices(), [0; 4]);
    assert_eq!(store.skipped(), ["c.png"]);
    assert_eq!(store.reason("c.png"), Some("it is no image"));
    assert_eq!(store.settings(), &DataConfig::default());
    let pixels = store.read(&[3, 0]).unwrap();
    assert_eq!(pixels.bytes, [[3; 12], [0; 12]].concat());
    let table = fs::read_to_string(folder.path().join(RECORDS)).unwrap();
    assert!(
        table.starts_with(
            "slide,class,x,y,level,tissue,split\n\"all, of it\",all,0,0,0,0.5,train\n"
        ),
        "{table}"
    );
}

#[test]
fn the_summary_says_what_is_there() {
    let folder = written(|_| {});
    let store = PatchStore::open(folder.path()).unwrap();
    let summary = store.overview().to_string();
    let lines: Vec<&str> = summary.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "source   four",
            "patches  4 of 2 x 2 pixels",
            "all      train 2 patches of 1 slides, test 2 patches of 1 slides",
            "skipped  c.png: it is no image",
            &format!("sha256   {}", store.content_hash()),
        ]
    );
}

#[test]
fn no_store_and_other_formats_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        refusal(&folder),
        "`STORE` is no patch store: it has no `store.toml`"
    );
    let folder = written(|_| {});
    let path = folder.path().join(DESCRIPTION);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("format = 1", "format = 9")).unwrap();
    assert_eq!(
        refusal(&folder),
        "the patch store `STORE` has format 9, this version reads 1"
    );
}

#[test]
fn a_truncated_or_altered_store_is_refused() {
    let folder = written(|_| {});
    let path = folder.path().join(PATCHES);
    let mut bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(
        refusal(&folder),
        "the patch store `STORE` is damaged: `patches.npy` is cut short or too long: 47 bytes of pixels for shape \
         [4, 2, 2, 3]"
    );
    *bytes.last_mut().unwrap() += 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(
        refusal(&folder),
        "the patch store `STORE` is damaged: `patches.npy` or `patches.csv` is not what `store.toml` was written for"
    );
    fs::remove_file(&path).unwrap();
    assert!(
        refusal(&folder)
            .starts_with("the patch store `STORE` is damaged: `patches.npy` cannot be read: ")
    );
}

#[test]
fn records_that_contradict_the_patches_or_the_split_are_refused() {
    let folder = written(|records| drop(records.pop()));
    assert_eq!(
        refusal(&folder),
        "the patch store `STORE` is damaged: `patches.npy` has 4 patches, `patches.csv` has 3 rows"
    );
    let folder = written(|records| records[3].split = Split::Train);
    assert_eq!(
        refusal(&folder),
        "the patch store `STORE` is damaged: slide `b` is in both splits"
    );
}
