//! Known values, and scikit-image's: `tests/golden/paired/make.py`.

use serde::Deserialize;

use super::*;

/// The golden file.
#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    size: usize,
    channels: usize,
    l1: f64,
    psnr: f64,
    ssim: f64,
}

/// The images of the golden file: a formula in whole numbers.
fn images(size: usize, channels: usize) -> [Pixels; 2] {
    let count = size * size * channels;
    let byte = |i: usize| (i * i / 7 + 11 * i / 3) % 256;
    let first = (0..count).map(|i| byte(i) as u8).collect();
    let second = (0..count).map(|i| (byte(i) + i * 7 % 31).saturating_sub(15).min(255) as u8);
    [first, second.collect()].map(|bytes| Pixels::new(1, size, channels, bytes))
}

fn value(scores: &[PairedScore], name: &str) -> f64 {
    let score = scores.iter().find(|score| score.name == name).unwrap();
    score.value.unwrap()
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-9,
        "{found}, expected {expected}"
    );
}

#[test]
fn l1_psnr_and_ssim_are_those_of_scikit_image() {
    let text = include_str!("../../../tests/golden/paired/data.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert!(golden.cases.len() >= 3);
    for case in golden.cases {
        let [output, target] = images(case.size, case.channels);
        let pairs = ImagePairs::of_images(&output, &target, None).unwrap();
        close(value(&L1.compute(&pairs).unwrap(), "l1"), case.l1);
        close(value(&Psnr.compute(&pairs).unwrap(), "psnr"), case.psnr);
        close(value(&Ssim.compute(&pairs).unwrap(), "ssim"), case.ssim);
    }
}

#[test]
fn equal_images_are_perfect_and_have_no_ratio() {
    let [image, _] = images(16, 3);
    let pairs = ImagePairs::of_images(&image, &image, None).unwrap();
    close(value(&L1.compute(&pairs).unwrap(), "l1"), 0.0);
    close(value(&Ssim.compute(&pairs).unwrap(), "ssim"), 1.0);
    let ratio = &Psnr.compute(&pairs).unwrap()[0];
    assert_eq!(ratio.value, None);
    assert_eq!(
        ratio.absent,
        "1 images equal their targets, where it is infinite"
    );
}

#[test]
fn dice_and_its_kin_have_their_known_values() {
    close(overlap(&[1, 1, 0, 0], &[1, 0, 1, 0], 1)[0], 0.5);
    close(overlap(&[1, 1], &[1, 1], 1)[0], 1.0);
    close(overlap(&[1, 0], &[0, 1], 1)[0], 0.0);
    close(overlap(&[0, 0], &[0, 0], 1)[0], 1.0);
    for (output, target) in [([1, 1, 0, 1], [1, 0, 1, 1]), ([0, 1, 0, 0], [1, 1, 1, 1])] {
        let [dice, iou] = overlap(&output, &target, 1);
        close(dice, 2.0 * iou / (1.0 + iou));
    }
}

#[test]
fn a_mean_over_images_is_not_that_of_their_pixels() {
    // (in both, in the output alone, in the target alone): (10, 0, 0) and (0, 10, 30).
    let mask = |ranges: [std::ops::Range<usize>; 2]| {
        let mut bytes = vec![0; 2 * 64];
        for (image, range) in ranges.into_iter().enumerate() {
            bytes[image * 64..][range].fill(1);
        }
        Pixels::new(2, 8, 1, bytes)
    };
    let (output, target) = (mask([0..10, 0..10]), mask([0..10, 10..40]));
    let pairs = ImagePairs::of_masks(&output, &target, 2).unwrap();
    let scores = Overlap.compute(&pairs).unwrap();
    close(value(&scores, "dice"), 0.5);
    close(value(&scores, "dice-pooled"), 1.0 / 3.0);
    close(value(&scores, "iou-pooled"), 10.0 / 50.0);
    close(scores[0].spread.unwrap(), 0.5f64.sqrt());
    let empty = Pixels::new(2, 8, 1, vec![0; 128]);
    let pairs = ImagePairs::of_masks(&empty, &empty, 2).unwrap();
    let scores = Overlap.compute(&pairs).unwrap();
    close(value(&scores, "dice"), 1.0);
    assert_eq!(scores[1].absent, "a class has no pixel in any mask");
}

#[test]
fn sides_that_do_not_match_are_refused() {
    let ([large, _], [small, _]) = (images(16, 3), images(12, 3));
    let error = ImagePairs::of_images(&large, &small, None).err().unwrap();
    assert_eq!(
        error.to_string(),
        "outputs [1, 16, 3] against targets [1, 12, 3] (number, size, channels)"
    );
    let [tiny, _] = images(8, 1);
    let pairs = ImagePairs::of_images(&tiny, &tiny, None).unwrap();
    let error = Ssim.compute(&pairs).unwrap_err().to_string();
    assert_eq!(error, "SSIM has a window of 11 x 11, the images have 8 x 8");
}

#[test]
fn every_score_has_one_definition() {
    let names = [
        "l1",
        "psnr",
        "ssim",
        "lpips",
        "dice",
        "dice-pooled",
        "iou",
        "iou-pooled",
    ];
    for name in names {
        assert_eq!(definition(name).unwrap().name, name);
    }
    assert!(definition("fid").is_none());
}
