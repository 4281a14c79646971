//! From a source to an open store, with what can go wrong on the way.

use std::path::PathBuf;

use image::{Rgb, RgbImage};
use tempfile::TempDir;

use super::*;
use crate::error::Refusal;
use crate::images::{ImageSource, luminance};
use crate::random::Random;

/// Content hashes of stores as the version before slides were read by region made them.
const PHANTOM_STORE: &str = "64311c2a7c76809f354bac021b3411f935d223b379ff2268b1cf7c6931aa2897";
const FOLDER_STORE: &str = "be118ec4c16bda6e3781771855f62a61d4c885eb561d8cb99e546afb2d7e09df";

/// The real images beside the checkout, which tests that are ignored need.
pub(super) fn histology() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/histology");
    assert!(folder.is_dir(), "`{}` is absent", folder.display());
    folder
}

/// A folder of `slides` slides of 16 x 8 pixels in each of the classes `a` and `b`, and an empty cache.
pub(super) fn lab(slides: u8) -> (TempDir, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    for (class, green) in [("a", 90), ("b", 120)] {
        fs::create_dir(folder.path().join(class)).unwrap();
        for slide in 0..slides {
            let path = folder.path().join(format!("{class}/{slide}.png"));
            RgbImage::from_pixel(16, 8, Rgb([200, green, slide]))
                .save(path)
                .unwrap();
        }
    }
    (folder, tempfile::tempdir().unwrap())
}

pub(super) fn config(folder: &TempDir) -> DataConfig {
    DataConfig {
        source: folder.path().display().to_string(),
        patch_size: 8,
        stride: 8,
        ..DataConfig::default()
    }
}

pub(super) fn quietly(config: &DataConfig, cache: &TempDir) -> Result<PatchStore> {
    prepare(config, cache.path(), &mut |_, _, _| {})
}

/// Message and hint of a refusal, the folder's path replaced by `FOLDER`.
fn refusal(config: &DataConfig, cache: &TempDir) -> (String, String) {
    let Refusal { message, hint } = quietly(config, cache).unwrap_err().downcast().unwrap();
    (message.replace(&config.source, "FOLDER"), hint)
}

#[test]
fn patches_of_reduced_slides_are_means_and_a_store_of_their_own() {
    let (folder, cache) = lab(4);
    let whole = quietly(&config(&folder), &cache).unwrap();
    let reduced = DataConfig {
        patch_size: 4,
        stride: 4,
        reduction: 2,
        ..config(&folder)
    };
    let store = quietly(&reduced, &cache).unwrap();
    assert_ne!(store.path(), whole.path());
    assert_eq!(store.len(), 8 * 2);
    let places: Vec<_> = store.records()[..2].iter().map(|r| (r.x, r.y)).collect();
    assert_eq!(places, [(0, 0), (4, 0)]);
    let (one, other) = (whole.read(&[0]).unwrap(), store.read(&[0]).unwrap());
    assert_eq!(one.bytes[..48], other.bytes[..]);
    let too_much = DataConfig {
        reduction: 4,
        ..reduced
    };
    let (message, hint) = refusal(&too_much, &cache);
    assert_eq!(
        message,
        "image `a/0.png` is 4 x 2 after `data.reduction = 4`, smaller than a patch of 4 x 4"
    );
    assert_eq!(
        hint,
        "choose a smaller `data.patch_size`, at most 2, a smaller `data.reduction`, or remove the image"
    );
}

#[test]
fn symmetries_are_drawn_for_the_step_and_turn_patches_only_where_asked() {
    let (folder, cache) = lab(4);
    let store = quietly(&config(&folder), &cache).unwrap();
    let plain = || Batches::new(store.indices(Split::Train), 8, Random::new(5)).unwrap();
    let at = |batches: &Batches, step| batches.symmetries_at(step);
    assert!(at(&plain(), 3).iter().all(|&s| s == Symmetry::default()));
    let turned = plain().with_symmetries();
    assert_eq!(at(&turned, 3), at(&plain().with_symmetries(), 3));
    assert_ne!(at(&turned, 3), at(&turned, 4));
    // The same patches in the same order, whatever is done to them.
    assert_eq!(plain().at(3), plain().with_symmetries().at(3));
    std::thread::scope(|scope| {
        let batch = |batches| Loader::start(scope, &store, batches, 9).at(2).unwrap();
        let (plain, turned) = (batch(plain()), batch(self::turned(&store)));
        assert_eq!(turned.symmetries, at(&self::turned(&store), 2));
        let mut expected = plain.images;
        turn(&mut expected, &turned.symmetries);
        assert_eq!(turned.images, expected);
    });
}

