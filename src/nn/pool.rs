//! Pooling over all places of a feature map.

use burn::tensor::Tensor;

/// Global average pooling: [n, channels, h, w] -> [n, channels].
pub fn global_average_pool(maps: Tensor<4>) -> Tensor<2> {
    let [images, channels, height, width] = maps.dims();
    maps.reshape([images, channels, height * width])
        .mean_dim(2)
        .squeeze_dim(2)
}
