//! Enlarging feature maps.

use burn::tensor::Tensor;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};

/// Nearest-neighbour enlargement by 2. [n, c, h, w] -> [n, c, 2h, 2w]
pub fn double(maps: Tensor<4>) -> Tensor<4> {
    interpolate(
        maps,
        InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0; 2]),
    )
}

/// Bilinear enlargement by `factor`, as PyTorch's `interpolate` with `align_corners=False`. [n, c, h, w] -> [n, c, factor h, factor w]
pub fn enlarge(maps: Tensor<4>, factor: usize) -> Tensor<4> {
    if factor == 1 {
        return maps;
    }
    let options = InterpolateOptions::new(InterpolateMode::Bilinear)
        .with_align_corners(false)
        .with_scale_factor([factor as f32; 2]);
    interpolate(maps, options)
}