fn turned(store: &PatchStore) -> Batches {
    let batches = Batches::new(store.indices(Split::Train), 8, Random::new(5));
    batches.unwrap().with_symmetries()
}

#[test]
fn a_folder_becomes_a_store_once() {
    let (folder, cache) = lab(4);
    let mut counts = Vec::new();
    let store = prepare(&config(&folder), cache.path(), &mut |done, total, _| {
        counts.push((done, total));
    })
    .unwrap();
    assert_eq!(counts, (0..=8).map(|done| (done, 8)).collect::<Vec<_>>());
    assert_eq!(
        (store.len(), &**store.classes()),
        (16, &["a".to_owned(), "b".to_owned()][..])
    );
    assert_eq!(
        (
            store.slides(Split::Train).len(),
            store.slides(Split::Test).len()
        ),
        (6, 2)
    );
    let record = &store.records()[5];
    assert_eq!(
        (record.slide.as_str(), record.class.as_str(), record.x),
        ("a/2", "a", 8)
    );
    assert_eq!(store.read(&[5]).unwrap().bytes[..3], [200, 90, 2]);

    let again = prepare(&config(&folder), cache.path(), &mut |_, _, _| {
        panic!("built again")
    });
    assert_eq!(again.unwrap().content_hash(), store.content_hash());
    let entries = fs::read_dir(cache.path()).unwrap().count();
    assert_eq!(entries, 1, "nothing but the store stays in the cache");
}

#[test]
fn the_store_depends_on_the_files_and_not_on_where_they_lie() {
    let (folder, cache) = lab(3);
    let first = quietly(&config(&folder), &cache).unwrap();
    let moved = tempfile::tempdir().unwrap();
    let to = moved.path().join(folder.path().file_name().unwrap());
    fs::rename(folder.path(), &to).unwrap();
    let mut elsewhere = config(&folder);
    elsewhere.source = to.display().to_string();
    assert_eq!(quietly(&elsewhere, &cache).unwrap().path(), first.path());

    RgbImage::from_pixel(16, 8, Rgb([1, 90, 150]))
        .save(to.join("a/0.png"))
        .unwrap();
    let changed = quietly(&elsewhere, &cache).unwrap();
    assert_ne!(changed.path(), first.path());
    assert_ne!(changed.content_hash(), first.content_hash());
}

#[test]
fn batches_read_ahead_are_those_of_their_steps() {
    let (folder, cache) = lab(8);
    let store = quietly(&config(&folder), &cache).unwrap();
    let batches = || Batches::new(store.indices(Split::Train), 3, Random::new(5)).unwrap();
    std::thread::scope(|scope| {
        let mut loader = Loader::start(scope, &store, batches(), 9);
        // In order, asked again, a step left out, back, and past the end.
        for step in [0, 1, 2, 2, 4, 5, 3, 8, 9, 0] {
            let patches = batches().at(step);
            let batch = loader.at(step).unwrap();
            let expected = store.read(&patches).unwrap().to_images();
            assert_eq!(batch.images, expected, "{step}");
            let classes = batch.classes.iter().map(|&class| &batch.class_names[class]);
            let records = patches.iter().map(|&patch| &store.records()[patch]);
            assert!(classes.eq(records.map(|record| &record.class)), "{step}");
            assert_eq!(batch.patches, patches, "{step}");
        }
    });
}

