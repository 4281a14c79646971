use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use super::*;
use crate::error::Refusal;

fn idx(magic: u32, sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let words = [magic].into_iter().chain(sizes.iter().copied());
    let mut file: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
    file.extend(bytes);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Pixels of image `number`: its number, then 1, 2, 3, …
fn image(number: usize, size: usize) -> Vec<u8> {
    (0..size * size)
        .map(|place| {
            if place == 0 {
                number as u8
            } else {
                place as u8
            }
        })
        .collect()
}

const SIZE: usize = 4;

/// A folder called `name` with `train` and `t10k` of images with these labels.
fn folder(name: &str, train: &[u8], test: &[u8]) -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join(name);
    fs::create_dir(&folder).unwrap();
    let write = |part: &str, labels: &[u8], first: usize| {
        let count = labels.len() as u32;
        let pixels: Vec<u8> = (0..labels.len())
            .flat_map(|number| image(first + number, SIZE))
            .collect();
        let images = idx(0x0803, &[count, SIZE as u32, SIZE as u32], &pixels);
        fs::write(
            folder.join(format!("{part}-images-idx3-ubyte.gz")),
            gzip(&images),
        )
        .unwrap();
        let labels = idx(0x0801, &[count], labels);
        fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    };
    write("train", train, 0);
    write("t10k", test, 100);
    (outer, folder)
}

fn config() -> DataConfig {
    DataConfig {
        patch_size: SIZE,
        channels: GREY,
        ..DataConfig::default()
    }
}

fn store(path: &Path, config: &DataConfig) -> Result<PatchStore> {
    let cache = tempfile::tempdir().unwrap().keep();
    let config = DataConfig {
        source: path.display().to_string(),
        ..config.clone()
    };
    super::super::prepare(&config, &cache, &mut |_, _, _| {})
}

fn refused(path: &Path, config: &DataConfig) -> String {
    let error = store(path, config).unwrap_err();
    let Refusal { message, hint } = error.downcast().unwrap();
    let folder = path.display().to_string();
    format!("{} ({hint})", message.replace(&folder, "FOLDER"))
}

#[test]
fn idx_files_become_patches_with_their_split_and_their_names() {
    let (_outer, path) = folder("fashion-mnist", &[9, 0, 0, 3], &[0, 3, 9]);
    let whole = store(&path, &config()).unwrap();
    assert_eq!(
        (whole.len(), whole.patch_size(), whole.channels()),
        (7, SIZE, GREY)
    );
    assert_eq!(whole.name(), "fashion-mnist");
    assert_eq!(whole.classes().to_vec(), ["ankle-boot", "dress", "t-shirt"]);
    let rows: Vec<(&str, &str, Split)> = whole
        .records()
        .iter()
        .map(|record| (record.slide.as_str(), record.class.as_str(), record.split))
        .collect();
    assert_eq!(rows[0], ("train/00000", "ankle-boot", Split::Train));
    assert_eq!(rows[3], ("train/00003", "dress", Split::Train));
    assert_eq!(rows[6], ("t10k/00002", "ankle-boot", Split::Test));
    let read = whole.read(&[2, 5]).unwrap();
    assert_eq!(read.bytes, [image(2, SIZE), image(101, SIZE)].concat());
    // Some of it.
    let shirts = DataConfig {
        classes: vec!["t-shirt".to_owned()],
        ..config()
    };
    let shirts = store(&path, &shirts).unwrap();
    assert_eq!(
        shirts.read(&[0, 1, 2]).unwrap().bytes,
        [image(1, SIZE), image(2, SIZE), image(100, SIZE)].concat()
    );
    let few = DataConfig {
        maximum_patches: 4,
        ..config()
    };
    let few = store(&path, &few).unwrap();
    assert_eq!(
        (
            few.indices(Split::Train).len(),
            few.indices(Split::Test).len()
        ),
        (2, 2)
    );
    // The digits of a folder of another name.
    let (_outer, path) = folder("mnist", &[7, 1], &[1, 7]);
    assert_eq!(
        store(&path, &config()).unwrap().classes().to_vec(),
        ["1", "7"]
    );
}

