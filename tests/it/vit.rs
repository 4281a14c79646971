//! Vision transformers against timm's, and their resize against Pillow's, with weights that both sides compute from a formula.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use histogen::device::{self, values};
use histogen::error::Refusal;
use histogen::features::resize::Resize;
use histogen::features::{self, FeatureConfig, vit_architecture};
use histogen::images::Pixels;
use histogen::nn::vit::{Output, Vit, VitConfig};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

use crate::inception::uniform;

/// Largest difference from PyTorch in any feature; they are of order 1.
const TOLERANCE: f32 = 1e-4;

/// `tests/golden/vit/data.json`.
#[derive(Deserialize)]
struct Data {
    width: usize,
    depth: usize,
    heads: usize,
    projected: usize,
    cases: BTreeMap<String, Case>,
    whole: Case,
    resize: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    half_pixel: BTreeMap<String, Vec<f32>>,
}

#[derive(Deserialize)]
struct Case {
    hidden: usize,
    tensors: BTreeMap<String, Vec<usize>>,
    features: Vec<Vec<f32>>,
}

fn data() -> Data {
    let text = include_str!("../golden/vit/data.json");
    serde_json::from_str(text).expect("make.py wrote this form")
}

/// The formula of `tests/golden/vit/make.py`.
fn tensor(name: &str, shape: &[usize]) -> Vec<u8> {
    let fan_in: usize = shape[1..].iter().product();
    let ends = |ending: &str| name.ends_with(ending);
    let (offset, scale) = if ends("gamma") || ends("lambda1") {
        (0.6, 0.4)
    } else if name.contains("norm") && ends("weight") {
        (1.0, 0.2)
    } else if ends("bias") {
        (0.0, 0.2)
    } else if ends("weight") {
        (0.0, (6.0 / fan_in as f64).sqrt())
    } else {
        (0.0, 0.5)
    };
    let entries = uniform(name, shape.iter().product());
    let entries = entries.flat_map(|u| ((offset + scale * u) as f32).to_le_bytes());
    entries.collect()
}

/// Writes the tensors of a published file as safetensors.
fn write(tensors: &BTreeMap<String, Vec<usize>>, path: &Path) {
    let made: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, shape)| (name, shape, tensor(name, shape)))
        .collect();
    let views = made.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, (*shape).clone(), bytes).expect("sizes agree");
        (*name, view)
    });
    safetensors::serialize_to_file(views, None, path).expect("the file can be written");
}

/// The published architecture at the width and depth of the golden file.
fn reduced(data: &Data, name: &str) -> VitConfig {
    let (config, _) = vit_architecture(name).expect("a network of that name");
    VitConfig {
        width: data.width,
        depth: data.depth,
        heads: data.heads,
        hidden: data.cases[name].hidden,
        output: match config.output {
            Output::Projected(_) => Output::Projected(data.projected),
            other => other,
        },
        ..config
    }
}

/// Height and width that most networks take.
const SIZE: usize = 224;

fn planes(size: usize, device: &Device) -> Tensor<4> {
    let entries = uniform("images", 2 * 3 * size * size).map(|u| (2.0 * u) as f32);
    let entries: Vec<f32> = entries.collect();
    Tensor::from_data(TensorData::new(entries, [2, 3, size, size]), device)
}

/// The images of `tests/golden/vit/make.py`.
fn images(size: usize) -> Pixels {
    let length = size * size * 3;
    let bytes = (0..2 * length).map(|place| {
        let (image, i) = (place / length, place % length);
        ((37 * i * i + 11 * i + i / 13 + 91 * image) % 256) as u8
    });
    Pixels::new(2, size, 3, bytes.collect())
}

fn close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= TOLERANCE,
            "value {place} of {what}: {found}, timm has {expected}"
        );
    }
}

#[test]
fn every_architecture_agrees_with_timm() {
    let data = data();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    for (name, case) in &data.cases {
        write(&case.tensors, &file);
        let (config, (_, namings)) = (reduced(&data, name), vit_architecture(name).unwrap());
        let device = Device::flex();
        let (network, _) = Vit::from_file(&file, config, namings, &device).expect(name);
        let both = network.features(planes(config.size, &device));
        let rows = values(both.clone()).unwrap();
        for (image, expected) in case.features.iter().enumerate() {
            let what = format!("{name}, image {image}");
            let found = &rows[image * config.features()..][..config.features()];
            close(&what, found, expected);
            // The same bits alone as beside another image.
            let alone = network.features(planes(config.size, &device).narrow(0, image, 1));
            assert_eq!(values(alone).unwrap(), found, "{what}");
        }
        // Burn's own operations, which other back ends use, give the same.
        let (network, _) = Vit::from_file(&file, config, namings, &device::cpu()).expect(name);
        let alone = planes(config.size, &device::cpu()).narrow(0, 0, 1);
        let rows = values(network.features(alone)).unwrap();
        close(
            &format!("{name} by other kernels"),
            &rows,
            &case.features[0],
        );
    }
}