#[test]
fn a_grey_store_is_the_luminance_of_the_colour_store() {
    let (folder, cache) = lab(4);
    let colour = quietly(&config(&folder), &cache).unwrap();
    let settings = DataConfig {
        channels: 1,
        ..config(&folder)
    };
    let grey = quietly(&settings, &cache).unwrap();
    assert_eq!(grey.records(), colour.records());
    assert_eq!((colour.channels(), grey.channels()), (3, 1));
    assert_ne!(grey.content_hash(), colour.content_hash());
    let all: Vec<usize> = (0..grey.len()).collect();
    let (grey_pixels, colours) = (grey.read(&all).unwrap(), colour.read(&all).unwrap());
    let pixels = colours.bytes.as_chunks::<3>().0.iter();
    assert!(pixels.copied().map(luminance).eq(grey_pixels.bytes));
    assert!(
        grey.overview()
            .to_string()
            .contains("patches  16 of 8 x 8 pixels, grey\n")
    );
    assert_eq!(
        Task::of(&grey),
        Task {
            size: 8,
            channels: 1,
            classes: vec!["a".into(), "b".into()],
            input: None
        }
    );
    let of = |config: &DataConfig, store: &PatchStore| {
        thumbnails(config, store, Split::Train, 4, &mut |_, _| {})
            .unwrap()
            .pixels
    };
    // From the slides, and put together from the patches.
    let mut opened = settings.clone();
    opened.source = grey.path().display().to_string();
    let of_colour = of(&config(&folder), &colour);
    let expected: Vec<u8> = of_colour
        .bytes
        .as_chunks::<3>()
        .0
        .iter()
        .copied()
        .map(luminance)
        .collect();
    for config in [&settings, &opened] {
        let found = of(config, &grey);
        assert_eq!((found.count, found.size, found.channels), (6, 4, 1));
        assert_eq!(found.bytes, expected);
    }

    opened.channels = 3;
    let (message, hint) = refusal(&opened, &cache);
    assert_eq!(
        message,
        "the patches of `FOLDER` are grey, `data.channels` is 3"
    );
    assert_eq!(
        hint,
        "set `data.channels` to 1, or `data.source` to the slides themselves"
    );
    opened.channels = 2;
    assert_eq!(refusal(&opened, &cache).0, "`data.channels` is 2");
}

#[test]
fn colour_leaves_no_trace_in_what_is_hashed() {
    let cache = tempfile::tempdir().unwrap();
    let config = DataConfig {
        patch_size: 32,
        stride: 32,
        maximum_patches: 20,
        phantom: PhantomConfig {
            slides_per_class: 2,
            slide_size: 64,
        },
        minimum_tissue: 0.0,
        ..DataConfig::default()
    };
    let store = quietly(&config, &cache).unwrap();
    // The folder is named by the hash of the settings: as it was before there were grey stores.
    let name = store.path().file_name().unwrap();
    assert_eq!(name.to_string_lossy(), "c23a03a492f2");
    let text = fs::read_to_string(store.path().join("store.toml")).unwrap();
    assert!(
        !text.contains("channels") && !text.contains("inputs"),
        "{text}"
    );
}

#[test]
fn patches_of_all_usual_sizes_come_from_slides_and_from_ready_made_images() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for size in [16, 28, 32, 64, 96, 128, 256] {
        let mut config = DataConfig {
            patch_size: size,
            stride: size,
            minimum_tissue: 0.0,
            phantom: PhantomConfig {
                slides_per_class: 2,
                slide_size: 256,
            },
            ..DataConfig::default()
        };
        let store = quietly(&config, &cache).unwrap();
        let patches = 4 * (256 / size) * (256 / size);
        assert_eq!((store.len(), store.patch_size()), (patches, size));
        let pixels = store.read(&[0, patches - 1]).unwrap();
        assert_eq!(pixels.to_images().quantise(), pixels);

        let ready = folder.path().join(size.to_string());
        fs::create_dir(&ready).unwrap();
        for name in 0..2 {
            let side = size as u32;
            RgbImage::from_pixel(side, side, Rgb([200, 90, name]))
                .save(ready.join(format!("{name}.png")))
                .unwrap();
        }
        let images = ImageFolder::open(&ready).unwrap();
        assert_eq!((images.count(), images.size()), (2, size));
        config.source = ready.display().to_string();
        let store = quietly(&config, &cache).unwrap();
        assert_eq!((store.len(), store.patch_size()), (2, size));
    }
}

#[test]
fn a_file_of_patches_that_shrinks_is_named_and_the_loader_passes_it_on() {
    let (folder, cache) = lab(4);
    let store = quietly(&config(&folder), &cache).unwrap();
    let path = store.path().join("patches.npy");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(400).unwrap();
    assert!(store.read(&[0]).is_ok(), "what is there is read");
    let batches = Batches::new(store.indices(Split::Train), 6, Random::new(5)).unwrap();
    std::thread::scope(|scope| {
        let error = Loader::start(scope, &store, batches, 9).at(0).unwrap_err();
        let Refusal { message, hint } = error.downcast().unwrap();
        assert_eq!(
            message,
            format!("`{}` was cut short while it was in use", path.display())
        );
        assert!(
            hint.starts_with("put the file back, or delete its folder"),
            "{hint}"
        );
    });
}