#[test]
fn idx_files_that_are_not_whole_or_do_not_fit_are_refused() {
    let (_outer, path) = folder("mnist", &[7, 1], &[1, 7]);
    let images = path.join("train-images-idx3-ubyte.gz");
    let labels = path.join("train-labels-idx1-ubyte");
    let whole = fs::read(&images).unwrap();
    let again = "(get the file again)";

    let cut = idx(0x0803, &[2, 4, 4], &image(0, SIZE)[..9]);
    fs::write(&images, gzip(&cut)).unwrap();
    let message = refused(&path, &config());
    let begin = "`FOLDER/train-images-idx3-ubyte.gz` is damaged: it ends before image 0 of 2";
    assert!(
        message.starts_with(begin) && message.ends_with(again),
        "{message}"
    );
    fs::write(&images, &whole[..whole.len() / 2]).unwrap();
    let message = refused(&path, &config());
    assert!(
        message.contains("is damaged: it ends before") && message.ends_with(again),
        "{message}"
    );
    fs::write(&images, gzip(&idx(0x0801, &[2], &[1, 2]))).unwrap();
    assert_eq!(
        refused(&path, &config()),
        "`FOLDER/train-images-idx3-ubyte.gz` is no idx file of images: it begins with 0x00000801 and not with 0x00000803 (get the file again, or give it the name of what it is)"
    );
    fs::write(&images, gzip(&idx(0x0803, &[1, 4, 5], &[0; 20]))).unwrap();
    fs::write(&labels, idx(0x0801, &[1], &[1])).unwrap();
    assert!(refused(&path, &config()).contains("are 5 x 4, and no squares"));
    fs::write(&images, &whole).unwrap();
    assert!(
        refused(&path, &config())
            .contains("-ubyte.gz` has 2 images and `FOLDER/train-labels-idx1-ubyte` 1 labels")
    );
    fs::write(&labels, idx(0x0801, &[2], &[1, 12])).unwrap();
    assert!(
        refused(&path, &config())
            .starts_with("image 1 of `train` has the label 12, and there are 10 classes")
    );
    fs::write(&labels, idx(0x0801, &[2], &[1, 3])).unwrap();
    assert_eq!(
        refused(&path, &config()),
        "class `3` is in `train` of `mnist` and not in `t10k` (both splits need the same classes: look at the files of labels)"
    );
    fs::remove_file(&labels).unwrap();
    assert_eq!(
        refused(&path, &config()),
        "`FOLDER/train-images-idx3-ubyte.gz` has no labels beside it (put `train-labels-idx1-ubyte.gz` into the same folder)"
    );
    fs::write(&labels, idx(0x0801, &[2], &[1, 3])).unwrap();
    fs::remove_file(&images).unwrap();
    assert_eq!(
        refused(&path, &config()),
        "`FOLDER/train-labels-idx1-ubyte` has no images beside it (put `train-images-idx3-ubyte.gz` into the same folder)"
    );
}

#[test]
fn settings_that_images_do_not_fit_are_refused() {
    let (_outer, path) = folder("mnist", &[7, 1], &[1, 7]);
    let with = |change: &dyn Fn(&mut DataConfig)| {
        let mut config = config();
        change(&mut config);
        refused(&path, &config)
    };
    assert_eq!(
        with(&|config| config.patch_size = 64),
        "the images of `mnist` are 4 x 4, `data.patch_size` is 64 (set `data.patch_size` to 4)"
    );
    assert_eq!(
        with(&|config| config.channels = RGB),
        "the images of `mnist` are grey, `data.channels` is 3 (set `data.channels` to 1)"
    );
    assert!(
        with(&|config| config.reduction = 2)
            .starts_with("`data.reduction` is 2, and the images of `mnist`")
    );
    let message = store(
        &path,
        &DataConfig {
            classes: vec!["9".to_owned()],
            ..config()
        },
    )
    .unwrap_err();
    assert!(message.to_string().contains('9'), "{message}");
}

