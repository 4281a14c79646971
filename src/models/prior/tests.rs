use super::*;

/// Mean and variance of `values`.
fn moments(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (
        mean,
        values.map(|value| (value - mean).powi(2)).sum::<f64>() / count,
    )
}

fn truncated(law: TruncationLaw, tau: f64, count: usize) -> Vec<f64> {
    let noise = Noise::Truncated { law, tau };
    let drawn = noise.draw(count, &mut Random::new(3).stream("test"));
    drawn.into_iter().map(f64::from).collect()
}

/// Variances in closed form, with phi and Phi those of N(0, 1): (2 Phi - 1) - 2 tau phi + 2 tau^2 (1 - Phi) clipped,
/// 1 - 2 tau phi / (2 Phi - 1) drawn again; and the share at the two ends, 2 (1 - Phi).
#[test]
fn each_law_has_its_variance() {
    const COUNT: usize = 200_000;
    for (tau, ends, clipped, resampled) in [
        (0.5, 0.617_075, 0.185_128, 0.080_589),
        (0.89, 0.373_466, 0.444_467, 0.237_249),
        (1.0, 0.317_311, 0.516_059, 0.291_125),
        (1.05, 0.293_718, 0.547_354, 0.316_488),
        (1.2, 0.230_139, 0.635_215, 0.394_635),
        (1.49, 0.136_224, 0.774_431, 0.546_438),
        (1.63, 0.103_101, 0.826_329, 0.615_899),
        (2.0, 0.045_500, 0.920_537, 0.773_741),
    ] {
        let close = |law: TruncationLaw, expected: f64| {
            let (mean, variance) = moments(truncated(law, tau, COUNT).into_iter());
            // Four deviations of a mean and of a variance, the fourth moment being at most three times the squared second.
            let error = 4.0 * expected * (2.0 / COUNT as f64).sqrt();
            assert!(
                mean.abs() < 4.0 * (expected / COUNT as f64).sqrt(),
                "{law:?} {tau}: {mean}"
            );
            assert!(
                (variance - expected).abs() < error,
                "{law:?} {tau}: {variance}"
            );
        };
        close(TruncationLaw::Clip, clipped);
        close(TruncationLaw::Resample, resampled);
        close(TruncationLaw::Scaled, 0.773_741 * tau * tau);
        close(TruncationLaw::Variance, tau);
        let clipped = truncated(TruncationLaw::Clip, tau, COUNT).into_iter();
        let at_ends = clipped
            .filter(|entry| entry.abs() >= f64::from(tau as f32))
            .count();
        assert!(
            (at_ends as f64 / COUNT as f64 - ends).abs() < 0.005,
            "{tau}: {at_ends}"
        );
    }
}

#[test]
fn laws_keep_their_bounds() {
    let largest = |law, tau| {
        truncated(law, tau, 5000)
            .into_iter()
            .fold(0.0, |a: f64, b| a.max(b.abs()))
    };
    assert!(largest(TruncationLaw::Clip, 0.3) <= f64::from(0.3f32));
    assert!(largest(TruncationLaw::Resample, 0.01) <= 0.010_000_001);
    let scaled = largest(TruncationLaw::Scaled, 0.3);
    assert!(scaled <= 0.600_001 && scaled > 0.55, "{scaled}");
    assert!(largest(TruncationLaw::Variance, 0.3) > 1.0);
}

fn draw(prior: &Prior) -> Vec<f32> {
    let mut stream = Random::new(9).stream("test");
    let mut drawn = prior.draw(7, &mut stream);
    drawn.extend(prior.draw(2, &mut stream));
    drawn
}

#[test]
fn no_truncation_and_one_standard_component_are_the_normal_prior_bit_for_bit() {
    let normal = Prior::normal(5);
    let expected = draw(&normal);
    for law in [TruncationLaw::Clip, TruncationLaw::Resample] {
        assert_eq!(
            draw(&normal.clone().truncated(law, f64::INFINITY)),
            expected
        );
    }
    let identity: Vec<f32> = (0..25)
        .map(|at| if at % 6 == 0 { 1.0 } else { 0.0 })
        .collect();
    for factors in [Factors::Deviation(1.0), Factors::Matrices(identity)] {
        let means = vec![0.0; 5];
        assert_eq!(
            draw(&normal.clone().with_mixture(Mixture { means, factors })),
            expected
        );
    }
}

