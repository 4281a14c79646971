//! The ways to resize against the tools they are named after.

use std::collections::BTreeMap;

use histogen::features::resize::Resize;
use histogen::images::Pixels;
use serde::Deserialize;

/// `tests/golden/resize/data.json`.
#[derive(Deserialize)]
struct Data {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    from: usize,
    to: usize,
    stride: usize,
    values: BTreeMap<String, Vec<f32>>,
}

/// The formula of `tests/golden/resize/make.py`.
fn image(size: usize) -> Pixels {
    let bytes = (0..size * size * 3).map(|i| ((37 * i * i + 11 * i + i / 13) % 256) as u8);
    Pixels::new(1, size, 3, bytes.collect())
}

#[test]
fn resizing_agrees_with_torch_fidelity_pytorch_and_clean_fid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/resize/data.json");
    let text = std::fs::read_to_string(path).expect("the golden file is part of the checkout");
    let data: Data = serde_json::from_str(&text).expect("make.py wrote this form");
    for case in data.cases {
        // What 255 times an f32 rounding or two can come to; TensorFlow's way and Pillow's are followed step by step.
        for (way, name, tolerance) in [
            (Resize::BilinearTensorFlow, "bilinear_tensorflow", 0.0),
            (Resize::BilinearHalfPixel, "bilinear_half_pixel", 5e-4),
            (Resize::BicubicAntialiased, "bicubic_antialiased", 0.0),
        ] {
            let found = way.apply(&image(case.from), case.to);
            let found: Vec<f32> = found.into_iter().step_by(case.stride).collect();
            let expected = &case.values[name];
            assert_eq!(found.len(), expected.len());
            for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
                assert!(
                    (found - expected).abs() <= tolerance,
                    "{name}, {} to {}, value {place}: {found}, expected {expected}",
                    case.from,
                    case.to
                );
            }
        }
    }
}