#[test]
fn a_table_of_digits_is_split_by_image_with_all_classes_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("digits.csv.gz");
    let row = |number: usize| {
        let pixels = image(number, SIZE)
            .into_iter()
            .map(|pixel| pixel.to_string());
        let cells: Vec<String> = pixels.chain([(number % 2).to_string()]).collect();
        cells.join(",")
    };
    let rows: Vec<String> = (0..20).map(row).collect();
    fs::write(&path, gzip(rows.join("\n").as_bytes())).unwrap();
    let digits = store(&path, &config()).unwrap();
    assert_eq!((digits.len(), digits.indices(Split::Test).len()), (20, 6));
    assert_eq!(digits.classes().to_vec(), ["0", "1"]);
    let test = digits.indices(Split::Test);
    let odd = test
        .iter()
        .filter(|&&index| digits.class_indices()[index] == 1)
        .count();
    assert_eq!(odd, 3);
    assert_eq!(digits.read(&[7]).unwrap().bytes, image(7, SIZE));

    let refused = |rows: &str| {
        fs::write(&path, gzip(rows.as_bytes())).unwrap();
        refused(&path, &config())
    };
    assert!(
        refused("1,2,3")
            .starts_with("row 1 of `FOLDER` has 3 numbers, which is no square and a label")
    );
    let named = format!("{}\nlabel,{}", row(0), &row(1)[2..]);
    assert!(
        refused(&named)
            .starts_with("row 2 of `FOLDER` has something else than whole numbers from 0 to 255")
    );
    assert!(
        refused(&format!("{}\n1,2", row(0))).contains("row 2 of `FOLDER` has an image of 1 x 1")
    );
}

#[test]
fn the_batches_of_cifar_are_read_plane_by_plane() {
    let folder = tempfile::tempdir().unwrap();
    let record = |labels: &[u8], first: u8| {
        let planes = (0..3u8).flat_map(|channel| vec![first + channel; 1024]);
        labels.iter().copied().chain(planes).collect::<Vec<u8>>()
    };
    for (number, name) in SETS_TRAIN.iter().enumerate() {
        fs::write(
            folder.path().join(name),
            record(&[number as u8 % 2], 10 * number as u8),
        )
        .unwrap();
    }
    fs::write(
        folder.path().join("test_batch.bin"),
        [record(&[0], 100), record(&[1], 200)].concat(),
    )
    .unwrap();
    fs::write(
        folder.path().join("batches.meta.txt"),
        "airplane\nautomobile\n\n",
    )
    .unwrap();
    let config = |channels| DataConfig {
        patch_size: 32,
        channels,
        ..DataConfig::default()
    };
    let colour = store(folder.path(), &config(RGB)).unwrap();
    assert_eq!((colour.len(), colour.channels()), (7, RGB));
    assert_eq!(colour.classes().to_vec(), ["airplane", "automobile"]);
    let pixels = colour.read(&[3]).unwrap().bytes;
    assert!(pixels.chunks(3).all(|pixel| pixel == [30, 31, 32]));
    let grey = store(folder.path(), &config(GREY)).unwrap();
    assert_eq!(grey.read(&[3]).unwrap().bytes[5], luminance([30, 31, 32]));

    fs::write(
        folder.path().join("test_batch.bin"),
        &record(&[0], 100)[..3000],
    )
    .unwrap();
    assert!(
        refused(folder.path(), &config(RGB))
            .contains("is damaged: it ends before the end of image 0")
    );
    fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
    assert!(
        refused(folder.path(), &config(RGB))
            .contains("has `batches.meta.txt` and not `data_batch_3.bin`")
    );
}

#[test]
fn cifar_100_has_its_fine_labels() {
    let folder = tempfile::tempdir().unwrap();
    let record = |fine: u8| [vec![9, fine], vec![fine; 3072]].concat();
    let batch = [record(0), record(1)].concat();
    for name in ["train.bin", "test.bin"] {
        fs::write(folder.path().join(name), &batch).unwrap();
    }
    fs::write(
        folder.path().join("fine_label_names.txt"),
        "apple\naquarium_fish\n",
    )
    .unwrap();
    let config = DataConfig {
        patch_size: 32,
        ..DataConfig::default()
    };
    let store = store(folder.path(), &config).unwrap();
    assert_eq!(store.classes().to_vec(), ["apple", "aquarium_fish"]);
    assert_eq!(store.class_indices(), [0, 1, 0, 1]);
}

const SETS_TRAIN: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
