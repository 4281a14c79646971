//! The registry: names, refusals, and that a number does not depend on what else is computed.

use std::collections::BTreeSet;

use super::*;
use crate::random::Random;

fn features(rows: usize, columns: usize, name: &str) -> Features {
    let values = Random::new(1).stream(name).normals(rows * columns);
    Features::new(rows, columns, values)
}

/// The scores of one metric.
fn compute(
    metric: &dyn Metric,
    generated: &Features,
    real: &Features,
    settings: &MetricSettings,
) -> Result<Vec<Score>> {
    metric.compute(&Comparison::new(generated, real, settings))
}

/// Every metric that needs nothing but the features of both sides.
fn of_features() -> Vec<&'static dyn Metric> {
    let more: [&dyn Metric; 2] = [&ClassFid, &Fld];
    let mut metrics = METRICS.all();
    metrics.retain(|metric| more.iter().all(|other| other.name() != metric.name()));
    metrics
}

fn small() -> MetricSettings {
    MetricSettings {
        kid_subsets: 10,
        kid_subset_size: 30,
        ..MetricSettings::default()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn refusal(error: &anyhow::Error) -> (&str, &str) {
    let refusal = error.downcast_ref::<Refusal>().unwrap();
    (&refusal.message, &refusal.hint)
}

fn selected(wanted: &[&str]) -> Vec<&'static str> {
    let metrics = select(&names(wanted)).unwrap().metrics;
    metrics.iter().map(|metric| metric.name()).collect()
}

#[test]
fn score_names_are_unique_and_found() {
    let mut known: Vec<&str> = METRICS.all().into_iter().flat_map(known_names).collect();
    let all = [
        "fid",
        "kid",
        "precision",
        "recall",
        "f1",
        "precision-recall",
        "density",
        "coverage",
        "density-coverage",
        "kid-block",
        "fid-infinity",
        "authpct",
        "mmd-gaussian",
        "cmmd",
        "fld",
        "vendi",
        "class-fid",
        "worst-class-fid",
        "fid-by-class",
    ];
    assert_eq!(known, all);
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), all.len());
    let names: BTreeSet<&str> = definitions().map(|definition| definition.name).collect();
    assert_eq!(names.len(), definitions().count());
    assert_eq!(definition("ppl").unwrap().title, "PPL");
    assert_eq!(definition("f1").unwrap().title, "F1");
    assert_eq!(definition("f2"), None);
}

#[test]
fn metrics_are_selected_by_score_or_family_once_each() {
    assert_eq!(
        selected(&["recall", "kid", "f1"]),
        ["precision-recall", "kid"]
    );
    assert_eq!(selected(&["density-coverage"]), ["density-coverage"]);
    assert_eq!(selected(&[]), [""; 0]);
}

#[test]
fn an_unknown_metric_is_refused_with_the_nearest() {
    let error = select(&names(&["fid", "recal"])).err().unwrap();
    assert_eq!(
        refusal(&error),
        ("unknown metric `recal`", "did you mean `recall`?")
    );
}

#[test]
fn every_metric_yields_its_scores_and_states_its_settings() {
    let (generated, real) = (features(50, 8, "generated"), features(40, 8, "real"));
    for metric in of_features() {
        let scores = compute(metric, &generated, &real, &small()).unwrap();
        let defined: Vec<&str> = metric.scores().iter().map(|score| score.name).collect();
        assert_eq!(
            scores.iter().map(|score| score.name).collect::<Vec<_>>(),
            defined
        );
        assert!(scores.iter().all(|score| score.value.is_finite()));
        assert!(!metric.settings(&small()).is_empty());
        let again = compute(metric, &generated, &real, &small()).unwrap();
        assert_eq!(scores, again, "{}", metric.name());
    }
}

#[test]
fn a_number_alone_is_the_number_among_others_on_any_number_of_threads() {
    // Few features, and so many that decompositions are shared out.
    // And so few images that KID looks at all pairs.
    for (rows, others, columns) in [(150, 140, 70), (460, 450, 400), (100, 80, 12)] {
        let generated = features(rows, columns, "generated");
        let real = features(others, columns, "real");
        let values = |metrics: &[&'static dyn Metric], threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let outcomes = pool
                .install(|| evaluate(metrics, &generated, &real, &small()))
                .unwrap();
            let value = |outcome: ScoreOutcome| outcome.score.unwrap();
            outcomes.into_iter().map(value).collect::<Vec<Score>>()
        };
        let together = values(&of_features(), 3);
        let alone: Vec<Score> = of_features()
            .iter()
            .flat_map(|metric| values(&[*metric], 1))
            .collect();
        assert_eq!(together, alone);
    }
}

