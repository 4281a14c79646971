//! Bad input: one clear error that says what, where and what to do, exit code 2, nothing lost.

use std::fs;

use histogen::device::DeviceKind;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::lab::Lab;

const TRAIN: &str = "train table1 --model dcgan --profile smoke";

/// Asserts that `arguments` are refused with exactly this message and hint.
fn refused(lab: &Lab, arguments: &str, message: &str, hint: &str) {
    let expected = format!("error: {message}\n\nhint: {hint}");
    assert_eq!(lab.refused(arguments), expected, "{arguments}");
}

#[test]
fn unknown_names_get_a_suggestion() {
    let lab = Lab::new();
    for (arguments, message, hint) in [
        (
            "train table1 --model dcgn",
            "unknown model `dcgn`",
            "did you mean `dcgan`?",
        ),
        (
            "reproduce table11",
            "unknown table `table11`",
            "did you mean `table1`?",
        ),
        (
            "reproduce table1 --experiment tabel1",
            "unknown experiment `tabel1`",
            "did you mean `table1`?",
        ),
        (
            "reproduce table1 --profile quik",
            "unknown profile `quik`",
            "did you mean `quick`?",
        ),
        (
            "reproduce table1 --set training.bach=3",
            "unknown key `training.bach` in --set",
            "did you mean `training.batch`?",
        ),
        (
            "reproduce table1 --set models.wgan-gp.penalti=3",
            "unknown key `models.wgan-gp.penalti` in --set",
            "did you mean `models.wgan-gp.penalty`?",
        ),
        (
            "reproduce table1 --profile smoke --features vgg61",
            "unknown feature extractor `vgg61`",
            "did you mean `vgg16`?",
        ),
        (
            "evaluate a b --metrics fidd",
            "unknown metric `fidd`",
            "did you mean `fid`?",
        ),
        (
            "list modells",
            "unknown list `modells`",
            "did you mean `models`?",
        ),
    ] {
        refused(&lab, arguments, message, hint);
    }
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let lab = Lab::new();
    let error = lab.refused("train table1 --model dcgan --device gpu");
    assert!(error.contains("`compute.device`"), "{error}");
    assert!(error.contains("unknown device `gpu`"), "{error}");
    let error = lab.refused("train table1 --model dcgan --precision bf16");
    assert!(error.contains("`cpu` does not multiply in bf16"), "{error}");
    if !DeviceKind::Cuda.is_built_in() {
        refused(
            &lab,
            "reproduce table1 --device cuda:1",
            "this build computes on no `cuda` device",
            "build it with `cargo build --release --features cuda`",
        );
    }
}

#[test]
fn a_decay_of_the_learning_rate_beyond_the_training_is_refused() {
    refused(
        &Lab::new(),
        &format!("{TRAIN} --set optimiser.decay_from=1.5"),
        "`optimiser.decay_from` is 1.5 in --set; its range is 0 to 1 (fraction)",
        "set a fraction of the training, from 0 to 1; 1 keeps the learning rate",
    );
}

#[test]
fn a_mistyped_key_in_a_file_is_refused_with_the_file() {
    let lab = Lab::new();
    fs::write(lab.path("mine.toml"), "[reward]\nwieght = 0.5\n").unwrap();
    refused(
        &lab,
        "reproduce table1 --experiment mine.toml",
        "unknown key `reward.wieght` in mine.toml",
        "did you mean `reward.weight`?",
    );
}

#[test]
fn values_of_the_wrong_kind_name_their_key() {
    let lab = Lab::new();
    let error = lab.refused("reproduce table1 --set training.batch=many");
    assert!(
        error.starts_with("error: `training.batch` (from "),
        "{error}"
    );
    assert!(
        error.contains("invalid type: found string \"many\", expected usize"),
        "{error}"
    );
    let error = lab.refused("reproduce table1 --set reward.coupling=litteral");
    assert!(
        error.contains("`reward.coupling`") && error.contains("literal"),
        "{error}"
    );
    refused(
        &lab,
        "reproduce table1 --set training.batch",
        "`training.batch` is not of the form `key=value`",
        "for example `--set training.batch=64`",
    );
}

#[test]
fn data_that_cannot_be_used_is_refused() {
    let lab = Lab::new();
    let missing = lab.refused(&format!("{TRAIN} --data nowhere"));
    assert!(
        missing.starts_with("error: no folder `nowhere` to read images from"),
        "{missing}"
    );

    fs::create_dir(lab.path("empty")).unwrap();
    refused(
        &lab,
        &format!("{TRAIN} --data empty"),
        "no images in `empty`",
        "looked in all sub-folders for `.png`, `.jpg`, `.jpeg`, `.tif`, `.tiff`, `.svs`, `.ndpi`, `.mrxs`, `.scn`, `.vms`, \
         `.vmu`, `.svslide`, `.bif`, `.czi`",
    );

    lab.slide("filed/benign/one.png", 64, 64);
    refused(
        &lab,
        &format!("{TRAIN} --data filed --set data.classes=[\"bening\"]"),
        "unknown class `bening`",
        "did you mean `benign`?",
    );

    lab.slide("small/one.png", 20, 20);
    lab.slide("small/two.png", 64, 64);
    let small = lab.refused(&format!("{TRAIN} --data small"));
    assert!(
        small.contains("one.png") && small.contains("20 x 20"),
        "{small}"
    );

    lab.slide("single/one.png", 64, 64);
    let single = lab.refused(&format!("{TRAIN} --data single"));
    assert!(
        single.contains("class `all` has only one slide with patches, `one`"),
        "{single}"
    );
}

