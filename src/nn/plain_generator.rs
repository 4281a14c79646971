//! A generator in plain numbers, for other frameworks: transposed convolutions, normalised by running statistics.

use super::activation::Activation;
use super::conv::ConvTranspose2d;
use super::norm::BatchNorm;
use crate::device::values;
use crate::error::Result;

/// A generator: a latent vector, followed by a one-hot class where there are classes, to an image in [-1, 1].
#[derive(Clone, Debug)]
pub struct PlainGenerator {
    /// Length of a latent vector, without the class.
    pub latent: usize,
    /// How many classes; 0 for a generator that is told none.
    pub classes: usize,
    /// The layers, from the latent vector as one place of a map on.
    pub layers: Vec<PlainLayer>,
}

/// A transposed convolution without bias, what normalises it, and an activation.
#[derive(Clone, Debug)]
pub struct PlainLayer {
    /// [inputs, outputs, kernel, kernel].
    pub shape: [usize; 4],
    /// The weight, of that shape.
    pub weight: Vec<f32>,
    /// Step between places of the output that places of the input have.
    pub stride: usize,
    /// Places that are cut off on each side.
    pub padding: usize,
    /// Scale, shift, running mean and running variance, one number a channel each; none where nothing is normalised.
    pub norm: Option<[Vec<f32>; 4]>,
    /// After it.
    pub activation: Activation,
}

impl PlainLayer {
    /// The numbers of a layer.
    ///
    /// # Errors
    /// The device lost a tensor.
    pub fn of(
        layer: &ConvTranspose2d,
        norm: Option<&BatchNorm>,
        activation: Activation,
    ) -> Result<Self> {
        let [stride, padding] = layer.window();
        let norm = norm.map(|norm| -> Result<[Vec<f32>; 4]> {
            Ok([
                values(norm.gamma.val())?,
                values(norm.beta.val())?,
                values(norm.running_mean.val())?,
                values(norm.running_variance.val())?,
            ])
        });
        let weight = layer.effective_weight();
        Ok(Self {
            shape: weight.dims(),
            weight: values(weight)?,
            stride,
            padding,
            norm: norm.transpose()?,
            activation,
        })
    }
}
