//! Trimming, lengths in closed form, what is refused.

use super::*;

fn assert_near(value: f64, expected: f64, tolerance: f64) {
    let error = (value - expected).abs() / expected.abs();
    assert!(error <= tolerance, "{value}, expected {expected}");
}

#[test]
fn a_percent_is_trimmed_at_either_end() {
    let kept = trimmed((1..=200).rev().map(f64::from).collect());
    assert_eq!((kept[0], kept.len()), (2.0, 198));
    assert_near(mean_and_deviation(&kept).mean, 100.5, 1e-15);
    assert_eq!(trimmed(vec![3.0]), [3.0]);
    assert_eq!(trimmed(vec![3.0, 1.0, 2.0]), [1.0, 2.0, 3.0]);
}

/// Sees pixels as they are.
struct Pixelwise;

impl PerceptualDistance for Pixelwise {
    fn describe(&self) -> String {
        "pixels".into()
    }

    fn hash(&self) -> String {
        "none".into()
    }

    fn embed(&self, images: &Images) -> Result<Vec<Vec<f64>>> {
        let images = images.values.chunks_exact(3);
        Ok(images
            .map(|image| image.iter().copied().map(f64::from).collect())
            .collect())
    }
}

/// Images of one pixel, 0.1 times the three latent values.
fn linear(latents: &[f32]) -> Images {
    let values = latents.iter().map(|value| 0.1 * value).collect();
    Images::new(latents.len() / 3, 3, 1, values)
}

fn length(path: &PathLength, settings: &PathSettings) -> f64 {
    let space = LatentSpace {
        draw: &|stream| stream.normals(3),
        classes: 0,
        decode: &|latents, _| Ok(linear(latents)),
    };
    path.compute(&space, &Pixelwise, settings).unwrap().mean
}

#[test]
fn a_linear_generator_has_lengths_in_closed_form() {
    // |0.1 (z1 - z0)|^2 of any step of a straight line, over its length squared; of n steps 1 / n of that.
    let settings = PathSettings {
        samples: 37,
        epsilon: 0.01,
        paths: 21,
        steps: 5,
        ..PathSettings::default()
    };
    let of_pairs = |name: &str, count: u64| -> Vec<f64> {
        (0..count)
            .map(|pair| {
                let mut stream = Random::new(settings.seed).at(pair).stream(name);
                let (a, b) = (stream.normals(3), stream.normals(3));
                let pairs = a.iter().zip(&b);
                pairs.map(|(a, b)| (0.1 * f64::from(a - b)).powi(2)).sum()
            })
            .collect()
    };
    let pairs = of_pairs("ppl", 37);
    let expected = mean_and_deviation(&trimmed(pairs)).mean;
    for place in [PathSampling::End, PathSampling::Full] {
        let settings = PathSettings {
            place,
            ..settings.clone()
        };
        assert_near(length(&PPL, &settings), expected, 1e-4);
    }
    let expected = mean_and_deviation(&of_pairs("ppl-path", 21)).mean / 5.0;
    assert_near(length(&PPL_PATH, &settings), expected, 1e-5);
    // More steps than a batch holds, and pairs as before.
    let many = PathSettings {
        steps: 40,
        ..settings.clone()
    };
    assert_near(length(&PPL_PATH, &many), expected / 8.0, 1e-4);
    let slerp = PathSettings {
        interpolation: Interpolation::Slerp,
        ..settings
    };
    assert!((length(&PPL, &slerp) - length(&PPL, &settings)).abs() > 1e-3);
}

#[test]
fn a_generator_that_decodes_no_numbers_has_no_length() {
    let nothing = |latents: &[f32], _: &[usize]| {
        let values = vec![f32::NAN; latents.len()];
        Ok(Images::new(latents.len() / 3, 3, 1, values))
    };
    let space = LatentSpace {
        draw: &|stream| stream.normals(3),
        classes: 0,
        decode: &nothing,
    };
    let settings = PathSettings {
        samples: 2,
        ..PathSettings::default()
    };
    let error = PPL.compute(&space, &Pixelwise, &settings).unwrap_err();
    assert!(
        error.to_string().starts_with("`ppl` comes out as"),
        "{error}"
    );
}
