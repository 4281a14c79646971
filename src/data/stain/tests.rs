use std::path::PathBuf;

use serde::Deserialize;

use super::*;
use crate::random::Random;

/// What `make.py` wrote of the patch.
#[derive(Deserialize)]
struct Golden {
    stains: [[f64; RGB]; 2],
    strengths: [f64; 2],
    means: [f64; RGB],
    deviations: [f64; RGB],
}

fn golden(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stain");
    folder.join(name)
}

fn image(name: &str) -> RgbImage {
    crate::slides::read(&golden(name)).unwrap()
}

fn near(found: &[f64], expected: &[f64]) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-9, "{found}, {expected}");
    }
}

#[test]
fn a_patch_is_normalised_as_by_torchstain_and_by_numpy() {
    let golden_numbers: Golden =
        serde_json::from_str(&std::fs::read_to_string(golden("data.json")).unwrap()).unwrap();
    let patch = image("patch.png");
    for method in StainMethod::ALL {
        let found = Appearance::fit(method, [patch.as_raw()]).unwrap().unwrap();
        match found {
            Appearance::Macenko(stains) => {
                near(&stains.directions[0], &golden_numbers.stains[0]);
                near(&stains.directions[1], &golden_numbers.stains[1]);
                near(&stains.strengths, &golden_numbers.strengths);
            }
            Appearance::Reinhard(colours) => {
                near(&colours.means, &golden_numbers.means);
                near(&colours.deviations, &golden_numbers.deviations);
            }
        }
        let mut changed = patch.as_raw().clone();
        found.bring_to(&Appearance::published(method).unwrap(), &mut changed);
        let expected = image(&format!("{}.png", method.name()));
        let differences = changed.iter().zip(expected.as_raw());
        let most = differences.map(|(one, other)| one.abs_diff(*other)).max();
        assert!(most <= Some(1), "{method:?}: {most:?}");
    }
}

#[test]
fn what_is_brought_to_itself_stays_and_what_is_brought_to_another_looks_like_it() {
    let patch = image("patch.png");
    for method in StainMethod::ALL {
        let found = Appearance::fit(method, [patch.as_raw()]).unwrap().unwrap();
        let mut same = patch.as_raw().clone();
        found.bring_to(&found, &mut same);
        // Macenko's two stains leave out what is neither; Reinhard's map is the identity.
        let off = |changed: &[u8]| {
            let differences = changed.iter().zip(patch.as_raw());
            let sum: f64 = differences.map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            sum / changed.len() as f64
        };
        let allowed = match method {
            StainMethod::Reinhard => 0.0,
            _ => 3.0,
        };
        assert!(off(&same) <= allowed, "{method:?}: {}", off(&same));
        // Back from the published appearance.
        let target = Appearance::published(method).unwrap();
        let mut there = patch.as_raw().clone();
        found.bring_to(&target, &mut there);
        let again = Appearance::fit(method, [&there]).unwrap().unwrap();
        match (again, target) {
            (Appearance::Macenko(found), Appearance::Macenko(wanted)) => {
                let cosine: f64 = found.directions[0]
                    .iter()
                    .zip(wanted.directions[0])
                    .map(|(a, b)| a * b)
                    .sum();
                assert!(cosine > 0.99, "{cosine}");
            }
            (Appearance::Reinhard(found), Appearance::Reinhard(wanted)) => {
                // Before, it was 0.81 darker; now what is bright has left the tissue or the bytes.
                let off = (found.means[0] - wanted.means[0]).abs();
                assert!(off < 0.25, "{off}");
            }
            _ => unreachable!("both are of one method"),
        }
    }
}

/// Pixels of one stain in changing concentrations, with a little noise.
fn one_stain() -> Vec<u8> {
    let mut stream = Random::new(1).stream("one stain");
    (0..4096)
        .flat_map(|_| {
            let amount = stream.between(0.5, 1.5);
            [0.65, 0.70, 0.29].map(|direction| {
                let density: f64 = amount * direction + 0.002 * stream.normal();
                (240.0 * (-density).exp()).round() as u8
            })
        })
        .collect()
}

#[test]
fn glass_stays_and_one_stain_is_refused() {
    let glass = vec![241u8; 64 * 64 * 3];
    let black = vec![0u8; 64 * 64 * 3];
    for method in StainMethod::ALL {
        assert_eq!(Appearance::fit(method, [&glass]).unwrap(), None);
        let normalisation = Normalisation {
            method,
            target: Appearance::published(method).unwrap(),
        };
        assert_eq!(normalisation.look("a", [&glass]).unwrap(), None);
        // One colour: two stains cannot be told apart; a mean can be moved.
        assert_eq!(
            normalisation.look("a", [&black]).is_err(),
            method == StainMethod::Macenko
        );
    }
    let macenko = Normalisation {
        method: StainMethod::Macenko,
        target: Appearance::published(StainMethod::Macenko).unwrap(),
    };
    let error = macenko.look("a", [one_stain()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the stain of slide `a` cannot be normalised: its tissue shows one stain only"
    );
    let mut other = one_stain();
    let reinhard = Appearance::fit(StainMethod::Reinhard, [&other])
        .unwrap()
        .unwrap();
    reinhard.bring_to(&Appearance::Reinhard(Colours::PUBLISHED), &mut other);
    assert_ne!(other, one_stain());
}

#[test]
fn pixels_are_sampled_at_equal_steps_in_bounded_memory() {
    let pixels: Vec<u8> = (0..=255).cycle().take(3 * (MOST + MOST / 2)).collect();
    let mut sample = Sample::default();
    for part in pixels.chunks(3 * 1000) {
        sample.add(part);
    }
    assert_eq!(sample.step, 2);
    assert_eq!(sample.pixels.len(), 3 * MOST / 4);
    let expected = pixels.as_chunks::<3>().0.iter().step_by(2);
    assert!(sample.pixels.iter().eq(expected));
}