#[test]
fn gaussians_give_what_features_give_and_refuse_the_same() {
    let own = of_features()
        .into_iter()
        .filter_map(|metric| metric.of_gaussians());
    let own: Vec<&'static dyn GaussianMetric> = own.collect();
    let metrics: Vec<&'static dyn Metric> = own.iter().map(|&metric| metric as _).collect();
    assert_eq!(
        metrics
            .iter()
            .map(|metric| metric.name())
            .collect::<Vec<_>>(),
        ["fid"]
    );
    let real = features(40, 8, "real");
    let compare = |generated: &Features| {
        let [from, to] = [(generated, GENERATED), (&real, REAL)]
            .map(|(side, what)| GaussianSide::of(what, std::iter::once(Ok(side.clone()))).unwrap());
        evaluate_gaussians(&own, &from, &to, &small())
    };
    for rows in [0, 1, 2, 8, 9, 1500] {
        let generated = features(rows, 8, "generated");
        let expected = evaluate(&metrics, &generated, &real, &small()).unwrap();
        for (found, expected) in compare(&generated).unwrap().iter().zip(expected) {
            match (&found.score, expected.score) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
                (Err(found), Err(expected)) => assert_eq!(refusal(found), refusal(&expected)),
                _ => panic!("{rows} rows: one has a number, one has none"),
            }
        }
    }
    let wide = features(40, 9, "wide");
    let expected = evaluate(&metrics, &wide, &real, &small()).err().unwrap();
    assert_eq!(refusal(&compare(&wide).err().unwrap()), refusal(&expected));
}

#[test]
fn kid_of_all_pairs_is_kid_of_subsets() {
    // More images than a block of pairs has.
    let (generated, real) = (features(1200, 6, "generated"), features(1100, 6, "real"));
    let settings = MetricSettings {
        kid_subsets: 10,
        kid_subset_size: 400,
        ..MetricSettings::default()
    };
    let found = compute(&Kid, &generated, &real, &settings).unwrap()[0].value;
    let by_subsets = (0..10).map(|subset| {
        let random = Random::new(settings.seed).at(subset);
        let generated = generated.select(&random.stream("kid generated").choose(1200, 400));
        let real = real.select(&random.stream("kid real").choose(1100, 400));
        kid_unbiased::<f32>((&generated).into(), (&real).into())
    });
    let expected = by_subsets.sum::<f64>() / 10.0;
    assert!((found - expected).abs() < 1e-7, "{found} {expected}");
    // Beside metrics that need the same products.
    let together = evaluate(&of_features(), &generated, &real, &settings).unwrap();
    let kid = together[1].score.as_ref().unwrap();
    assert_eq!((kid.name, kid.value), ("kid", found));
}

#[test]
fn blocks_of_kid_are_disjoint_and_have_a_standard_error() {
    let (generated, real) = (features(90, 4, "generated"), features(70, 4, "real"));
    let blocks = |kid_subset_size| {
        let settings = MetricSettings {
            kid_subset_size,
            ..small()
        };
        compute(&KidBlock, &generated, &real, &settings).map(|scores| scores[0].clone())
    };
    let three = blocks(30).unwrap();
    assert!(three.spread.unwrap() > 0.0);
    // One block is all of both sides, in another order.
    let one = blocks(90).unwrap();
    assert_eq!(one.spread, None);
    let all = kid_unbiased::<f32>((&generated).into(), (&real).into());
    assert!((one.value - all).abs() < 1e-6, "{} {all}", one.value);
    let error = blocks(2).unwrap_err();
    assert_eq!(
        refusal(&error),
        (
            "`kid-block` cannot make 45 blocks of two or more of 70 images",
            "give it more of them, or raise `evaluation.metrics.kid_subset_size`"
        )
    );
}

#[test]
fn extrapolating_takes_away_what_too_few_generated_images_add() {
    let (generated, real) = (features(400, 30, "generated"), features(20_000, 30, "real"));
    let score =
        |metric: &dyn Metric| compute(metric, &generated, &real, &small()).unwrap()[0].clone();
    let (fid, extrapolated) = (score(&Fid), score(&FidInfinity));
    assert!(fid.value > 0.5, "{fid:?}");
    assert!(
        extrapolated.value.abs() < 0.3 * fid.value,
        "{extrapolated:?}, {fid:?}"
    );
    assert!(extrapolated.spread.unwrap() > 0.0);
}

#[test]
fn copies_of_training_images_are_found_and_are_not_authentic() {
    let trained_on = features(50, 6, "trained on");
    let authentic = |generated: &Features| {
        compute(&Authenticity, generated, &trained_on, &small()).unwrap()[0].value
    };
    let copies = trained_on.select(&[7, 2, 31, 2]);
    let found: Vec<usize> = closest(&copies, &trained_on)
        .iter()
        .inspect(|closest| assert_eq!(closest.squared_distance, 0.0))
        .map(|closest| closest.real)
        .collect();
    assert_eq!(found, [7, 2, 31, 2]);
    assert_eq!(authentic(&copies), 0.0);
    let mut far = copies.clone();
    far.values.iter_mut().for_each(|value| *value += 100.0);
    assert_eq!(authentic(&far), 100.0);
    let half = Features::new(8, 6, [copies.values, far.values].concat());
    assert_eq!(authentic(&half), 50.0);
}

