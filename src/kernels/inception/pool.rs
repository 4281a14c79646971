//! Pools of 3 x 3 places on the CPU: first down the columns, then along the rows.

use rayon::prelude::*;

use crate::kernels::scratch::zeros;
use crate::wide::{at_least, larger, wide};

/// Maps per task.
const GROUP: usize = 8;

/// The largest of 3 x 3 places, `stride` places apart; `padding` is 0 or 1. [maps, height, width] -> [maps, h', w']
pub(super) fn largest(
    maps: &[f32],
    size @ [height, width]: [usize; 2],
    stride: usize,
    padding: usize,
) -> Vec<f32> {
    let places = |length: usize| (length + 2 * padding - 3) / stride + 1;
    let out_size @ [_, out_width] = [height, width].map(places);
    // A column of the lowest numbers on either side stands for the padding; one more makes the last pair whole.
    each_map(maps, size, out_size, width + 3, |map, output, row| {
        row.fill(f32::NEG_INFINITY);
        for (y, output) in output.chunks_exact_mut(out_width).enumerate() {
            let first = (y * stride).saturating_sub(padding);
            let end = (y * stride + 3 - padding).min(height);
            largest_of_columns(&map[first * width..end * width], &mut row[1..=width]);
            largest_of_row(&row[1 - padding..], stride, output);
        }
    })
}

/// The mean of the places among 3 x 3 that lie inside the image, and 0 if it is negative.
/// [maps, height, width] -> [maps, height, width]
pub(super) fn rectified_mean(maps: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let size = [height, width];
    each_map(maps, size, size, width + 2, |map, output, row| {
        row.fill(0.0);
        for (y, output) in output.chunks_exact_mut(width).enumerate() {
            let (first, end) = (y.saturating_sub(1), (y + 2).min(height));
            let column = &mut row[1..=width];
            column.copy_from_slice(&map[first * width..][..width]);
            for source in map[(first + 1) * width..end * width].chunks_exact(width) {
                for (value, source) in column.iter_mut().zip(source) {
                    *value += source;
                }
            }
            let inner = 1.0 / (3 * (end - first)) as f32;
            for (value, window) in output.iter_mut().zip(row.windows(3)) {
                *value = at_least(window[0] + window[1] + window[2], 0.0) * inner;
            }
            // Two columns lie inside at either end, or one if there is no other.
            let outer = if width == 1 { 3.0 } else { 1.5 };
            output[0] *= outer;
            if width > 1 {
                output[width - 1] *= outer;
            }
        }
    })
}

/// Computes every map's output by itself; `pool` also gets a buffer of `length` numbers, in which any old ones are.
fn each_map(
    maps: &[f32],
    size: [usize; 2],
    out_size: [usize; 2],
    length: usize,
    pool: impl Fn(&[f32], &mut [f32], &mut [f32]) + Sync,
) -> Vec<f32> {
    let [places, out_places] = [size, out_size].map(|size| size[0] * size[1]);
    let mut output = zeros(maps.len() / places * out_places);
    output
        .par_chunks_mut(GROUP * out_places)
        .zip(maps.par_chunks(GROUP * places))
        .for_each(|(output, maps)| {
            let mut buffer = vec![0.0; length];
            let outputs = output.chunks_exact_mut(out_places);
            for (output, map) in outputs.zip(maps.chunks_exact(places)) {
                pool(map, output, &mut buffer);
            }
        });
    output
}

wide! {
    /// The largest number of every column of `rows`.
    fn largest_of_columns(rows: &[f32], largest: &mut [f32]) {
        let width = largest.len();
        largest.copy_from_slice(&rows[..width]);
        for row in rows[width..].chunks_exact(width) {
            for (value, &other) in largest.iter_mut().zip(row) {
                *value = larger(*value, other);
            }
        }
    }

    /// The largest of every three neighbours, `stride` places apart.
    fn largest_of_row(row: &[f32], stride: usize, output: &mut [f32]) {
        if stride == 2 {
            let (pairs, _) = row.as_chunks::<2>();
            let (next, _) = row[2..].as_chunks::<2>();
            for ((value, &[first, second]), &[third, _]) in output.iter_mut().zip(pairs).zip(next) {
                *value = larger(larger(first, second), third);
            }
        } else {
            for (value, window) in output.iter_mut().zip(row.windows(3).step_by(stride)) {
                *value = larger(larger(window[0], window[1]), window[2]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::module::{avg_pool2d, max_pool2d};
    use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
    use burn::tensor::{Device, Tensor, TensorData};

    use super::*;
    use crate::device::values;

    /// 11 maps of both signs.
    fn maps(height: usize, width: usize) -> Vec<f32> {
        let count = 11 * height * width;
        (0..count).map(|i| ((i * i) as f32 * 0.37).sin()).collect()
    }

    fn tensor(maps: &[f32], height: usize, width: usize) -> Tensor<4> {
        let data = TensorData::new(maps.to_vec(), [1, 11, height, width]);
        Tensor::from_data(data, &Device::flex())
    }

    #[test]
    fn pools_agree_with_burns() {
        for [height, width] in [[3, 3], [8, 8], [17, 16], [6, 13]] {
            let maps = maps(height, width);
            for (stride, padding) in [(2, 0), (1, 1), (1, 0), (2, 1)] {
                let options = MaxPoolOptions::new([3, 3])
                    .with_stride([stride; 2])
                    .with_padding([padding; 2]);
                let expected = max_pool2d(tensor(&maps, height, width), options);
                let found = largest(&maps, [height, width], stride, padding);
                assert_eq!(found, values(expected).unwrap(), "{height} x {width}");
            }
            let options = AvgPoolOptions::new([3, 3])
                .with_stride([1, 1])
                .with_padding([1, 1])
                .with_count_include_pad(false);
            let expected = avg_pool2d(tensor(&maps, height, width), options);
            let expected = values(expected.clamp_min(0.0)).unwrap();
            let found = rectified_mean(&maps, [height, width]);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
            }
        }
    }

    #[test]
    fn what_is_no_number_does_not_pass_for_another() {
        let size @ [height, width] = [7, 6];
        for place in 0..height * width {
            let mut map = vec![-1.0; height * width];
            map[place] = f32::NAN;
            // Whether it lies under a window that begins at this row and column of the padded map.
            let sees = |y: usize, x: usize, padding: usize| {
                let (down, right) = (place / width + padding, place % width + padding);
                (y..y + 3).contains(&down) && (x..x + 3).contains(&right)
            };
            for (stride, padding) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
                let found = largest(&map, size, stride, padding);
                let across = (width + 2 * padding - 3) / stride + 1;
                for (window, value) in found.iter().enumerate() {
                    let (y, x) = (window / across * stride, window % across * stride);
                    assert_eq!(value.is_nan(), sees(y, x, padding), "{place}, {y}, {x}");
                }
            }
            for (window, value) in rectified_mean(&map, size).iter().enumerate() {
                let (y, x) = (window / width, window % width);
                assert_eq!(value.is_nan(), sees(y, x, 1), "{place}, {y}, {x}");
            }
        }
    }
}
