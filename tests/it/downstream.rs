//! Classifiers that are trained on generated and on real images, tested on held-out slides.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use histogen::classifier::{self, ClassifierConfig, ClassifierStart, ClassifierTask, NETWORKS};
use histogen::data::{PatchStore, Split};
use histogen::device;
use histogen::images::Images;
use histogen::nn::record::{load_parts, save_parts};
use histogen::random::Random;

use crate::lab::{Lab, assert_same_trace};
use crate::schema::assert_ledgers;
use crate::shared;

/// Everything of two seeds in seconds.
const SMOKE: &str = "reproduce downstream --profile smoke --seeds 0,1";

/// The stores below `runs/cache/patches`.
fn stores(lab: &Lab) -> Vec<PatchStore> {
    let folders = fs::read_dir(lab.path("runs/cache/patches")).expect("a cache");
    let mut stores: Vec<PatchStore> = folders
        .flatten()
        .map(|folder| PatchStore::open(&folder.path()).expect("a store"))
        .collect();
    stores.sort_by_key(|store| store.name().to_owned());
    stores
}

fn slides(store: &PatchStore, split: Split) -> BTreeSet<String> {
    store.slides(split).into_iter().map(str::to_owned).collect()
}

/// The runs of classifiers.
fn classifiers(lab: &Lab) -> Vec<PathBuf> {
    let runs = fs::read_dir(lab.path("runs")).expect("runs").flatten();
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("classifier-")
    };
    let mut found: Vec<PathBuf> = runs.map(|entry| entry.path()).filter(is_it).collect();
    found.sort();
    found
}

#[test]
fn everything_from_nothing_to_the_table_and_again_without_training() {
    let lab = Lab::new();
    let printed = lab.succeed(SMOKE);
    for row in [
        "generated ",
        "real ",
        "real + generated ",
        "real + classic augmentation ",
        "generated + classic augmentation ",
    ] {
        assert!(
            printed.lines().any(|line| line.starts_with(row)),
            "{row}\n{printed}"
        );
    }
    assert!(
        printed.contains("77.41") && printed.contains("73.24"),
        "{printed}"
    );
    assert!(printed.contains("which give 93.83 %"), "{printed}");
    let files = [
        "downstream.md",
        "downstream.csv",
        "downstream.tex",
        "downstream.html",
        "downstream-statistics.md",
        "downstream-protocol.md",
        "downstream-intervals.md",
        "downstream-confusion.md",
        "downstream-curve.md",
        "claims.md",
        "figures/downstream-curve.svg",
        "figures/downstream-confusion.svg",
        "figures/losses.svg",
        "index.html",
    ];
    let read = || files.map(|file| lab.read(format!("reports/downstream/{file}")));
    let before = read();
    assert!(before[4].contains("against real"), "{}", before[4]);
    assert!(
        before[9].contains("In our run (profile smoke, 2 seeds)"),
        "{}",
        before[9]
    );
    assert!(
        before[13].contains("histogen reproduce downstream --seeds 0,1 --profile smoke"),
        "the command that makes it again"
    );
    assert!(
        !before[13].contains("histogen train "),
        "a classifier is no system"
    );
    // Two generators and seven classifiers a seed, each in the page and found again.
    assert_eq!(classifiers(&lab).len(), 2 * 7);
    let again = lab.run(SMOKE);
    assert_eq!(again.code, 0, "{}", again.errors);
    assert_eq!(
        again.errors.matches("already trained").count(),
        2 * 9,
        "{}",
        again.errors
    );
    assert!(!again.errors.contains("drawing"), "{}", again.errors);
    assert_eq!(again.output, printed);
    // Once more, from the ledgers alone.
    fs::remove_dir_all(lab.path("runs/cache")).expect("a cache");
    assert_eq!(lab.succeed("report downstream"), printed);
    assert_eq!(read(), before);
    assert_ledgers(&lab.path("runs"));
    // The audit of another experiment finds it too.
    lab.succeed("reproduce table1 --profile smoke --set systems=[{name=\"lsgan\"}]");
    assert!(
        lab.read("reports/table1/claims.md")
            .contains("In our run (profile smoke, 2 seeds)")
    );
}

