//! Gaussian MMD, Vendi score, feature likelihood divergence and Fréchet distances by class: against their definitions on golden
//! features, in closed forms and limits.

use std::collections::BTreeMap;

use histogen::features::Features;
use histogen::metrics::{
    self, Beside, ClassFid, Fld, GaussianMmd, Metric, MetricSettings, Vendi, fld, gaussian_mmd,
    mixture_likelihood, vendi,
};
use serde::Deserialize;

use crate::lab::Lab;
use crate::noise::{noise, signed};

/// `tests/golden/divergences/data.json`.
#[derive(Deserialize)]
struct Data {
    cases: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    /// Rows of real and of generated features, and columns.
    shape: [usize; 3],
    cmmd: f64,
    /// Of the generated and of the real features.
    vendi: [f64; 2],
    /// Of a mixture around generated, and of one around real features.
    likelihoods: [f64; 2],
    fld: f64,
}

/// Correlated columns, as `make.py` has them, times `scale` plus `shift`.
fn smooth(rows: usize, columns: usize, place: u32, scale: f64, shift: f64) -> Features {
    let entry = |row, column| {
        let levels = (column..column + 4).map(|column| noise(row, column, place) >> 24);
        (scale * f64::from(levels.sum::<u32>()) / 512.0 + shift) as f32
    };
    let row = |row| (0..columns).map(move |column| entry(row, column));
    Features::new(rows, columns, (0..rows).flat_map(row).collect())
}

fn sides([real, generated, columns]: [usize; 3], place: u32) -> (Features, Features) {
    (
        smooth(real, columns, place, 1.0, 0.0),
        smooth(generated, columns, place + 1, 1.0625, 0.03125),
    )
}

/// Numbers in [-1, 1).
fn noisy(rows: usize, columns: usize, place: u32) -> Features {
    let values = signed(rows * columns, place).map(|value| value as f32);
    Features::new(rows, columns, values.collect())
}

#[track_caller]
fn assert_near(what: &str, value: f64, expected: f64, tolerance: f64) {
    let error = (value - expected).abs() / expected.abs();
    assert!(
        error <= tolerance,
        "{what}: {value}, expected {expected}: relative {error:e}"
    );
}

fn places(range: std::ops::Range<usize>) -> Vec<usize> {
    range.collect()
}

/// The one score of a metric, or why there is none.
fn score(
    metric: &'static dyn Metric,
    generated: &Features,
    real: &Features,
) -> Result<f64, String> {
    let settings = MetricSettings::default();
    let mut outcomes =
        metrics::evaluate(&[metric], generated, real, &settings).expect("sound features");
    let score = outcomes.remove(0).score;
    score
        .map(|score| score.value)
        .map_err(|error| error.to_string())
}

#[test]
fn divergences_are_those_of_their_definitions() {
    let text = include_str!("../golden/divergences/data.json");
    let data: Data = serde_json::from_str(text).expect("make.py wrote this form");
    assert_eq!(data.cases.len(), 2);
    for (case, expected) in data.cases {
        let place = if case == "many rows" { 1 } else { 3 };
        let (real, generated) = sides(expected.shape, place);
        let near = |what: &str, value, expected, tolerance| {
            assert_near(&format!("{case}: {what}"), value, expected, tolerance);
        };
        near("mmd", gaussian_mmd(&generated, &real), expected.cmmd, 1e-8);
        near("vendi", vendi(&generated).unwrap(), expected.vendi[0], 1e-9);
        near("vendi", vendi(&real).unwrap(), expected.vendi[1], 1e-9);
        let half = real.rows / 2;
        let (fit, held_out) = (
            real.select(&places(0..half)),
            real.select(&places(half..real.rows)),
        );
        let split = generated.rows.min(half / 2);
        let likelihood = |centres: &Features, fit: &Features| {
            mixture_likelihood(centres, fit, &held_out).expect("no dead feature")
        };
        let found = likelihood(&generated, &fit);
        near("likelihood", found, expected.likelihoods[0], 1e-6);
        let centres = fit.select(&places(0..split));
        let found = likelihood(&centres, &fit.select(&places(split..half)));
        near("likelihood", found, expected.likelihoods[1], 1e-6);
        let found = fld(&generated, &fit, &held_out).expect("no dead feature");
        near("fld", found, expected.fld, 1e-4);
    }
}

