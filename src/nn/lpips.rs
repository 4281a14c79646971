//! LPIPS, the perceptual distance of two images: how far the activations of a VGG-16 are apart.
//!
//! Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, 2018 (arXiv
//! 1801.03924), section 3.1, eq. 1; version 0.1 of the authors' package. The activations of five layers are scaled to unit
//! length at every position, their differences squared, weighted by channel, averaged over positions and summed over layers.
//! So the distance is the squared distance of two vectors, which is how it is computed here. The package's scaling of
//! the input (shift -0.030, -0.088, -0.188, scale 0.458, 0.448, 0.450 for values in [-1, 1]) is torchvision's
//! normalisation, [`Vgg16`]'s own.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use rayon::prelude::*;

use super::vgg::{LAYERS, Vgg16};
use super::weights::Weights;
use crate::device::values;
use crate::digest::sha256;
use crate::error::{Result, refuse};

/// Channels of the layers that are compared: relu1_2, 2_2, 3_3, 4_3, 5_3.
const CHANNELS: [usize; 5] = [64, 128, 256, 512, 512];
/// Added to a length before dividing by it.
const EPSILON: f64 = 1e-10;

/// A VGG-16 and the weights of its channels.
#[derive(Debug)]
pub struct Lpips {
    network: Vgg16,
    /// By layer, not negative.
    heads: Vec<Vec<f64>>,
}

impl Lpips {
    /// The same construction without training: the random VGG-16 of [`Vgg16::random`], all channels weighted alike; and
    /// the network's hash.
    pub fn random(device: &Device) -> Result<(Self, String)> {
        let network = Vgg16::random(LAYERS, device);
        let hash = network.hash()?;
        let heads = CHANNELS.map(|channels| vec![1.0; channels]).to_vec();
        Ok((Self { network, heads }, hash))
    }

    /// LPIPS with the VGG-16 in the file `network`, which uses torchvision's names, and the channel weights in the file
    /// `heads`, which uses the package's (`lin0.model.1.weight` and so on); and a hash of both.
    ///
    /// # Errors
    /// Fails as [`Weights`] does, and for a channel weight that is negative: the distance would not be one.
    pub fn from_files(network: &Path, heads: &Path, device: &Device) -> Result<(Self, String)> {
        let (network, network_hash) = Vgg16::from_file(LAYERS, network, device)?;
        let mut weights = Weights::read(heads)?;
        let hash = sha256(format!("{network_hash}{}", weights.hash()));
        let heads = CHANNELS
            .iter()
            .enumerate()
            .map(|(layer, &channels)| {
                let name = format!("lin{layer}.model.1.weight");
                let head = weights.values(&name, &[1, channels, 1, 1])?;
                if !head.iter().all(|weight| *weight >= 0.0) {
                    return Err(refuse(
                        format!(
                            "tensor `{name}` of `{}` has a weight that is not positive or zero",
                            heads.display()
                        ),
                        "take the heads of LPIPS v0.1 for VGG",
                    ));
                }
                Ok(head.into_iter().map(f64::from).collect())
            })
            .collect::<Result<_>>()?;
        weights.finish(|_| false)?;
        Ok((Self { network, heads }, hash))
    }

    /// One vector an image, [n, 3, h, w] in [-1, 1] with h and w at least 16; the distance of two images is the squared
    /// distance of their vectors.
    pub fn embed(&self, images: Tensor<4>) -> Result<Vec<Vec<f64>>> {
        let mut embedded = vec![Vec::new(); images.dims()[0]];
        for (tap, head) in self.network.taps(images).into_iter().zip(&self.heads) {
            let [_, channels, height, width] = tap.dims();
            let places = height * width;
            let values = values(tap)?;
            let roots: Vec<f64> = head
                .iter()
                .map(|weight| (weight / places as f64).sqrt())
                .collect();
            let images = values.par_chunks_exact(channels * places);
            embedded
                .par_iter_mut()
                .zip(images)
                .for_each(|(embedded, maps)| {
                    let mut lengths = vec![0.0; places];
                    for map in maps.chunks_exact(places) {
                        for (length, &value) in lengths.iter_mut().zip(map) {
                            *length += f64::from(value).powi(2);
                        }
                    }
                    for length in &mut lengths {
                        *length = length.sqrt() + EPSILON;
                    }
                    for (map, root) in maps.chunks_exact(places).zip(&roots) {
                        let scaled = map.iter().zip(&lengths);
                        embedded.extend(
                            scaled.map(|(&value, length)| root * f64::from(value) / length),
                        );
                    }
                });
        }
        Ok(embedded)
    }
}
