//! Against scikit-learn and torchmetrics: `tests/golden/classification/make.py` computed the expected numbers.

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    classes: usize,
    truth: Vec<usize>,
    probabilities: Vec<f64>,
    accuracy: f64,
    balanced_accuracy: f64,
    by_class: Vec<f64>,
    confusion: Vec<Vec<usize>>,
    auc: f64,
    brier: f64,
    calibration_error: f64,
}

fn predictions(case: &Case, slides: Vec<usize>) -> Predictions {
    let (truth, probabilities) = (case.truth.clone(), case.probabilities.clone());
    Predictions::new(case.classes, truth, probabilities, slides).unwrap()
}

fn golden() -> Vec<Case> {
    let text = include_str!("../../../tests/golden/classification/data.json");
    serde_json::from_str::<Golden>(text).unwrap().cases
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() < tolerance,
        "{what}: {found}, expected {expected}"
    );
}

#[test]
fn scores_are_those_of_scikit_learn() {
    for case in golden() {
        let found = predictions(&case, (0..case.truth.len()).collect());
        assert_eq!(found.confusion(), case.confusion);
        assert_near(found.accuracy(), case.accuracy, 1e-12, "accuracy");
        assert_near(
            found.balanced_accuracy(),
            case.balanced_accuracy,
            1e-12,
            "balanced",
        );
        for (found, expected) in found.by_class().iter().zip(&case.by_class) {
            assert_near(*found, *expected, 1e-12, "by class");
        }
        assert_near(found.auc(), case.auc, 1e-12, "auc");
        let calibration = found.calibration();
        assert_near(calibration.brier, case.brier, 1e-12, "brier");
        // torchmetrics counts in f32.
        assert_near(
            calibration.error,
            case.calibration_error,
            1e-6,
            "calibration",
        );
    }
}

#[test]
fn an_interval_holds_the_score_and_is_wider_over_few_slides_than_over_many() {
    let case = &golden()[0];
    let count = case.truth.len();
    let width = |slides: Vec<usize>| {
        let found = predictions(case, slides);
        let [accuracy, _, auc] = found.intervals(Random::new(0)).unwrap();
        assert!(accuracy.0 < found.accuracy() && found.accuracy() < accuracy.1);
        assert!(auc.0 < found.auc() && found.auc() < auc.1);
        accuracy.1 - accuracy.0
    };
    // 1.96 standard errors of a fraction to each side, where every image is its own slide.
    let p = predictions(case, vec![0; count]).accuracy();
    let expected = 2.0 * 1.96 * (p * (1.0 - p) / count as f64).sqrt();
    let single = width((0..count).collect());
    assert!(
        (0.8..1.2).contains(&(single / expected)),
        "{single}, {expected}"
    );
    // Images that are right and wrong together: slides are all right or all wrong.
    let found = predictions(case, vec![0; count]);
    let slides: Vec<usize> = (0..count)
        .map(|image| {
            let is_right = largest(found.row(image)) == case.truth[image];
            10 * case.truth[image] + 5 * usize::from(is_right) + image % 5
        })
        .collect();
    let clustered = width(slides);
    assert!(clustered > 1.3 * single, "{clustered}, {single}");
}

#[test]
fn one_slide_a_class_has_no_interval() {
    let case = &golden()[0];
    let found = predictions(case, case.truth.clone());
    assert_eq!(found.intervals(Random::new(0)), None);
}

#[test]
fn perfect_and_sure_predictions_have_no_error() {
    let sure = Predictions::new(2, vec![0, 1], vec![1.0, 0.0, 0.0, 1.0], vec![0, 1]).unwrap();
    let Calibration { error, brier } = sure.calibration();
    assert!(error.abs() < 1e-15 && brier.abs() < 1e-15);
    assert_near(sure.auc(), 1.0, 1e-15, "auc");
    let wrong = Predictions::new(2, vec![1, 0], vec![1.0, 0.0, 0.0, 1.0], vec![0, 1]).unwrap();
    let Calibration { error, brier } = wrong.calibration();
    assert_near(error, 1.0, 1e-15, "error");
    assert_near(brier, 2.0, 1e-15, "brier");
}

#[test]
fn numbers_that_are_none_and_classes_without_images_are_refused() {
    let of = |truth: Vec<usize>, first: f64| {
        let probabilities = vec![first, 0.5, 0.5, 0.5];
        Predictions::new(2, truth, probabilities, vec![0, 1])
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        of(vec![0, 1], f64::NAN),
        "a classifier gives the probability NaN"
    );
    assert_eq!(of(vec![0, 0], 0.5), "no held-out image is of class 1");
}
