//! FID.

use super::{Example, assert_near, rank_deficient, tilted};
use crate::error::Result;
use crate::linalg::Moments;
use crate::metrics::{Frechet, frechet, frechet_of_moments, frechet_of_rows};

impl Example {
    fn distance(&self, other: &Self) -> f64 {
        frechet(self.rows(), other.rows(), 1).unwrap().distance()
    }
}

fn both_routes(x: &Example, y: &Example, ddof: usize) -> Result<[Frechet; 2]> {
    let moments = frechet_of_moments(&Moments::of(x.rows()), &Moments::of(y.rows()), ddof)?;
    Ok([moments, frechet_of_rows(x.rows(), y.rows(), ddof)?])
}

#[test]
fn fid_of_the_tilted_pair() {
    let (x, y) = tilted();
    for (ddof, expected) in [(1, 0.258_331_226_832), (0, 0.248_565_222_769)] {
        for frechet in both_routes(&x, &y, ddof).unwrap() {
            assert_near(frechet.distance(), expected, 1e-9);
        }
    }
}

#[test]
fn moments_of_the_tilted_pair() {
    let (x, y) = tilted();
    let x_mean = [
        0.452_205_882_352_941,
        0.485_294_117_647_059,
        0.705_882_352_941_176,
        0.488_970_588_235_294,
    ];
    let y_mean = [
        0.488_421_052_631_579,
        0.526_052_631_578_947,
        0.498_684_210_526_316,
        0.536_315_789_473_684,
    ];
    for (example, means, trace) in [
        (x, x_mean, 0.266_176_470_588_235),
        (y, y_mean, 0.593_138_504_155_125),
    ] {
        let moments = Moments::of(example.rows());
        for (mean, expected) in moments.mean().iter().zip(means) {
            assert_near(*mean, expected, 1e-14);
        }
        let covariance = moments.covariance(1);
        assert_near(
            (0..4).map(|index| covariance[(index, index)]).sum(),
            trace,
            1e-14,
        );
    }
}

#[test]
fn fid_of_the_rank_deficient_pair() {
    let (x, y) = rank_deficient();
    // In 60 decimal digits. Where an eigenvalue that should be 0 and is 1e-17 is kept, its square root 3e-9 is too; an
    // eigenvalue routine for matrices that need not be symmetric gives 1.525769125 and 1.408318191.
    for (ddof, expected) in [(1, 1.525_769_184_311_656_8), (0, 1.408_318_211_342_991_4)] {
        let [moments, rows] = both_routes(&x, &y, ddof).unwrap();
        assert_near(moments.distance(), expected, 1e-12);
        assert_near(rows.distance(), expected, 1e-12);
    }
}

#[test]
fn fid_of_constants_and_halves() {
    let half = |low: f64, high: f64, first: bool| {
        Example::of(100, 2, move |i, j| {
            if j == 0 && (i < 50) == first {
                high
            } else {
                low
            }
        })
    };
    let (real, fake) = (half(1.0, 2.0, true), half(9.0, 2.0, false));
    for frechet in both_routes(&real, &fake, 1).unwrap() {
        assert_near(frechet.distance(), 80.0 + 900.0 / 99.0, 1e-9);
    }
}

#[test]
fn fid_of_a_shift_is_its_square() {
    let x = Example::normal(9, 2048, "x");
    let y = x.map(|value| value + 1.0);
    let frechet = frechet(x.rows(), y.rows(), 1).unwrap();
    assert_near(frechet.mean, 2048.0, 1e-12);
    assert!(frechet.trace.abs() < 1e-9, "{}", frechet.trace);
}

#[test]
fn fid_of_a_set_with_itself_is_zero() {
    for x in [
        tilted().0,
        rank_deficient().0,
        Example::normal(40, 100, "x"),
    ] {
        for frechet in both_routes(&x, &x, 1).unwrap() {
            assert!(frechet.distance() < 1e-6, "{frechet:?}");
        }
    }
    let x = tilted().0;
    assert!(x.distance(&x) < 1e-14);
}

#[test]
fn both_routes_to_fid_agree_whatever_the_shape() {
    for (x_rows, y_rows, columns) in [(30, 20, 50), (200, 150, 20), (10, 80, 40)] {
        let x = Example::normal(x_rows, columns, "x");
        let y = Example::normal(y_rows, columns, "y").map(|value| 1.5 * value + 0.3);
        let [moments, rows] = both_routes(&x, &y, 1).unwrap();
        assert_near(moments.mean, rows.mean, 1e-12);
        assert_near(moments.trace, rows.trace, 1e-11);
    }
}

#[test]
fn fid_is_symmetric_and_knows_shifts_rotations_and_scales() {
    let x = Example::normal(60, 5, "x");
    let y = Example::normal(50, 5, "y").map(|value| value.powi(3) + 0.5);
    let distance = x.distance(&y);
    assert_near(y.distance(&x), distance, 1e-12);
    let shift = |value| value - 7.0;
    assert_near(x.map(shift).distance(&y.map(shift)), distance, 1e-12);
    assert_near(x.reflected().distance(&y.reflected()), distance, 1e-12);
    let scale = |value| 3.0 * value;
    assert_near(x.map(scale).distance(&y.map(scale)), 9.0 * distance, 1e-12);
    let frechet = frechet(x.rows(), y.rows(), 1).unwrap();
    assert!(frechet.trace > 0.0 && frechet.distance() > frechet.mean);
    assert_near(x.backwards().distance(&y), distance, 1e-12);
}

#[test]
fn every_corruption_raises_fid() {
    let real = Example::normal(300, 4, "x");
    let noise = Example::normal(300, 4, "noise");
    let distances: Vec<f64> = [0.0, 0.5, 1.0, 2.0]
        .map(|amount| {
            let values = real
                .values
                .iter()
                .zip(&noise.values)
                .map(|(x, n)| x + amount * n);
            let corrupted = Example {
                columns: 4,
                values: values.collect(),
            };
            corrupted.distance(&real)
        })
        .to_vec();
    assert!(distances.is_sorted_by(|a, b| a < b), "{distances:?}");
}
