//! Where in two images their similarity comes from: Grad-CAM of the cosine of their embeddings.
//!
//! Selvaraju et al., *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization* (2017, arXiv 1610.02391),
//! equations 1 and 2, with the similarity of a pair in place of the score of a class: the feature maps A_k of a convolution are
//! added up, each weighted by the mean of ds/dA_k over all positions, and what is negative is set to zero. Figures 13 and 14 of
//! arXiv 2409.20340 show such maps and do not say of which layer: here it is the last convolution whose maps are at least 8 x 8,
//! as those of the very last one are 4 x 4 for patches of 64 pixels.

use burn::module::Module as _;
use burn::tensor::{Device, Tensor};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma};

use super::model::cosine;
use crate::device::{tensor, values};
use crate::error::Result;
use crate::images::Images;
use crate::nn::pool::global_average_pool;
use crate::nn::vgg::{Vgg16, halvings};

/// Least height and width of the feature maps that are looked at.
const SMALLEST: usize = 8;

/// Two images, how similar they are, and where in each that comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct SimilarityMaps {
    /// Cosine of the embeddings, in [0, 1].
    pub similarity: f64,
    /// A map for each of the two images, as large as was asked for and row by row, in [0, 1]: the largest value of a map is 1 unless it is zero
    /// everywhere.
    pub maps: [Vec<f32>; 2],
}

/// The maps of each pair of `left` and `right`, [n, channels, size, size], as `encoder` sees them, `map_size` x `map_size` each.
///
/// # Errors
/// If the device lost a tensor.
pub fn similarity_maps(
    encoder: &Vgg16,
    left: &Images,
    right: &Images,
    map_size: usize,
    device: &Device,
) -> Result<Vec<SimilarityMaps>> {
    let device = device.clone().autodiff();
    let encoder = encoder.clone().to_device(&device).no_grad();
    let (pairs, size) = (left.count, left.size);
    let layers = looked_at(encoder.layers(), size);
    // ds/dA of every pair at once: the similarity of a pair depends on no other pair.
    let both = Tensor::cat(vec![tensor(left, &device), tensor(right, &device)], 0);
    let features = encoder.start(both, layers).detach().require_grad();
    let embeddings = global_average_pool(encoder.finish(features.clone(), layers));
    let [first, second] = [0, pairs].map(|start| embeddings.clone().narrow(0, start, pairs));
    let similarity = cosine(first, second);
    let gradients = similarity.clone().sum().backward();
    let slopes = features
        .grad(&gradients)
        .ok_or_else(|| anyhow::anyhow!("the similarity has no gradient"))?;
    // Equations 1 and 2.
    let weights = slopes.mean_dim(2).mean_dim(3);
    let maps = (features.inner() * weights).sum_dim(1).clamp_min(0.0);
    let side = maps.dims()[2];
    let maps = values(maps)?;
    let map = |image: usize| enlarged(&maps[image * side * side..][..side * side], side, map_size);
    let similarities = values(similarity)?;
    Ok((0..pairs)
        .map(|pair| SimilarityMaps {
            similarity: f64::from(similarities[pair]),
            maps: [map(pair), map(pairs + pair)],
        })
        .collect())
}

/// After how many of `layers` convolutions the maps of images of `size` are looked at.
fn looked_at(layers: usize, size: usize) -> usize {
    let is_large = |count: &usize| size >> halvings(*count) >= SMALLEST;
    (1..=layers).rev().find(is_large).unwrap_or(1)
}

/// A map of `side` x `side` over its largest value, brought to `size` x `size` bilinearly.
fn enlarged(map: &[f32], side: usize, size: usize) -> Vec<f32> {
    let largest = map.iter().copied().fold(0.0f32, f32::max);
    let scale = if largest > 0.0 { 1.0 / largest } else { 0.0 };
    let scaled: Vec<f32> = map.iter().map(|value| value * scale).collect();
    let small: ImageBuffer<Luma<f32>, _> =
        ImageBuffer::from_raw(side as u32, side as u32, scaled).expect("a map is a square");
    resize(&small, size as u32, size as u32, FilterType::Triangle).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::cpu;
    use crate::random::Random;

    fn images(name: &str) -> Images {
        let values = Random::new(3).stream(name).normals(2 * 3 * 16 * 16);
        let values = values.into_iter().map(|value| value.clamp(-1.0, 1.0));
        Images::new(2, 3, 16, values.collect())
    }

    #[test]
    fn maps_of_the_last_layer_are_those_of_the_closed_form() {
        // Where embeddings are the means of the maps, ds/dA_k is ds/de_k over the number of positions, everywhere.
        let (left, right) = (images("left"), images("right"));
        let encoder = Vgg16::random(2, &cpu());
        let found = similarity_maps(&encoder, &left, &right, left.size, &cpu()).unwrap();
        let maps = |images: &Images| values(encoder.forward(tensor(images, &cpu()))).unwrap();
        let (left, right) = (maps(&left), maps(&right));
        let (channels, area) = (64, 16 * 16);
        for pair in 0..2 {
            let of = |maps: &[f32]| maps[pair * channels * area..][..channels * area].to_vec();
            let (left, right) = (of(&left), of(&right));
            let means = |maps: &[f32]| -> Vec<f64> {
                let sum = |map: &[f32]| map.iter().map(|&value| f64::from(value)).sum::<f64>();
                maps.chunks_exact(area)
                    .map(|map| sum(map) / area as f64)
                    .collect()
            };
            let (a, b) = (means(&left), means(&right));
            let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let (lengths, square) = ((dot(&a, &a) * dot(&b, &b)).sqrt(), dot(&a, &a));
            let similarity = dot(&a, &b) / lengths;
            assert!((found[pair].similarity - similarity).abs() < 1e-5);
            let slopes: Vec<f64> = (0..channels)
                .map(|k| b[k] / lengths - similarity * a[k] / square)
                .collect();
            let expected: Vec<f64> = (0..area)
                .map(|place| {
                    let value = |k: usize| slopes[k] * f64::from(left[k * area + place]);
                    (0..channels).map(value).sum::<f64>().max(0.0)
                })
                .collect();
            let largest = expected.iter().copied().fold(0.0, f64::max);
            for (found, expected) in found[pair].maps[0].iter().zip(&expected) {
                assert!((f64::from(*found) - expected / largest).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn the_layer_is_the_last_with_maps_of_eight_by_eight() {
        assert_eq!(looked_at(13, 64), 10);
        assert_eq!(looked_at(13, 224), 13);
        assert_eq!(looked_at(4, 64), 4);
        assert_eq!(looked_at(13, 4), 1);
    }

    #[test]
    fn a_map_of_zeros_stays_one() {
        assert_eq!(enlarged(&[0.0; 4], 2, 4), [0.0; 16]);
        let enlarged = enlarged(&[0.0, 2.0, 0.0, 2.0], 2, 4);
        assert_eq!(enlarged[..4], [0.0, 0.25, 0.75, 1.0]);
    }
}
