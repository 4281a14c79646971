//! A convolution, its batch norm and its ReLU as one layer, for inference.

use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};

use super::kernel;
use crate::error::Result;
use crate::nn::weights::Weights;

/// What a batch norm adds to a variance before it divides by its root.
const EPSILON: f64 = 1e-3;

/// How a window goes over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Place by place, and beyond the border, so that the image keeps its size.
    Same,
    /// Place by place inside the image.
    Inside,
    /// Every second place inside the image.
    Halve,
}

impl Step {
    /// From one place to the next.
    pub(super) fn stride(self) -> usize {
        if self == Self::Halve { 2 } else { 1 }
    }

    /// Places beyond each border for a window of `length`.
    pub(super) fn padding(self, length: usize) -> usize {
        if self == Self::Same { length / 2 } else { 0 }
    }
}

/// relu(W * x + b), with a batch norm folded into W and b.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    /// [outputs, inputs, height, width]
    weight: Tensor<4>,
    /// `[outputs]`
    bias: Tensor<1>,
    step: Step,
}

impl Convolution {
    /// The convolution `name.conv` and the batch norm `name.bn` of `weights`; `shape` is that of the convolution's weight.
    ///
    /// Fails as [`Weights::values`] does.
    pub(super) fn take(
        weights: &mut Weights,
        name: &str,
        shape: [usize; 4],
        step: Step,
        device: &Device,
    ) -> Result<Self> {
        let outputs = shape[0];
        let mut weight = weights.values(&format!("{name}.conv.weight"), &shape)?;
        let mut norm = |part: &str| weights.values(&format!("{name}.bn.{part}"), &[outputs]);
        let (scale, shift) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let mut bias = Vec::with_capacity(outputs);
        for (channel, kernel) in weight
            .chunks_exact_mut(shape[1..].iter().product())
            .enumerate()
        {
            let deviation = (f64::from(variance[channel]) + EPSILON).sqrt();
            let factor = f64::from(scale[channel]) / deviation;
            for value in kernel {
                *value = (f64::from(*value) * factor) as f32;
            }
            bias.push((f64::from(shift[channel]) - f64::from(mean[channel]) * factor) as f32);
        }
        Ok(Self {
            weight: Tensor::from_data(TensorData::new(weight, shape), device),
            bias: Tensor::from_data(TensorData::new(bias, [outputs]), device),
            step,
        })
    }

    /// [n, inputs, h, w] -> [n, outputs, h', w'], all >= 0
    pub(super) fn forward(&self, maps: Tensor<4>) -> Tensor<4> {
        let (weight, bias) = (self.weight.clone(), self.bias.clone());
        let [_, _, height, width] = weight.dims();
        let stride = self.step.stride();
        let padding = [height, width].map(|length| self.step.padding(length));
        if kernel::applies(&maps) {
            return kernel::rectified_convolution(maps, weight, bias, stride, padding);
        }
        let options = ConvOptions::new([stride; 2], padding, [1, 1], 1);
        relu(conv2d(maps, weight, Some(bias), options))
    }
}
