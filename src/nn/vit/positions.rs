//! Position embeddings for another number of patches than they were trained with: interpolated bicubically, in f64.

/// How the embeddings of a grid of patches are brought to another grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// As DINOv2 without registers: PyTorch's `interpolate` of mode `bicubic` (a = -3/4, without antialiasing, the border
    /// going on beyond it) by the factor (patches + 0.1) / grid.
    Offset,
    /// As DINOv2 with registers, and timm: the same mode with `antialias` (a = -1/2, its support widened when it shrinks),
    /// from border to border.
    Antialiased,
}

/// [grid, grid, width] -> [side, side, width], row by row.
pub fn resample(embeddings: &[f32], grid: usize, side: usize, way: Resampling) -> Vec<f32> {
    if side == grid {
        return embeddings.to_vec();
    }
    let width = embeddings.len() / (grid * grid);
    let taps: Vec<Vec<(usize, f64)>> = (0..side).map(|place| way.taps(grid, side, place)).collect();
    let mut sum = vec![0.0; width];
    let mut output = Vec::with_capacity(side * side * width);
    for down in &taps {
        for across in &taps {
            sum.fill(0.0);
            for (row, of_row) in down {
                for (column, of_column) in across {
                    let weight = of_row * of_column;
                    let token = &embeddings[(row * grid + column) * width..][..width];
                    for (sum, &value) in sum.iter_mut().zip(token) {
                        *sum += weight * f64::from(value);
                    }
                }
            }
            output.extend(sum.iter().map(|&value| value as f32));
        }
    }
    output
}

impl Resampling {
    /// Which places of a line of `from` place number `place` of `to` is made of, and how much of each.
    fn taps(self, from: usize, to: usize, place: usize) -> Vec<(usize, f64)> {
        let place = place as f64 + 0.5;
        match self {
            Self::Offset => {
                let source = place * from as f64 / (to as f64 + 0.1) - 0.5;
                let first = source.floor();
                let tap = |step: i32| {
                    let pixel = first + f64::from(step);
                    let inside = pixel.clamp(0.0, (from - 1) as f64) as usize;
                    (inside, keys(pixel - source, -0.75))
                };
                (-1..=2).map(tap).collect()
            }
            Self::Antialiased => {
                let step = from as f64 / to as f64;
                let widening = step.max(1.0);
                let (centre, support) = (place * step, 2.0 * widening);
                let first = (centre - support + 0.5).max(0.0) as usize;
                let end = ((centre + support + 0.5) as usize).min(from);
                let weight = |pixel: usize| keys((pixel as f64 + 0.5 - centre) / widening, -0.5);
                let total: f64 = (first..end).map(weight).sum();
                (first..end)
                    .map(|pixel| (pixel, weight(pixel) / total))
                    .collect()
            }
        }
    }
}

/// Keys' cubic convolution kernel with the parameter `a`, at a distance in pixels.
pub fn keys(distance: f64, a: f64) -> f64 {
    let x = distance.abs();
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_stay_and_a_grid_of_the_right_size_is_left_alone() {
        let constant = [0.25; 37 * 37];
        for way in [Resampling::Offset, Resampling::Antialiased] {
            for value in resample(&constant, 37, 16, way) {
                assert!((value - 0.25).abs() < 1e-6, "{way:?}: {value}");
            }
            let any: Vec<f32> = (0..18).map(|place| place as f32).collect();
            assert_eq!(resample(&any, 3, 3, way), any);
        }
    }
}