#[test]
fn held_out_slides_are_seen_by_no_generator_and_no_classifier() {
    let lab = Lab::new();
    lab.succeed(&format!("{SMOKE} --set downstream.curve=[]"));
    let stores = stores(&lab);
    let whole = stores
        .iter()
        .find(|store| store.name() == "phantom")
        .expect("all patches");
    let (training, held_out) = (slides(whole, Split::Train), slides(whole, Split::Test));
    assert!(training.is_disjoint(&held_out) && !held_out.is_empty());
    let mut of_generators = BTreeSet::new();
    for store in stores
        .iter()
        .filter(|store| store.name().starts_with("phantom, "))
    {
        let own = slides(store, Split::Train);
        assert!(own.is_disjoint(&held_out), "{}", store.name());
        assert_eq!(store.classes().len(), 1, "one class alone");
        of_generators.extend(own);
    }
    assert_eq!(of_generators, training, "and all training slides");
    // Classifiers learn from these two kinds of stores, of the first from the training split (a unit test of the draw).
    let known: Vec<&str> = stores.iter().map(PatchStore::content_hash).collect();
    for run in classifiers(&lab) {
        let text = fs::read_to_string(run.join("config.toml")).unwrap();
        let config: toml::Table = text.parse().unwrap();
        let set = config["training_set"].as_table().unwrap();
        let hash = |kind: &str| Some(set.get(kind)?.get("hash")?.as_str()?.to_owned());
        assert!(hash("real").is_none_or(|hash| hash == whole.content_hash()));
        assert!(hash("generated").is_none_or(|hash| known.contains(&&*hash)));
        assert!(hash("real").is_some() || hash("generated").is_some());
    }
    // A labelled set: as many of each class, each from a seed of its own.
    let drawn: Vec<&PatchStore> = stores
        .iter()
        .filter(|store| store.name().starts_with("images of "))
        .collect();
    assert_eq!(drawn.len(), 2, "one a seed");
    for store in drawn {
        let of = |class: usize| {
            store
                .class_indices()
                .iter()
                .filter(|found| **found == class)
                .count()
        };
        assert_eq!((of(0), of(1)), (24, 24));
        assert_eq!(slides(store, Split::Train).len(), 48);
    }
}