#[test]
fn a_store_is_opened_where_it_is() {
    let (folder, cache) = lab(2);
    let built = quietly(&config(&folder), &cache).unwrap();
    let mut direct = config(&folder);
    direct.source = built.path().display().to_string();
    let opened = prepare(&direct, Path::new("unused"), &mut |_, _, _| {}).unwrap();
    assert_eq!(opened.content_hash(), built.content_hash());
    direct.patch_size = 64;
    let (message, hint) = refusal(&direct, &cache);
    assert_eq!(
        message,
        "the patches of `FOLDER` are 8 x 8, `data.patch_size` is 64"
    );
    assert_eq!(
        hint,
        "set `data.patch_size` to 8, or `data.source` to the slides themselves"
    );
}

#[test]
fn phantom_patches_are_drawn_in_proportion_and_split_by_slide() {
    let cache = tempfile::tempdir().unwrap();
    let config = DataConfig {
        patch_size: 32,
        stride: 32,
        maximum_patches: 50,
        phantom: PhantomConfig {
            slides_per_class: 4,
            slide_size: 128,
        },
        ..DataConfig::default()
    };
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(
        (store.name(), store.len(), store.patch_size()),
        ("phantom", 50, 32)
    );
    assert_eq!(**store.classes(), ["benign", "invasive"]);
    let tests = store.indices(Split::Test).len();
    assert!(
        (8..=18).contains(&tests),
        "{tests} of 50 for one slide in four"
    );
    let train = store.slides(Split::Train);
    assert!(
        store
            .slides(Split::Test)
            .iter()
            .all(|slide| !train.contains(slide))
    );
    assert!(store.records().iter().all(|record| record.tissue >= 0.5));
}

#[test]
fn sources_that_are_not_there_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let mut config = DataConfig {
        source: "no/such/folder".to_owned(),
        ..DataConfig::default()
    };
    let (message, hint) = refusal(&config, &cache);
    assert_eq!(message, "no folder `FOLDER` to read images from");
    assert_eq!(
        hint,
        "set `data.source` to `phantom`, to a folder of images or to a patch store"
    );
    config.source = "phanton".to_owned();
    assert_eq!(refusal(&config, &cache).1, "did you mean `phantom`?");
}

#[test]
fn an_image_that_cannot_be_read_is_refused_or_named() {
    let (folder, cache) = lab(3);
    fs::write(folder.path().join("a/bad.png"), "no image").unwrap();
    let mut config = config(&folder);
    let (message, hint) = refusal(&config, &cache);
    assert!(
        message.starts_with("cannot read image `a/bad.png`: "),
        "{message}"
    );
    assert_eq!(
        hint,
        "convert it, for example with `vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg`, or leave it out with \
         `--skip-unreadable`"
    );
    assert_eq!(
        fs::read_dir(cache.path()).unwrap().count(),
        0,
        "a failed build leaves nothing"
    );
    config.skip_unreadable = true;
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(
        (store.len(), store.skipped()),
        (12, &["a/bad.png".to_owned()][..])
    );

    let junk = tempfile::tempdir().unwrap();
    fs::write(junk.path().join("1.png"), "no image").unwrap();
    config.source = junk.path().display().to_string();
    let (message, hint) = refusal(&config, &cache);
    assert!(
        message.starts_with("none of the 1 images of `"),
        "{message}"
    );
    assert_eq!(hint, "look at `1.png` first");
}

#[test]
fn images_too_small_too_pale_or_too_few_are_refused() {
    let (folder, cache) = lab(2);
    let mut config = config(&folder);
    config.patch_size = 12;
    let (message, hint) = refusal(&config, &cache);
    assert_eq!(
        message,
        "image `a/0.png` is 16 x 8, smaller than a patch of 12 x 12"
    );
    assert_eq!(
        hint,
        "choose a smaller `data.patch_size`, at most 8, or remove the image"
    );

    config.patch_size = 8;
    fs::remove_file(folder.path().join("b/1.png")).unwrap();
    let (message, _) = refusal(&config, &cache);
    assert_eq!(
        message,
        "class `b` has only one slide with patches, `b/0`: it cannot both train and test"
    );

    for image in ["a/0.png", "a/1.png", "b/0.png"] {
        RgbImage::from_pixel(16, 8, Rgb([240; 3]))
            .save(folder.path().join(image))
            .unwrap();
    }
    let (message, hint) = refusal(&config, &cache);
    assert!(
        message.ends_with("` is tissue enough for `data.minimum_tissue = 0.5`"),
        "{message}"
    );
    assert!(
        hint.starts_with("lower `data.minimum_tissue` (0 keeps every patch)"),
        "{hint}"
    );
}

