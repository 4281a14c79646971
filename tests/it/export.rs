//! Generators for other frameworks: what is written, and that a runtime of others makes the same images of it.
//!
//! `HISTOGEN_ONNX` names a Python with ONNX Runtime: `.ci/onnx` installs it and prints the name. PyTorch is asked by hand, as the
//! module says: `python generator.py`.

use std::process::Command;

use histogen::numpy::Archive;
use safetensors::SafeTensors;

use crate::lab::Lab;

/// The images of an exported folder by ONNX Runtime: the largest difference from those that were written beside it,
/// relative to the largest value.
const PROGRAM: &str = "
import numpy, onnxruntime, sys
check = numpy.load('check.npz')
session = onnxruntime.InferenceSession('generator.onnx')
given = {'z': check['z']}
if 'classes' in check:
    given['class'] = check['classes']
images, = session.run(None, given)
assert images.shape == check['images'].shape, images.shape
print(numpy.abs(images - check['images']).max() / numpy.abs(check['images']).max())
";

/// A run of `model`, trained for a few steps.
fn train(lab: &Lab, model: &str, more: &str) -> String {
    let run = lab.succeed(&format!(
        "train table1 --model {model} --profile smoke {more}"
    ));
    run.trim().to_owned()
}

/// Runs of every kind of generator: plain, averaged, upsampling by nearest neighbours, with classes, with a mixture.
fn runs(lab: &Lab) -> Vec<String> {
    vec![
        train(lab, "dcgan", ""),
        train(lab, "lsgan", "--set backbone.ema_decay=0.9"),
        train(lab, "sngan", "--set backbone.upsampling=nearest"),
        train(lab, "ac-gan", ""),
        train(lab, "gm-gan", "--set prior.mixture.learned=true"),
    ]
}

#[test]
fn a_generator_is_written_with_the_module_that_reads_it() {
    let lab = Lab::new();
    let run = train(&lab, "gm-gan", "--set prior.mixture.learned=true");
    let printed = lab.succeed(&format!("export {run} --format safetensors --out out"));
    let files: Vec<&str> = printed.lines().collect();
    assert_eq!(
        files,
        [
            "out/generator.safetensors",
            "out/generator.py",
            "out/check.npz",
            "out/README.md"
        ]
    );

    // Every tensor has the name and the shape that the module gives it.
    let bytes = std::fs::read(lab.path("out/generator.safetensors")).expect("a file");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let module = lab.read("out/generator.py");
    let mut place = 0;
    for line in module.lines().map(str::trim) {
        let numbers = |line: &str| -> Vec<usize> {
            line.split(['(', ',', ')'])
                .filter_map(|word| word.trim().parse().ok())
                .collect()
        };
        let is_layer = line.starts_with("nn.") && line.ends_with("),");
        if line.starts_with("nn.ConvTranspose2d(") {
            let [inputs, outputs, kernel, ..] = numbers(line)[..] else {
                panic!("{line}");
            };
            let weight = tensors
                .tensor(&format!("layers.{place}.weight"))
                .expect("a weight");
            assert_eq!(weight.shape(), [inputs, outputs, kernel, kernel], "{line}");
        } else if line.starts_with("nn.BatchNorm2d(") {
            for part in ["weight", "bias", "running_mean", "running_var"] {
                let part = tensors
                    .tensor(&format!("layers.{place}.{part}"))
                    .expect(part);
                assert_eq!(part.shape(), numbers(line), "{line}");
            }
        }
        place += usize::from(is_layer);
    }
    assert!(place > 5 && module.lines().count() < 60, "{module}");
    assert!(
        module.contains("def latents(self, noise, component):"),
        "{module}"
    );
    assert_eq!(tensors.tensor("means").expect("means").shape().len(), 2);

    // What it makes, by `histogen sample`.
    let mut check = Archive::open(&lab.path("out/check.npz")).expect("an archive");
    let images = check.array("images").expect("images");
    assert_eq!(images.header.shape[0], 8);
    let card = lab.read("out/README.md");
    let (header, text) = card[4..].split_once("\n---\n").expect("a header");
    assert!(
        card.starts_with("---\n") && header.contains("library_name: pytorch"),
        "{card}"
    );
    assert!(
        header.contains("license_name: to-be-chosen") && text.contains("mixture"),
        "{card}"
    );
    // The same bytes again.
    lab.succeed(&format!("export {run} --format safetensors --out again"));
    for file in [
        "generator.safetensors",
        "generator.py",
        "check.npz",
        "README.md",
    ] {
        let [one, other] = ["out", "again"]
            .map(|folder| std::fs::read(lab.path(&format!("{folder}/{file}"))).expect(file));
        assert!(one == other, "{file}");
    }
}

#[test]
fn what_is_no_function_of_one_vector_is_not_exported() {
    let lab = Lab::new();
    let run = train(&lab, "ddpm", "--set training.steps=2");
    let said = lab.refused(&format!("export {run} --format onnx --out out"));
    assert!(
        said.starts_with(&format!(
            "error: `{run}` is of `ddpm`, whose images are no function of one latent vector"
        )),
        "{said}"
    );
    let said = lab.refused("export nowhere --format onnx --out out");
    assert!(said.starts_with("error: `nowhere` is not a run"), "{said}");
    assert!(!lab.path("out").exists());
}

#[test]
#[ignore = "needs ONNX Runtime: set HISTOGEN_ONNX to what `.ci/onnx` prints, and run with --include-ignored"]
fn a_runtime_of_others_makes_the_same_images() {
    let python = std::env::var("HISTOGEN_ONNX");
    let python = python.expect("HISTOGEN_ONNX names no Python: set it to what `.ci/onnx` prints");
    let lab = Lab::new();
    for (place, run) in runs(&lab).iter().enumerate() {
        let folder = format!("out{place}");
        lab.succeed(&format!("export {run} --format onnx --out {folder}"));
        let output = Command::new(&python)
            .args(["-c", PROGRAM])
            .current_dir(lab.path(&folder))
            .output()
            .expect("Python starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let difference: f64 = said
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{run}: {errors}"));
        assert!(difference < 1e-5, "{run}: {difference}");
    }
}
