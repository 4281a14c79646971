//! Against torchvision, with weights that both sides compute from a formula (`tests/golden/resnet/make.py`).

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
use burn_optim::GradientsParams;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

use super::*;
use crate::device::{cpu, tensor, values};
use crate::images::Pixels;

/// Largest difference from PyTorch in any feature, and of the gradient, of its largest entry; both are of order 1.
const TOLERANCE: f32 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    features: BTreeMap<String, Vec<Vec<f32>>>,
    training: Training,
}

#[derive(Deserialize)]
struct Training {
    features: Vec<Vec<f32>>,
    running_mean_of_first: Vec<f32>,
    running_variance_of_last: Vec<f32>,
    gradient: Vec<f32>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../tests/golden/resnet/data.json")).unwrap()
}

/// `count` numbers in [-1, 1): the formula of `tests/golden/inception/formula.py`.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let start = name.bytes().fold(0xCBF2_9CE4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64).map(move |place| {
        let z = start.wrapping_add(place.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f64 / 8_388_608.0 - 1.0
    })
}

/// Names and shapes of torchvision's tensors.
fn shapes(depth: Depth) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    let mut unit = |conv: String, norm: String, shape: [usize; 4]| {
        let outputs = shape[0];
        all.push((format!("{conv}.weight"), shape.to_vec()));
        for part in ["weight", "bias", "running_mean", "running_var"] {
            all.push((format!("{norm}.{part}"), vec![outputs]));
        }
    };
    unit("conv1".into(), "bn1".into(), [64, 3, 7, 7]);
    let mut inputs = 64;
    for (stage, count) in depth.blocks().into_iter().enumerate() {
        let width = 64 << stage;
        for place in 0..count {
            let name = format!("layer{}.{place}", stage + 1);
            let (outputs, convolutions) = if depth.has_bottlenecks() {
                let inner = [width, width, 3, 3];
                let first = [width, inputs, 1, 1];
                (4 * width, vec![first, inner, [4 * width, width, 1, 1]])
            } else {
                (width, vec![[width, inputs, 3, 3], [width, width, 3, 3]])
            };
            for (shape, number) in convolutions.into_iter().zip(1..) {
                unit(
                    format!("{name}.conv{number}"),
                    format!("{name}.bn{number}"),
                    shape,
                );
            }
            if inputs != outputs || (stage > 0 && place == 0) {
                let shape = [outputs, inputs, 1, 1];
                unit(
                    format!("{name}.downsample.0"),
                    format!("{name}.downsample.1"),
                    shape,
                );
            }
            inputs = outputs;
        }
    }
    all.push(("fc.weight".to_owned(), vec![1000, inputs]));
    all.push(("fc.bias".to_owned(), vec![1000]));
    all
}

fn tensor_of(name: &str, shape: &[usize]) -> Vec<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let of = |u: f64| match (shape.len(), name) {
        (4, _) => u * (3.0 / fan_in as f64).sqrt(),
        (_, name) if name.ends_with("bn3.weight") => 0.15 * (1.0 + 0.2 * u),
        (1, name) if name.ends_with(".weight") => 1.0 + 0.2 * u,
        (_, name) if name.ends_with("running_var") => 1.0 + 0.5 * u,
        _ => 0.2 * u,
    };
    uniform(name, shape.iter().product())
        .map(|u| of(u) as f32)
        .collect()
}

/// Writes the weights but those called `without`, with `more` beside them.
fn write(path: &Path, depth: Depth, without: &str, more: &[(&str, Vec<usize>)]) {
    let more = more
        .iter()
        .map(|(name, shape)| ((*name).to_owned(), shape.clone()));
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = shapes(depth)
        .into_iter()
        .chain(more)
        .filter(|(name, _)| name != without)
        .map(|(name, shape)| {
            let values = tensor_of(&name, &shape);
            let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name.as_str(), view)
    });
    safetensors::serialize_to_file(views, None, path).unwrap();
}

fn network(depth: Depth, device: &Device) -> ResNet {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    write(&path, depth, "", &[("bn1.num_batches_tracked", vec![1])]);
    let (network, hash) = ResNet::from_file(depth, &path, device).unwrap();
    assert_eq!(hash.len(), 64);
    network
}

fn images(device: &Device) -> Tensor<4> {
    let bytes = (0..2u64).flat_map(|image| {
        (0..64 * 64 * 3u64).map(move |i| ((37 * i * i + 11 * i + i / 13 + 91 * image) % 256) as u8)
    });
    tensor(&Pixels::new(2, 64, 3, bytes.collect()).to_images(), device)
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < TOLERANCE,
            "{what}: {found}, expected {expected}"
        );
    }
}

