//! Weights files: every form that PyTorch writes is read, and nothing that does not fit is.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor};
use histogen::device::values;
use histogen::digest::sha256;
use histogen::error::Refusal;
use histogen::nn::vgg::Vgg16;
use histogen::nn::weights::{Weights, take_notes};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

/// A file that `tests/golden/weights/make.py` made.
fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/weights")
        .join(name)
}

fn parameter<const D: usize>(shape: [usize; D]) -> Param<Tensor<D>> {
    Param::initialized(ParamId::from(7u64), Tensor::zeros(shape, &Device::flex()))
}

/// What a refusal says, without the path of the file's folder.
fn message(error: anyhow::Error) -> String {
    let Refusal { message, hint } = error.downcast().expect("a refusal");
    assert!(!hint.is_empty(), "{message}");
    let folder = golden("").display().to_string();
    message.replace(&folder, "")
}

#[test]
fn every_form_of_file_gives_the_same_tensors() {
    for name in [
        "archive.pth",
        "legacy.pth",
        "nested.pth",
        "transposed.pth",
        "plain.safetensors",
    ] {
        let path = golden(name);
        let mut weights = Weights::read(&path).expect(name);
        assert_eq!(weights.hash(), sha256(fs::read(&path).unwrap()), "{name}");
        let mean = (name == "plain.safetensors").then_some("1, 2, 3");
        assert_eq!(weights.metadata("mean"), mean, "{name}");
        let empty = parameter([2, 3]);
        let weight = weights.take("layer.weight", &empty).expect(name);
        assert_eq!(weight.id, empty.id, "a parameter keeps its identity");
        let found = values(weight.val()).unwrap();
        assert_eq!(found, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "{name}");
        let bias = weights.take("layer.bias", &parameter([2])).expect(name);
        assert_eq!(values(bias.val()).unwrap(), [-0.5, 0.25], "{name}");
        weights.finish(|_| false).expect(name);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    for file in ["archive.pth", "plain.safetensors"] {
        let open = || Weights::read(&golden(file)).unwrap();
        let lacking = open().take("layer.scale", &parameter([2])).unwrap_err();
        assert_eq!(
            message(lacking),
            format!("`{file}` lacks the tensor `layer.scale`")
        );
        let shape = open().take("layer.weight", &parameter([3, 2])).unwrap_err();
        assert_eq!(
            message(shape),
            format!("tensor `layer.weight` of `{file}` has shape [2, 3], expected [3, 2]")
        );
        let mut weights = open();
        weights.take("layer.bias", &parameter([2])).unwrap();
        let twice = weights.take("layer.bias", &parameter([2])).unwrap_err();
        assert_eq!(
            message(twice),
            format!("`{file}` lacks the tensor `layer.bias`")
        );
        let left = weights.finish(|name| name == "layer.bias").unwrap_err();
        assert_eq!(
            message(left),
            format!("`{file}` has a tensor `layer.weight` that the network does not have")
        );
        open().finish(|name| name.starts_with("layer.")).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("integers.safetensors");
    let numbers = TensorView::new(Dtype::I32, vec![2], &[0; 8]).unwrap();
    fs::write(
        &path,
        safetensors::serialize([("x", numbers)], None).unwrap(),
    )
    .unwrap();
    let kind = Weights::read(&path).unwrap().take("x", &parameter([2]));
    assert!(message(kind.unwrap_err()).ends_with("has type I32, expected F32, F16 or BF16"),);
}

#[test]
fn what_training_scripts_put_around_a_state_dict_is_taken_off_and_said() {
    let read = |name: &str, more: f32| {
        let mut weights = Weights::read(&golden(name)).expect(name);
        let weight = weights.values("layer.weight", &[2, 3]).expect(name);
        let expected = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(|value| value + more);
        assert_eq!(weight, expected, "{name}");
        let bias = weights.values("layer.bias", &[2]).expect(name);
        assert_eq!(bias, [-0.5 + more, 0.25 + more], "{name}");
        let hash = weights.hash().to_owned();
        weights.finish(|_| false).expect(name);
        let shown = golden("").display().to_string();
        let notes = take_notes()
            .into_iter()
            .map(|note| note.replace(&shown, ""));
        let file = name.split(':').next().expect("a name");
        let mut notes = notes.filter(|note| note.contains(file));
        (notes.next_back().expect("a note"), hash)
    };
    assert_eq!(
        read("data_parallel.pth", 0.0).0,
        "weights of `data_parallel.pth`: without the prefix `module.`"
    );
    assert_eq!(
        read("half.pth", 0.0).0,
        "weights of `half.pth`: 1 tensors of half precision widened"
    );
    let (note, hash) = read("training.pth", 0.0);
    assert_eq!(
        note,
        "weights of `training.pth`: taken from `model`, not from `ema`, which `training.pth:ema` names, without the prefix \
         `_orig_mod.module.`, 2 tensors of half precision widened"
    );
    // The average of the weights has a hash of its own.
    let (note, of_average) = read("training.pth:ema.shadow", 1.0);
    assert_eq!(
        note,
        "weights of `training.pth`: taken from `ema`, of what is called `shadow.`, without the prefix `module.`"
    );
    assert_ne!(hash, of_average);
    for (name, said) in [
        (
            "training.pth:average",
            "`training.pth` has no dictionary `average`",
        ),
        (
            "training.pth:ema.teacher",
            "`training.pth` has no tensors whose names begin with `teacher.`",
        ),
        ("archive.pth:ema", "`archive.pth` has no dictionary `ema`"),
    ] {
        assert_eq!(message(Weights::read(&golden(name)).unwrap_err()), said);
    }
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = Weights::read(&path).unwrap_err();
        message(error).replace(&folder.path().display().to_string(), "FOLDER")
    };
    let neither = "is neither a safetensors nor a PyTorch file";
    for (name, bytes) in [("text.pth", &b"hello"[..]), ("empty.pth", b"")] {
        let said = refused(name, bytes);
        assert!(
            said.starts_with(&format!("`FOLDER/{name}` {neither}")),
            "{said}"
        );
    }
    let archive = fs::read(golden("archive.pth")).unwrap();
    let said = refused("cut.pth", &archive[..archive.len() / 2]);
    assert!(said.contains(neither), "{said}");
    let plain = fs::read(golden("plain.safetensors")).unwrap();
    let said = refused("cut.safetensors", &plain[..plain.len() - 1]);
    assert!(said.contains("is not a whole safetensors file"), "{said}");

    let missing = message(Weights::read(Path::new("nowhere.pth")).unwrap_err());
    assert!(
        missing.starts_with("cannot read the weights file `nowhere.pth`: "),
        "{missing}"
    );
}

#[test]
fn a_changed_byte_in_a_tensor_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.pth");
    let mut bytes = fs::read(golden("archive.pth")).unwrap();
    // The last number of `layer.weight`.
    let place = bytes
        .windows(8)
        .position(|window| window == [0, 0, 128, 64, 0, 0, 160, 64])
        .expect("4 and 5 as little-endian numbers");
    bytes[place + 4] ^= 1;
    fs::write(&path, bytes).unwrap();
    let mut weights = Weights::read(&path).unwrap();
    let error = weights
        .take("layer.weight", &parameter([2, 3]))
        .unwrap_err();
    let said = message(error);
    assert!(
        said.starts_with("cannot read tensor `layer.weight`"),
        "{said}"
    );
}

#[test]
fn vgg_passes_over_what_it_does_not_need_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let first = 64 * 3 * 3 * 3;
    let open = |extra: &[&str]| {
        let numbers: Vec<u8> = (0..first).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let view = |shape: &[usize]| {
            let bytes = &numbers[..4 * shape.iter().product::<usize>()];
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()
        };
        let mut tensors = vec![
            ("features.0.weight", view(&[64, 3, 3, 3])),
            ("features.0.bias", view(&[64])),
        ];
        tensors.extend(extra.iter().map(|name| (*name, view(&[2]))));
        let path = folder.path().join("vgg.safetensors");
        safetensors::serialize_to_file(tensors, None, &path).unwrap();
        Vgg16::from_file(1, &path, &Device::flex())
    };
    // The first convolution of torchvision's file: the others and the classifier stay where they are.
    open(&["features.2.weight", "features.28.bias", "classifier.6.bias"]).unwrap();
    for foreign in ["features.1.weight", "features.30.bias", "fc.weight"] {
        let said = message(open(&[foreign]).unwrap_err());
        assert!(
            said.ends_with(&format!(
                "has a tensor `{foreign}` that the network does not have"
            )),
            "{said}"
        );
    }
}
