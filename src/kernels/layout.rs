//! Maps put together and taken apart in the order in which they lie in memory: channels before places on the CPU, after them on GPUs.

use burn::tensor::Tensor;

use super::flex::is_on_cpu;

/// Maps of one size, [n, channels of each, h, w], as one with the channels of all.
pub fn concatenate(maps: Vec<Tensor<4>>) -> Tensor<4> {
    if maps.iter().all(is_on_cpu) {
        return Tensor::cat(maps, 1);
    }
    let places = maps.into_iter().map(|maps| maps.permute([0, 2, 3, 1]));
    Tensor::cat(places.collect(), 3).permute([0, 3, 1, 2])
}

/// Maps [n, channels, h, w] as [n, h w, channels].
pub fn places_of(maps: Tensor<4>) -> Tensor<3> {
    let [images, channels, height, width] = maps.dims();
    if is_on_cpu(&maps) {
        return maps
            .reshape([images, channels, height * width])
            .swap_dims(1, 2);
    }
    maps.permute([0, 2, 3, 1])
        .reshape([images, height * width, channels])
}

/// [n, h w, channels] as maps [n, channels, h, w], h being `height`.
pub fn maps_of(places: Tensor<3>, height: usize) -> Tensor<4> {
    let [images, count, channels] = places.dims();
    let width = count / height;
    if is_on_cpu(&places) {
        return places
            .swap_dims(1, 2)
            .reshape([images, channels, height, width]);
    }
    places
        .reshape([images, height, width, channels])
        .permute([0, 3, 1, 2])
}