#[test]
fn no_more_images_than_features_are_warned_of() {
    let warning = |rows: usize, columns: usize| {
        let (generated, real) = (features(rows, columns, "x"), features(40, columns, "y"));
        compute(&Fid, &generated, &real, &small()).unwrap()[0]
            .warning
            .clone()
    };
    assert_eq!(warning(13, 12), "");
    assert!(warning(12, 12).contains("12 images of 12 features give a covariance of rank 11"));
    assert!(warning(60, 40).contains("40 images of 40 features"));
}

#[test]
fn every_metric_refuses_too_few_images() {
    for metric in of_features() {
        let needed = metric.minimum_images(&small());
        let (enough, few) = (
            features(needed, 4, "enough"),
            features(needed - 1, 4, "few"),
        );
        assert!(
            compute(metric, &enough, &enough, &small()).is_ok(),
            "{}",
            metric.name()
        );
        let error = compute(metric, &enough, &few, &small()).unwrap_err();
        let message = format!(
            "`{}` needs at least {needed} real images, given {}",
            metric.name(),
            needed - 1
        );
        assert_eq!(refusal(&error).0, message);
        let error = compute(metric, &few, &enough, &small()).unwrap_err();
        assert_eq!(refusal(&error).0, message.replace("real", "generated"));
    }
}

#[test]
fn a_metric_that_fails_leaves_the_others() {
    let (generated, real) = (features(30, 4, "generated"), features(29, 4, "real"));
    let outcomes = evaluate(&of_features(), &generated, &real, &small()).unwrap();
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| outcome.score.is_err())
        .map(|outcome| outcome.definition.name)
        .collect();
    assert_eq!(failed, ["kid"]);
    let kid = outcomes
        .iter()
        .find(|outcome| outcome.metric.name() == "kid")
        .unwrap();
    assert_eq!(
        refusal(kid.score.as_ref().unwrap_err()),
        (
            "`kid` needs at least 30 real images, given 29",
            "give it more images, or lower `evaluation.metrics.kid_subset_size` in every evaluation to be compared"
        )
    );
}

#[test]
fn features_that_no_metric_could_use_are_refused() {
    let good = features(40, 4, "real");
    let error = evaluate(&of_features(), &features(40, 5, "wide"), &good, &small())
        .err()
        .unwrap();
    let message = "generated images have 5 features and real images 4";
    assert_eq!(
        refusal(&error),
        (message, "take both from the same extractor")
    );
    let mut bad = good.clone();
    bad.values[9] = f32::NAN;
    let error = evaluate(&of_features(), &good, &bad, &small())
        .err()
        .unwrap();
    assert_eq!(
        error.to_string(),
        "feature 1 of image 2 of the real images is not finite"
    );
    for metric in of_features() {
        assert!(
            compute(metric, &bad, &good, &small()).is_err(),
            "{}",
            metric.name()
        );
    }
}

#[test]
fn kid_has_a_spread_over_subsets_and_none_when_a_subset_is_everything() {
    let (generated, real) = (features(40, 4, "generated"), features(40, 4, "real"));
    let kid =
        |settings: &MetricSettings| compute(&Kid, &generated, &real, settings).unwrap()[0].clone();
    let subsets = kid(&small());
    assert!(subsets.spread.unwrap() > 0.0);
    let other_seed = kid(&MetricSettings {
        seed: 2021,
        ..small()
    });
    assert_ne!(subsets.value, other_seed.value);
    let full = kid(&MetricSettings {
        kid_subset_size: 40,
        ..small()
    });
    assert_eq!(full.spread, None);
    assert_eq!(
        full.value,
        kid_unbiased::<f32>((&generated).into(), (&real).into())
    );
}

#[test]
fn f1_is_the_harmonic_mean() {
    assert_eq!(harmonic_mean(0.5, 1.0), 2.0 / 3.0);
    assert_eq!(harmonic_mean(0.0, 0.0), 0.0);
}

#[test]
fn an_unknown_setting_is_refused() {
    let error = serde_json::from_str::<MetricSettings>(r#"{ "kid_subset": 5 }"#).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `kid_subset`"),
        "{error}"
    );
    let settings: MetricSettings = serde_json::from_str(r#"{ "kid_subsets": 5 }"#).unwrap();
    assert_eq!(
        settings,
        MetricSettings {
            kid_subsets: 5,
            ..MetricSettings::default()
        }
    );
}