#[test]
fn equal_sets_are_at_distance_zero_and_sides_do_not_matter() {
    let (x, y) = (noisy(1100, 8, 1), noisy(90, 8, 2));
    assert!(gaussian_mmd(&x, &x) < 1e-9);
    assert_near("sides", gaussian_mmd(&x, &y), gaussian_mmd(&y, &x), 1e-9);
    // Lengths do not count.
    let double = Features::new(90, 8, y.values.iter().map(|value| 2.0 * value).collect());
    assert_near(
        "lengths",
        gaussian_mmd(&x, &double),
        gaussian_mmd(&x, &y),
        1e-12,
    );
    // Two points at a right angle: 2 (1 - exp(-2 / 200)) of them.
    let point = |values: [f32; 2]| Features::new(1, 2, values.to_vec());
    let found = gaussian_mmd(&point([3.0, 0.0]), &point([0.0, 5.0]));
    assert_near("a right angle", found, -2000.0 * (-0.01f64).exp_m1(), 1e-12);
}

#[test]
fn the_vendi_score_counts_what_differs() {
    // Equal images count once, whichever matrix is the smaller.
    for rows in [3, 40] {
        let row = [0.5f32, -1.0, 2.0, 0.25];
        let equal = Features::new(rows, 4, row.repeat(rows));
        assert_near("equal rows", vendi(&equal).unwrap(), 1.0, 1e-9);
    }
    // n at right angles count n times, however often each is there.
    let one_of = |count: usize| {
        let entry = |place: usize| f32::from(u8::from(place / 6 % 6 == place % 6));
        Features::new(count, 6, (0..count * 6).map(entry).collect())
    };
    for count in [6, 12, 600] {
        assert_near("right angles", vendi(&one_of(count)).unwrap(), 6.0, 1e-9);
    }
    assert_near("four of them", vendi(&one_of(4)).unwrap(), 4.0, 1e-9);
}

#[test]
fn copies_of_what_is_fitted_to_are_seen() {
    let real = noisy(200, 8, 3);
    let (fit, held_out) = (real.select(&places(0..100)), real.select(&places(100..200)));
    let fresh = noisy(100, 8, 4);
    let honest = fld(&fresh, &fit, &held_out).unwrap();
    let copied = fld(&fit, &fit, &held_out).unwrap();
    assert!(honest.abs() < 20.0, "{honest}");
    assert!(copied > 1000.0, "{copied}");
    // Worse images are less likely.
    let wide = Features::new(
        100,
        8,
        fresh.values.iter().map(|value| 3.0 * value).collect(),
    );
    assert!(fld(&wide, &fit, &held_out).unwrap() > honest + 5.0);
    // The metric says so; without the training set there is none.
    let beside = Beside {
        training: Some(&fit),
        ..Beside::default()
    };
    let settings = MetricSettings::default();
    let outcomes = metrics::evaluate_beside(&[&Fld], &fit, &held_out, beside, &settings).unwrap();
    let score_of_copies = outcomes[0].score.as_ref().unwrap();
    assert!(score_of_copies.value > 1000.0 && score_of_copies.warning.contains("copies"));
    assert_eq!(
        score(&Fld, &fresh, &held_out),
        Err(
            "`fld` fits to the images that the model was trained on, and they are not known"
                .to_owned()
        )
    );
}

#[test]
fn features_without_direction_or_deviation_are_refused() {
    let (mut x, y) = (noisy(20, 4, 5), noisy(20, 4, 6));
    x.values[8..12].fill(0.0);
    let expected = |metric: &str, side: &str| {
        format!(
            "`{metric}` takes features as directions, and all features of image 2 of {side} are 0"
        )
    };
    let generated = "the generated images";
    assert_eq!(score(&Vendi, &x, &y), Err(expected("vendi", generated)));
    assert_eq!(
        score(&GaussianMmd::ANY, &x, &y),
        Err(expected("mmd-gaussian", generated))
    );
    let real = "the real images";
    assert_eq!(
        score(&GaussianMmd::ANY, &y, &x),
        Err(expected("mmd-gaussian", real))
    );
    assert!(score(&Vendi, &y, &x).is_ok());
    let mut dead = y.clone();
    for row in dead.values.chunks_exact_mut(4) {
        row[3] = 1.0;
    }
    assert_eq!(
        fld(&y, &y, &dead).unwrap_err().to_string(),
        "`fld` divides by the deviation of features, and feature 3 is the same in all of the real images"
    );
}

/// `class-fid` and `worst-class-fid`, the spread of the first and what is said of the second, or why there are none.
fn by_class(
    generated: (&Features, Option<&[String]>),
    real: (&Features, Option<&[String]>),
) -> Result<(f64, f64, f64, String), String> {
    let beside = Beside {
        generated_classes: generated.1,
        real_classes: real.1,
        training: None,
    };
    let settings = MetricSettings::default();
    let outcomes = metrics::evaluate_beside(&[&ClassFid], generated.0, real.0, beside, &settings)
        .expect("sound features");
    let scores: Result<Vec<_>, String> = outcomes
        .into_iter()
        .map(|outcome| outcome.score.map_err(|error| error.to_string()))
        .collect();
    let scores = scores?;
    Ok((
        scores[0].value,
        scores[1].value,
        scores[0].spread.expect("it has a spread"),
        scores[1].warning.clone(),
    ))
}