#[test]
fn a_mixture_with_matrices_of_one_deviation_is_the_static_one() {
    let config = MixtureConfig {
        sigma: 0.3,
        ..MixtureConfig::default()
    };
    let fixed = Mixture::new(&config, 4, Random::new(0));
    let matrices = (0..8 * 16).map(|at| if at % 16 % 5 == 0 { 0.3 } else { 0.0 });
    let matrices = Mixture {
        factors: Factors::Matrices(matrices.collect()),
        ..fixed.clone()
    };
    let normal = Prior::normal(4);
    assert_eq!(
        draw(&normal.clone().with_mixture(fixed)),
        draw(&normal.with_mixture(matrices))
    );
}

/// Draws of a mixture of the settings, entry by entry.
fn drawn(config: &MixtureConfig, dimension: usize, count: usize, seed: u64) -> Vec<f64> {
    let prior = Prior::new(
        &LatentPrior::Mixture(config.clone()),
        dimension,
        Random::new(seed),
    );
    let drawn = prior.draw(count, &mut Random::new(4).stream("test"));
    drawn.into_iter().map(f64::from).collect()
}

#[test]
fn eight_components_on_a_circle_have_their_moments() {
    let (dimension, count) = (100, 20_000);
    let values = drawn(&MixtureConfig::default(), dimension, count, 0);
    let entry = |entry: usize| moments(values.iter().skip(entry).step_by(dimension).copied());
    for (at, expected) in [(0, 3.0), (1, 3.0), (2, 1.0), (99, 1.0)] {
        let (mean, variance) = entry(at);
        assert!(mean.abs() < 0.05, "{at}: {mean}");
        assert!((variance - expected).abs() < 0.05, "{at}: {variance}");
    }
    let squared = values.iter().map(|value| value * value).sum::<f64>() / count as f64;
    assert!((squared - 104.0).abs() < 0.5, "{squared}");
    // Neighbours lie 4 sin(pi / 8) apart.
    let means = Mixture::new(&MixtureConfig::default(), 2, Random::new(0)).means;
    let apart = f64::from(means[0] - means[2]).hypot(f64::from(means[1] - means[3]));
    assert!((apart - 1.530_733_7).abs() < 1e-6, "{apart}");
}

/// Variance of an entry over means drawn anew: sigma^2 + c^2 / 3 (1 - 1 / K) about the mean of the means.
#[test]
fn uniform_means_add_their_variance() {
    for (sigma_is, expected) in [(SigmaIs::Std, 0.0255), (SigmaIs::Variance, 0.153)] {
        let config = MixtureConfig {
            components: 10,
            means: MixtureMeans::Uniform,
            spread: 0.1,
            sigma: 0.15,
            sigma_is,
            learned: false,
        };
        let variances = (0..20).map(|seed| {
            let values = drawn(&config, 50, 400, seed);
            let of_entries =
                (0..50).map(|entry| moments(values.iter().skip(entry).step_by(50).copied()).1);
            of_entries.sum::<f64>() / 50.0
        });
        let mean = variances.sum::<f64>() / 20.0;
        assert!((mean / expected - 1.0).abs() < 0.01, "{sigma_is:?}: {mean}");
    }
    // Means lie 2 c sqrt(d / 6) apart in expectation, within the variance of so few of them.
    let config = MixtureConfig {
        components: 40,
        means: MixtureMeans::Uniform,
        spread: 0.1,
        ..MixtureConfig::default()
    };
    let means = Mixture::new(&config, 100, Random::new(1)).means;
    let of = |component: usize| &means[component * 100..][..100];
    let pairs = (0..40).flat_map(|a| (0..a).map(move |b| (a, b)));
    let distances = pairs.map(|(a, b)| {
        let squared = of(a)
            .iter()
            .zip(of(b))
            .map(|(x, y)| f64::from(x - y).powi(2));
        squared.sum::<f64>().sqrt()
    });
    let mean = distances.sum::<f64>() / 780.0;
    assert!((mean - 0.8165).abs() < 0.01, "{mean}");
    assert!(means.iter().all(|mean| mean.abs() <= 0.1));
}
