//! Cases with known answers, which the metrics have to reproduce in f64, and properties that they have to have.
//!
//! The answers are closed forms, or were computed in f64 by a second algorithm; the inputs are formulas.

mod fid;
mod kid;
mod neighbours;

use crate::linalg::Rows;
use crate::random::Random;

/// An f64 matrix that owns its values.
#[derive(Clone)]
struct Example {
    columns: usize,
    values: Vec<f64>,
}

impl Example {
    /// `value(i, j)` at row i and column j, counted from 0.
    fn of(rows: usize, columns: usize, value: impl Fn(u32, u32) -> f64) -> Self {
        let row = |i| (0..columns as u32).map(move |j| (i, j));
        let values = (0..rows as u32)
            .flat_map(row)
            .map(|(i, j)| value(i, j))
            .collect();
        Self { columns, values }
    }

    fn line(values: &[f64]) -> Self {
        Self {
            columns: 1,
            values: values.to_vec(),
        }
    }

    fn normal(rows: usize, columns: usize, name: &str) -> Self {
        let mut stream = Random::new(6).stream(name);
        let values = (0..rows * columns).map(|_| stream.normal()).collect();
        Self { columns, values }
    }

    fn map(&self, value: impl Fn(f64) -> f64) -> Self {
        let values = self.values.iter().map(|&old| value(old)).collect();
        Self {
            columns: self.columns,
            values,
        }
    }

    /// The first rows, `count` of them.
    fn first(&self, count: usize) -> Self {
        let values = self.values[..count * self.columns].to_vec();
        Self {
            columns: self.columns,
            values,
        }
    }

    fn backwards(&self) -> Self {
        let rows = self.values.chunks_exact(self.columns).rev();
        Self {
            columns: self.columns,
            values: rows.flatten().copied().collect(),
        }
    }

    fn twice(&self) -> Self {
        Self {
            columns: self.columns,
            values: self.values.repeat(2),
        }
    }

    /// Every row x turned into x - 2 v (v . x) / |v|^2: a reflection, with v = (1, 2, 3, ...).
    fn reflected(&self) -> Self {
        let direction: Vec<f64> = (1..=self.columns).map(|index| index as f64).collect();
        let length: f64 = direction.iter().map(|v| v * v).sum();
        let reflect = |row: &[f64]| {
            let along: f64 = row.iter().zip(&direction).map(|(x, v)| x * v).sum();
            let turned = row
                .iter()
                .zip(&direction)
                .map(|(x, v)| x - 2.0 * v * along / length);
            turned.collect::<Vec<f64>>()
        };
        let values = self
            .values
            .chunks_exact(self.columns)
            .flat_map(reflect)
            .collect();
        Self {
            columns: self.columns,
            values,
        }
    }

    fn rows(&self) -> Rows<'_, f64> {
        Rows::new(self.values.len() / self.columns, self.columns, &self.values)
    }
}

#[track_caller]
fn assert_near(value: f64, expected: f64, tolerance: f64) {
    let scale = expected.abs().max(1e-300);
    let error = (value - expected).abs();
    assert!(
        error <= tolerance * scale,
        "{value}, expected {expected}: relative {:e}",
        error / scale
    );
}

/// 16 x 4 and 20 x 4; the covariances have rank 3 and 4.
fn tilted() -> (Example, Example) {
    let x = |i, j| f64::from((7 * i + 13 * j + 5 * i * j + 3) % 17) / 17.0;
    let y = |i, j| 1.3 * f64::from((5 * i + 11 * j + 3 * i * j + 1) % 19) / 19.0 - 0.1;
    (Example::of(16, 4, x), Example::of(20, 4, y))
}

/// Two of 12 x 4, both of rank 2.
fn rank_deficient() -> (Example, Example) {
    let y = |i, j| 1.5 * f64::from(2 + 5 * i + j).cos() + 0.25;
    (sines(), Example::of(12, 4, y))
}

fn sines() -> Example {
    Example::of(12, 4, |i, j| f64::from(1 + 3 * i + 7 * j).sin())
}