#[test]
fn bad_input_is_refused_before_anything_is_trained() {
    let lab = Lab::new();
    let smoke = "reproduce downstream --profile smoke";
    let empty = lab.path("of-no-network.safetensors");
    let tensors: Vec<(&str, safetensors::tensor::TensorView<'_>)> = Vec::new();
    safetensors::serialize_to_file(tensors, None, &empty).unwrap();
    for (settings, message) in [
        (
            "data.classes=[\"benign\"]".to_owned(),
            "a classifier tells classes apart, and `phantom` has one: benign",
        ),
        (
            "downstream.real_patches=1000".to_owned(),
            "`downstream.real_patches` is 1000, class `",
        ),
        (
            "downstream.curve=[8,25]".to_owned(),
            "`downstream.curve` asks for 25 real patches of each class, there are 24 to train on",
        ),
        (
            "downstream.curve=[8,8]".to_owned(),
            "`downstream.curve` in --set has `8` twice",
        ),
        (
            "downstream.model=dcgn".to_owned(),
            "unknown model `dcgn`",
        ),
        (
            "downstream.classifier.network=resnet-81".to_owned(),
            "unknown network `resnet-81`",
        ),
        (
            "downstream.classifier.pretrained=imagenet".to_owned(),
            "there are no pretrained weights for the network `small-cnn`",
        ),
        (
            "downstream.classifier.weights=some.pth".to_owned(),
            "`downstream.classifier.weights` is given, but `downstream.classifier.pretrained` is `none`",
        ),
        (
            "downstream.classifier.network=resnet-18 --set downstream.classifier.trainable_layers=18".to_owned(),
            "`downstream.classifier.trainable_layers` is 18, the network `resnet-18` has 17",
        ),
        (
            "downstream.classifier={network=\"resnet-152\",pretrained=\"imagenet\"}".to_owned(),
            "the network `resnet-152` needs the weights file `resnet152-394f9c45.pth`",
        ),
        (
            "downstream.classifier={network=\"resnet-18\",pretrained=\"imagenet\"}".to_owned(),
            "the network `resnet-18` needs the weights file `resnet18-f37072fd.pth`",
        ),
        (
            format!(
                "downstream.classifier={{network=\"resnet-18\",pretrained=\"imagenet\",weights=\"{}\"}}",
                empty.display()
            ),
            "lacks the tensor `conv1.weight`",
        ),
        (
            "downstream.classifier.network=resnet-18 --set data.patch_size=16 --set data.stride=16".to_owned(),
            "the network `resnet-18` sees images of 32 x 32 or more, these are 16 x 16",
        ),
    ] {
        let error = lab.refused(&format!("{smoke} --set {settings}"));
        assert!(error.contains(message), "{settings}: {error}");
    }
    assert!(classifiers(&lab).is_empty(), "nothing was trained");
}

#[test]
fn a_class_whose_model_diverges_leaves_rows_without_generated_images() {
    let lab = Lab::new();
    // A learning rate beyond all measure: losses are not numbers after some steps.
    let said = lab.run(
        "reproduce downstream --profile smoke --seeds 0 --set optimiser.learning_rate=1e30 --set training.steps=40",
    );
    assert_eq!(said.code, 1, "{}", said.errors);
    let row = |name: &str| {
        let mut lines = said.output.lines();
        lines
            .find(|line| line.starts_with(name))
            .expect("a row")
            .to_owned()
    };
    assert!(row("generated ").contains("failed"), "{}", said.output);
    assert!(
        row("real + generated ").contains("failed"),
        "{}",
        said.output
    );
    assert!(!row("real ").contains("failed"), "{}", said.output);
    assert!(
        said.output
            .contains("no generated images: dcgan of benign, seed 0 diverged"),
        "{}",
        said.output
    );
}

#[test]
fn a_classifier_that_is_killed_goes_on_to_the_same_bits() {
    let settings = "reproduce downstream --profile smoke --seeds 0 --set downstream.curve=[] --set logging.checkpoint_every=3 \
                    --set downstream.classifier.epochs=12";
    let undisturbed = Lab::new();
    undisturbed.succeed(settings);
    let runs = classifiers(&undisturbed);
    assert_eq!(runs.len(), 5);
    for run in &runs[..2] {
        let name = run.file_name().unwrap().to_string_lossy();
        let lab = Lab::new();
        lab.kill_after_checkpoint(settings, &format!("runs/{name}"));
        lab.succeed(settings);
        assert_same_trace(&lab.path("runs").join(&*name), run, &name);
    }
}

#[test]
fn a_training_without_progress_ends_early_and_is_found_again() {
    let lab = Lab::new();
    let settings = format!(
        "{SMOKE} --set downstream.curve=[] --set downstream.classifier.epochs=40 --set downstream.classifier.patience=1"
    );
    lab.succeed(&settings);
    let mut ended_early = 0;
    for run in classifiers(&lab) {
        let config: toml::Table = fs::read_to_string(run.join("config.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let steps = config["steps"].as_integer().unwrap();
        let ledger = fs::read_to_string(run.join("ledger.jsonl")).unwrap();
        let losses: Vec<f64> = ledger
            .lines()
            .filter_map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                value["scalars"]["validation_loss"].as_f64()
            })
            .collect();
        let taken = ledger
            .lines()
            .filter(|line| line.contains("\"event\":\"step\""))
            .count();
        // Every pass but the last was better than all before it, unless it came to the end.
        let passes = losses.len();
        assert!(
            passes < 2
                || losses[..passes - 1]
                    .windows(2)
                    .all(|pair| pair[1] < pair[0]),
            "{losses:?}"
        );
        if (taken as i64) < steps {
            ended_early += 1;
            assert!(losses[passes - 1] >= losses[passes - 2], "{losses:?}");
        }
        assert!(ledger.contains("\"status\":\"finished\""));
    }
    assert!(
        ended_early > 0,
        "some training stops getting better within 40 passes"
    );
    let again = lab.run(&settings);
    assert_eq!(
        again.errors.matches("already trained").count(),
        2 * 7,
        "{}",
        again.errors
    );
}

#[test]
fn a_residual_network_is_fine_tuned_as_the_paper_does_it() {
    let lab = Lab::new();
    lab.succeed(
        "reproduce downstream --profile smoke --seeds 0 --set downstream.curve=[] --set downstream.classifier.epochs=1 \
         --set downstream.classifier.network=resnet-18 --set downstream.classifier.trainable_layers=4",
    );
    let protocol = lab.read("reports/downstream/downstream-protocol.md");
    assert!(
        protocol.contains("by resnet-18 (random weights)"),
        "{protocol}"
    );
}

fn task() -> ClassifierTask {
    ClassifierTask {
        size: 32,
        channels: 3,
        classes: 2,
    }
}

/// Images of two classes that a colour tells apart.
fn images(count: usize) -> (Images, Vec<usize>) {
    let mut stream = Random::new(5).stream("test");
    let classes: Vec<usize> = (0..count).map(|image| image % 2).collect();
    let values = classes.iter().flat_map(|class| {
        let shift = if *class == 0 { -0.4 } else { 0.4 };
        let noise = stream.normals(3 * 32 * 32);
        noise
            .into_iter()
            .map(move |value| (0.2 * value + shift).clamp(-1.0, 1.0))
    });
    (Images::new(count, 3, 32, values.collect()), classes)
}

fn build(name: &str, device: &Device) -> Box<dyn classifier::Classifier> {
    let settings = ClassifierConfig {
        network: name.to_owned(),
        pretrained: ClassifierStart::None,
        hidden: 16,
        ..ClassifierConfig::default()
    };
    classifier::build(&settings, &task(), 8, Random::new(1), device).expect("a classifier")
}

#[test]
fn every_network_learns_says_the_same_in_every_batch_and_goes_on_from_its_files() {
    let device = device::cpu();
    let (images, classes) = images(8);
    for network in NETWORKS.built_in() {
        let name = network.name;
        let mut classifier = build(name, &device);
        let step = |classifier: &mut Box<dyn classifier::Classifier>| {
            classifier.step(&images, &classes, 1e-3).expect("a step")
        };
        let first = step(&mut classifier).loss;
        let mut last = first;
        // One without batch normalisation takes more steps than the others.
        for _ in 0..30 {
            last = step(&mut classifier).loss;
            if last < 0.7 * first {
                break;
            }
        }
        assert!(last < 0.7 * first, "{name}: {first} to {last}");
        // An image says the same whatever its batch, and probabilities are some.
        let all = classifier.probabilities(&images).expect("probabilities");
        for image in [0, 5] {
            let alone = classifier
                .probabilities(&images.select(&[image]))
                .expect("probabilities");
            assert_eq!(alone, all[2 * image..2 * image + 2], "{name}");
            assert!(
                (alone[0] + alone[1] - 1.0).abs() < 1e-6,
                "{name}: {alone:?}"
            );
        }
        // The weights that were kept, and the next step from the files.
        let folder = tempfile::tempdir().expect("a folder");
        classifier.keep();
        save_parts(folder.path(), |each| classifier.parts(each)).expect("saved");
        let mut other = build(name, &device);
        load_parts(folder.path(), |each| other.parts(each)).expect("loaded");
        let bits = |loss: f64| loss.to_bits();
        assert_eq!(
            bits(step(&mut other).loss),
            bits(step(&mut classifier).loss),
            "{name}"
        );
        assert_eq!(
            bits(step(&mut other).loss),
            bits(step(&mut classifier).loss),
            "{name}"
        );
        other.take_best();
        assert_eq!(
            other.probabilities(&images).expect("probabilities"),
            all,
            "{name}"
        );
        // Images of another size.
        let small = Images::new(1, 3, 16, vec![0.0; 3 * 16 * 16]);
        let error = classifier.probabilities(&small).unwrap_err().to_string();
        assert_eq!(
            error, "images of 16 x 16 x 3 for a classifier of 32 x 32 x 3",
            "{name}"
        );
    }
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn real_tissue_makes_the_same_table() {
    let slides = shared::path("data/histology/slides");
    let lab = Lab::new();
    let printed = lab.succeed(&format!(
        "{SMOKE} --data {} --set data.classes=[\"benign\",\"malignant\"]",
        slides.display()
    ));
    assert!(printed.contains("malignant (%)"), "{printed}");
    let intervals = lab.read(Path::new("reports/downstream/downstream-intervals.md"));
    assert!(
        intervals.contains(" to "),
        "several held-out slides of each class: {intervals}"
    );
}
