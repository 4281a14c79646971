//! FID, KID, precision, recall, density, coverage and authenticity against torch-fidelity, prdc and NumPy.
//!
//! `tests/golden/metrics/make.py` computed the expected numbers in f64; features come from the integer arithmetic that it
//! shares with this file ([`noise`]).

use std::collections::BTreeMap;

use histogen::features::Features;
use histogen::metrics::{
    self, Authenticity, DensityCoverage, Fid, Metric, MetricSettings, PrecisionRecall, kid_unbiased,
};
use serde::Deserialize;

use crate::noise::noise;

/// Largest relative difference of FID and KID.
const TOLERANCE: f64 = 1e-6;

#[derive(Deserialize)]
struct Data {
    cases: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    /// Rows of real and of generated features, and columns.
    shape: [usize; 3],
    fid: f64,
    #[serde(rename = "kid of all")]
    kid_of_all: f64,
    #[serde(rename = "kid of subsets")]
    kid_of_subsets: Vec<Subset>,
    precision: f64,
    recall: f64,
    f_score: f64,
    density: f64,
    coverage: f64,
    authpct: f64,
}

#[derive(Deserialize)]
struct Subset {
    generated: Vec<usize>,
    real: Vec<usize>,
    kid: f64,
}

/// Row by row, one entry for each of the columns 0 .. `columns`.
fn features(rows: usize, columns: usize, entry: impl Fn(usize, usize) -> f64) -> Features {
    let row = |row| (0..columns).map(move |column| (row, column));
    let values = (0..rows).flat_map(row);
    let values = values.map(|(row, column)| entry(row, column) as f32);
    Features::new(rows, columns, values.collect())
}

/// Correlated columns: each entry the sum of four neighbouring numbers in 0 ..= 255, over 512.
fn smooth(place: u32) -> impl Fn(usize, usize) -> f64 + Copy {
    move |row, column| {
        let levels = (column..column + 4).map(|column| noise(row, column, place) >> 24);
        f64::from(levels.sum::<u32>()) / 512.0
    }
}

/// Numbers 0 to 3; the last fifth of the rows repeats the first.
fn grid(rows: usize, place: u32) -> impl Fn(usize, usize) -> f64 + Copy {
    let repeated = rows - rows / 5;
    move |row, column| f64::from(noise(row % repeated, column, place) >> 30)
}

fn moved(entry: impl Fn(usize, usize) -> f64 + Copy) -> impl Fn(usize, usize) -> f64 + Copy {
    move |row, column| 1.0625 * entry(row, column) + 0.03125
}

/// The real and the generated features of a case.
fn sides(case: &str, [real, generated, columns]: [usize; 3]) -> (Features, Features) {
    let smooth_pair = |first, second| {
        (
            features(real, columns, smooth(first)),
            features(generated, columns, moved(smooth(second))),
        )
    };
    match case {
        "many rows" => smooth_pair(1, 2),
        "a dead feature" => {
            let (first, second) = (smooth(1), moved(smooth(2)));
            let dead = |row, column| {
                if column == 3 {
                    1.0
                } else {
                    second(row, column)
                }
            };
            (
                features(real, columns, first),
                features(generated, columns, dead),
            )
        }
        "fewer rows than columns" | "fewer rows on one side" => smooth_pair(3, 4),
        "ties" => {
            let (first, second) = (grid(real, 5), grid(generated, 6));
            let half_narrow = |row, column| {
                let entry: f64 = second(row, column);
                if row % 2 == 0 { entry.min(2.0) } else { entry }
            };
            (
                features(real, columns, first),
                features(generated, columns, half_narrow),
            )
        }
        other => panic!("make.py has a case `{other}` that this test does not know"),
    }
}

#[track_caller]
fn assert_near(what: &str, value: f64, expected: f64, tolerance: f64) {
    let error = (value - expected).abs() / expected.abs().max(f64::MIN_POSITIVE);
    assert!(
        error <= tolerance || value.to_bits() == expected.to_bits(),
        "{what}: {value}, expected {expected}: relative {error:e}"
    );
}

#[test]
fn metrics_are_those_of_torch_fidelity_and_prdc() {
    let text = include_str!("../golden/metrics/data.json");
    let data: Data = serde_json::from_str(text).expect("make.py wrote this form");
    assert_eq!(data.cases.len(), 5);
    for (case, expected) in data.cases {
        let (real, generated) = sides(&case, expected.shape);
        let settings = MetricSettings {
            kid_subset_size: 40,
            ..MetricSettings::default()
        };
        let all: [&dyn Metric; 4] = [&Fid, &PrecisionRecall, &DensityCoverage, &Authenticity];
        let outcomes = metrics::evaluate(&all, &generated, &real, &settings).expect("sound");
        let found: BTreeMap<&str, f64> = outcomes
            .into_iter()
            .map(|outcome| {
                let score = outcome.score.expect("enough rows");
                (score.name, score.value)
            })
            .collect();

        assert_near(
            &format!("{case}: fid"),
            found["fid"],
            expected.fid,
            TOLERANCE,
        );
        let size = real.rows.min(generated.rows);
        let all: Vec<usize> = (0..size).collect();
        let kid = |generated_rows: &[usize], real_rows: &[usize]| {
            let (generated, real) = (generated.select(generated_rows), real.select(real_rows));
            kid_unbiased::<f32>((&generated).into(), (&real).into())
        };
        let what = format!("{case}: kid");
        assert_near(&what, kid(&all, &all), expected.kid_of_all, TOLERANCE);
        for subset in &expected.kid_of_subsets {
            let found = kid(&subset.generated, &subset.real);
            assert_near(&what, found, subset.kid, TOLERANCE);
        }
        // Shares of whole numbers of images. torch-fidelity gives its own in float32, so at most 1e-7 off; one image
        // more or less would be 5e-4.
        for (name, expected) in [
            ("precision", expected.precision),
            ("recall", expected.recall),
            ("f1", expected.f_score),
            ("density", expected.density),
            ("coverage", expected.coverage),
            ("authpct", expected.authpct),
        ] {
            assert_near(&format!("{case}: {name}"), found[name], expected, 2e-7);
        }
    }
}
