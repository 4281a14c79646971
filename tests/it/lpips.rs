//! LPIPS against the package of its authors.
//!
//! `tests/golden/lpips/make.py` computed the expected numbers in f64; weights and images come from the integer
//! arithmetic that it shares with this file ([`signed`]), and reach histogen through weights files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Tensor, TensorData};
use histogen::device;
use histogen::features::{PerceptualConfig, PerceptualDistance, load_perceptual};
use histogen::images::Images;
use histogen::nn::vgg::Vgg16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use tempfile::TempDir;

use crate::noise::signed;
use crate::shared;

/// Largest difference, relative: distances run from 1e-4 to 1.
const TOLERANCE: f64 = 1e-4;
/// Places in the formula: tensors count from 0, layer by layer, weight before bias.
const HEADS: u32 = 100;
const IMAGES: u32 = 200;
/// Place of each convolution in torchvision's `features`, and its channels.
const LAYERS: [(usize, usize); 13] = [
    (0, 64),
    (2, 64),
    (5, 128),
    (7, 128),
    (10, 256),
    (12, 256),
    (14, 256),
    (17, 512),
    (19, 512),
    (21, 512),
    (24, 512),
    (26, 512),
    (28, 512),
];

#[derive(Deserialize)]
struct Data {
    sizes: Vec<usize>,
    moves: Vec<f64>,
    cases: BTreeMap<String, Vec<f64>>,
    layers: Vec<Entries>,
}

/// Every `stride`-th activation of a layer, beginning with the first.
#[derive(Deserialize)]
struct Entries {
    stride: usize,
    values: Vec<f32>,
}

fn data() -> Data {
    let text = include_str!("../golden/lpips/data.json");
    serde_json::from_str(text).expect("make.py wrote this form")
}

/// Writes f32 tensors, given by name, shape and values, as safetensors.
fn write(path: &Path, tensors: Vec<(String, Vec<usize>, Vec<f64>)>) {
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape, values)| {
            let bytes = values
                .iter()
                .flat_map(|&value| (value as f32).to_le_bytes());
            (name, shape, bytes.collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a whole tensor");
        (name, view)
    });
    safetensors::serialize_to_file(views, None, path).expect("written");
}

fn network_file(folder: &Path) -> PathBuf {
    let mut tensors = Vec::new();
    let mut inputs = 3;
    for (layer, (place, channels)) in LAYERS.into_iter().enumerate() {
        let place = format!("features.{place}");
        let shape = vec![channels, inputs, 3, 3];
        let fan_in = (9 * inputs) as f64;
        let scale = (6.0 / fan_in).sqrt().log2().floor().exp2();
        let layer = 2 * layer as u32;
        let weights = signed(shape.iter().product(), layer).map(|value| scale * value);
        tensors.push((format!("{place}.weight"), shape, weights.collect()));
        let biases = signed(channels, layer + 1).map(|value| value / 8.0);
        tensors.push((format!("{place}.bias"), vec![channels], biases.collect()));
        inputs = channels;
    }
    let path = folder.join("vgg16.safetensors");
    write(&path, tensors);
    path
}

fn heads_file(folder: &Path, head: impl Fn(usize, u32) -> Vec<f64>) -> PathBuf {
    let heads = [64, 128, 256, 512, 512].into_iter().enumerate();
    let tensors = heads.map(|(layer, channels)| {
        let name = format!("lin{layer}.model.1.weight");
        (name, vec![1, channels, 1, 1], head(channels, layer as u32))
    });
    let path = folder.join("heads.safetensors");
    write(&path, tensors.collect());
    path
}

fn load(weights: PathBuf, heads: PathBuf) -> histogen::error::Result<Box<dyn PerceptualDistance>> {
    let config = PerceptualConfig {
        distance: "lpips".into(),
        weights,
        heads,
    };
    load_perceptual(&config, &device::cpu())
}