#[test]
fn a_whole_network_agrees_with_timm_from_bytes_on() {
    let data = data();
    let folder = tempfile::tempdir().unwrap();
    let config = FeatureConfig {
        extractor: "dinov2-vits14".to_owned(),
        weights: folder.path().join("weights.safetensors"),
    };
    write(&data.whole.tensors, &config.weights);
    let extractor = features::load(&config, &Device::flex()).unwrap();
    let found = extractor.extract(&images(96)).unwrap();
    for (image, expected) in data.whole.features.iter().enumerate() {
        close(&format!("image {image}"), found.row(image), expected);
    }
    assert_eq!(
        extractor.describe_for(1),
        "dinov2-vits14 (class token, 224 x 224, mean [0.485, 0.456, 0.406], deviation [0.229, 0.224, 0.225]), grey \
         repeated as RGB"
    );
    let small = extractor.extract(&Pixels::new(1, 13, 3, vec![0; 13 * 13 * 3]));
    assert_eq!(
        small.unwrap_err().to_string(),
        "`dinov2-vits14` cannot see images of 13 x 13"
    );
}

#[test]
fn images_are_resized_as_pytorch_interpolates_bicubically() {
    for (size, expected) in data().half_pixel {
        let planes = Resize::BicubicHalfPixel.apply(&images(size.parse().unwrap()), 336);
        let found: Vec<f32> = planes.into_iter().step_by(2003).collect();
        assert_eq!(found.len(), expected.len(), "{size}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 5e-4,
                "{size}: {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn images_are_resized_to_the_bytes_that_pillow_gives() {
    for (way, sizes) in data().resize {
        let way = match way.as_str() {
            "bicubic" => Resize::BicubicPillow,
            "bilinear" => Resize::BilinearPillow,
            other => panic!("make.py has a way `{other}` that this test does not know"),
        };
        for (size, expected) in sizes {
            let planes = way.apply(&images(size.parse().unwrap()), SIZE);
            // make.py has channels last, and every 1009th byte.
            let byte = |place: usize| {
                let (pixel, channel) = (place / 3, place % 3);
                let (image, pixel) = (pixel / (SIZE * SIZE), pixel % (SIZE * SIZE));
                planes[(3 * image + channel) * SIZE * SIZE + pixel]
            };
            let found: Vec<f32> = (0..2 * SIZE * SIZE * 3).step_by(1009).map(byte).collect();
            let expected: Vec<f32> = expected.into_iter().map(f32::from).collect();
            assert_eq!(found, expected, "{way:?} of {size}");
        }
    }
}

#[test]
fn weights_of_another_architecture_are_refused() {
    let data = data();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights.safetensors");
    let shown = file.display().to_string();
    let refused = |of: &str, as_what: &str| {
        write(&data.cases[of].tensors, &file);
        let (_, namings) = vit_architecture(as_what).unwrap();
        let config = reduced(&data, as_what);
        let error = Vit::from_file(&file, config, namings, &Device::flex()).unwrap_err();
        let Refusal { message, hint } = error.downcast().expect("a refusal");
        assert!(!hint.is_empty());
        message.replace(&shown, "FILE")
    };
    for (of, as_what, expected) in [
        (
            "uni",
            "phikon",
            "`FILE` holds no weights of this network: `FILE` lacks the tensor `embeddings.cls_token`",
        ),
        (
            "dinov2-vitb14",
            "dinov2-vitb14-reg",
            "`FILE` holds no weights of this network: `FILE` lacks the tensor `register_tokens`; `FILE` lacks the tensor \
             `reg_token`; `FILE` lacks the tensor `embeddings.register_tokens`",
        ),
        (
            "dinov2-vitb14-reg",
            "dinov2-vitb14",
            "`FILE` has a tensor `register_tokens` that the network does not have",
        ),
        (
            "dinov2-vitb14",
            "uni",
            "tensor `pos_embed` of `FILE` has shape [1, 1370, 48], expected [1, 197, 48]",
        ),
        (
            "phikon-v2",
            "phikon",
            "`FILE` lacks the tensor `encoder.layer.0.intermediate.dense.weight`",
        ),
    ] {
        let found = refused(of, as_what);
        assert_eq!(found, expected, "the file of {of} as {as_what}");
    }
}
