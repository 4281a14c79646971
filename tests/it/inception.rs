//! The FID network against torch-fidelity's, with weights that both sides compute from a formula.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use histogen::device::{self, values};
use histogen::features::{self, FeatureConfig};
use histogen::images::Pixels;
use histogen::nn::inception::{CLASSES, FEATURES, InceptionV3};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest difference from PyTorch in any activation; they are of order 1.
const TOLERANCE: f32 = 1e-4;

/// `tests/golden/inception/data.json`.
#[derive(Deserialize)]
struct Data {
    stages: BTreeMap<String, Stage>,
    features: Vec<Vec<f32>>,
    logits: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct Stage {
    shape: Vec<usize>,
    stride: usize,
    values: Vec<f32>,
}

/// A file of `tests/golden/inception`.
fn golden<T: DeserializeOwned>(name: &str) -> T {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/inception");
    let text = fs::read_to_string(folder.join(name));
    let text = text.expect("the golden file is part of the checkout");
    serde_json::from_str(&text).expect("make.py wrote this form")
}

/// `count` numbers in [-1, 1): the formula of `tests/golden/inception/formula.py`.
pub(crate) fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
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

/// Writes the weights of the formula as safetensors.
fn write_weights(path: &Path) {
    let shapes = golden::<BTreeMap<String, Vec<usize>>>("shapes.json");
    let mut tensors = Vec::new();
    for (name, shape) in shapes {
        let (offset, scale) = if name == "fc.weight" {
            (0.0, (3.0 / FEATURES as f64).sqrt())
        } else if name.ends_with("conv.weight") {
            let fan_in: usize = shape[1..].iter().product();
            (0.0, (6.0 / fan_in as f64).sqrt())
        } else if name.ends_with("bn.weight") {
            (1.0, 0.2)
        } else if name.ends_with("running_var") {
            (1.0, 0.5)
        } else {
            (0.0, 0.2)
        };
        let values = uniform(&name, shape.iter().product());
        let bytes = values.flat_map(|u| ((offset + scale * u) as f32).to_le_bytes());
        let bytes: Vec<u8> = bytes.collect();
        tensors.push((name, shape, bytes));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("sizes agree");
        (name, view)
    });
    safetensors::serialize_to_file(views, None, path).expect("the file can be written");
}

/// The two images of `tests/golden/inception/make.py`.
fn images() -> Pixels {
    let bytes = (0..2 * 64 * 64 * 3).map(|place| {
        let (image, i) = (place / (64 * 64 * 3), place % (64 * 64 * 3));
        ((37 * i * i + 11 * i + i / 13 + 91 * image) % 256) as u8
    });
    Pixels::new(2, 64, 3, bytes.collect())
}

fn close(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= TOLERANCE,
            "value {place} of {name}: {found}, torch-fidelity has {expected}"
        );
    }
}

#[test]
fn the_fid_network_agrees_with_torch_fidelity() {
    let mut data = golden::<Data>("data.json");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    write_weights(&file);

    // From bytes to features, as `evaluate` computes them.
    let extractor = |name: &str| {
        let config = FeatureConfig {
            extractor: name.into(),
            weights: file.clone(),
        };
        features::load(&config, &Device::flex()).unwrap()
    };
    let legacy = extractor("inception-v3");
    let both = legacy.extract(&images()).unwrap();
    for (image, expected) in data.features.iter().enumerate() {
        close(
            &format!("features of image {image}"),
            both.row(image),
            expected,
        );
        // The same bits alone as beside another image.
        let alone = legacy.extract(&images().select(&[image])).unwrap();
        assert_eq!(alone.values, both.row(image));
    }
    // Other ways to prepare the image give other features.
    for name in ["inception-v3-clean", "inception-v3-pytorch"] {
        let other = extractor(name);
        assert_eq!(other.hash(), legacy.hash());
        assert_ne!(other.resize(), legacy.resize());
        let other = other.extract(&images()).unwrap();
        let difference = other.values.iter().zip(&both.values);
        let largest = difference.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest > 100.0 * TOLERANCE, "{name}: {largest}");
    }

    // With their places: the first seven maps of a stage that is compared below, place by place.
    let spatial = extractor("inception-v3-spatial")
        .extract(&images())
        .unwrap();
    assert_eq!((spatial.rows, spatial.columns), (2, 17 * 17 * 7));

    // Small, large and grey images; grey is repeated.
    for size in [28, 256] {
        let bytes = (0..size * size).map(|place| (place % 251) as u8).collect();
        let grey = Pixels::new(1, size, 1, bytes);
        let found = legacy.extract(&grey).unwrap();
        assert!(found.values.iter().all(|value| value.is_finite()));
        assert_eq!(found, legacy.extract(&grey.to_rgb()).unwrap(), "{size}");
    }

    // Every stage, and the logits.
    let (network, hash) = InceptionV3::from_file(&file, &Device::flex()).unwrap();
    assert_eq!(hash, legacy.hash());
    let planes = features::resize::Resize::BilinearTensorFlow.apply(&images(), 299);
    let planes: Vec<f32> = planes.iter().map(|value| (value - 128.0) / 128.0).collect();
    let input = Tensor::<4>::from_data(
        TensorData::new(planes.clone(), [2, 3, 299, 299]),
        &Device::flex(),
    );
    let watched = network.watched_features(input, |name, maps| {
        let stage = data
            .stages
            .remove(name)
            .unwrap_or_else(|| panic!("{name} is not expected"));
        assert_eq!(maps.dims().as_slice(), stage.shape, "{name}");
        let found = values(maps.clone()).unwrap();
        if name == "Mixed_6d" {
            for (place, row) in spatial.values.chunks_exact(7).enumerate() {
                let (image, place) = (place / 289, place % 289);
                let expected = |channel: usize| found[(image * 768 + channel) * 289 + place];
                assert!(
                    row.iter()
                        .enumerate()
                        .all(|(at, value)| (value - expected(at)).abs() < TOLERANCE)
                );
            }
        }
        let found: Vec<f32> = found.into_iter().step_by(stage.stride).take(16).collect();
        close(name, &found, &stage.values);
    });
    assert!(data.stages.is_empty(), "every stage was seen");
    assert_eq!(values(watched.clone()).unwrap(), both.values);
    let logits = values(network.logits(watched)).unwrap();
    for (found, expected) in logits.chunks_exact(CLASSES).zip(&data.logits) {
        close("logits", &found[..16], expected);
    }

    // Burn's own operations, which other back ends use, give the same.
    let (network, _) = InceptionV3::from_file(&file, &device::cpu()).unwrap();
    let alone = planes[..3 * 299 * 299].to_vec();
    let alone = Tensor::from_data(TensorData::new(alone, [1, 3, 299, 299]), &device::cpu());
    let features = values(network.features(alone)).unwrap();
    close("features by other kernels", &features, &data.features[0]);
}

#[test]
fn weights_of_another_network_are_refused() {
    let other = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/weights/archive.pth"
    );
    let error = InceptionV3::from_file(Path::new(other), &Device::flex()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{other}` lacks the tensor `Conv2d_1a_3x3.conv.weight`")
    );
}