#[test]
fn a_store_of_one_patch_is_refused() {
    let config = DataConfig {
        maximum_patches: 1,
        ..DataConfig::default()
    };
    assert_eq!(
        refusal(&config, &tempfile::tempdir().unwrap()).0,
        "`data.maximum_patches` is 1, which leaves a split empty"
    );
}

#[test]
fn unknown_settings_are_refused_and_missing_ones_are_defaults() {
    let config: DataConfig = toml::from_str("stride = 32").unwrap();
    assert_eq!((config.stride, config.source.as_str()), (32, "phantom"));
    assert!(toml::from_str::<DataConfig>("strid = 32").is_err());
    let text = toml::to_string(&DataConfig::default()).unwrap();
    assert_eq!(
        toml::from_str::<DataConfig>(&text).unwrap(),
        DataConfig::default()
    );
}

#[test]
fn what_stores_were_before_they_still_are_to_the_byte() {
    let cache = tempfile::tempdir().unwrap();
    let config = DataConfig {
        patch_size: 32,
        stride: 32,
        maximum_patches: 60,
        phantom: PhantomConfig {
            slides_per_class: 3,
            slide_size: 160,
        },
        ..DataConfig::default()
    };
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(store.content_hash(), PHANTOM_STORE);
    // Of files: the slides as images, turned into means.
    let folder = tempfile::tempdir().unwrap();
    for index in 0..6 {
        let recipe = phantom::Recipe {
            seed: 0,
            index,
            size: 200,
        };
        let class = ["a", "b"][index % 2];
        fs::create_dir_all(folder.path().join(class)).unwrap();
        let path = folder.path().join(class).join(format!("{index}.png"));
        phantom::draw(&recipe).save(path).unwrap();
    }
    let config = DataConfig {
        source: folder.path().display().to_string(),
        patch_size: 24,
        stride: 20,
        reduction: 2,
        channels: 1,
        minimum_tissue: 0.9,
        phantom: PhantomConfig::default(),
        ..config
    };
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(store.content_hash(), FOLDER_STORE);
}

#[test]
fn settings_that_say_two_things_are_refused() {
    let cache = tempfile::tempdir().unwrap();
    let message = |config: DataConfig| refusal(&config, &cache).0;
    let config = DataConfig::default;
    assert_eq!(
        message(DataConfig {
            reduction: 2,
            level: 1,
            ..config()
        }),
        "`data.reduction = 2` and `data.level = 1` each say at what resolution patches are cut"
    );
    assert_eq!(
        message(DataConfig {
            level: 1,
            micrometres_per_pixel: 0.5,
            ..config()
        }),
        "`data.level = 1` and `data.micrometres_per_pixel = 0.5` each say at what resolution patches are cut"
    );
    assert_eq!(
        message(DataConfig {
            region_overlap: 0.7,
            ..config()
        }),
        "`data.region_overlap` is set, and there are no regions without `data.annotations`"
    );
    assert_eq!(
        message(DataConfig {
            region_overlap: 0.5,
            annotations: true,
            ..config()
        }),
        "`data.region_overlap` is 0.5: two classes could have as much of a patch"
    );
    assert_eq!(
        message(DataConfig {
            patches_per_class: 1,
            ..config()
        }),
        "`data.patches_per_class` is 1, which leaves a split without the class"
    );
    assert_eq!(
        message(DataConfig {
            patches_per_class: 10,
            maximum_patches: 5,
            ..config()
        }),
        "`data.patches_per_class = 10` draws 20 patches, and `data.maximum_patches = 5` allows fewer"
    );
    assert_eq!(
        message(DataConfig {
            level: 1,
            ..config()
        }),
        "cannot read image `benign/FOLDER-000`: it has 1 level(s), `data.level` is 1"
    );
}

#[test]
fn an_interrupted_import_goes_on_and_ends_the_same() {
    let (folder, cache) = lab(20);
    let config = config(&folder);
    let undisturbed = quietly(&config, &tempfile::tempdir().unwrap()).unwrap();
    // As a kill does, a panic leaves everything as it is.
    let interrupted = std::panic::catch_unwind(|| {
        prepare(&config, cache.path(), &mut |done, _, _| {
            if done == 9 {
                std::panic::resume_unwind(Box::new("killed"));
            }
        })
    });
    assert!(interrupted.is_err());
    let left = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap();
    assert!(left.file_name().to_string_lossy().starts_with(".building-"));
    let mut first = None;
    let store = prepare(&config, cache.path(), &mut |done, total, _| {
        first.get_or_insert((done, total));
    })
    .unwrap();
    // The ninth slide was noted before it was counted.
    assert_eq!(
        first,
        Some((9, 40)),
        "slides that were tiled are not read again"
    );
    assert_eq!(store.content_hash(), undisturbed.content_hash());
    assert_eq!(store.path().file_name(), undisturbed.path().file_name());
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
}