fn check(distance: &dyn PerceptualDistance, case: &str) {
    let data = data();
    let mut expected = data.cases[case].iter();
    for size in data.sizes {
        let values = |place: u32| signed(3 * size * size, IMAGES + size as u32 + place);
        let image: Vec<f32> = values(0).map(|value| value as f32).collect();
        for &step in &data.moves {
            let pairs = values(0).zip(values(1));
            let moved = pairs.map(|(from, to)| (from + step * (to - from)) as f32);
            let both = image.iter().copied().chain(moved).collect();
            let embedded = distance
                .embed(&Images::new(2, 3, size, both))
                .expect("seen");
            let differences = embedded[0].iter().zip(&embedded[1]);
            let found: f64 = differences.map(|(a, b)| (a - b) * (a - b)).sum();
            let expected = expected.next().expect("a distance for each pair");
            let error = (found / expected - 1.0).abs();
            assert!(
                error < TOLERANCE,
                "{case}, {size} x {size}, moved by {step}: {found}, the package has {expected}"
            );
        }
    }
}

#[test]
fn distances_are_those_of_the_package() {
    let folder = TempDir::new().expect("a folder");
    let network = network_file(folder.path());
    let weighted = |channels, layer| {
        let weights = signed(channels, HEADS + layer);
        weights.map(|value| f64::midpoint(value, 1.0)).collect()
    };
    let alike = |channels, _| vec![1.0; channels];
    let heads = heads_file(folder.path(), weighted);
    let distance = load(network.clone(), heads).expect("the files fit");
    check(distance.as_ref(), "weighted");
    let first = distance.hash();
    let heads = heads_file(folder.path(), alike);
    let distance = load(network.clone(), heads).expect("the files fit");
    check(distance.as_ref(), "all alike");
    assert_ne!(distance.hash(), first);

    let heads = heads_file(folder.path(), |channels, layer| {
        vec![if layer == 2 { -0.5 } else { 1.0 }; channels]
    });
    let error = load(network.clone(), heads).err().expect("refused");
    assert!(
        error.to_string().contains("`lin2.model.1.weight`")
            && error.to_string().contains("not positive or zero"),
        "{error}"
    );
    let error = load(network.clone(), network).err().expect("refused");
    assert!(
        error
            .to_string()
            .contains("lacks the tensor `lin0.model.1.weight`"),
        "{error}"
    );
    let error = load(PathBuf::new(), PathBuf::new()).err().expect("refused");
    assert_eq!(
        error.to_string(),
        "`lpips` needs a file: `evaluation.perceptual.weights` is empty"
    );
}

#[test]
fn layers_are_those_of_the_package() {
    let folder = TempDir::new().expect("a folder");
    let file = network_file(folder.path());
    let (network, _) = Vgg16::from_file(LAYERS.len(), &file, &device::cpu()).expect("it fits");
    let data = data();
    let size = data.sizes.into_iter().max().expect("a size");
    let image = signed(3 * size * size, IMAGES + size as u32).map(|value| value as f32);
    let image = TensorData::new(image.collect(), [1, 3, size, size]);
    let layers = network.taps(Tensor::from_data(image, &device::cpu()));
    assert_eq!(layers.len(), data.layers.len());
    for (layer, (maps, expected)) in layers.into_iter().zip(data.layers).enumerate() {
        let found = device::values(maps).expect("numbers");
        let found = found.into_iter().step_by(expected.stride);
        assert_eq!(expected.values.len(), 16);
        assert!(expected.values.iter().any(|value| *value > 0.1));
        for (found, expected) in found.zip(expected.values) {
            let error = (found - expected).abs();
            assert!(error < 1e-4, "layer {layer}: {found}, expected {expected}");
        }
    }
}

#[test]
#[ignore = "needs ../shared: run with --include-ignored"]
fn distances_of_trained_networks_are_those_of_the_package() {
    let network = shared::path("weights/vgg16_imagenet_conv.safetensors");
    let heads = shared::path("weights/lpips_v0.1_vgg_linear.safetensors");
    let distance = load(network, heads).expect("the files fit");
    check(distance.as_ref(), "trained");
}

#[test]
fn an_image_is_seen_alike_in_any_batch() {
    let config = PerceptualConfig::default();
    let distance = load_perceptual(&config, &device::cpu()).expect("no file is needed");
    let values: Vec<f32> = signed(20 * 3 * 16 * 16, 1)
        .map(|value| value as f32)
        .collect();
    let together = distance
        .embed(&Images::new(20, 3, 16, values.clone()))
        .expect("seen");
    for (place, image) in values.chunks_exact(3 * 16 * 16).enumerate() {
        let alone = distance
            .embed(&Images::new(1, 3, 16, image.to_vec()))
            .expect("seen");
        assert!(alone[0] == together[place], "image {place}");
    }
}
