//! Moments, known images, and what does not depend on the batch.
#![allow(clippy::float_cmp, reason = "grey and the ends of the range are exact")]

use super::*;

fn image(count: usize, size: usize, value: impl Fn(usize) -> f32) -> Images {
    let values = (0..count * size * size).map(value).collect();
    Images::new(count, 1, size, values)
}

/// The values in [0, 1] of one image that was corrupted, and its target.
fn corrupted(corruption: Corruption, size: usize, value: impl Fn(usize) -> f32) -> [Vec<f32>; 2] {
    let (mut inputs, mut targets) = (image(1, size, &value), image(1, size, &value));
    corrupt(&[corruption], &mut inputs, &mut targets, &[Random::new(3)]);
    [inputs, targets].map(|images| {
        images
            .values
            .iter()
            .map(|value| (value + 1.0) / 2.0)
            .collect()
    })
}

fn moments(values: &[f32]) -> (f64, f64) {
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
    let squares = values
        .iter()
        .map(|value| (f64::from(*value) - mean).powi(2));
    (mean, squares.sum::<f64>() / values.len() as f64)
}

#[test]
fn noise_has_the_variance_that_is_asked_for() {
    let gaussian = Corruption::Gaussian {
        low: 0.1,
        high: 0.1,
    };
    let (mean, variance) = moments(&corrupted(gaussian, 64, |_| 0.0)[0]);
    assert!(
        (mean - 0.5).abs() < 0.01 && (variance - 0.01).abs() < 0.001,
        "{mean} {variance}"
    );
    // Intensity 0.25, so the variance of Poisson(n x) / n is x / n.
    let poisson = Corruption::Poisson {
        low: 50.0,
        high: 50.0,
    };
    let (mean, variance) = moments(&corrupted(poisson, 64, |_| -0.5)[0]);
    assert!(
        (mean - 0.25).abs() < 0.01 && (variance - 0.005).abs() < 0.0005,
        "{mean} {variance}"
    );
}

#[test]
fn a_blur_keeps_the_mean_and_makes_of_a_point_its_kernel() {
    let point = |place: usize| if place == 32 * 64 + 32 { 1.0 } else { -1.0 };
    let found = &corrupted(
        Corruption::Blur {
            low: 2.0,
            high: 2.0,
        },
        64,
        point,
    )[0];
    assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    let centre = 1.0 / (std::f32::consts::TAU * 4.0);
    assert!((found[32 * 64 + 32] / centre - 1.0).abs() < 0.01);
}

#[test]
fn what_is_smaller_and_enlarged_again_keeps_even_places_and_lines() {
    let flat = &corrupted(Corruption::DownUp { factor: 4 }, 16, |_| 0.2)[0];
    assert!(flat.iter().all(|value| (value - 0.6).abs() < 1e-6));
    let line = |place: usize| (place % 16) as f32 / 16.0 - 0.5;
    let found = &corrupted(Corruption::DownUp { factor: 2 }, 16, line)[0];
    for (place, value) in found.iter().enumerate() {
        if (1..15).contains(&(place % 16)) {
            assert!((2.0 * value - 1.0 - line(place)).abs() < 1e-5);
        }
    }
}

#[test]
fn a_cut_out_is_one_grey_square() {
    let [input, target] = corrupted(
        Corruption::CutOut {
            low: 0.25,
            high: 0.25,
        },
        16,
        |_| 1.0,
    );
    assert_eq!(input.iter().filter(|value| **value == 0.5).count(), 16);
    assert!(target.iter().all(|value| *value == 1.0));
}

#[test]
fn what_turns_an_image_turns_its_target() {
    for corruption in [Corruption::Flip, Corruption::Turn] {
        let mut seen = Vec::new();
        for seed in 0..16 {
            let value = |place: usize| place as f32 / 16.0 - 0.5;
            let (mut inputs, mut targets) = (image(1, 4, value), image(1, 4, value));
            corrupt(
                std::slice::from_ref(&corruption),
                &mut inputs,
                &mut targets,
                &[Random::new(seed)],
            );
            assert_eq!(inputs, targets);
            if !seen.contains(&inputs.values) {
                seen.push(inputs.values);
            }
        }
        assert_eq!(
            seen.len(),
            if corruption == Corruption::Flip { 2 } else { 4 }
        );
    }
}

#[test]
fn an_image_is_corrupted_alike_whatever_its_batch() {
    let corruptions = [
        Corruption::Turn,
        Corruption::Gaussian {
            low: 0.0,
            high: 0.3,
        },
        Corruption::CutOut {
            low: 0.1,
            high: 0.5,
        },
    ];
    let value = |place: usize| (place % 64) as f32 / 64.0;
    let randoms = [Random::new(1).at(7), Random::new(1).at(8)];
    let (mut both, mut targets) = (image(2, 8, value), image(2, 8, value));
    corrupt(&corruptions, &mut both, &mut targets, &randoms);
    let (mut second, mut target) = (image(1, 8, value), image(1, 8, value));
    corrupt(&corruptions, &mut second, &mut target, &randoms[1..]);
    assert_eq!(both.image(1), second.values);
    assert_eq!(targets.image(1), target.values);
    assert_ne!(both.image(0), both.image(1));
}

#[test]
fn amounts_out_of_range_are_refused() {
    let refusal = |corruption: Corruption| {
        let error = corruption.check("translation.corruptions", 64).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refusal(Corruption::Gaussian {
            low: 0.2,
            high: 0.1
        }),
        "`translation.corruptions` has `gaussian` from 0.2 to 0.1"
    );
    assert_eq!(
        refusal(Corruption::DownUp { factor: 3 }),
        "`translation.corruptions` has `down-up` by 3, which does not divide 64 pixels"
    );
    assert!(
        Corruption::Poisson {
            low: 0.0,
            high: 1.0
        }
        .check("x", 64)
        .is_err()
    );
    assert!(Corruption::DownUp { factor: 4 }.check("x", 64).is_ok());
}