#[test]
fn patches_of_each_class_are_spread_over_slides_and_groups_stay_together() {
    let (folder, cache) = lab(12);
    let mut table = "slide,class,group\n".to_owned();
    for (class, slide) in ["a", "b"]
        .into_iter()
        .flat_map(|class| (0..12).map(move |slide| (class, slide)))
    {
        let patient = slide / 3;
        table += &[
            class,
            "/",
            &slide.to_string(),
            ",",
            class,
            ",patient ",
            &patient.to_string(),
            "\n",
        ]
        .concat();
    }
    let labels = folder.path().join("labels.csv");
    fs::write(&labels, table).unwrap();
    let mut config = DataConfig {
        labels: labels.display().to_string(),
        patches_per_class: 12,
        ..config(&folder)
    };
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(store.len(), 24);
    for slide in 0..12 {
        for class in ["a", "b"] {
            let name = format!("{class}/{slide}");
            let of_slide = store.records().iter().filter(|record| record.slide == name);
            assert_eq!(of_slide.count(), 1, "{name}");
            assert_eq!(store.group(&name), Some(&*format!("patient {}", slide / 3)));
        }
    }
    // Four groups of three slides in each class: one of them is a quarter.
    assert_eq!(store.slides(Split::Test).len(), 6);
    let tests: std::collections::BTreeSet<_> = store
        .slides(Split::Test)
        .iter()
        .map(|slide| store.group(slide))
        .collect();
    assert_eq!(tests.len(), 1);
    assert!(PatchStore::slides_table(&store.patches_by_slide()).contains("a/0 (group patient 0)"));
    // All of them for training.
    config.held_out = 0.0;
    let store = quietly(&config, &cache).unwrap();
    assert!(store.indices(Split::Test).is_empty());
}

#[test]
fn whole_slides_are_kept_as_they_would_be_drawn() {
    let (folder, cache) = lab(4);
    let plain = quietly(&config(&folder), &cache).unwrap();
    let config = DataConfig {
        whole_slides: 6,
        ..config(&folder)
    };
    let store = quietly(&config, &cache).unwrap();
    assert_eq!(store.content_hash(), plain.content_hash());
    let of = |config: &DataConfig, store: &PatchStore, size| {
        thumbnails(config, store, Split::Train, size, &mut |_, _| {}).unwrap()
    };
    let expected = of(&self::config(&folder), &plain, 6);
    let opened = DataConfig {
        source: store.path().display().to_string(),
        ..config.clone()
    };
    for config in [&config, &opened] {
        let found = of(config, &store, 6);
        assert_eq!(found.pixels, expected.pixels);
        assert_eq!(
            (found.names, found.classes),
            (expected.names.clone(), expected.classes.clone())
        );
    }
    assert_eq!(of(&opened, &store, 3).pixels.size, 3);
    fs::write(store.path().join("slides.csv"), "slide,class,split\n").unwrap();
    let error = thumbnails(&opened, &store, Split::Train, 6, &mut |_, _| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`slides.npy` or `slides.csv` is not what `store.toml` was written for")
    );
}

#[test]
fn colours_are_means_and_deviations_of_bytes() {
    let (folder, cache) = lab(2);
    let store = quietly(&config(&folder), &cache).unwrap();
    let colours = store.colours().unwrap();
    // Slides 0 and 1 of a class differ by one in blue.
    assert_eq!(colours[0], [(200.0, 0.0), (90.0, 0.0), (0.5, 0.5)]);
    assert_eq!(colours[1], [(200.0, 0.0), (120.0, 0.0), (0.5, 0.5)]);
    assert_eq!(
        store.colours_table(&colours),
        "class  red mean (std)  green mean (std)  blue mean (std)\n\
         a      200.0 (0.0)     90.0 (0.0)        0.5 (0.5)\n\
         b      200.0 (0.0)     120.0 (0.0)       0.5 (0.5)"
    );
}
