//! The matrices of each form against what they stand for.

use std::array;

use super::points::{FourByThree, FourByTwo, Points, TwoByTwo};

/// A linear map's matrix, [TO, FROM].
fn matrix<const FROM: usize, const TO: usize>(
    map: impl Fn([f32; FROM]) -> [f32; TO],
) -> [[f32; FROM]; TO] {
    let columns: [[f32; TO]; FROM] = array::from_fn(|place| {
        let mut unit = [0.0; FROM];
        unit[place] = 1.0;
        map(unit)
    });
    array::from_fn(|row| columns.map(|column| column[row]))
}

fn check<F, const TILE: usize, const STEP: usize, const TAPS: usize>()
where
    F: Points<TILE, STEP, TAPS>,
{
    let (input, output) = (matrix(F::spread_input), matrix(F::collect_output));
    // Every output is the correlation of a tile with the kernel, tap by tap.
    for (step, outputs) in output.iter().enumerate() {
        for tap in 0..TAPS {
            for place in 0..TILE {
                let entries = outputs.iter().zip(&input).zip(&F::KERNEL);
                let factor: f64 = entries
                    .map(|((output, input), kernel)| f64::from(output * input[place]) * kernel[tap])
                    .sum();
                let expected = f64::from(u8::from(place == step + tap));
                assert!(
                    (factor - expected).abs() < 1e-12,
                    "output {step}, tap {tap}, input {place}: {factor}"
                );
            }
        }
    }
    // What is read backwards has the transposed matrices: exactly, as the points are.
    let (back_input, back_output) = (matrix(F::collect_input), matrix(F::spread_output));
    assert!(
        input == transposed(&back_input),
        "{input:?}, {back_input:?}"
    );
    assert!(
        output == transposed(&back_output),
        "{output:?}, {back_output:?}"
    );
}

fn transposed<const ROWS: usize, const COLUMNS: usize>(
    matrix: &[[f32; COLUMNS]; ROWS],
) -> [[f32; ROWS]; COLUMNS] {
    array::from_fn(|column| array::from_fn(|row| matrix[row][column]))
}

#[test]
fn matrices_make_a_correlation_and_are_transposes_of_each_other() {
    check::<TwoByTwo, 3, 2, 2>();
    check::<FourByTwo, 5, 4, 2>();
    check::<FourByThree, 6, 4, 3>();
}