#[test]
fn an_image_that_does_not_decode_is_named_and_can_be_skipped() {
    let lab = Lab::new();
    for number in 0..4 {
        lab.slide(&format!("slides/{number}.png"), 160, 160);
    }
    fs::write(lab.path("slides/broken.png"), b"not an image").unwrap();
    let error = lab.refused(&format!("{TRAIN} --data slides"));
    assert!(
        error.contains("broken.png") && error.contains("--skip-unreadable"),
        "{error}"
    );

    let said = lab.run(&format!("{TRAIN} --data slides --skip-unreadable"));
    assert_eq!(said.code, 0, "{}", said.errors);
    assert!(
        said.errors.contains("skipped: `broken.png`"),
        "{}",
        said.errors
    );
}

#[test]
fn too_few_held_out_patches_are_refused_before_training() {
    let lab = Lab::new();
    let error = lab.refused("reproduce table1 --profile smoke --set evaluation.images=60");
    assert!(
        error.contains("`evaluation.images = 60` needs 120"),
        "{error}"
    );
    assert!(error.contains("--set evaluation.images="), "{error}");
    assert!(
        !error.contains("seed 0"),
        "something was trained first: {error}"
    );
}

#[test]
fn a_metric_with_too_few_images_fails_its_cells_alone() {
    let lab = Lab::new();
    let said = lab.run("reproduce all --profile smoke --set evaluation.metrics.kid_subset_size=30");
    assert_eq!(said.code, 1, "{}", said.errors);
    let kid = lab.read("reports/table1/table3.md");
    assert!(
        kid.contains("`kid` needs at least 30") || kid.contains("kid_subset_size"),
        "{kid}"
    );
    let fid = lab.read("reports/table1/table1.md");
    assert!(!fid.contains("fail"), "{fid}");
}

#[test]
fn an_output_folder_that_cannot_be_written_is_refused() {
    let lab = Lab::new();
    fs::write(lab.path("file"), b"in the way").unwrap();
    let error = lab.refused(&format!("{TRAIN} --out file"));
    assert!(error.contains("file/runs"), "{error}");
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let lab = Lab::new();
    let evaluate = "reproduce table1 --profile smoke --features vgg16";
    refused(
        &lab,
        evaluate,
        &format!(
            "the extractor `vgg16` needs the weights file `vgg16-397923af.pth`, which is not in `{}`",
            lab.path("weights").display()
        ),
        "get it with `histogen weights fetch vgg16`, or give a file with `--weights FILE`",
    );
    let missing = lab.refused(&format!("{evaluate} --weights nowhere.safetensors"));
    assert!(
        missing.contains("cannot read the weights file `nowhere.safetensors`"),
        "{missing}"
    );

    fs::write(lab.path("text.safetensors"), b"hello").unwrap();
    let text = lab.refused(&format!("{evaluate} --weights text.safetensors"));
    assert!(
        text.contains("`text.safetensors` is neither a safetensors nor a PyTorch file"),
        "{text}"
    );

    let write = |name: &str, tensors: &[(&str, Vec<usize>)]| {
        let bytes: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(_, shape)| vec![0; 4 * shape.iter().product::<usize>()])
            .collect();
        let views: Vec<(&str, TensorView<'_>)> = tensors
            .iter()
            .zip(&bytes)
            .map(|((name, shape), bytes)| {
                (
                    *name,
                    TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
                )
            })
            .collect();
        fs::write(lab.path(name), safetensors::serialize(views, None).unwrap()).unwrap();
    };
    let hint = "give the weights of this network under their published names, in numbers of type F32, F16 or BF16";
    write(
        "lacking.safetensors",
        &[("features.0.weight", vec![64, 3, 3, 3])],
    );
    refused(
        &lab,
        &format!("{evaluate} --weights lacking.safetensors"),
        "`lacking.safetensors` lacks the tensor `features.0.bias`",
        hint,
    );
    write(
        "shape.safetensors",
        &[("features.0.weight", vec![32, 3, 3, 3])],
    );
    refused(
        &lab,
        &format!("{evaluate} --weights shape.safetensors"),
        "tensor `features.0.weight` of `shape.safetensors` has shape [32, 3, 3, 3], expected [64, 3, 3, 3]",
        hint,
    );
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let lab = Lab::new();
    let error = lab.refused("sample nowhere");
    assert!(
        error.starts_with("error: `nowhere` is not a run"),
        "{error}"
    );
    assert!(error.contains("histogen list runs"), "{error}");
    let error = lab.refused("report nothing");
    assert!(
        error.starts_with("error: no record of experiment `nothing`"),
        "{error}"
    );
}

#[test]
#[cfg(not(feature = "dashboard"))]
fn a_dashboard_that_was_not_built_in_is_refused() {
    let lab = Lab::new();
    for command in [
        "train table1 --model dcgan",
        "reproduce table1",
        "ablate layers",
        "snn train",
        "snn evaluate",
    ] {
        refused(
            &lab,
            &format!("{command} --profile smoke --dashboard"),
            "`--dashboard`: this program was built without its dashboard",
            "build it with `cargo build --release --features dashboard`, or leave `--dashboard` out",
        );
    }
    let made = fs::read_dir(lab.path("runs")).is_ok_and(|mut runs| runs.next().is_some());
    assert!(!made, "nothing was trained");
}

#[test]
fn a_dry_run_prints_every_setting_and_trains_nothing() {
    let lab = Lab::new();
    let printed = lab.succeed(&format!("{TRAIN} --dry-run --set backbone.latent=7"));
    let settings: toml::Table = printed.parse().expect("TOML");
    assert_eq!(settings["backbone"]["latent"].as_integer(), Some(7));
    assert_eq!(
        settings["models"]["wgan-gp"]["penalty"].as_float(),
        Some(10.0)
    );
    assert!(!lab.path("runs").exists());
}