fn every_16th(features: Tensor<2>) -> Vec<Vec<f32>> {
    let length = features.dims()[1];
    let rows = values(features).unwrap();
    let kept = |row: &[f32]| row.iter().step_by(16).copied().collect();
    rows.chunks_exact(length).map(kept).collect()
}

#[test]
fn features_are_those_of_torchvision() {
    let golden = golden();
    for (depth, name) in [(Depth::D18, "18"), (Depth::D50, "50"), (Depth::D152, "152")] {
        let device = &Device::flex();
        let features = network(depth, device).forward(images(device));
        assert_eq!(features.dims(), [2, depth.dimension()]);
        for (found, expected) in every_16th(features).iter().zip(&golden.features[name]) {
            assert_close(found, expected, name);
        }
    }
}

#[test]
fn the_names_count_the_layers() {
    for (depth, name) in [(Depth::D18, 18), (Depth::D50, 50), (Depth::D152, 152)] {
        assert_eq!(
            depth.layers() + 1,
            name,
            "the published classifier is left out"
        );
    }
}

#[test]
fn the_last_16_layers_train_as_in_pytorch_and_the_others_stay() {
    let expected = golden().training;
    let device = &cpu();
    let mut network = network(Depth::D50, device).with_trainable(Depth::D50, 16);
    let before = network.blocks[0].clone();
    let features = network.forward_training(images(device));
    let loss = features.clone().square().sum();
    for (found, expected) in every_16th(features).iter().zip(&expected.features) {
        assert_close(found, expected, "features in training");
    }
    // layer3.3.conv3 is the first that learns.
    let first = &network.blocks[3 + 4 + 3].units[2];
    let mean = values(first.norm.running_mean.val()).unwrap();
    assert_close(&mean[..16], &expected.running_mean_of_first, "running mean");
    let last = &network.blocks[15].units[2];
    let variance = values(last.norm.running_variance.val()).unwrap();
    let expected_variance = &expected.running_variance_of_last;
    assert_close(&variance[..16], expected_variance, "running variance");
    // Its gradient, and none before it.
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let gradient = gradients.get::<4>(first.conv.weight.id).expect("it learns");
    let gradient = values(gradient).unwrap();
    let kept: Vec<f32> = gradient
        .iter()
        .step_by(gradient.len() / 16)
        .copied()
        .collect();
    let largest = expected
        .gradient
        .iter()
        .fold(0f32, |most, value| most.max(value.abs()));
    let relative =
        |values: &[f32]| -> Vec<f32> { values.iter().map(|value| value / largest).collect() };
    assert_close(
        &relative(&kept[..16]),
        &relative(&expected.gradient),
        "gradient",
    );
    let frozen = &network.blocks[3 + 4 + 3].units[1];
    assert!(gradients.get::<4>(frozen.conv.weight.id).is_none());
    assert!(gradients.get::<4>(network.first.conv.weight.id).is_none());
    let of = |block: &Block| values(block.units[0].norm.running_mean.val()).unwrap();
    assert_eq!(
        of(&before),
        of(&network.blocks[0]),
        "frozen statistics stay"
    );
}

#[test]
fn an_image_does_not_depend_on_its_batch_and_grey_is_repeated() {
    let device = &Device::flex();
    let network = network(Depth::D18, device);
    let both = images(device);
    let all = values(network.forward(both.clone())).unwrap();
    let second = values(network.forward(both.clone().narrow(0, 1, 1))).unwrap();
    assert_eq!(all[512..], second[..]);
    let grey = both.narrow(1, 0, 1);
    let repeated = values(network.forward(grey.clone().repeat_dim(1, 3))).unwrap();
    assert_eq!(values(network.forward(grey)).unwrap(), repeated);
}

#[test]
fn weights_of_another_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let load = |depth| {
        let error = ResNet::from_file(depth, &path, &Device::flex()).unwrap_err();
        error
            .to_string()
            .replace(&path.display().to_string(), "FILE")
    };
    write(&path, Depth::D18, "", &[]);
    assert_eq!(
        load(Depth::D50),
        "tensor `layer1.0.conv1.weight` of `FILE` has shape [64, 64, 3, 3], expected [64, 64, 1, 1]"
    );
    write(&path, Depth::D18, "layer2.0.downsample.1.running_var", &[]);
    assert_eq!(
        load(Depth::D18),
        "`FILE` lacks the tensor `layer2.0.downsample.1.running_var`"
    );
    write(
        &path,
        Depth::D18,
        "",
        &[("layer4.2.conv1.weight", vec![512, 512, 3, 3])],
    );
    assert_eq!(
        load(Depth::D18),
        "`FILE` has a tensor `layer4.2.conv1.weight` that the network does not have"
    );
}