#[test]
fn distances_by_class_are_those_of_each_class() {
    let (x, y) = (noisy(60, 3, 7), noisy(80, 3, 8));
    let names = |count: usize, of: &dyn Fn(usize) -> &'static str| -> Vec<String> {
        (0..count).map(|place| of(place).to_owned()).collect()
    };
    let fid = |x: &Features, y: &Features| score(&metrics::Fid, x, y).expect("enough images");
    // One class: FID.
    let one = |_| "a";
    let (of_x, of_y) = (names(60, &one), names(80, &one));
    let (mean, worst, spread, _) = by_class((&x, Some(&of_x)), (&y, Some(&of_y))).unwrap();
    assert_near("one class", mean, fid(&x, &y), 1e-12);
    assert_eq!((worst, spread), (mean, 0.0));
    // Two classes, in turn.
    let two = |place| if place % 2 == 0 { "a" } else { "b" };
    let (of_x, of_y) = (names(60, &two), names(80, &two));
    let every = |features: &Features, first: usize| {
        features.select(&(first..features.rows).step_by(2).collect::<Vec<_>>())
    };
    let distances = [0, 1].map(|first| fid(&every(&x, first), &every(&y, first)));
    let (mean, worst, spread, said) = by_class((&x, Some(&of_x)), (&y, Some(&of_y))).unwrap();
    assert_near(
        "mean",
        mean,
        f64::midpoint(distances[0], distances[1]),
        1e-12,
    );
    assert_near("worst", worst, distances[0].max(distances[1]), 1e-12);
    assert_near(
        "spread",
        spread,
        (distances[0] - distances[1]).abs() / 2.0,
        1e-9,
    );
    let class = if distances[0] > distances[1] {
        "a"
    } else {
        "b"
    };
    assert_eq!(
        said,
        format!("`worst-class-fid` is that of the class `{class}`")
    );

    // What is missing is said.
    let needs = "`fid-by-class` needs the class of every image, and those of the";
    assert_eq!(
        by_class((&x, None), (&y, Some(&of_y))),
        Err(format!("{needs} generated images are not known"))
    );
    assert_eq!(
        by_class((&x, Some(&of_x)), (&y, None)),
        Err(format!("{needs} real images are not known"))
    );
    let three = |place| if place == 5 { "c" } else { "a" };
    assert_eq!(
        by_class((&x, Some(&names(60, &three))), (&y, Some(&names(80, &one)))),
        Err(
            "`fid-by-class` needs the same classes on both sides: the real images have none of `c`, the generated images \
             have"
                .to_owned()
        )
    );
    let of_y = names(80, &three);
    assert_eq!(
        by_class((&x, Some(&names(60, &three))), (&y, Some(&of_y))),
        Err(
            "`fid-by-class` needs two images of every class, and the generated images have one of `c`"
                .to_owned()
        )
    );
}

#[test]
fn the_program_knows_classes_and_the_features_of_cmmd() {
    let lab = Lab::new();
    for class in ["benign", "invasive"] {
        for number in 0..2 {
            lab.slide(&format!("classes/{class}/{number}.png"), 32, 32);
            lab.slide(&format!("flat/{class}{number}.png"), 32, 32);
        }
    }
    let printed =
        lab.succeed("evaluate classes classes --metrics fid-by-class --features pixels --json");
    let scores: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    let names: Vec<&str> = (0..2)
        .filter_map(|score| scores[score]["name"].as_str())
        .collect();
    assert_eq!(names, ["class-fid", "worst-class-fid"]);
    assert_eq!(scores[0]["value"].as_f64(), Some(0.0));
    let said = lab.run("evaluate flat classes --metrics fid-by-class --features pixels");
    assert_eq!(said.code, 1, "{}", said.output);
    let reason = "those of the generated images are not known";
    assert!(said.output.contains(reason), "{}", said.output);

    let cmmd = "`cmmd` is defined on features of `clip-vitl14-336`, and";
    let hint =
        "take `--features clip-vitl14-336`, or `mmd-gaussian`: the same formula on any features";
    assert_eq!(
        lab.refused("evaluate classes flat --metrics cmmd --features pixels"),
        format!("error: {cmmd} these are of `pixels`\n\nhint: {hint}")
    );
    let said = lab.run("evaluate classes flat --metrics mmd-gaussian,vendi --features pixels");
    assert_eq!(said.code, 0, "{}", said.errors);
}
